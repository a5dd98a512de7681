/**
 * C15-MEDIA, pipelines that make media: the shape of a plan and its calls, gates that find what is planted, and films that are what they are said to be. The
 * teams are scripted (planted-media.ts) and know nothing but their prompts; pictures, speech and films are real, and ffprobe and their own frames tell what is
 * in them. A toy renderer errs at each box and attribute with a chance, so that what was designed is not what is seen.
 */
import { genMac, type GenMacFilm } from '../../src/agents/gen-mac.ts'
import { movieAgent, type Movie } from '../../src/agents/movie-agent.ts'
import {
  boxOf,
  design,
  experts,
  layoutFrames,
  type Demand,
  type Design,
} from '../../src/agents/pieces/layout-design.ts'
import { directorStage, shotsOf } from '../../src/agents/pieces/screenplay.ts'
import { functionOf, plainLayouts } from '../../src/agents/pieces/slides.ts'
import { presentAgent, type Presented } from '../../src/agents/present-agent.ts'
import { carryOutStages } from '../../src/agents/staged.ts'
import { mediaTools } from '../../src/drivers/media.ts'
import { mediaSupport } from '../../src/drivers/media/support.ts'
import { defineProgram, defineTool, type Json, type Program, type Sys, type Tool } from '../../src/index.ts'
import { z } from 'zod'
import { answering, type Says } from '../../src/drivers/llm/answering.ts'
import { boot, type Experiment } from './experiment.ts'
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
  type TalkFault,
} from './planted-media.ts'

/** Chance with which the toy renderer errs at a box, and at an attribute. */
const ERROR = 0.3
const NOISE = 0.1
const FORM = { width: 320, height: 180 }
const FPS = 24
const FAULTS: readonly TalkFault[] = ['outline', 'picture', 'layout', 'content', 'notes']

interface Probed {
  readonly ms: number
  readonly streams: readonly { readonly kind: string; readonly ms: number; readonly frames: number }[]
}
interface Played<Output> {
  readonly output: Output
  readonly prompts: readonly string[]
  readonly probed: { readonly [path: string]: Probed }
}

/** One run in a kernel of its own: what came out, what was asked, and what ffprobe says of every film and sound. */
async function play<Output>(
  run: (sys: Sys) => Promise<Output>,
  says: Says,
  tools: readonly Tool[],
): Promise<Played<Output>> {
  const prompts: string[] = []
  const model = answering((prompt) => (prompts.push(prompt), says(prompt)))
  const kernel = await boot({ model })
  try {
    let output: Output | undefined
    const holder = defineProgram(
      'media-played',
      async (sys) => {
        output = await run(sys)
        const probed: { [path: string]: Json } = {}
        for (const { path } of await sys.list())
          if (/\.(mp4|ogg)$/.test(path))
            probed[path] = await sys.call('media.probe', { media: await sys.read(path, { encoding: 'base64' }) })
        return probed
      },
      { tools },
    )
    const probed = (await kernel.spawn(holder, null).result) as unknown as Played<Output>['probed']
    return { output: output as Output, prompts, probed }
  } finally {
    await kernel.close()
  }
}

const asChild =
  <Output>(program: Program<never, Output>, input: unknown) =>
  async (sys: Sys): Promise<Output> =>
    (await sys.wait(await sys.spawn(program as never, input as never))) as Output

/** Whether a film is as long as is said, to a frame, frame by frame, with its sound. */
function isSo(probed: Probed | undefined, ms: number): boolean {
  const [video, audio] = ['video', 'audio'].map((kind) => probed?.streams.find((one) => one.kind === kind))
  const near = (one: number | undefined): boolean => Math.abs((one ?? -1_000) - ms) <= 1_000 / FPS
  return near(probed?.ms) && near(audio?.ms) && video?.frames === Math.round((ms * FPS) / 1_000)
}

/** Films that were looked at, and how many of them are what is said. */
interface Films {
  all: number
  exact: number
}

function look(films: Films, probed: Probed | undefined, ms: number): void {
  films.all++
  if (isSo(probed, ms)) films.exact++
}

/** Whether a design as it is drawn meets the demands, by its numbers alone: what the frames are held against. */
function holds({ objects, groups }: Design, demands: readonly Demand[]): boolean {
  const colours = new Map(demands.flatMap((one) => (one.kind === 'object' ? [[one.name, one.colour]] : [])))
  const centre = (name: string, group: number): readonly [number, number] => {
    const one = objects.find(({ colour }) => colour === colours.get(name))
    const [x, y, w, h] = one === undefined ? [Number.NaN, Number.NaN, 0, 0] : boxOf(one, group)
    return [x + w / 2, y + h / 2]
  }
  return demands.every((one) => {
    if (one.kind === 'object') {
      const own = objects.filter(({ colour }) => colour === one.colour)
      return own.length === one.count && own.every(({ shape }) => shape === one.shape)
    }
    const [from, to] = [centre(one.name, 0), centre(one.name, groups - 1)]
    if (one.kind === 'relation') {
      const other = centre(one.other, 0)
      return {
        'left of': from[0] < other[0],
        'right of': from[0] > other[0],
        above: from[1] < other[1],
        below: from[1] > other[1],
      }[one.relation]
    }
    const [dx, dy] = [to[0] - from[0], to[1] - from[1]]
    const way =
      Math.hypot(dx, dy) < 0.04
        ? 'still'
        : Math.abs(dx) >= Math.abs(dy)
          ? dx < 0
            ? 'left'
            : 'right'
          : dy < 0
            ? 'up'
            : 'down'
    return way === one.direction
  })
}

/** A renderer that errs, and writes down what it drew. */
function toyRenderer(film: Tool, random: () => number, drawn: Design[]): Tool {
  return defineTool({
    name: 'toy.film',
    description: 'Draws a design, with errors.',
    effect: 'read',
    inputSchema: z.object({ design, width: z.number(), height: z.number(), groupMs: z.number() }),
    async execute({ design: asked, width, height, groupMs }, context) {
      const objects = asked.objects.map((one) => ({
        ...one,
        ...(random() < ERROR
          ? { shape: one.shape === 'rectangle' ? ('triangle' as const) : ('rectangle' as const) }
          : {}),
        ...(random() < ERROR ? { moves: one.moves.map((): [number, number] => [0, -0.05]) } : {}),
      }))
      drawn.push({ ...asked, objects })
      const groups = layoutFrames({ ...asked, objects }, { width, height, imagesPerGroup: 2 })
      const parts = groups.map((images) => ({ images, ms: groupMs }))
      return (await film.execute({ parts, width, height, fps: FPS }, context)) as { film: string }
    },
  }) as Tool
}

const some = (random: () => number, max: number): number => 1 + Math.floor(random() * max)

/** How many of so many drawn trees MovieAgent's director plans as they are, and how many for 1 + K + scenes calls. */
async function planned(count: number): Promise<{ trees: number; asked: number; shapes: number }> {
  const found = { trees: 0, asked: 0 }
  const shapes = new Set<string>()
  const plan = async (sys: Sys) => {
    const stage = directorStage(
      sys,
      cast.map(({ name }) => name),
    )
    return shotsOf((await carryOutStages({ synopsis: 'A storm.', characters: [...cast] }, [stage])).documents)
  }
  for (let seed = 1; seed <= count; seed++) {
    const random = numbers(seed)
    const tree = Array.from({ length: some(random, 4) }, () =>
      Array.from({ length: some(random, 3) }, () => some(random, 4)),
    )
    shapes.add(JSON.stringify(tree))
    const { output, prompts } = await play(plan, crew(tree), [])
    const places = tree.flatMap((scenes, i) =>
      scenes.flatMap((shots, s) => Array.from({ length: shots }, (_, j) => `${i + 1}.${s + 1}.${j + 1}`)),
    )
    if (output.map(({ place }) => place.join('.')).join() === places.join()) found.trees++
    if (prompts.length === 1 + tree.length + tree.flat().length) found.asked++
  }
  return { ...found, shapes: shapes.size }
}

/** PresentAgent with each planted fault: sent back to its stage, given up after three, and as many slides as scripts and sounds. */
async function talks(tools: readonly Tool[], films: Films) {
  const found = { sentBack: 0, bounded: 0, counted: 0, slides: 0 }
  const bare = plainLayouts.filter((one) => functionOf(one) === undefined)
  const talk = {
    document: lake,
    pictures: [{ caption: 'Ice above water', image: sketch }],
    film: { ...FORM, fps: FPS },
    voice: { wordsPerMinute: 400 },
  }
  for (const fault of FAULTS) {
    const layouts = fault === 'outline' ? plainLayouts : bare
    const { output, probed } = await play(
      asChild<Presented>(presentAgent, { ...talk, layouts }),
      speakers(fault),
      tools,
    )
    const stage = fault === 'picture' ? 'outline' : fault
    if (output.backs.length === 1 && output.backs[0]?.from === stage && output.skipped.length === 0) found.sentBack++
    const sounds = Object.keys(probed).filter((path) => path.endsWith('.ogg'))
    const scripts = output.slides.filter(({ notes }) => notes !== '')
    found.slides += output.slides.length
    if (
      output.slides.length === sounds.length &&
      scripts.length === sounds.length &&
      sounds.length === 3 + (fault === 'outline' ? 3 : 0)
    )
      found.counted++
    const heard = output.slides.reduce((sum, { ms }) => sum + ms, 0)
    look(films, probed['presentation/video.mp4'], heard)
    const stubborn = await play(
      asChild<Presented>(presentAgent, { ...talk, layouts: bare, slides: [1, 3] }),
      speakers(fault, Infinity),
      tools,
    )
    const backs = stubborn.output.backs.filter(({ from }) => from === stage).length
    const gates = stage === 'outline' ? 1 : stubborn.output.skipped.length
    if (backs === 3 * gates && gates > 0) found.bounded++
  }
  return found
}

/** Two movies of MovieAgent: each shot, and the whole. */
async function movies(tools: readonly Tool[], films: Films): Promise<void> {
  for (const tree of [[[2]], [[1, 1], [1]]]) {
    const input = {
      synopsis: 'A storm.',
      characters: cast,
      film: { ...FORM, fps: FPS },
      imagesPerSecond: 4,
      silentMs: 500,
    }
    const { output, probed } = await play(asChild<Movie>(movieAgent, input), crew(tree), tools)
    for (const { file, ms } of output.shots) look(films, probed[file], ms)
    look(films, probed['movie/movie.mp4'], output.ms)
  }
}

/** GenMAC: with a fault for each expert, with a suggester that strays, and with a renderer that errs. */
async function layouts(seeds: number, tools: readonly Tool[], films: Films) {
  const found = { runs: 0, routed: 0, aligned: 0, rose: 0, formless: 0, strayed: 0 }
  const toy = { right: 0, films: 0, astray: 0 }
  const judged = (output: GenMacFilm): void => {
    if (output.unresolved.some((left, i) => i > 0 && left > (output.unresolved[i - 1] as number))) found.rose++
    if (!design.safeParse(output.design).success) found.formless++
  }
  const layout = { form: { ...FORM, imagesPerGroup: 2 }, groupMs: 250 }
  for (let seed = 1; seed <= seeds; seed++) {
    const planted = plantedLayout(numbers(seed))
    const gen = (input: object, says: Says, held: readonly Tool[]) =>
      play(asChild<GenMacFilm>(genMac, { prompt: planted.prompt, ...layout, ...input }), says, held)
    for (const expert of experts) {
      const { output, probed } = await gen({}, designers(planted, { first: spoilt(planted, expert) }), tools)
      found.runs++
      if (output.experts.join() === expert) found.routed++
      if (output.aligned) found.aligned++
      judged(output)
      look(films, probed['gen-mac/video.mp4'], 4 * layout.groupMs)
    }
    const first = spoilt(planted, experts[seed % 3] as (typeof experts)[number])
    const stray = designers(planted, { first, noise: NOISE, random: numbers(1_000 + seed) })
    const strayed = await gen({}, stray, tools)
    if (strayed.output.aligned) found.strayed++
    judged(strayed.output)

    const drawn: Design[] = []
    const film = tools.find(({ name }) => name === 'media.film') as Tool
    const erring = await gen({ generate: 'toy.film', iterations: 4 }, designers(planted, { first: planted.right }), [
      ...tools,
      toyRenderer(film, numbers(2_000 + seed), drawn),
    ])
    const { unresolved } = erring.output
    toy.films += unresolved.length
    const held = drawn.map((one) => holds(one, planted.demands))
    toy.astray += held.filter((one) => !one).length
    // It goes on where what was drawn does not meet the demands, and ends with the first that does.
    toy.right += unresolved.filter((left, i) => (left === 0) === held[i]).length
    if (erring.output.aligned !== (unresolved.at(-1) === 0)) toy.right--
  }
  return { ...found, toy }
}

export const c15Media: Experiment = {
  id: 'C15-MEDIA',
  what: 'PresentAgent, MovieAgent, GenMAC with scripted teams; slides, speech and films are real and probed',
  bar: 'trees and 1 + K + scenes calls exact; every planted fault goes back to its stage, three times at most; as many slides as scripts and sounds, films as long as their sounds to a frame; GenMAC: the expert of a planted fault ≥ .95, unresolved never more, every design of its form, aligned exactly where what was drawn meets the demands',
  seeds: 6,
  async run(seeds) {
    const count = 10 * seeds
    const { trees, asked, shapes } = await planned(count)
    const plans = `${trees} of ${count} trees (${shapes} shapes), ${asked} with 1 + K + scenes calls`
    const missing = (await mediaSupport()).find(({ isAvailable }) => !isAvailable)
    if (missing !== undefined)
      return { measured: `${plans}; the rest was left out: ${missing.reason}`, ok: false, lacks: missing.reason }

    const tools = mediaTools()
    const films: Films = { all: 0, exact: 0 }
    const { sentBack, bounded, counted, slides } = await talks(tools, films)
    await movies(tools, films)
    const { runs, routed, aligned, rose, formless, strayed, toy } = await layouts(seeds, tools, films)
    const share = routed / runs
    const faults = FAULTS.length
    return {
      measured: `${plans}; ${sentBack} of ${faults} planted faults of a talk sent back to their stage and mended, ${bounded} of ${faults} given up after three; ${counted} of ${faults} talks with as many slides (${slides}) as scripts and sounds; ${films.exact} of ${films.all} films as long as is said, to a frame, with their sound; GenMAC: expert ${share.toFixed(3)}, aligned ${aligned} of ${runs}, unresolved rose in ${rose}, ${formless} designs of another form; with a suggester that says anyone in ${NOISE * 100} % aligned ${strayed} of ${seeds}; with a renderer that errs in ${ERROR * 100} % the verdict was right of ${toy.right} of ${toy.films} films, ${toy.astray} of which did not meet the demands`,
      ok:
        trees === count &&
        asked === count &&
        sentBack === faults &&
        bounded === faults &&
        counted === faults &&
        films.exact === films.all &&
        share >= 0.95 &&
        aligned === runs &&
        rose === 0 &&
        formless === 0 &&
        toy.right === toy.films,
    }
  },
}
