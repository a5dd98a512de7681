/**
 * C15-ANN, the forward pass of ann-forward on planted sub-tasks, each of which another aggregation fits. `count`: members err independently, and who
 * reads others takes over what it reads first (a vote). `argue`: few are right at first, and who can compare answers of which one is right is often turned (a debate).
 * `steps`: each member can do one step, behind those before it (a chain). A task has a layer of each, in an order that is drawn, and is right where all
 * three are: a layer that is given a wrong input comes to a wrong output.
 *
 * Earlier passes are thirty of each sub-task alone by each aggregation. The chooser is scripted: it takes the one with the best mean on the sub-task, and
 * knows nothing but what its prompt says of them. So what is measured is whether the program shows them, keeps to the choice, and hands on what a
 * layer came to.
 */
import {
  annForward,
  type AnnForwardInput,
  type AnnForwarded,
  type AnnLayer,
  type AnnPast,
} from '../../src/agents/ann-forward.ts'
import { AGGREGATIONS, type Aggregation } from '../../src/agents/pieces/aggregations.ts'
import { promptText, scripted } from '../../src/drivers/llm/scripted.ts'
import type { Kernel } from '../../src/index.ts'
import { boot, type Experiment } from './experiment.ts'
import { keyed, range } from './population.ts'

const NAMES = Object.keys(AGGREGATIONS) as Aggregation[]
const FITS = { count: 'vote', argue: 'debate', steps: 'chain' } as const
type Kind = keyof typeof FITS
const KINDS = Object.keys(FITS) as Kind[]
const [TEAM, TRIED, MEASURED] = [5, 30, 30]
/** Chances to be right: to count, to argue at first, and to be turned by one of several who is right; and how many wrong answers there are. */
const [COUNTS, ARGUES, TURNED, WRONG] = [0.65, 0.3, 0.6, 4]

/** Answers as a member would who knows its prompt alone. */
function worker(seed: number, prompt: string): { reasoning: string; answer: string } {
  const number = (pattern: RegExp): number => Number(pattern.exec(prompt)?.[1] ?? TEAM)
  const [pass, agent] = [number(/Task: pass (\d+)/), number(/You are <(\d+)>/)]
  const [, kind = 'count'] = /Sub-task: (\w+)/.exec(prompt) ?? []
  const given = /From the layer before: .*? Answer: (\w+)/.exec(prompt)?.[1] ?? 'right'
  const read = [...prompt.matchAll(/^\d\. (.*?) Answer: (\w+)$/gm)].map(([, words = '', answer = '']) => ({
    words,
    answer,
  }))
  const draw = (n: number): number => keyed(seed, pass, KINDS.indexOf(kind as Kind), agent, read.length, n)
  const wrong = `wrong${Math.floor(draw(2) * WRONG)}`
  if (kind === 'steps') {
    const most = read.toSorted((a, b) => b.words.length - a.words.length)[0]?.words ?? ''
    const done = most.split(' ').filter((step) => /^step\d$/.test(step))
    if (agent === done.length) done.push(`step${agent}`)
    return { reasoning: done.join(' '), answer: given === 'right' && done.length === TEAM ? 'right' : wrong }
  }
  const alone = draw(0) < (kind === 'argue' ? ARGUES : COUNTS) ? 'right' : wrong
  const isTurned =
    kind === 'argue' && read.length > 1 && read.some(({ answer }) => answer === 'right') && draw(1) < TURNED
  const answer = isTurned ? 'right' : kind === 'count' ? (read[0]?.answer ?? alone) : alone
  return { reasoning: 'I reckon so.', answer: given === 'right' ? answer : wrong }
}

/** Chooses by what its prompt says of earlier passes. */
function chooser(prompt: string): { aggregation: string } {
  const [, kind = ''] = /Sub-task: (\w+)/.exec(prompt) ?? []
  const candidates = [...prompt.matchAll(/^- ([\w-]+): /gm)].map(([, name]) => name as string)
  const means = new Map(
    [...prompt.matchAll(/^- ([\w-]+) on "(\w+)": ([\d.]+) in \d+ passes$/gm)].flatMap(([, name, of, mean]) =>
      of === kind ? [[name as string, Number(mean)] as const] : [],
    ),
  )
  return { aggregation: candidates.toSorted((a, b) => (means.get(b) ?? 0) - (means.get(a) ?? 0))[0] as string }
}

/** Layers whose input is not what the one before came to: one answer of that layer, and nothing else of it. */
function broken({ log, layers }: AnnForwarded): number {
  return log.filter(({ layer, input }) => {
    const given = /From the layer before: (.*)/.exec(input)?.[1]
    if (layer === 0) return given !== undefined
    const said = log
      .filter((one) => one.layer === layer - 1)
      .map(({ output }) => `${output.reasoning} Answer: ${output.answer}`)
    return given === undefined || !said.includes(given) || layers[layer]?.subtask !== /Sub-task: (\w+)/.exec(input)?.[1]
  }).length
}

/** Answers that an aggregation asks for, of which a debate may save some. */
const ASKED: { readonly [name in Aggregation]: readonly [least: number, most: number] } = {
  vote: [TEAM, TEAM],
  debate: [TEAM, 2 * TEAM],
  'self-refine': [2, 2],
  chain: [TEAM, TEAM],
  mixture: [TEAM + 1, TEAM + 1],
}

const team = range(TEAM).map((i) => ({ name: `M${i}`, instructions: `You are <${i}>.` }))

function passed(
  kernel: Kernel,
  pass: number,
  layers: readonly AnnLayer[],
  more: Partial<AnnForwardInput> = {},
): Promise<AnnForwarded> {
  return kernel.spawn(annForward, { question: `pass ${pass}`, layers, ...more }).result
}

export const c15Ann: Experiment = {
  id: 'C15-ANN',
  what: 'the forward pass of ann-forward, three layers a task, each fitted by another aggregation',
  bar: 'chosen by earlier passes: right ≥ the best single aggregation + .2; the fitting one in ≥ .9 of the layers; answers asked for as each aggregation says; each layer given what the one before came to',
  seeds: 20,
  async run(seeds) {
    const right = new Map<Aggregation | 'chosen', number>()
    const score = (name: Aggregation | 'chosen', isRight: boolean): void =>
      void right.set(name, (right.get(name) ?? 0) + Number(isRight))
    const found = { fitting: 0, layers: 0, miscounted: 0, broken: 0 }
    const look = (one: AnnForwarded, choices: number): void => {
      found.broken += broken(one)
      const asked = one.layers.map((_, at) => one.log.filter(({ layer }) => layer === at).length)
      if (one.calls !== one.log.length + choices) found.miscounted++
      for (const [at, { aggregation }] of one.layers.entries()) {
        const [least, most] = ASKED[aggregation]
        if ((asked[at] as number) < least || (asked[at] as number) > most) found.miscounted++
      }
    }
    for (const seed of range(seeds)) {
      const model = scripted((call) => {
        const prompt = promptText(call.prompt)
        return JSON.stringify(prompt.includes('Choose how a team') ? chooser(prompt) : worker(seed, prompt))
      })
      const kernel = await boot({ model })
      try {
        const past: AnnPast[] = []
        for (const pass of range(TRIED))
          for (const subtask of KINDS)
            for (const aggregation of NAMES) {
              const one = await passed(kernel, pass, [{ subtask, team, aggregation }])
              look(one, 0)
              past.push({ subtask, aggregation, score: Number(one.answer === 'right') })
            }
        for (const pass of range(MEASURED).map((i) => TRIED + i)) {
          const place = (kind: Kind): number => keyed(seed, pass, KINDS.indexOf(kind), 8)
          const layers = KINDS.toSorted((a, b) => place(a) - place(b)).map((subtask) => ({ subtask, team }))
          const one = await passed(kernel, pass, layers, { past })
          look(one, layers.length)
          score('chosen', one.answer === 'right')
          for (const { subtask, aggregation } of one.layers) if (FITS[subtask as Kind] === aggregation) found.fitting++
          found.layers += layers.length
          for (const name of NAMES) {
            const alone = await passed(kernel, pass, layers, { aggregations: [name] })
            look(alone, 0)
            score(name, alone.answer === 'right')
          }
        }
      } finally {
        await kernel.close()
      }
    }
    const share = (name: Aggregation | 'chosen'): number => (right.get(name) ?? 0) / (seeds * MEASURED)
    const best = Math.max(...NAMES.map(share))
    return {
      measured: `right ${share('chosen').toFixed(3)}; alone ${NAMES.map((name) => `${name} ${share(name).toFixed(3)}`).join(', ')}; the fitting one in ${(found.fitting / found.layers).toFixed(3)} of the layers; ${found.miscounted} passes asked otherwise, ${found.broken} answers from another input`,
      ok:
        share('chosen') >= best + 0.2 &&
        found.fitting >= 0.9 * found.layers &&
        found.miscounted === 0 &&
        found.broken === 0,
    }
  },
}
