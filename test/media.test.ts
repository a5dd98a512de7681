/**
 * Media as tools: real pictures, sounds and films, made by ffmpeg and espeak-ng behind the walls of the sandbox and probed again. Where the programs or the
 * walls are missing, what needs them is left out and says so.
 */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { heardIn, say, type Heard } from '../src/agents/speech.ts'
import { scripted } from '../src/drivers/llm/scripted.ts'
import { mediaTools } from '../src/drivers/media.ts'
import { filmPlan, msOf, RATE, subtitlesOf } from '../src/drivers/media/film.ts'
import { checkPictures, regionsIn } from '../src/drivers/media/regions.ts'
import { mediaSupport } from '../src/drivers/media/support.ts'
import { walled } from '../src/drivers/media/walled.ts'
import { boot, defineProgram, PolityError, type Json } from '../src/index.ts'

const missing = (await mediaSupport()).find(({ isAvailable }) => !isAvailable)
/** Why nothing is drawn and spoken here; false where it is. */
const lack = missing === undefined ? false : missing.reason

const isLong = process.env['POLITY_LONG'] === '1'

const tools = mediaTools()
/** Calls a tool as the kernel would, without one. */
async function call<Output>(name: string, input: Json, signal = new AbortController().signal): Promise<Output> {
  const tool = tools.find((one) => one.name === name)
  assert.ok(tool)
  const checked = await tool.inputSchema['~standard'].validate(input)
  if (checked.issues !== undefined) throw new PolityError('INVALID_ARGUMENT', checked.issues[0]?.message ?? '')
  return (await tool.execute(checked.value, { signal } as never)) as Output
}

interface Film {
  readonly film: string
  readonly ms: number
  readonly frames: number
  readonly parts: readonly { readonly startMs: number; readonly ms: number; readonly frames: number }[]
}
interface Probed {
  readonly format: string
  readonly ms: number
  readonly streams: readonly {
    readonly kind: string
    readonly codec: string
    readonly ms: number
    readonly frames: number
  }[]
}
interface Seen {
  readonly frames: readonly {
    readonly regions: readonly { readonly colour: string; readonly box: readonly number[]; readonly fill: number }[]
  }[]
}

const svg = (inside: string, back = '#ffffff'): string =>
  `<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" width="320" height="180" viewBox="0 0 320 180"><rect width="320" height="180" fill="${back}"/>${inside}</svg>`
const small = { width: 320, height: 180, fps: 20 }
const [red, blue, green] = ['#d62828', '#1d4ed8', '#15803d']

describe('the plan of a film', () => {
  test('begins and ends every part within half a frame of its sound, however many came before', () => {
    fc.assert(
      fc.property(
        fc.array(fc.record({ images: fc.integer({ min: 1, max: 9 }), samples: fc.integer({ min: 1, max: 200_000 }) }), {
          minLength: 1,
          maxLength: 60,
        }),
        fc.integer({ min: 1, max: 60 }),
        (parts, fps) => {
          const plan = filmPlan(parts, fps)
          let [sound, frames] = [0, 0]
          for (const [i, { samples, images }] of parts.entries()) {
            const shown = plan.parts[i]?.frames ?? []
            assert.equal(shown.length, images)
            assert.ok(Math.max(...shown) - Math.min(...shown) <= 1 && Math.min(...shown) >= 0)
            sound += samples
            frames += shown.reduce((sum, one) => sum + one, 0)
            assert.ok(Math.abs(frames / fps - sound / RATE) <= 0.5 / fps + 1e-9)
            assert.ok(Math.abs((plan.parts[i]?.startMs ?? 0) + (plan.parts[i]?.ms ?? 0) - msOf(sound)) === 0)
          }
          assert.equal(plan.frames, frames)
          assert.equal(plan.samples, sound)
        },
      ),
    )
  })

  test('writes subtitles that no text can break out of', () => {
    const plan = filmPlan(
      [
        { images: 1, samples: 2 * RATE },
        { images: 1, samples: RATE },
      ],
      10,
    )
    const text = subtitlesOf(plan, ['one\n\n2\n00:00:00,000 --> 00:00:09,000\nforged', undefined])
    assert.equal(text, '1\n00:00:00,000 --> 00:00:02,000\none 2 00:00:00,000 → 00:00:09,000 forged\n')
    assert.equal(subtitlesOf(plan, [' ', undefined]), undefined)
  })
})

const looking = { tolerance: 60, shareMin: 0 }

/** A picture in which hardly a colour comes twice. */
function noise(width: number, height: number) {
  let x = 1
  const pixels = Uint8Array.from({ length: 3 * width * height }, () => (x = (Math.imul(x, 48_271) + 11) | 0) >>> 16)
  return { width, height, pixels }
}

test('a pixel has the nearest of the colours, the later of two, also where all are different', async () => {
  const colours = ['#404040', '#606060', '#606060', '#c02080']
  const picture = noise(256, 256)
  const wanted = colours.map(() => 0)
  for (let at = 0; at < picture.pixels.length; at += 3) {
    const near = colours.map((colour) =>
      [0, 1, 2].reduce(
        (sum, i) =>
          sum + ((picture.pixels[at + i] as number) - Number.parseInt(colour.slice(1 + 2 * i, 3 + 2 * i), 16)) ** 2,
        0,
      ),
    )
    const least = Math.min(...near)
    if (least <= 60 ** 2) (wanted[near.lastIndexOf(least)] as number)++
  }
  const found = await regionsIn(picture, colours, looking, new AbortController().signal)
  const areas = new Map<string, number>()
  for (const { colour, box, fill } of found)
    areas.set(colour, (areas.get(colour) ?? 0) + Math.round(fill * Math.round(box[2] * 256) * Math.round(box[3] * 256)))
  assert.deepEqual(
    [areas.get('#404040'), areas.get('#606060'), areas.get('#c02080')],
    [wanted[0], wanted[2], wanted[3]],
  )
  assert.equal(wanted[1], 0)
})

test('who looks for regions lets others have their turn, is stopped, and is told what is too much', async () => {
  const picture = noise(640, 400)
  let isOver = false
  let turns = 0
  const turn = (): void => {
    turns++
    if (!isOver) setImmediate(turn)
  }
  setImmediate(turn)
  await regionsIn(picture, [red, blue], looking, new AbortController().signal)
  isOver = true
  assert.ok(turns >= (2 * 640 * 400) / 65_536, `${turns} turns`)

  // In either half of the work.
  for (const after of [1, 6]) {
    const ends = new AbortController()
    let begun = 0
    const stopped = regionsIn(picture, [red, blue], looking, ends.signal)
    isOver = false
    const end = (): void => {
      if (++begun === after) ends.abort()
      if (!isOver) setImmediate(end)
    }
    setImmediate(end)
    await assert.rejects(stopped, { name: 'AbortError' })
    isOver = true
    assert.ok(begun <= after + 1, `it went on for ${begun - after} turns`)
  }

  const chequered = Uint8Array.from({ length: 3 * 400 * 400 }, (_, i) => {
    const at = Math.floor(i / 3)
    return (at + Math.floor(at / 400)) % 2 === 0 ? 0 : 255
  })
  const signal = new AbortController().signal
  await assert.rejects(regionsIn({ width: 400, height: 400, pixels: chequered }, ['#000000'], looking, signal), {
    code: 'LIMIT_EXCEEDED',
  })
  const large = { width: 3_840, height: 2_160, pixels: new Uint8Array() }
  checkPictures(Array.from({ length: 16 }, () => large))
  assert.throws(() => checkPictures(Array.from({ length: 17 }, () => large)), /ask for fewer times/)
})

test('regions are those that a plain way of joining neighbours finds, on any picture', async () => {
  const [width, height] = [9, 7]
  await fc.assert(
    fc.asyncProperty(fc.array(fc.integer({ min: -1, max: 1 }), { minLength: 63, maxLength: 63 }), async (kinds) => {
      const near = [
        [210, 40, 44],
        [30, 80, 210],
      ]
      const pixels = Uint8Array.from(kinds.flatMap((kind) => near[kind] ?? [255, 255, 255]))
      // By hand: every pixel takes the smallest number among its neighbours of its kind, until none changes.
      const labels = kinds.map((_, at) => at)
      for (let changed = true; changed;) {
        changed = false
        for (const [at, kind] of kinds.entries()) {
          const [x, y] = [at % width, Math.floor(at / width)]
          const sides = [x > 0 ? at - 1 : at, x < width - 1 ? at + 1 : at]
          const around = [...sides, y > 0 ? at - width : at, y < height - 1 ? at + width : at]
          const least = Math.min(...around.filter((one) => kinds[one] === kind).map((one) => labels[one] as number))
          if (least < (labels[at] as number)) [labels[at], changed] = [least, true]
        }
      }
      const expected = [...new Set(labels)].flatMap((label) => {
        const own = [...kinds.keys()].filter((at) => labels[at] === label)
        const colour = [red, blue][kinds[label] as number]
        if (colour === undefined) return []
        const [xs, ys] = [own.map((at) => at % width), own.map((at) => Math.floor(at / width))]
        const size = (all: readonly number[]): number => Math.max(...all) - Math.min(...all) + 1
        return `${colour} ${own.length} at ${Math.min(...xs)},${Math.min(...ys)} of ${size(xs)} by ${size(ys)}`
      })
      const found = await regionsIn({ width, height, pixels }, [red, blue], looking, new AbortController().signal)
      const said = found.map(({ colour, box: [x, y, w, h], share }) => {
        const [left, top, wide, high] = [x * width, y * height, w * width, h * height].map(Math.round)
        return `${colour} ${Math.round(share * width * height)} at ${left},${top} of ${wide} by ${high}`
      })
      assert.deepEqual(said.toSorted(), expected.toSorted())
    }),
  )
})

test(
  'where a program is missing, the tools name its package',
  { skip: lack === false && 'nothing is missing here' },
  async () => {
    await assert.rejects(call('media.draw', { image: svg('') }), /CONFIG_INVALID|install/)
  },
)

describe('media tools', { skip: lack }, () => {
  test('speak, film, probe and look: as long as its sounds, to a frame, with what was drawn in it', async () => {
    const [one, two] = await Promise.all([
      call<{ sound: string; ms: number }>('media.speak', { text: 'The ice is thick.' }),
      call<{ sound: string; ms: number }>('media.speak', { text: 'Ja.', voice: 'de+f2', pitch: 70 }),
    ])
    assert.ok(one.ms > two.ms && two.ms > 100)
    const film = await call<Film>('media.film', {
      ...small,
      parts: [
        {
          images: [svg(`<rect x="32" y="45" width="64" height="90" fill="${red}"/>`)],
          sound: one.sound,
          subtitle: 'The ice is thick.',
        },
        {
          images: [svg('', blue), svg(`<ellipse cx="240" cy="90" rx="40" ry="40" fill="${green}"/>`)],
          sound: two.sound,
          ms: 1_000,
        },
      ],
    })
    assert.equal(film.ms, one.ms + Math.max(two.ms, 1_000))
    const probed = await call<Probed>('media.probe', { media: film.film })
    const [video, audio, text] = probed.streams
    assert.deepEqual([video?.codec, audio?.codec, text?.codec], ['h264', 'aac', 'mov_text'])
    assert.equal(video?.frames, film.frames)
    for (const stream of [video, audio])
      assert.ok(Math.abs((stream?.ms ?? 0) - film.ms) <= 1_000 / small.fps, `${stream?.ms} of ${film.ms}`)

    const at = [0, one.ms - 100, one.ms + 100, film.ms - 100]
    const { frames } = await call<Seen>('media.regions', { film: film.film, at, colours: [red, blue, green] })
    const seen = frames.map(({ regions }) => regions.map(({ colour }) => colour).join())
    assert.deepEqual(seen, [red, red, blue, green])
    const [box = [], fill = 0] = [frames[0]?.regions[0]?.box, frames[0]?.regions[0]?.fill]
    for (const [i, wanted] of [0.1, 0.25, 0.2, 0.5].entries()) assert.ok(Math.abs((box[i] as number) - wanted) < 0.02)
    assert.ok(fill > 0.97)
    assert.ok(Math.abs((frames[3]?.regions[0]?.fill ?? 0) - Math.PI / 4) < 0.03)
  })

  test('an SVG reaches no file, whatever it refers to, and neither does what says that it is a picture', async () => {
    // A picture that is there: what is drawn itself, under the name that it has behind the walls.
    const own = svg(`<rect width="320" height="180" fill="${red}"/>`)
    const shown = `data:image/svg+xml;base64,${Buffer.from(own).toString('base64')}`
    const addresses = [
      'svg-1.svg',
      '/action/svg-1.svg',
      'file:///action/svg-1.svg',
      'file:///etc/hostname',
      'http://127.0.0.1/a.png',
    ]
    const parts = [shown, ...addresses].map((href) => ({
      images: [
        svg(
          `<image width="320" height="180" href="${href}"/><image width="320" height="180" xlink:href="${href}"/><use href="${href}#a"/>`,
        ),
        own,
      ],
      ms: 400,
    }))
    const film = await call<Film>('media.film', { ...small, parts })
    const at = film.parts.map(({ startMs }) => startMs)
    const { frames } = await call<Seen>('media.regions', { film: film.film, at, colours: [red, '#ffffff'] })
    // The first, which holds its picture, shows it; so the trial could fail.
    const seen = frames.map(({ regions }) => regions.map(({ colour }) => colour).join())
    assert.deepEqual(seen, [red, ...addresses.map(() => '#ffffff')])

    // An entity that would put the red one into this one; refused or left out, but not shown.
    const entity = `<?xml version="1.0"?><!DOCTYPE svg [<!ENTITY a SYSTEM "file:///action/svg-1.svg">]>${svg('&a;')}`
    const built = await call<Film>('media.film', { ...small, parts: [{ images: [entity, own], ms: 400 }] }).catch(
      (error: unknown) => void assert.equal((error as PolityError).code, 'TOOL_FAILED'),
    )
    if (built !== undefined) {
      const looked = await call<Seen>('media.regions', { film: built.film, at: [0], colours: [red, '#ffffff'] })
      assert.deepEqual(
        looked.frames[0]?.regions.map(({ colour }) => colour),
        ['#ffffff'],
      )
    }
    const list = Buffer.from('#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n').toString('base64')
    for (const image of [list, Buffer.from('ffconcat version 1.0\nfile /etc/passwd\n').toString('base64'), 'nothing'])
      await assert.rejects(call('media.draw', { image }), { code: 'INVALID_ARGUMENT' })
    await assert.rejects(call('media.probe', { media: list }), { code: 'INVALID_ARGUMENT' })
  })

  test('behind the walls there is the work and the fonts, and nothing of the machine', async () => {
    const look = [
      'bash',
      '-c',
      `{ ls /action; ls /home /root /work 2>/dev/null; cat /proc/net/dev; } > seen.txt; echo > /dev/tcp/127.0.0.1/80 2>> seen.txt || true`,
    ]
    const made = await walled(
      {
        files: { "it's.txt": 'a\n'.repeat(70_000), 'b.txt': '' },
        commands: [look],
        makes: ['seen.txt', "it's.txt", 'b.txt'],
      },
      new AbortController().signal,
    )
    assert.equal(made["it's.txt"]?.toString(), 'a\n'.repeat(70_000))
    assert.equal(made['b.txt']?.length, 0)
    const seen = made['seen.txt']?.toString() ?? ''
    assert.match(seen, /^b\.txt\nfonts\.conf\nit's\.txt\nseen\.txt\n/)
    assert.doesNotMatch(seen, /eth0|node_modules|package\.json/)
  })

  test('bad input has one sentence that says what to do, and a call that ends leaves nothing running', async () => {
    const wrong: readonly (readonly [name: string, input: Json, says: RegExp])[] = [
      ['media.film', { ...small, parts: [{ images: ['<svg', svg('')], ms: 200 }] }, /Error parsing svg/],
      ['media.film', { parts: [{ images: [svg('')] }] }, /part 0 has neither a sound nor ms; give one of them/],
      ['media.film', { parts: [{ images: [svg('')], ms: 9 }], fps: 1 }, /would last 9 ms; from a frame/],
      ['media.speak', { text: ' \n ' }, /no letter and no number; give words/],
      ['media.speak', { text: 'a', voice: 'zz' }, /voice does not exist/],
      ['media.speak', { text: 'a', voice: 'en+nosuch' }, /no variant "nosuch"; there is f1, .*--voices=variant/],
      ['media.speak', { text: 'a', voice: 'zz+nosuch' }, /no variant "nosuch"/],
      ['media.draw', { image: '<svg xmlns="http://www.w3.org/2000/svg"/>' }, /an SVG has no size; give it width and/],
      ['media.speak', { text: 'a', voice: '--path=/etc' }, /a language such as en or de/],
      ['media.draw', { image: '<svg' }, /media: \[librsvg\] Error parsing svg!$/],
      ['media.draw', { image: svg(''), width: 17 }, /multiple/i],
    ]
    await Promise.all(wrong.map(([name, input, says]) => assert.rejects(call(name, input), says)))
    assert.throws(() => mediaTools({ atOnce: 0 }), /atOnce takes a whole number from 1, not 0/)

    const ends = new AbortController()
    const started = performance.now()
    const sleeping = walled({ files: {}, commands: [['sleep', '60']], makes: [] }, ends.signal)
    setTimeout(() => ends.abort(), 200)
    await assert.rejects(sleeping, { code: 'TOOL_FAILED' })
    assert.ok(performance.now() - started < 20_000)
  })

  test(
    'the same input is the same film, byte for byte',
    { skip: !isLong && 'one of the long tests: POLITY_LONG=1' },
    async () => {
      const input = { ...small, parts: [{ images: [svg('<text x="20" y="90" font-size="40">Ä</text>')], ms: 300 }] }
      const [a, b] = [await call<Film>('media.film', input), await call<Film>('media.film', input)]
      assert.equal(a.film, b.film)
    },
  )

  test('a member of a team says something as a sound, and another plays it without sharing files with it', async () => {
    const kernel = await boot({ model: scripted([]) })
    try {
      const listener = defineProgram(
        'listener',
        async (sys) => {
          const other = await sys.receive()
          const heard = heardIn(await sys.receive()) as Heard
          const { ms, streams } = await sys.call<Probed>('media.probe', {
            media: await sys.read(heard.path, { encoding: 'base64' }),
          })
          return {
            isSpeech: heardIn(other) !== undefined,
            heard: heard as unknown as Json,
            ms,
            codec: streams[0]?.codec ?? '',
          }
        },
        { tools: mediaTools() },
      )
      const run = kernel.spawn(listener, null)
      const speaker = kernel.spawn(
        defineProgram(
          'speaker',
          async (sys) => {
            await sys.send(run.pid, 'a message without a sound')
            return (await say(sys, run.pid, 'The plan is ready.', { voice: 'en+f3' })) as unknown as Json
          },
          { tools: mediaTools() },
        ),
        null,
      )
      const [said, got] = [await speaker.result, await run.result] as unknown as [
        Heard,
        { isSpeech: boolean; heard: Heard; ms: number; codec: string },
      ]
      assert.equal(got.isSpeech, false)
      assert.equal(got.codec, 'opus')
      assert.equal(got.heard.transcript, 'The plan is ready.')
      assert.equal(got.heard.ms, said.ms)
      assert.ok(Math.abs(got.ms - said.ms) < 50)
      assert.match(got.heard.path, /^\/\d+\/speech\/x\w+\.ogg$/)
    } finally {
      await kernel.close()
    }
  })
})

test('.ci/run gets the programs that these tests use', () => {
  assert.match(readFileSync(new URL('../.ci/run', import.meta.url), 'utf8'), /ffmpeg espeak-ng/)
})
