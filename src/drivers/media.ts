/**
 * Media as tools: pictures, speech and films by the system's `ffmpeg` and `espeak-ng`, which are looked for when a tool is called.
 *
 *     const tools = mediaTools()
 *     // 'media.draw' { image, width, height }          an SVG, PNG or JPEG as PNG
 *     // 'media.speak' { text, voice }                  a sound of speech, and its length
 *     // 'media.film' { parts: [{ images, sound }] }    pictures, each as long as its sound, to one MP4
 *     // 'media.probe' { media }                        what ffprobe says of a film or a sound
 *     // 'media.stills' { film, at }                    frames as PNG
 *     // 'media.regions' { film, at, colours }          where the colours stand in its frames, measured
 *
 * An image is SVG as text, or base64 of PNG or JPEG; everything else that is not text is base64 both ways, so a program keeps it with
 * `sys.write(path, Buffer.from(sound, 'base64'))`. Input and output of a call stand in the journal and are bounded by `limits.valueBytesMax` of the
 * kernel: with its default, 1 MiB, slides of a little less than two minutes; `boot({ limits: { valueBytesMax } })` allows longer ones.
 *
 * Invariants
 *   MD1. What a model drew or sent is read behind the walls of the sandbox (media/walled.ts): it reaches no file and no network, whatever it refers to.
 *   MD2. A tool computes from its input alone: all of them read, and repeating them repeats nothing.
 *   MD3. The kind of a file is seen from its first bytes and told to ffmpeg, which guesses nothing.
 *
 * Errors
 *   CONFIG_INVALID     a program or the walls are missing; the message names the package
 *   INVALID_ARGUMENT   an image, sound or film is of no kind that is read
 *   TOOL_FAILED        what the program says is wrong with it
 *   LIMIT_EXCEEDED     more memory, time or room than one call may take
 */
import { z } from 'zod'
import { PolityError } from '../kernel/errors.ts'
import type { KeysOf } from '../kernel/known-keys.ts'
import { checkKeys } from '../kernel/known-keys.ts'
import { defineTool } from '../kernel/tools.ts'
import type { Json, Tool } from '../kernel/types.ts'
import * as film from './media/film.ts'
import { checkPictures, readPpm, regionsIn } from './media/regions.ts'
import { mediaSupport, type MediaProgram } from './media/support.ts'
import { walled } from './media/walled.ts'

export interface MediaOptions {
  /** Calls that compute at the same time; those beyond wait. Minimum 1. @default 2 */
  readonly atOnce?: number
  /** Of one call with its waiting, ms. @default 300,000 */
  readonly timeoutMs?: number
  /** Of the sound of a film (AAC), bits a second: enough for a voice; music wants four times as much. Minimum 8,000. @default 24,000 */
  readonly soundBits?: number
}

const TEXT_CHARS_MAX = 10_000
const PARTS_MAX = 500
const IMAGES_MAX = 5_000
/** A film that lasts longer takes more room than a call has. */
const FILM_MS_MAX = 1_800_000
const STILLS_MAX = 64
/** Speech of one voice in Opus, bits a second: it is clear from about half of it (RFC 6716, 2.1.1: 8 to 12 kbit/s narrowband, 16 to 20 wideband). */
const SPEECH_BITS = '24k'

/** The file in which the list of voices leaves the walls. */
const VARIANTS = 'variants.txt'

const side = z.number().int().min(16).max(1_920).multipleOf(2)
const image = z.string().min(1).describe('SVG as text, or base64 of PNG or JPEG')
const part = z.object({
  images: z.array(image).min(1).describe('Shown one after another, evenly'),
  sound: z.string().optional().describe('base64 of Ogg, WAV, FLAC or MP3'),
  ms: z.number().int().min(1).optional().describe('How long at least; default as long as the sound'),
  subtitle: z.string().max(500).optional(),
})
const filmInput = z.object({
  parts: z.array(part).min(1).max(PARTS_MAX),
  width: side.optional(),
  height: side.optional(),
  fps: z.number().int().min(1).max(60).optional(),
})
const times = z.array(z.number().min(0)).min(1).max(STILLS_MAX).describe('ms from the beginning')
const colour = z.string().regex(/^#[0-9a-f]{6}$/, 'a colour as #rrggbb, small letters')

const optionKeys: KeysOf<MediaOptions> = { atOnce: true, timeoutMs: true, soundBits: true }

/** Throws `CONFIG_INVALID` where the options make no sense. */
export function mediaTools(options: MediaOptions = {}): readonly Tool[] {
  checkKeys('mediaTools', options, optionKeys)
  const { atOnce = 2, timeoutMs = 300_000, soundBits = 24_000 } = options
  for (const [name, value, least] of [
    ['atOnce', atOnce, 1],
    ['timeoutMs', timeoutMs, 1],
    ['soundBits', soundBits, 8_000],
  ] as const)
    if (!Number.isSafeInteger(value) || value < least)
      throw new PolityError('CONFIG_INVALID', `mediaTools: ${name} takes a whole number from ${least}, not ${value}`)
  const inTurn = turns(atOnce)
  const work: typeof walled = (what, signal) => inTurn(signal, () => walled(what, signal)).catch(sizeless)

  /** What espeak-ng lists of the voices that follow a `+`, once it was asked. */
  let variants: string | undefined

  async function listed(signal: AbortSignal): Promise<string> {
    const commands = [['bash', '-c', `espeak-ng --voices=variant > ${VARIANTS}`]]
    const made = await work({ files: {}, commands, makes: [VARIANTS] }, signal)
    return (made[VARIANTS] as Buffer).toString('utf8')
  }

  /** What a call does, where its programs are there. */
  function toolOf<Shape extends z.ZodType>(
    name: string,
    needs: MediaProgram | readonly MediaProgram[],
    description: string,
    inputSchema: Shape,
    execute: (input: z.infer<Shape>, signal: AbortSignal) => Promise<Json>,
  ): Tool {
    return defineTool({
      name,
      description,
      inputSchema,
      effect: 'read',
      timeoutMs,
      async execute(input, { signal }) {
        const missing = (await mediaSupport()).find((one) => [needs].flat().includes(one.program) && !one.isAvailable)
        if (missing !== undefined) throw new PolityError('CONFIG_INVALID', `${name}: ${missing.reason}`)
        return execute(input as z.infer<Shape>, signal)
      },
    }) as Tool
  }

  return [
    toolOf(
      'media.draw',
      'ffmpeg',
      'Draws an SVG, or scales a picture, and gives a PNG as base64.',
      z.object({ image, width: side.optional(), height: side.optional() }),
      async ({ image: given, width = 1_280, height = 720 }, signal) => {
        const { kind, bytes } = imageOf(given)
        const name = `${kind}-0.drawn.png`
        const commands = [film.drawCommand(kind, { width, height })]
        const made = await work({ files: { [`${kind}-0.${kind}`]: bytes }, commands, makes: [name] }, signal)
        return { image: base64(made[name]), mediaType: 'image/png', width, height }
      },
    ),
    toolOf(
      'media.speak',
      ['ffmpeg', 'espeak-ng'],
      'Speaks a text: a sound as base64 (Ogg with Opus) and its length in ms.',
      z.object({
        text: z.string().min(1).max(TEXT_CHARS_MAX),
        voice: z
          .string()
          .regex(/^[a-z]{2,3}(-[a-z0-9]+)*(\+[a-zA-Z0-9]+)?$/, 'a language such as en or de, or with a variant: en+f3')
          .optional(),
        wordsPerMinute: z.number().int().min(80).max(450).optional(),
        pitch: z.number().int().min(0).max(99).optional(),
      }),
      async ({ text, voice = 'en', wordsPerMinute = 160, pitch = 50 }, signal) => {
        if (!/[\p{L}\p{N}]/u.test(text))
          throw new PolityError(
            'INVALID_ARGUMENT',
            'media.speak: the text has no letter and no number; give words to speak',
          )
        const [, variant] = voice.split('+')
        if (variant !== undefined) checkVariant(variant, (variants ??= await listed(signal)))
        const speak = ['espeak-ng', '-b', '1', '-v', voice, '-s', `${wordsPerMinute}`, '-p', `${pitch}`]
        const commands = [
          [...speak, '-w', 'speech.wav', '-f', 'text.txt'],
          [
            'ffmpeg',
            '-v',
            'error',
            '-nostdin',
            '-f',
            'wav',
            '-i',
            'speech.wav',
            '-c:a',
            'libopus',
            '-b:a',
            SPEECH_BITS,
          ].concat(['-ac', '1', '-application', 'voip', '-fflags', '+bitexact', '-f', 'ogg', 'speech.ogg']),
        ]
        const makes = ['speech.ogg', 'speech.wav']
        const made = await work({ files: { 'text.txt': text }, commands, makes }, signal)
        const ms = film.wavMs(made['speech.wav'] as Buffer)
        return { sound: base64(made['speech.ogg']), mediaType: 'audio/ogg', ms }
      },
    ),
    toolOf(
      'media.film',
      'ffmpeg',
      'Makes a film (MP4 as base64) of parts: pictures, each part exactly as long as its sound, with subtitles.',
      filmInput,
      (input, signal) => filmed(input, soundBits, work, signal),
    ),
    toolOf(
      'media.probe',
      'ffmpeg',
      'What a film or a sound is: its length in ms and its streams.',
      z.object({ media: z.string().min(1) }),
      async ({ media }, signal) => {
        const { kind, bytes } = mediaOf(media)
        const commands = [film.probeCommand(kind)]
        const made = await work({ files: { media: bytes }, commands, makes: ['probe.json'] }, signal)
        return probed(JSON.parse((made['probe.json'] as Buffer).toString('utf8')) as Probe)
      },
    ),
    toolOf(
      'media.stills',
      'ffmpeg',
      'Frames of a film as PNG, base64.',
      z.object({ film: z.string().min(1), at: times, width: side.optional() }),
      async ({ film: given, at, width }, signal) => {
        const frames = await stills(given, at, 'png', width, work, signal)
        return { images: frames.map((frame) => base64(frame)), mediaType: 'image/png' }
      },
    ),
    toolOf(
      'media.regions',
      'ffmpeg',
      'Where some colours stand in frames of a film: connected regions with their boxes, as parts of the frame.',
      z.object({
        film: z.string().min(1),
        at: times,
        colours: z.array(colour).min(1).max(32),
        tolerance: z.number().min(1).max(255).optional(),
        shareMin: z.number().min(0).max(1).optional(),
      }),
      async ({ film: given, at, colours, tolerance = 60, shareMin = 0.001 }, signal) => {
        const pictures = (await stills(given, at, 'ppm', undefined, work, signal)).map(readPpm)
        checkPictures(pictures)
        const frames: { at: number; regions: Json }[] = []
        for (const [i, picture] of pictures.entries()) {
          const regions = await regionsIn(picture, colours, { tolerance, shareMin }, signal)
          frames.push({ at: at[i] as number, regions: regions as unknown as Json })
        }
        return { frames }
      },
    ),
  ]
}

/** espeak-ng speaks on without a variant that it does not know. A number is one of a man, from 11 one of a woman: its own numbering. */
function checkVariant(variant: string, listed: string): void {
  const known = [...listed.matchAll(/!v\/(\S+)/g)].map(([, name]) => name as string)
  const number = /^\d+$/.test(variant) ? Number(variant) : undefined
  const name = number === undefined ? variant : number < 10 ? `m${number}` : `f${number - 10}`
  if (known.includes(name)) return
  const some = known.filter((one) => /^[fm]\d$/.test(one)).toSorted()
  throw new PolityError(
    'INVALID_ARGUMENT',
    `media.speak: espeak-ng has no variant "${variant}"; there is ${some.join(', ')} and what \`espeak-ng --voices=variant\` lists`,
  )
}

/** What librsvg says of an SVG without a size, in words. */
function sizeless(error: unknown): never {
  if (PolityError.isInstance(error) && /Picture size \d+x\d+ is invalid/.test(error.message))
    throw new PolityError('INVALID_ARGUMENT', 'media: an SVG has no size; give it width and height, or a viewBox')
  throw error
}

// -------------------------------------------------------------------------------------------------------------- film

async function filmed(
  { parts, width = 1_280, height = 720, fps = 25 }: z.infer<typeof filmInput>,
  soundBits: number,
  work: typeof walled,
  signal: AbortSignal,
): Promise<Json> {
  const without = parts.findIndex(({ sound, ms }) => sound === undefined && ms === undefined)
  if (without >= 0)
    throw new PolityError(
      'INVALID_ARGUMENT',
      `media.film: part ${without} has neither a sound nor ms; give one of them`,
    )
  const count = parts.reduce((sum, { images }) => sum + images.length, 0)
  if (count > IMAGES_MAX)
    throw new PolityError('INVALID_ARGUMENT', `media.film: ${count} images; a film takes ${IMAGES_MAX}`)

  const sounds = parts.flatMap(({ sound }, i) => {
    if (sound === undefined) return []
    const { kind, bytes } = soundOf(sound)
    return [{ kind, bytes, file: `sound-${i}` }]
  })
  const heard =
    sounds.length === 0
      ? {}
      : await work(
          {
            files: Object.fromEntries(sounds.map(({ file, bytes }) => [file, bytes])),
            commands: film.soundCommands(sounds),
            makes: sounds.map(({ file }) => `${file}.pcm`),
          },
          signal,
        )
  const lengths = parts.map(({ ms = 0 }, i) => {
    const sound = heard[`sound-${i}.pcm`]
    return { sound, samples: Math.max((sound?.length ?? 0) / 2, Math.round((ms * film.RATE) / 1_000)) }
  })
  const size = { width, height, fps }
  const plan = film.filmPlan(
    lengths.map(({ samples }, i) => ({ samples, images: (parts[i] as z.infer<typeof part>).images.length })),
    fps,
  )
  const lasts = film.msOf(plan.samples)
  if (lasts > FILM_MS_MAX || plan.frames === 0)
    throw new PolityError(
      'INVALID_ARGUMENT',
      `media.film: it would last ${lasts} ms; from a frame to ${FILM_MS_MAX} ms are made`,
    )

  const files: { [name: string]: string | Uint8Array } = {}
  const numbers = new Map<string, number>()
  const shown = parts.flatMap(({ images }, i) =>
    images.map((given, k) => {
      const { kind, bytes } = imageOf(given)
      const number = numbers.get(kind) ?? 0
      numbers.set(kind, number + 1)
      files[`${kind}-${number}.${kind}`] = bytes
      return { file: `${kind}-${number}.drawn.png`, frames: plan.parts[i]?.frames[k] as number }
    }),
  )
  const subtitles = film.subtitlesOf(
    plan,
    parts.map(({ subtitle }) => subtitle),
  )
  files['list.txt'] = film.filmList(shown, fps)
  files['sound.pcm'] = film.joinedSound(lengths)
  if (subtitles !== undefined) files['subtitles.srt'] = subtitles
  const commands = [
    ...[...numbers.keys()].map((kind) => film.drawCommand(kind, size)),
    film.filmCommand(plan, size, { hasSubtitles: subtitles !== undefined, soundBits }),
  ]
  const made = await work({ files, commands, makes: ['film.mp4'] }, signal)
  return {
    film: base64(made['film.mp4']),
    mediaType: 'video/mp4',
    ms: lasts,
    frames: plan.frames,
    parts: plan.parts.map(({ startMs, ms, frames }) => ({ startMs, ms, frames: frames.reduce((a, b) => a + b, 0) })),
  }
}

async function stills(
  given: string,
  at: readonly number[],
  form: 'png' | 'ppm',
  width: number | undefined,
  work: typeof walled,
  signal: AbortSignal,
): Promise<readonly Buffer[]> {
  const { kind, bytes } = filmOf(given)
  const makes = at.map((_, i) => `still-${i}.${form}`)
  const commands = film.stillCommands(kind, at, makes, width)
  const made = await work({ files: { film: bytes }, commands, makes }, signal)
  return makes.map((name) => made[name] as Buffer)
}

// ------------------------------------------------------------------------------------------------------------- probe

interface Probe {
  readonly format: { readonly format_name: string; readonly duration?: string }
  readonly streams: readonly { readonly [field: string]: string | number | undefined }[]
}

function probed({ format, streams }: Probe): Json {
  const ms = (seconds: unknown): number | null => (Number(seconds) >= 0 ? Math.round(Number(seconds) * 1_000) : null)
  return {
    format: format.format_name,
    ms: ms(format.duration),
    streams: streams.map(({ codec_type: kind = '', codec_name: codec = '', duration, nb_read_frames, ...own }) => ({
      kind,
      codec,
      ms: ms(duration),
      frames: Number(nb_read_frames ?? 0),
      ...(kind === 'video' ? { width: own['width'] ?? null, height: own['height'] ?? null } : {}),
      ...(kind === 'audio' ? { rate: Number(own['sample_rate']), channels: own['channels'] ?? null } : {}),
    })),
  }
}

// ------------------------------------------------------------------------------------------------------------- kinds

interface Kind {
  /** As ffmpeg calls it. */
  readonly kind: string
  readonly begins: RegExp
}

const images: readonly Kind[] = [
  { kind: 'png', begins: /^\x89PNG\r\n/ },
  { kind: 'jpg', begins: /^\xff\xd8\xff/ },
]
const sounds: readonly Kind[] = [
  { kind: 'ogg', begins: /^OggS/ },
  { kind: 'wav', begins: /^RIFF[^]{4}WAVE/ },
  { kind: 'flac', begins: /^fLaC/ },
  { kind: 'mp3', begins: /^(ID3|\xff[\xe2-\xff])/ },
]
const films: readonly Kind[] = [
  { kind: 'mov', begins: /^[^]{4}ftyp/ },
  { kind: 'matroska', begins: /^.E\xdf\xa3/s },
]

type Given = { readonly kind: string; readonly bytes: string | Uint8Array }

const soundOf = (given: string): Given => kindOf(given, sounds, 'a sound is base64 of Ogg, WAV, FLAC or MP3')
const filmOf = (given: string): Given => kindOf(given, films, 'a film is base64 of MP4 or WebM')
const mediaOf = (given: string): Given =>
  kindOf(given, [...films, ...sounds], 'media are base64 of MP4, WebM, Ogg, WAV, FLAC or MP3')

function imageOf(given: string): Given {
  if (/^[\s\ufeff]*</.test(given)) return { kind: 'svg', bytes: given }
  return kindOf(given, images, 'an image is SVG as text, or base64 of PNG or JPEG')
}

function kindOf(given: string, kinds: readonly Kind[], expected: string): Given {
  const bytes = Buffer.from(given, 'base64')
  const head = bytes.toString('latin1', 0, 16)
  const found = kinds.find(({ begins }) => begins.test(head))
  if (found === undefined)
    throw new PolityError(
      'INVALID_ARGUMENT',
      `media: ${expected}; this begins with ${JSON.stringify(given.slice(0, 24))}`,
    )
  return { kind: found.kind, bytes }
}

function base64(bytes: Buffer | undefined): string {
  return (bytes as Buffer).toString('base64')
}

// ------------------------------------------------------------------------------------------------------------- turns

/** Work of which only so much is under way at once, first come, first served. */
function turns(max: number) {
  const queue: (() => void)[] = []
  let open = 0
  return async <Value>(signal: AbortSignal, run: () => Promise<Value>): Promise<Value> => {
    if (open >= max) await new Promise<void>((resolve) => queue.push(resolve))
    else open++
    try {
      signal.throwIfAborted()
      return await run()
    } finally {
      const next = queue.shift()
      if (next === undefined) open--
      else next()
    }
  }
}
