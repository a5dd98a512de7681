/**
 * Programs that make media, with scripted teams (bench/experiments/planted-media.ts) and real files: every film is drawn, spoken, filmed and probed. Where
 * ffmpeg, espeak-ng or the walls are missing, what needs them is left out and says so; plans and their gates are tested without.
 */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import fc from 'fast-check'
import { z } from 'zod'
import { answering, type Says } from '../src/drivers/llm/answering.ts'
import {
  cast,
  crew,
  designers,
  lake,
  numbers,
  plantedLayout,
  sketch,
  speakers,
  spoilt,
  type CrewFault,
  type TalkFault,
} from '../bench/experiments/planted-media.ts'
import { genMac, type GenMacFilm, type GenMacInput } from '../src/agents/gen-mac.ts'
import { movieAgent, type Movie } from '../src/agents/movie-agent.ts'
import { editSimilarity } from '../src/agents/pieces/edit-similarity.ts'
import { corrected, experts, faultOfDesign } from '../src/agents/pieces/layout-design.ts'
import { directorStage, shotsOf } from '../src/agents/pieces/screenplay.ts'
import { sectionsOf, textUnder } from '../src/agents/pieces/sections.ts'
import { outlineStage, slideStages, type PlannedSlide } from '../src/agents/pieces/slide-stages.ts'
import { contentFault, drawSlide, functionOf, plainLayouts, slidesPage } from '../src/agents/pieces/slides.ts'
import { textWidth, wrapped } from '../src/agents/pieces/svg-text.ts'
import { ellipsized, firstWords, wordCount } from '../src/agents/pieces/word-limits.ts'
import { presentAgent, type Presented } from '../src/agents/present-agent.ts'
import { carryOutStages } from '../src/agents/staged.ts'
import { mediaTools } from '../src/drivers/media.ts'
import { mediaSupport } from '../src/drivers/media/support.ts'
import { boot, defineProgram, defineTool, PolityError, type Json, type Kernel, type Program } from '../src/index.ts'

const missing = (await mediaSupport()).find(({ isAvailable }) => !isAvailable)
/** Why no film is made here; false where it is. */
const lack = missing === undefined ? false : missing.reason
const isLong = process.env['POLITY_LONG'] === '1'
const long = lack === false ? !isLong && 'one of the long tests: POLITY_LONG=1' : lack

let kernel: Kernel
let says: Says = () => ''
let prompts: string[] = []
before(async () => {
  const model = answering((prompt) => (prompts.push(prompt), says(prompt)))
  kernel = await boot({ model })
})
after(() => kernel.close())

interface Probed {
  readonly ms: number
  readonly streams: readonly {
    readonly kind: string
    readonly ms: number
    readonly frames: number
    readonly width?: number
  }[]
}

/** Runs a program with the tools, and gives its output, what it wrote, and what ffprobe says of that. */
async function run<Output>(
  program: Program<never, Output>,
  input: unknown,
  script: Says,
): Promise<{ output: Output; files: { [path: string]: Probed } }> {
  says = script
  prompts = []
  const holder = defineProgram<Json, Json>(
    `${program.name}-test`,
    async (sys, given) => {
      const output = await sys.wait<Json>(await sys.spawn(program as never, given as never))
      const files: { [path: string]: Json } = {}
      for (const { path } of await sys.list())
        files[path] = /\.(mp4|ogg)$/.test(path)
          ? await sys.call('media.probe', { media: await sys.read(path, { encoding: 'base64' }) })
          : { text: await sys.read(path) }
      return { output, files }
    },
    { tools: mediaTools() },
  )
  return (await kernel.spawn(holder, input as Json).result) as unknown as {
    output: Output
    files: { [path: string]: Probed }
  }
}

/** A film is as long as is said, to a frame, with a picture and a sound. */
function assertFilm({ ms, streams }: Probed, wantedMs: number, fps: number): void {
  const [video, audio] = ['video', 'audio'].map((kind) => streams.find((one) => one.kind === kind))
  assert.ok(Math.abs(ms - wantedMs) <= 1_000 / fps, `${ms} ms of ${wantedMs}`)
  assert.equal(video?.frames, Math.round((wantedMs * fps) / 1_000))
  assert.ok(Math.abs((audio?.ms ?? 0) - wantedMs) <= 1_000 / fps)
}

const small = { width: 320, height: 180, fps: 20 }

// ------------------------------------------------------------------------------------------------------------- slides

describe('slides', () => {
  const letters = fc.string({
    unit: fc.constantFrom('W', 'm', 'i', ' ', 'é', '字', '<', '&', '"'),
    minLength: 1,
    maxLength: 140,
  })

  test('what fits its layout by its counts stands within its boxes, whatever its letters', () => {
    for (const layout of plainLayouts)
      fc.assert(
        fc.property(fc.array(letters, { minLength: 8, maxLength: 8 }), (texts) => {
          const content = Object.fromEntries(
            Object.entries(layout.elements).map(([name, { type, charsMax, itemsMax }]) => [
              name,
              texts
                .slice(0, itemsMax)
                .map((text) => (type === 'image' ? 'Ice' : [...`x${text}`].slice(0, charsMax).join(''))),
            ]),
          )
          assert.equal(contentFault(layout, content, ['Ice']), undefined)
          const svg = drawSlide(layout, content, { number: 1, count: 2, pictures: [{ caption: 'Ice', image: sketch }] })
          for (const [, size, anchor, inside = ''] of svg.matchAll(
            /<g [^>]*font-size="(\d+)"[^>]*text-anchor="(\w+)"[^>]*>(.*?)<\/g>/g,
          )) {
            assert.ok(Number(size) >= 12, `letters of ${size} pixels in "${layout.name}"`)
            for (const [, x, y, text = ''] of inside.matchAll(/<text x="([\d.]+)" y="([\d.]+)">(.*?)<\/text>/g)) {
              const plain = text.replaceAll('&lt;', '<').replaceAll('&quot;', '"').replaceAll('&amp;', '&')
              const width = textWidth(plain, Number(size))
              const right = Number(x) + (anchor === 'middle' ? width / 2 : width)
              assert.ok(right <= 1_280 && Number(y) <= 700, `"${plain}" ends at ${right}, ${y}`)
            }
          }
          assert.doesNotMatch(svg.replaceAll(/<\/?(svg|rect|g|text|circle|image)\b/g, ''), /</)
        }),
        { numRuns: 25 },
      )
  })

  test('lines keep all words, in their order, and none is wider than is allowed', () => {
    fc.assert(
      fc.property(letters, fc.integer({ min: 60, max: 400 }), (text, width) => {
        const lines = wrapped(text, width, 30)
        assert.equal(lines.join('').replaceAll(' ', ''), text.replaceAll(/\s/g, ''))
        assert.ok(lines.every((line) => textWidth(line, 30) <= width))
      }),
    )
  })

  test('a content is refused for each of its faults, in words', () => {
    const layout = plainLayouts.find(({ name }) => name === 'picture and bullets')
    assert.ok(layout)
    const right = { title: ['A'], bullets: ['a', 'b'], picture: ['Ice'], caption: ['Ice'] }
    assert.equal(contentFault(layout, right, ['Ice']), undefined)
    assert.match(contentFault(layout, { ...right, footer: ['x'] }, ['Ice']) ?? '', /no element "footer"/)
    assert.match(contentFault(layout, { ...right, bullets: [...'abcde'] }, ['Ice']) ?? '', /takes 1 to 4 items, not 5/)
    assert.match(
      contentFault(layout, { ...right, title: ['x'.repeat(71)] }, ['Ice']) ?? '',
      /71 characters; "title" takes 70/,
    )
    assert.match(contentFault(layout, { ...right, picture: ['Fire'] }, ['Ice']) ?? '', /no picture "Fire"/)
    assert.match(contentFault(layout, { ...right, caption: [] }, ['Ice']) ?? '', /takes 1 item, not 0/)
  })

  test('nothing that was written is markup in the page', () => {
    const page = slidesPage('</title><script>a', [
      { svg: '<svg onload="a"/>', notes: '<img onerror=a>', sound: 'T2dn' },
    ])
    assert.doesNotMatch(page, /<script|<img onerror|onload/)
    assert.match(page, /default-src 'none'/)
  })

  test('a document is known by its headings', () => {
    const { title, sections } = sectionsOf(lake)
    assert.equal(title, 'The lake and its ice')
    assert.deepEqual(
      sections.map(({ name, parts }) => [name, ...parts.map((part) => part.name)]),
      [
        ['Why lakes freeze from above', 'The turning of the water'],
        ['How thick ice has to be', 'White ice'],
        ['What lives below'],
      ],
    )
    assert.deepEqual(
      sectionsOf('# A\n```\n# not one\n```\n# B').sections.map(({ name }) => name),
      ['A', 'B'],
    )
    assert.equal(editSimilarity('kitten', 'sitting'), 1 - 3 / 7)
  })

  test('a heading is also a line over === or ---, none stands in a fence of the other sign, and those that repeat have numbers', () => {
    const written =
      '---|title: not one|---|Lakes|=====||Depth|---|By rope.|~~~|```|# not one|~~~|## Depth|By sound.||- not one|---||A line|of two|---|## Depth (2)|c'.split(
        '|',
      )
    const { title, sections, document } = sectionsOf(written.join('\n'))
    assert.equal(title, 'Lakes')
    assert.deepEqual(
      sections.map(({ name, heading }) => [name, heading]),
      [
        ['Depth', 'Depth'],
        ['Depth (3)', 'Depth'],
        ['Depth (2)', 'Depth (2)'],
      ],
    )
    assert.deepEqual(document.split('\n'), written.with(13, '## Depth (3)'))
    assert.equal(
      textUnder(sections, { 'Depth (3)': [] }),
      '## Depth\n\nBy sound.\n\n- not one\n---\n\nA line\nof two\n---',
    )
  })

  test('words are counted in every script, and so many of them are what begins a text', () => {
    assert.equal(wordCount('The ice – 3.5 cm – isn’t thick-ish.'), 8)
    assert.equal(wordCount('氷は厚いです。Yes, 「湖」'), 6)
    assert.equal(firstWords('氷は「厚い」です。', 3), '氷は「厚い」')
    assert.equal(ellipsized('The ice is thick.', 10), 'The ice…')
    assert.equal(ellipsized('湖 氷は厚いです。', 7), '湖 氷は厚い…')
    assert.equal(ellipsized('湖 氷', 3), '湖 氷')
    fc.assert(
      fc.property(
        fc.array(fc.constantFrom('湖', 'の', ' ', '氷', '。', '「', 'ice', 'น้ำ'), { maxLength: 60 }),
        (all) => {
          const text = all.join('').trim()
          const first = firstWords(text, 5)
          assert.ok(text.startsWith(first))
          assert.equal(wordCount(first), Math.min(5, wordCount(text)))
        },
      ),
    )
  })
})

describe('PresentAgent', { skip: lack }, () => {
  const input = {
    document: lake,
    pictures: [{ caption: 'Ice above water', image: sketch }],
    film: small,
    voice: { wordsPerMinute: 400 },
  }

  test('makes a talk: as many slides as scripts and sounds, a film as long as the sounds, a page with all of it', async () => {
    // The short test has two slides, the long one those with a function too.
    const bare = {
      layouts: plainLayouts.filter((one) => functionOf(one) === undefined),
      document: lake.split('## What')[0],
      slides: [2, 2],
    }
    const { output, files } = await run<Presented>(
      presentAgent,
      isLong ? input : { ...input, ...bare },
      speakers('outline'),
    )
    const inner = ['picture and bullets', 'bullets']
    const layouts = output.slides.map(({ layout }) => layout)
    assert.deepEqual(layouts, isLong ? ['opening', 'table of contents', ...inner, 'bullets', 'ending'] : inner)
    assert.deepEqual(
      output.backs.map(({ from, to }) => [from, to]),
      [['outline', 'outline']],
    )
    assert.match(output.backs[0]?.why ?? '', /no section "The price of fish in autumn"/)
    // An outline twice, three calls for each of its slides, one for each with a function.
    assert.equal(prompts.length, isLong ? 2 + 3 * 3 + 3 : 2 + 3 * 2)
    assert.equal(Object.keys(files).filter((path) => path.endsWith('.ogg')).length, output.slides.length)
    for (const { speech, ms } of output.slides) assert.ok(Math.abs((files[speech]?.ms ?? 0) - ms) < 20)
    let at = 0
    for (const { startMs, ms, notes } of output.slides) {
      assert.ok(Math.abs(startMs - at) <= output.slides.length)
      at += ms
      assert.ok(notes.split(' ').length >= 30 && notes.split(' ').length <= 40)
    }
    assert.ok(Math.abs(at - output.ms) <= output.slides.length)
    assertFilm(files['presentation/video.mp4'] as Probed, output.ms, small.fps)
    const { text } = files['presentation/slides.html'] as unknown as { text: string }
    assert.equal(text.split('<figure>').length - 1, output.slides.length)
  })

  test('each gate sends back what is planted, so often and no oftener; then the slide is left out, or the run fails', async () => {
    for (const [fault, why] of [
      ['layout', /No layout "picture wall"/],
      ['content', /characters; "title" takes/],
      ['notes', /It has 2 words; 30 to 40/],
    ] as readonly (readonly [TalkFault, RegExp])[]) {
      const { output } = await run<Presented>(
        presentAgent,
        {
          ...input,
          document: lake.split('## How')[0],
          slides: [1, 3],
          layouts: plainLayouts.filter((one) => functionOf(one) === undefined),
        },
        speakers(fault, Infinity),
      )
      assert.equal(output.skipped.length, 1)
      assert.match(output.skipped[0]?.why ?? '', why)
      assert.equal(output.backs.length, 3)
      assert.equal(output.video, null)
    }
    const raised = run(presentAgent, { ...input, failed: 'raise' }, speakers('notes', Infinity))
    await assert.rejects(raised, /PROGRAM_FAILED|failed at notes: It has 2 words/)
    const { output } = await run<Presented>(presentAgent, input, speakers('picture', Infinity))
    assert.match(
      output.failed?.why ?? '',
      /There is no picture "A photograph of the harbour"; there is Ice above water/,
    )
    assert.equal(prompts.length, 4)
  })
})

describe('a talk without a model', () => {
  /** With a voice that speaks a word in 300 ms and stumbles over one of them, and a camera that only counts. */
  async function talked(document: string, more: object = {}): Promise<Presented> {
    const voice = defineTool({
      name: 'media.speak',
      description: 'Speaks.',
      inputSchema: z.object({ text: z.string().max(2_000) }),
      effect: 'read',
      async execute({ text }) {
        if (text.includes('shibboleth')) throw new PolityError('INVALID_ARGUMENT', 'nobody says that')
        return { sound: 'T2dn', mediaType: 'audio/ogg', ms: 300 * wordCount(text) }
      },
    })
    const camera = defineTool({
      name: 'media.film',
      description: 'Films.',
      inputSchema: z.object({ parts: z.array(z.unknown()) }),
      effect: 'read',
      execute: async ({ parts }) => ({
        film: 'AAAA',
        ms: 1,
        frames: 1,
        parts: parts.map((_, i) => ({ startMs: i, ms: 1, frames: 1 })),
      }),
    })
    const holder = defineProgram(
      'talked',
      async (sys) =>
        sys.wait<Json>(await sys.spawn(presentAgent as never, { document, planner: 'quotes', ...more } as never)),
      { tools: [voice, camera] },
    )
    return (await kernel.spawn(holder, null).result) as unknown as Presented
  }
  const section = (name: string, text = `All of ${name}.`): string => `## ${name}\n\n${text}\n`

  test('says no more words than it may in scripts that write none apart, and cuts a word that nobody can say', async () => {
    for (const text of [
      '湖水在冬天从上面开始结冰。'.repeat(40),
      '湖水在冬天从上面开始结冰'.repeat(80),
      '湖は冬に上から凍ります。'.repeat(40),
    ]) {
      const { slides, skipped } = await talked(`# 湖\n\n${section('冰', text)}\n${section('水', text)}`)
      assert.deepEqual([slides.length, skipped], [5, []])
      for (const { notes } of slides.slice(2, 4)) {
        assert.ok(wordCount(notes) >= 20 && wordCount(notes) <= 40, notes)
        assert.ok(notes.length < 130)
      }
    }
    const { slides } = await talked(section('Long', `Say ${'a'.repeat(40_000)} now.`))
    assert.equal(slides[2]?.notes, `Long. Say ${'a'.repeat(99)}… now.`)
  })

  test('leaves out a slide that cannot be spoken and sections without room, tells of them, and nobody is promised them', async () => {
    const named = ['One', 'Two', 'Three', 'Four', 'Five', 'Six', 'Seven', 'Eight', 'Nine']
    const document = `# Numbers\n\n${named.map((name) => section(name, name === 'Two' ? 'A shibboleth.' : undefined)).join('\n')}`
    const { slides, skipped } = await talked(document)
    const kept = ['One', 'Three', 'Four', 'Five', 'Six', 'Seven']
    assert.deepEqual(
      slides.map(({ purpose }) => purpose),
      ['opening', 'table of contents', ...kept, 'ending'],
    )
    assert.deepEqual(slides[0]?.content, { title: ['Numbers'], subtitle: [kept.join(' · ')] })
    assert.deepEqual(slides[1]?.content, { title: ['Contents'], sections: kept })
    assert.deepEqual(
      skipped.map(({ purpose, stage }) => [purpose, stage]),
      [
        ['Two', 'speech'],
        ['Eight', 'outline'],
        ['Nine', 'outline'],
      ],
    )
    assert.match(skipped[0]?.why ?? '', /nobody says that/)
    assert.match(skipped[1]?.why ?? '', /at most 7 slides of the document; `slides: \[least, most\]` allows more/)
    await assert.rejects(talked(document, { failed: 'raise' }), /"Two" failed at speech: nobody says that/)
    const none = await talked(section('Two', 'A shibboleth.'))
    assert.deepEqual([none.slides, none.video, none.skipped.length], [[], null, 1])
  })

  test('says what stands under a heading once, however many have its name', async () => {
    const { slides, skipped } = await talked(
      ['# Log', section('Day', 'It froze.'), section('Day', 'It thawed.\n\n### Evening\n\nRain.')].join('\n\n'),
    )
    assert.deepEqual(skipped, [])
    assert.deepEqual(
      slides.slice(2, 4).map(({ notes, content }) => [notes, content['title']]),
      [
        ['Day. It froze.', ['Day']],
        ['Day. It thawed. Rain.', ['Day']],
      ],
    )
    assert.deepEqual(slides[1]?.content['sections'], ['Day', 'Day'])
  })

  test('holds no word that is not the document’s, on slides that fit, for any document', async () => {
    const word = fc.constantFrom('ice', '**thick**', 'Lakes', 'freeze.', '[deep](x.md)', '3.5', 'Why?', '`code`', 'and')
    const text = fc.array(word, { minLength: 1, maxLength: 90 }).map((words) => words.join(' '))
    const written = fc.array(fc.tuple(text, fc.array(text, { maxLength: 2 })), { minLength: 2, maxLength: 9 })
    await fc.assert(
      fc.asyncProperty(written, async (all) => {
        const document = all
          .map(([body, parts], i) =>
            [`## Part ${i + 1}`, body, ...parts.flatMap((part) => ['### More', part])].join('\n\n'),
          )
          .join('\n\n')
        const terms = { slides: [3, 7], words: [30, 40], similarity: 0.5, planner: 'quotes' } as const
        const source = { ...sectionsOf(document), pictures: [], layouts: plainLayouts }
        const known = new Set(document.replaceAll(/[^\p{L}\p{N}.]+/gu, ' ').split(/[ .]+/))
        const ended = defineProgram('quoted', async (sys) => {
          const planned = await carryOutStages({ document, pictures: [] }, [outlineStage(sys, source, terms)])
          const { slides } = planned.documents['outline'] as unknown as { readonly slides: readonly PlannedSlide[] }
          assert.equal(slides.length, Math.min(7, all.length))
          for (const one of slides) {
            const given = { slide: { purpose: one.purpose, images: [] }, text: textUnder(source.sections, one.indexes) }
            const staged = await carryOutStages(given, slideStages(sys, one, source, terms))
            assert.equal(staged.failed, undefined)
            assert.deepEqual(staged.backs, [])
            const said = [
              staged.documents['notes'],
              ...Object.values(staged.documents['content'] as object).flat(),
            ].join(' ')
            const strange = said.split(/[^\p{L}\p{N}]+/u).filter((one) => one !== '' && !known.has(one))
            assert.deepEqual(strange, [])
          }
        })
        prompts = []
        await kernel.spawn(ended, null).result
        assert.equal(prompts.length, 0)
      }),
      { numRuns: 20 },
    )
  })

  test('is a film, and nobody is asked', { skip: long }, async () => {
    const { output, files } = await run<Presented>(
      presentAgent,
      { document: lake, planner: 'quotes', film: small },
      () => assert.fail('nobody is asked'),
    )
    assert.deepEqual(
      output.slides.map(({ layout }) => layout),
      ['opening', 'table of contents', 'bullets', 'bullets', 'bullets', 'ending'],
    )
    assert.deepEqual(output.skipped, [])
    assertFilm(files['presentation/video.mp4'] as Probed, output.ms, small.fps)
  })

  test('what no outline could meet is refused before anybody is asked', async () => {
    for (const [input, why] of [
      [{ document: 'no headings' }, /the document has no headings; give Markdown/],
      [{ document: lake, slides: [5, 3] }, /slides takes \[least, most\] from 1, not \[5, 3\]/],
      [{ document: lake, layouts: [] }, /present-agent: layouts: Too small: /],
      [{ document: lake, planner: 'quote' }, /present-agent: planner: .*expected one of "model"\|"quotes"; it takes/],
      [{ planner: 'quotes' }, /present-agent: document: .*expected string.*; it takes \{ document: 'Markdown'/],
      [null, /present-agent: Invalid input: expected object, received null; it takes/],
      [{ document: lake, slide: [1, 2] }, /present-agent: Unrecognized key: "slide"; it takes/],
    ] as const) {
      prompts = []
      await assert.rejects(kernel.spawn(presentAgent as never, input as never).result, why)
      assert.equal(prompts.length, 0)
    }
  })
})

// ------------------------------------------------------------------------------------------------------------- movie

describe('MovieAgent', () => {
  const bank = cast.map(({ name }) => name)
  const planned = async (
    script: Says,
  ): Promise<{ prompts: readonly string[]; staged: Awaited<ReturnType<typeof carryOutStages>> }> => {
    says = script
    prompts = []
    let staged: Awaited<ReturnType<typeof carryOutStages>> | undefined
    const planner = defineProgram('planner', async (sys) => {
      staged = await carryOutStages({ synopsis: 'A storm.', characters: [...cast] }, [directorStage(sys, bank)], {
        backsMax: 3,
      })
    })
    await kernel.spawn(planner, null).result
    assert.ok(staged)
    return { prompts, staged }
  }

  test('plans a tree of any shape with 1 + sub-scripts + scenes calls, its shots in order, reasoning handed down and no branch beside', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.array(fc.integer({ min: 1, max: 3 }), { minLength: 1, maxLength: 3 }), {
          minLength: 1,
          maxLength: 3,
        }),
        async (tree) => {
          const { prompts: asked, staged } = await planned(crew(tree))
          assert.equal(staged.failed, undefined)
          assert.equal(asked.length, 1 + tree.length + tree.flat().length)
          const places = tree.flatMap((scenes, i) =>
            scenes.flatMap((count, s) => Array.from({ length: count }, (_, j) => [i + 1, s + 1, j + 1])),
          )
          assert.deepEqual(
            shotsOf(staged.documents).map(({ place }) => place),
            places,
          )
          for (const prompt of asked.filter((one) => one.includes('You are the shot planner'))) {
            assert.match(prompt, /cut where the weather turns/)
            assert.match(prompt, /falls into places/)
            assert.equal(new Set(prompt.match(/plot \d+\.\d+/g)).size, 1)
          }
        },
      ),
      { numRuns: 12 },
    )
  })

  test('a stranger in any level goes back to that level, and three times at most', async () => {
    for (const [fault, stage, why] of [
      ['script', 'script', /"Zoe" of sub-script 1 is not in the bank/],
      ['scenes', 'scenes 1', /"Cy" of scene 1 is not in its sub-script/],
      ['shots', 'shots 1.1', /"Zoe" of shot 1 is not in its scene/],
      ['voice', 'shots 1.1', /"Zoe" of subtitles of shot 1 is not in its scene/],
      ['box', 'shots 1.1', /box of shot 1 is empty or reaches out/],
    ] as readonly (readonly [CrewFault, string, RegExp])[]) {
      const { staged } = await planned(crew([[1]], fault))
      assert.deepEqual(
        staged.backs.map(({ from, to }) => [from, to]),
        [[stage, stage]],
      )
      assert.match(staged.backs[0]?.why ?? '', why)
      const { staged: never } = await planned(crew([[1]], fault, Infinity))
      assert.deepEqual([never.failed?.stage, never.backs.length], [stage, 3])
    }
  })

  test('makes a film of each shot and of all, with voices and subtitles', { skip: long }, async () => {
    const input = { synopsis: 'A storm.', characters: cast, film: small, imagesPerSecond: 4, silentMs: 500 }
    const { output, files } = await run<Movie>(movieAgent, input, crew([[2]]))
    assert.deepEqual(
      output.shots.map(({ file }) => file),
      ['movie/shot-1-1-1.mp4', 'movie/shot-1-1-2.mp4'],
    )
    for (const { file, ms } of output.shots) assertFilm(files[file] as Probed, ms, small.fps)
    assert.equal(output.shots[1]?.ms, 500)
    assert.ok(Math.abs(output.ms - output.shots.reduce((sum, { ms }) => sum + ms, 0)) <= output.shots.length)
    const whole = files['movie/movie.mp4'] as Probed
    assertFilm(whole, output.ms, small.fps)
    assert.deepEqual(
      whole.streams.map(({ kind }) => kind),
      ['video', 'audio', 'subtitle'],
    )
    assert.equal(files['movie/shot-1-1-2.mp4']?.streams.length, 2)
  })
})

// ------------------------------------------------------------------------------------------------------------ GenMAC

describe('GenMAC', () => {
  const form = { width: 320, height: 180, imagesPerGroup: 4 }
  const play = (input: Partial<GenMacInput> & { prompt: string }, script: Says) =>
    run<GenMacFilm>(genMac, { form, groupMs: 400, ...input }, script)

  test('a correction reaches the fields of its expert and no other', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 1e6 }), fc.constantFrom(...experts), (seed, expert) => {
        const planted = plantedLayout(numbers(seed))
        assert.equal(faultOfDesign(planted.right), undefined)
        const team = designers(planted, { first: planted.right })
        const words = { consistency: '"objects": [{"id": "…", "shape"', spatial: '"places"', temporal: '"moves"' }[
          expert
        ]
        const other = {
          ...planted.right,
          objects: planted.right.objects.map((one) => ({
            ...one,
            shape: 'rectangle' as const,
            place: [0, 0] as [number, number],
            moves: one.moves.map((): [number, number] => [0.01, 0]),
          })),
        }
        const after = corrected(other, expert, team(words))
        const fields = { consistency: ['shape', 'colour', 'size'], spatial: ['place'], temporal: ['moves'] }[expert]
        for (const [i, one] of (after?.objects ?? []).entries())
          for (const [field, value] of Object.entries(one))
            assert.deepEqual(
              value,
              ((fields.includes(field) ? planted.right : other).objects[i] as { [field: string]: unknown })[field],
            )
      }),
      { numRuns: 30 },
    )
    assert.equal(
      corrected(plantedLayout(numbers(1)).right, 'spatial', {
        prompt: '',
        negative: '',
        guidance: 1,
        places: { nobody: [0, 0] },
      }),
      undefined,
    )
  })

  test(
    'finds what is planted in the frames of the real film, and ends where nothing is left',
    { skip: lack },
    async () => {
      const planted = plantedLayout(numbers(3))
      const one = spoilt(planted, 'spatial')
      // Two faults in the long test.
      const first = isLong ? spoilt({ ...planted, right: one }, 'consistency') : one
      const { output, files } = await play({ prompt: planted.prompt }, designers(planted, { first }))
      assert.deepEqual(
        [output.aligned, output.unresolved, output.experts],
        isLong ? [true, [2, 1, 0], ['consistency', 'spatial']] : [true, [1, 0], ['spatial']],
      )
      // Demands and the design, and three calls for each correction.
      assert.equal(prompts.length, 2 + 3 * output.experts.length)
      assert.deepEqual(output.design?.objects, planted.right.objects)
      assertFilm(files['gen-mac/video.mp4'] as Probed, 4 * 400, 24)
    },
  )

  test(
    'at its cap it gives the best of its films, and says that it is not what was asked for',
    { skip: long },
    async () => {
      const planted = plantedLayout(numbers(5))
      const stubborn = designers(planted, {
        first: spoilt(planted, 'temporal'),
        structured: (right) => ({ ...right, moves: {} }),
      })
      const { output } = await play({ prompt: planted.prompt, iterations: 2 }, stubborn)
      assert.deepEqual([output.aligned, output.unresolved, output.failed?.stage], [false, [1, 1, 1], 'film'])
      // A renderer that errs, though the design is right: nobody is told that all is well.
      const { output: blind } = await play(
        {
          prompt: planted.prompt,
          iterations: 0,
          demands: [...planted.demands, { kind: 'object', name: 'sun', colour: '#facc15', shape: 'ellipse', count: 1 }],
        },
        designers(planted, { first: planted.right }),
      )
      assert.deepEqual([blind.aligned, blind.unresolved], [false, [1]])
    },
  )

  test('the film that is kept is the first of which least was left, and six designs beyond the first are its cap', async () => {
    const planted = plantedLayout(numbers(7))
    const never = (left: readonly number[]) => {
      let [films, looks] = [0, 0]
      const painted = defineTool({
        name: 'paint',
        description: 'A film that says which it is.',
        effect: 'read',
        inputSchema: z.looseObject({}),
        execute: async () => ({ film: Buffer.from(`film ${++films}`).toString('base64') }),
      })
      const stills = defineTool({
        name: 'media.stills',
        description: 'Nothing to be seen.',
        effect: 'read',
        inputSchema: z.looseObject({}),
        execute: async () => ({ images: [] }),
      })
      const team = designers(planted, { first: planted.right })
      says = (prompt) =>
        prompt.includes('Compare these frames')
          ? { mismatches: Array.from({ length: left[looks++ % left.length] as number }, (_, i) => `fault ${i}`) }
          : team(prompt)
      return [painted, stills]
    }
    const kept = async (left: readonly number[], iterations?: number) => {
      const holder = defineProgram<Json, Json>(
        'kept-test',
        async (sys, given) => {
          const output = await sys.wait<Json>(await sys.spawn(genMac as never, given as never))
          return { output, text: await sys.read('gen-mac/video.mp4') }
        },
        { tools: never(left) },
      )
      const input = { prompt: planted.prompt, sight: 'model', generate: 'paint', ...(iterations && { iterations }) }
      return (await kernel.spawn(holder, input as Json).result) as unknown as { output: GenMacFilm; text: string }
    }
    for (const [left, film] of [
      [[1, 2], 'film 1'],
      [[3, 1, 1, 2], 'film 2'],
      [[2, 1, 0], 'film 3'],
    ] as const) {
      const { output, text } = await kept(left, left.length - 1)
      assert.deepEqual([output.unresolved, text, output.aligned], [left, film, left.at(-1) === 0])
    }
    assert.equal((await kept([1])).output.unresolved.length, 7)
  })

  test('what is no JSON of its form is asked for again, and never drawn', { skip: long }, async () => {
    const planted = plantedLayout(numbers(9))
    let times = 0
    const team = designers(planted, {
      first: spoilt(planted, 'spatial'),
      structured: (right) =>
        times++ < 3
          ? (['no JSON', { places: 'left' }, { ...right, places: { ghost: [0, 0] } }][times - 1] as object)
          : right,
    })
    const { output } = await play({ prompt: planted.prompt }, team)
    assert.deepEqual([output.aligned, output.unresolved], [true, [1, 0]])
  })

  test('a model may look at the frames in place of the measure', { skip: long }, async () => {
    const planted = plantedLayout(numbers(11))
    let looks = 0
    const team = designers(planted, { first: spoilt(planted, 'spatial') })
    const seeing: Says = (prompt) => {
      if (!prompt.includes('Compare these frames')) return team(prompt)
      return { mismatches: looks++ === 0 ? ['ball is not left of box at the beginning.'] : [] }
    }
    const { output } = await play({ prompt: planted.prompt, sight: 'model' }, seeing)
    assert.deepEqual([output.aligned, output.unresolved, output.experts], [true, [1, 0], ['spatial']])
  })
})
