/**
 * Trajectories in the style of ALFWorld (Shridhar et al. 2021): a household in text, a task, an agent that looks for things
 * with a thought before each action. What is said follows the templates of the environment and of published trajectories;
 * the rooms are drawn from a seed.
 *
 *     trajectory(7, { steps: 30, every: 5 })
 */

export interface Step {
  /** Where the script lets a subgoal begin. */
  readonly subgoal: string | undefined
  readonly thought: string
  readonly action: string
  readonly observation: string
}

export interface Trajectory {
  /** The first message: how to act, the room, the task. */
  readonly question: string
  readonly steps: readonly Step[]
  /** Of each subgoal, what a model would say of it in at most 40 tokens. */
  readonly summaries: readonly string[]
}

const INSTRUCTIONS = `Interact with a household to solve a task. Imagine you are an intelligent agent in a household environment and your target is to perform actions to complete the task goal. At the beginning of your interactions, you will be given a detailed description of the current environment and your goal to accomplish.
After each of your turns, the environment gives you feedback based on which you plan your next step. If the environment says "Nothing happens", the action was invalid and you should try another.
Actions: go to {recep}, take {obj} from {recep}, put {obj} in/on {recep}, open {recep}, close {recep}, toggle {obj} {recep}, clean {obj} with {recep}, heat {obj} with {recep}, cool {obj} with {recep}.`

const places = ['cabinet', 'drawer', 'countertop', 'shelf', 'sidetable', 'diningtable']
const single = [
  'fridge 1',
  'microwave 1',
  'sinkbasin 1',
  'stoveburner 1',
  'coffeemachine 1',
  'garbagecan 1',
  'toaster 1',
]
const things =
  'apple bowl bread butterknife cellphone creditcard cup dishsponge egg fork glassbottle knife ladle lettuce mug pan papertowelroll peppershaker plate pot potato saltshaker soapbottle spatula spoon statue tomato vase winebottle'.split(
    ' ',
  )
const closed = /cabinet|drawer|fridge|microwave/

/** A trajectory of so many steps, with a subgoal every so many. The same seed gives the same. */
export function trajectory(seed: number, { steps, every }: { steps: number; every: number }): Trajectory {
  const draw = drawing(seed)
  const pick = <T>(list: readonly T[]): T => list[draw(list.length)] as T
  const rooms = places.flatMap((place) => Array.from({ length: 2 + draw(6) }, (_, i) => `${place} ${i + 1}`))
  const all = [...rooms, ...single]
  const wanted = pick(things)
  const target = pick(all)
  const how = pick(['clean', 'cool', 'heat', 'some'])
  const question = `${INSTRUCTIONS}

You are in the middle of a room. Looking quickly around you, you see ${all
    .toReversed()
    .map((one) => `a ${one}`)
    .join(', ')}.
Your task is to: put ${how === 'some' ? `some ${wanted}` : `a ${how} ${wanted}`} in ${target.split(' ')[0]}.`
  const list: Step[] = []
  const summaries: string[] = []
  let at = 'room'
  let isOpen = true
  const searched: string[] = []
  for (let i = 0; i < steps; i++) {
    const begins = i % every === 0
    if (begins && i > 0) summaries.push(summaryOf(searched.splice(0), wanted))
    const isLook: boolean = isOpen
    if (isLook) at = pick(all)
    searched.push(at)
    const seen = Array.from({ length: draw(5) }, () => `a ${pick(things)} ${1 + draw(3)}`)
    const found = seen.length === 0 ? 'nothing' : seen.join(', ').replace(/, ([^,]*)$/, ', and $1')
    const observation = !isLook
      ? `You open the ${at}. The ${at} is open. In it, you see ${found}.`
      : closed.test(at)
        ? `The ${at} is closed.`
        : `On the ${at}, you see ${found}.`
    const subgoals = [
      `find a ${wanted} in the ${at.split(' ')[0]}s`,
      `look for a ${wanted} near the ${at}`,
      `check where a ${wanted} may be kept`,
      `take the ${wanted} to the ${target}`,
    ]
    list.push({
      subgoal: begins ? subgoals[(i / every) % subgoals.length] : undefined,
      thought: isLook
        ? pick([
            `I have not found a ${wanted} yet. The next place to look is the ${at}, since a ${wanted} is likely to be kept there.`,
            `There is no ${wanted} here. I should go on with the ${at} and see whether there is a ${wanted} on it.`,
            `Now I check the ${at}. If there is no ${wanted}, I go on with the other places of this kind.`,
          ])
        : `The ${at} is closed, so I need to open it first to see whether there is a ${wanted} in it.`,
      action: isLook ? `go to ${at}` : `open ${at}`,
      observation: draw(20) === 0 ? 'Nothing happens.' : observation,
    })
    isOpen = !(isLook && closed.test(at))
  }
  summaries.push(summaryOf(searched, wanted))
  return { question, steps: list, summaries }
}

function summaryOf(searched: readonly string[], wanted: string): string {
  return `Searched ${[...new Set(searched)].slice(0, 5).join(', ')}; no ${wanted} there. Not achieved.`
}

/** Whole numbers below a bound, from a seed (mulberry32, public domain). */
export function drawing(seed: number): (below: number) => number {
  let state = seed >>> 0
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 4_294_967_296) * below)
  }
}
