/**
 * P3, Monte Carlo tree search. First ARMAP's constants on a game of 5 arms, 4 deep: one sequence of moves is planted, a leaf is worth
 * as much of it as it begins with, plus noise; after 200 rollouts the first move of the sequence has to be chosen.
 *
 * Then MASTER against the same search with 30 simulations, on a game of that size that is reasoning: a step that follows a right one
 * is right as often as drawn, one that follows a wrong one never is; both see the same noisy judgements. Every step, assessment and
 * evaluation is a call that reads the steps before it; what they read and write is counted. MASTER has the fewest expansions with
 * which it is right as often. On harder games it saves less; that is printed too.
 */
import { masterTree } from '../../src/agents/pieces/master-tree.ts'
import { branchOf, monteCarlo } from '../../src/agents/pieces/monte-carlo.ts'
import { largest } from '../../src/agents/pieces/largest.ts'
import { childrenOf, plantTree } from '../../src/agents/pieces/reward-tree.ts'
import { armapUct, ucb1 } from '../../src/agents/pieces/upper-confidence.ts'
import { randomAt } from '../../src/kernel/clock.ts'
import { mean } from '../figures.ts'
import { normal, type Experiment } from './experiment.ts'

const ARMS = 5
const DEEP = 4
const ROLLOUTS = 200

async function choosesBest(seed: number): Promise<boolean> {
  let drawn = 0
  const draw = () => randomAt(seed, 0, drawn++)
  const planted = Array.from({ length: DEEP }, () => Math.floor(draw() * ARMS))
  const tree = plantTree(branchOf<readonly number[], number>([], undefined, 1))
  await monteCarlo<readonly number[], number>(tree, {
    moves: (path) =>
      path.length === DEEP ? [] : Array.from({ length: ARMS }, (_, move) => ({ move, prior: 1 / ARMS })),
    go: (path, move) => [...path, move],
    evaluate(path) {
      const leaf = [...path]
      while (leaf.length < DEEP) leaf.push(Math.floor(draw() * ARMS))
      const wrong = leaf.findIndex((move, i) => move !== planted[i])
      return (wrong < 0 ? DEEP : wrong) / DEEP + 0.1 * normal(draw(), draw())
    },
    select: (child, parent) =>
      armapUct({ value: child.visits === 0 ? 0 : child.best, visits: child.visits, parentVisits: parent.visits }),
    simulations: ROLLOUTS,
    discount: 0.9,
  })
  const chosen = largest(childrenOf(tree, tree.root), (child) => (child.visits === 0 ? -Infinity : child.mean))
  return chosen?.content.move === planted[0]
}

// --------------------------------------------------------------------------------------------- reasoning with a simulated model

/** Tokens of a prompt without steps, of a step, of a verdict. */
const TOKENS = { prompt: 200, step: 80, verdict: 10 }

/** A step of reasoning, by the path to it: the same path is the same step, whoever asks. */
interface Thought {
  readonly path: readonly number[]
  readonly isRight: boolean
}

/** How often a step after a right one is right: drawn for each game from here to .4 (hard: .3) above. */
const EASY = [0.45, 0.4] as const
const HARD = [0.2, 0.3] as const

function thinker(seed: number, [least, spread]: readonly [number, number]) {
  let tokens = 0
  const placeOf = (path: readonly number[]): number => path.reduce((place, move) => place * 64 + move + 1, 7)
  const rate = least + spread * randomAt(seed, 1, 0)
  const read = (path: readonly number[], written: number): void =>
    void (tokens += TOKENS.prompt + TOKENS.step * path.length + written)
  return {
    start: { path: [], isRight: true } as Thought,
    used: () => tokens,
    step(from: Thought, move: number): Thought {
      read(from.path, TOKENS.step)
      const path = [...from.path, move]
      return { path, isRight: from.isRight && randomAt(seed, placeOf(path), 0) < rate }
    },
    /** What an agent thinks of its own step: noisy, from 0 to 1. */
    assess({ path, isRight }: Thought): number {
      read(path, TOKENS.verdict)
      const noise = 0.2 * normal(randomAt(seed, placeOf(path), 1), randomAt(seed, placeOf(path), 2))
      return Math.min(1, Math.max(0, (isRight ? 0.7 : 0.45) + noise))
    },
    /** Three judges of an answer, each right nine times in ten. */
    judge({ path, isRight }: Thought): boolean {
      let right = 0
      for (let i = 0; i < 3; i++) {
        read(path, TOKENS.verdict)
        if (randomAt(seed, placeOf(path), 3 + i) < 0.9) right++
      }
      return right >= 2 ? isRight : !isRight
    },
    isOver: ({ path }: Thought) => path.length === DEEP,
  }
}

async function byMaster(seed: number, rates: readonly [number, number], expansionsMax: number) {
  const model = thinker(seed, rates)
  const found = await masterTree(model.start, {
    expansionsMax,
    async expand(from) {
      return Array.from({ length: ARMS }, (_, move) => {
        const state = model.step(from, move)
        // The facts of a step are checked by a call of their own.
        model.assess(state)
        return { state, isTerminal: model.isOver(state), reward: model.assess(state), confidence: 0.5 }
      })
    },
    evaluate: async (state) => model.judge(state),
  })
  return { isRight: found.state?.isRight === true, tokens: model.used() }
}

async function bySimulations(seed: number, rates: readonly [number, number]) {
  const model = thinker(seed, rates)
  const tree = plantTree(branchOf<Thought, number>(model.start, undefined, 1))
  const accepted: Thought[] = []
  let drawn = 0
  await monteCarlo<Thought, number>(tree, {
    moves: (state) =>
      model.isOver(state) ? [] : Array.from({ length: ARMS }, (_, move) => ({ move, prior: 1 / ARMS })),
    go: (from, move) => model.step(from, move),
    evaluate(state) {
      let end = state
      while (!model.isOver(end)) end = model.step(end, Math.floor(randomAt(seed, 2, drawn++) * ARMS))
      const isAccepted = model.judge(end)
      if (isAccepted) accepted.push(end)
      return isAccepted ? 1 : 0
    },
    select: (child, parent) => ucb1({ value: child.mean, visits: child.visits, parentVisits: parent.visits }),
    simulations: 30,
  })
  // The answer below the most visited way; where no rollout there was accepted, any accepted one.
  let node = tree.root
  while (node.children.length > 0) node = largest(childrenOf(tree, node), ({ visits }) => visits) as typeof node
  const way = node.content.state?.path ?? []
  const answer = accepted.find(({ path }) => way.every((move, i) => path[i] === move)) ?? accepted[0]
  return { isRight: answer?.isRight === true, tokens: model.used() }
}

/** MASTER with the fewest expansions that are as often right as 30 simulations. */
async function compared(seeds: number, rates: readonly [number, number]) {
  const all = Array.from({ length: seeds }, (_, seed) => seed)
  const others = await Promise.all(all.map((seed) => bySimulations(seed, rates)))
  const success = (runs: typeof others) => mean(runs.map(({ isRight }) => (isRight ? 1 : 0)))
  for (let expansions = 2; ; expansions += 2) {
    const masters = await Promise.all(all.map((seed) => byMaster(seed, rates, expansions)))
    if (success(masters) < success(others) && expansions < 40) continue
    const share = mean(masters.map(({ tokens }) => tokens)) / mean(others.map(({ tokens }) => tokens))
    const text = `${success(masters).toFixed(3)} at ${expansions} expansions with ${(100 * share).toFixed(0)} % of the tokens of ${success(others).toFixed(3)}`
    return { share, text, isEqual: success(masters) >= success(others) }
  }
}

export const p3: Experiment = {
  id: 'P3',
  what: 'Monte Carlo tree search, 5 arms, 4 deep',
  bar: 'ARMAP’s constants: best first move ≥ 95 % at 200 rollouts; MASTER ≤ 40 % of the tokens of 30 simulations at equal success',
  seeds: 400,
  async run(seeds) {
    let best = 0
    for (let seed = 0; seed < seeds; seed++) if (await choosesBest(seed)) best++
    const [easy, hard] = [await compared(seeds, EASY), await compared(seeds, HARD)]
    return {
      measured: `best first move ${((100 * best) / seeds).toFixed(1)} %; MASTER right ${easy.text}; where steps are right less often, ${hard.text}`,
      ok: best >= 0.95 * seeds && easy.share <= 0.4 && easy.isEqual,
    }
  },
}
