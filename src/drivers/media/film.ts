/**
 * What a film is made of, and when each of it is seen and heard: pictures that are shown exactly as long as their sound.
 *
 *     const plan = filmPlan([{ images: 1, samples: 36_000 }], 25)      // { frames: 38, samples: 36_000, parts: [{ frames: [38], … }] }
 *     filmCommand(plan, size)                                          // what ffmpeg is told
 *
 * Invariants
 *   FI1. Sound is never stretched or cut: the film's has as many samples as its parts', and silence where a part is longer.
 *   FI2. A part begins and ends within half a frame of its sound, however many came before it: what is rounded is the place, not the length.
 *   FI3. The pictures of a part share its frames evenly; one that would have none is left out.
 */

/** Of all sound inside a film, Hz: twice what speech takes up. */
export const RATE = 24_000

export interface FilmSize {
  readonly width: number
  readonly height: number
  readonly fps: number
}

export interface PlannedPart {
  /** Frames of each picture. */
  readonly frames: readonly number[]
  readonly startMs: number
  readonly ms: number
}

export interface FilmPlan {
  readonly frames: number
  readonly samples: number
  readonly parts: readonly PlannedPart[]
}

/** @param parts how many pictures each has, and how long it is, in samples of `RATE` */
export function filmPlan(
  parts: readonly { readonly images: number; readonly samples: number }[],
  fps: number,
): FilmPlan {
  let samples = 0
  const planned = parts.map((part): PlannedPart => {
    const [from, start] = [samples, Math.round((samples * fps) / RATE)]
    samples += part.samples
    const end = Math.round((samples * fps) / RATE)
    const border = (i: number): number => start + Math.round((i * (end - start)) / part.images)
    return {
      frames: Array.from({ length: part.images }, (_, i) => border(i + 1) - border(i)),
      startMs: msOf(from),
      ms: msOf(samples) - msOf(from),
    }
  })
  return { frames: Math.round((samples * fps) / RATE), samples, parts: planned }
}

export function msOf(samples: number): number {
  return Math.round((samples * 1_000) / RATE)
}

/** How long a WAV file is: bytes a second stand in its head, and its samples behind the word `data`. */
export function wavMs(wav: Buffer): number {
  const from = wav.indexOf('data') + 8
  return Math.round(((wav.length - from) * 1_000) / wav.readUInt32LE(28))
}

/** Sounds one after another, each filled up with silence to the length of its part. 16 bits a sample. */
export function joinedSound(
  parts: readonly { readonly samples: number; readonly sound: Uint8Array | undefined }[],
): Buffer {
  const all = Buffer.alloc(2 * parts.reduce((sum, { samples }) => sum + samples, 0))
  let at = 0
  for (const { samples, sound } of parts) {
    if (sound !== undefined) all.set(sound.subarray(0, 2 * samples), at)
    at += 2 * samples
  }
  return all
}

/** For ffmpeg's concat demuxer. The last picture stands twice: it takes no length from the last line. */
export function filmList(shown: readonly { readonly file: string; readonly frames: number }[], fps: number): string {
  const seen = shown.filter(({ frames }) => frames > 0)
  const lines = seen.map(({ file, frames }) => `file ${file}\nduration ${(frames / fps).toFixed(6)}`)
  return ['ffconcat version 1.0', ...lines, `file ${seen.at(-1)?.file}`, ''].join('\n')
}

/** Subtitles as SubRip; undefined where no part has one. */
export function subtitlesOf(plan: FilmPlan, texts: readonly (string | undefined)[]): string | undefined {
  const shown = plan.parts.flatMap(({ startMs, ms }, i) => {
    const text = texts[i]?.replaceAll(/\s+/g, ' ').replaceAll('-->', '→').trim() ?? ''
    return text === '' ? [] : [{ startMs, ms, text }]
  })
  if (shown.length === 0) return undefined
  return shown
    .map(({ startMs, ms, text }, i) => `${i + 1}\n${stamp(startMs)} --> ${stamp(startMs + ms)}\n${text}\n`)
    .join('\n')
}

/** `01:02:03,004` */
function stamp(ms: number): string {
  const two = (value: number): string => String(Math.floor(value)).padStart(2, '0')
  const rest = String(ms % 1_000).padStart(3, '0')
  return `${two(ms / 3_600_000)}:${two((ms / 60_000) % 60)}:${two((ms / 1_000) % 60)},${rest}`
}

/** Files that one program reads and as many that it writes: inside the walls it may have 128 open. */
const FILES_MAX = 40

const ONE = ['-threads', '1']
const QUIET = ['ffmpeg', '-v', 'error', '-xerror', '-nostdin', '-y', '-filter_threads', '1']

/** Pictures of one kind, numbered from 0, as PNG of one size; what is missing at the sides is black. */
export function drawCommand(kind: string, { width, height }: Omit<FilmSize, 'fps'>): readonly string[] {
  const fit = `scale=${width}:${height}:force_original_aspect_ratio=decrease:flags=bicubic,pad=${width}:${height}:-1:-1:black,setsar=1,format=rgb24`
  const drawn = kind === 'svg' ? ['-width', `${width}`, '-height', `${height}`, '-keep_ar', '1'] : []
  const input = ['-f', 'image2', '-start_number', '0', ...drawn, '-i', `${kind}-%d.${kind}`]
  return [...QUIET, ...input, '-vf', fit, '-fps_mode', 'passthrough', '-start_number', '0', `${kind}-%d.drawn.png`]
}

/** Any sounds as samples, `<file>.pcm`; a program for as many of them as it may open files. */
export function soundCommands(
  sounds: readonly { readonly file: string; readonly kind: string }[],
): readonly (readonly string[])[] {
  return batches(sounds).map((batch) => [
    ...QUIET,
    ...batch.flatMap(({ file, kind }) => [...ONE, '-f', kind, '-i', file]),
    ...batch.flatMap(({ file }, i) => ['-map', `${i}:a:0`, '-ac', '1', '-ar', `${RATE}`, '-f', 's16le', `${file}.pcm`]),
  ])
}

/** `list.txt`, `sound.pcm` and `subtitles.srt` to `film.mp4`: H.264 and AAC, which every browser plays, and text subtitles. */
export function filmCommand(
  plan: FilmPlan,
  { fps }: FilmSize,
  { hasSubtitles, soundBits }: { readonly hasSubtitles: boolean; readonly soundBits: number },
): readonly string[] {
  return [
    QUIET,
    ['-f', 'concat', '-safe', '0', '-i', 'list.txt'],
    ['-f', 's16le', '-ar', `${RATE}`, '-ac', '1', '-i', 'sound.pcm'],
    hasSubtitles ? ['-f', 'srt', '-i', 'subtitles.srt'] : [],
    ['-map', '0:v', '-map', '1:a', ...(hasSubtitles ? ['-map', '2:s', '-c:s', 'mov_text'] : [])],
    ['-vf', `fps=${fps},trim=end_frame=${plan.frames},format=yuv420p`],
    ['-c:v', 'libx264', '-preset', 'veryfast', '-crf', '28', '-tune', 'stillimage', '-threads', '2'],
    // A picture that stands costs next to nothing but where it is sent anew: at each change, and once a minute.
    ['-g', `${60 * fps}`],
    ['-c:a', 'aac', '-b:a', `${soundBits}`, '-map_metadata', '-1', '-fflags', '+bitexact', '-flags', '+bitexact'],
    ['-movflags', '+faststart', '-f', 'mp4', 'film.mp4'],
  ].flat()
}

/** Frames of a film at their times, `makes`: as PPM, with its size in its head, or as PNG. */
export function stillCommands(
  kind: string,
  at: readonly number[],
  makes: readonly string[],
  width: number | undefined,
): readonly (readonly string[])[] {
  const fit = width === undefined ? [] : ['-vf', `scale=${width}:-2`]
  return batches(at.map((ms, i) => ({ ms, made: makes[i] as string }))).map((batch) => [
    ...QUIET,
    ...batch.flatMap(({ ms }) => [...ONE, '-ss', (ms / 1_000).toFixed(3), '-f', kind, '-i', 'film']),
    ...batch.flatMap(({ made }, i) => {
      const codec = made.endsWith('.png') ? 'png' : 'ppm'
      return ['-map', `${i}:v:0`, ...fit, '-frames:v', '1', ...ONE, '-f', 'image2', '-c:v', codec, made]
    }),
  ])
}

function batches<One>(all: readonly One[]): readonly (readonly One[])[] {
  return Array.from({ length: Math.ceil(all.length / FILES_MAX) }, (_, i) =>
    all.slice(i * FILES_MAX, (i + 1) * FILES_MAX),
  )
}

export function probeCommand(kind: string): readonly string[] {
  const asked = ['-show_format', '-show_streams', '-count_frames', '-of', 'json']
  return ['ffprobe', '-v', 'error', '-f', kind, ...asked, '-o', 'probe.json', 'media']
}
