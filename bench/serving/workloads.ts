/**
 * The agents of the serving bench: what each asks, in which order, and what it waits for between.
 *
 * A program is written once, against `Io`, and run by every contestant, so all do the same work: what an agent draws comes
 * from its number, and an answer's length from its call, whoever serves it and when. Lengths are invented, in the range
 * that traces of such agents have: contexts of 300 to 2,500 tokens, answers of 5 to 250.
 */
import { randomAt } from '../../src/kernel/clock.ts'

export type Message =
  | { readonly role: 'system'; readonly content: string }
  | { readonly role: 'user'; readonly content: string }
  | { readonly role: 'assistant'; readonly content: string }

/** What an agent can do. */
export interface Io {
  /** The answer to these messages. `call` is unique in the whole run. */
  ask(messages: readonly Message[], maxOutputTokens: number, call: number): Promise<string>
  /** A tool runs, or a person thinks. */
  pause(ms: number): Promise<void>
}

export interface Agent {
  /** When it comes, ms after the start. */
  readonly at: number
  readonly kind: 'batch' | 'interactive'
  run(io: Io): Promise<void>
}

export interface Workload {
  readonly name: string
  readonly says: string
  agents(count: number): readonly Agent[]
}

const SEED = 11
/** Calls of one agent are numbered from its own thousand on. */
const CALLS_PER_AGENT = 1_000

/** What one agent draws, in the order in which it asks for it. */
function dice(agent: number): { between(least: number, most: number): number; call(): number } {
  let drawn = 0
  let calls = 0
  return {
    between: (least, most) => least + Math.floor(randomAt(SEED, agent, drawn++) * (most - least + 1)),
    call: () => agent * CALLS_PER_AGENT + calls++,
  }
}

/** So many tokens of text, told apart by `what`. Four characters are a token, as the simulated server counts. */
function text(what: string, tokens: number): string {
  return `${what}: ${'lorem ipsum dolor sit amet. '.repeat(Math.ceil(tokens / 7))}`.slice(0, tokens * 4)
}

const system = (program: string, tokens = 200): Message => ({
  role: 'system',
  content: text(`You are ${program}`, tokens),
})
const user = (content: string): Message => ({ role: 'user', content })
const assistant = (content: string): Message => ({ role: 'assistant', content })

/** Reason, act, observe (Yao et al. 2023): 3 to 8 steps, tools of 0.2 to 1.5 s, observations of 60 to 200 tokens. */
async function reactSteps(
  io: Io,
  messages: Message[],
  steps: number,
  name: string,
  { between, call }: ReturnType<typeof dice>,
): Promise<void> {
  for (let step = 0; step < steps; step++) {
    messages.push(assistant(await io.ask(messages, 200, call())))
    if (step === steps - 1) return
    await io.pause(between(200, 1_500))
    messages.push(user(text(`Observation ${step} of ${name}`, between(60, 200))))
  }
}

const batch =
  (run: (io: Io, i: number) => Promise<void>) =>
  (count: number): readonly Agent[] =>
    Array.from({ length: count }, (_, i) => ({ at: 0, kind: 'batch', run: (io) => run(io, i) }))

async function react(io: Io, i: number): Promise<void> {
  const draw = dice(i)
  const messages = [system('an agent with tools'), user(text(`Question ${i}`, draw.between(30, 100)))]
  await reactSteps(io, messages, draw.between(3, 8), `${i}`, draw)
}

/** Try, reflect, try again (Shinn et al. 2023): 1 to 3 trials of 2 to 4 steps, a reflection after each but the last. */
async function reflexion(io: Io, i: number): Promise<void> {
  const draw = dice(i)
  const task = text(`Task ${i}`, draw.between(50, 150))
  const reflections: string[] = []
  for (let trial = draw.between(1, 3); trial > 0; trial--) {
    const messages = [system('an agent that learns from its trials'), user([task, ...reflections].join('\n'))]
    await reactSteps(io, messages, draw.between(2, 4), `${i}, ${trial}`, draw)
    if (trial === 1) return
    messages.push(user('What went wrong, and what will you do next time?'))
    reflections.push(await io.ask(messages, 250, draw.call()))
  }
}

/** Three debate for three rounds, each reads what the others said (Du et al. 2023); a judge decides. */
async function debate(io: Io, i: number): Promise<void> {
  const draw = dice(i)
  const question = text(`Question ${i}`, draw.between(50, 150))
  const windows = [0, 1, 2].map((who) => [system('a debater'), user(`${question}\nYou are debater ${who}.`)])
  let said: string[] = []
  for (let round = 0; round < 3; round++) {
    if (round > 0)
      for (const [who, window] of windows.entries())
        window.push(user(`Others said:\n${said.filter((_, other) => other !== who).join('\n')}\nAnswer again.`))
    const calls = windows.map(() => draw.call())
    said = await Promise.all(windows.map((window, who) => io.ask(window, 250, calls[who] as number)))
    for (const [who, window] of windows.entries()) window.push(assistant(said[who] as string))
  }
  await io.ask([system('a judge'), user(`${question}\n${said.join('\n')}\nWho is right?`)], 60, draw.call())
}

/** Tree search (Yao et al. 2023, "Tree of Thoughts"): three thoughts from the best node, each valued, three to five deep. */
async function treeSearch(io: Io, i: number): Promise<void> {
  const draw = dice(i)
  const path = [system('a searcher'), user(text(`Problem ${i}`, draw.between(80, 200)))]
  for (let depth = draw.between(3, 5); depth > 0; depth--) {
    const calls = [0, 1, 2].map(() => [draw.call(), draw.call()] as const)
    const thoughts = await Promise.all(
      calls.map(async ([write, judge], branch) => {
        const thought = await io.ask([...path, user(`Thought ${branch}, please.`)], 160, write)
        await io.ask([...path, assistant(thought), user('How good is this, 1 to 10?')], 10, judge)
        return thought
      }),
    )
    path.push(assistant(thoughts[draw.between(0, 2)] as string), user('Go on.'))
  }
}

/** As many agents of ReAct, and beside them people who ask a question each: half as many, one every two seconds in the mean. */
function mixed(count: number): readonly Agent[] {
  const agents: Agent[] = [...batch(react)(count)]
  let at = 0
  for (let i = 0; i < count / 2; i++) {
    const number = 1_000_000 + i
    const draw = dice(number)
    at += -2_000 * Math.log(1 - randomAt(SEED, -1, i))
    agents.push({
      at,
      kind: 'interactive',
      async run(io) {
        await io.ask([system('an assistant'), user(text(`Hello ${i}`, draw.between(40, 160)))], 160, draw.call())
      },
    })
  }
  return agents
}

export const workloads: readonly Workload[] = [
  { name: 'ReAct', says: '3 to 8 steps with tools between', agents: batch(react) },
  { name: 'Reflexion', says: '1 to 3 trials, reflections between', agents: batch(reflexion) },
  { name: 'debate', says: '3 debaters, 3 rounds, a judge', agents: batch(debate) },
  { name: 'tree search', says: '3 thoughts a node, valued, 3 to 5 deep', agents: batch(treeSearch) },
  { name: 'mixed', says: 'ReAct, and people who ask', agents: mixed },
]

/** Tokens of an answer: lognormal around two fifths of what it may have (sigma .6), by its call alone. */
export function answerTokens(call: number, most: number): number {
  const normal = Math.sqrt(-2 * Math.log(1 - randomAt(SEED, call, 1))) * Math.cos(2 * Math.PI * randomAt(SEED, call, 2))
  return Math.max(1, Math.min(most, Math.round(0.4 * most * Math.exp(0.6 * normal))))
}
