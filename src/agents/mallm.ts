/**
 * MALLM (Becker et al. 2025, "MALLM: multi-agent large language models framework"): a discussion with roles, a paradigm that says
 * who hears whom, and a protocol that says when it is decided.
 *
 *     kernel.spawn(mallm, { question, paradigm: 'report', decision: 'majority' })
 *     kernel.spawn(mallm, { question, paradigm: 'memory', decision: 'ranked', members: [{ name: 'a', instructions: '…' }, …] })
 *
 * Each message says whether its speaker agrees with the newest solution that it has heard, or gives another. By consensus the
 * decision is tried after every message; by vote after every turn from the third on, and a tie takes one more turn. Where the turns
 * are over, the newest solution is returned. `judge` compares the solution after each turn with that before it: one that is
 * worse is dropped and the turn is held again, once.
 *
 * Of the release: three agents, seven turns, two turns of history in a prompt. Personas are given as members; without, the
 * model invents them. The rules are in channel-visibility.ts and decisions.ts.
 */
import { z } from 'zod'
import { defineProgram } from '../kernel/program.ts'
import type { Sys } from '../kernel/types.ts'
import { heardBy, turnOf, type Paradigm, type Slot } from './pieces/channel-visibility.ts'
import { consensus, votedFor, type ConsensusRule, type Stance, type VotingRule } from './pieces/decisions.ts'
import { askJson } from './pieces/json-answer.ts'
import { askMember, listed, membersOf, type Member } from './pieces/team.ts'

export interface MallmInput {
  readonly question: string
  /** @default three, invented by the model */
  readonly members?: readonly Member[]
  /** @default 'memory' */
  readonly paradigm?: Paradigm
  /** @default 'hybrid' */
  readonly decision?: ConsensusRule | VotingRule
  /** @default 7 */
  readonly turnsMax?: number
  /** Turns of history that a speaker sees. @default 2 */
  readonly visibleTurns?: number
  /** Rounds of `debate`. @default 2 */
  readonly debateRounds?: number
  /** Whether a turn that made the solution worse is held again. @default false */
  readonly judge?: boolean
}

export interface Message extends Slot, Stance {
  readonly turn: number
  readonly text: string
}

export interface Discussed {
  readonly answer: string | null
  /** The turn in which it was decided, from 1; null where the turns were over first. */
  readonly decidedIn: number | null
  readonly messages: readonly Message[]
  /** By each turn with a vote, the candidates that led. */
  readonly votes: readonly (readonly string[])[]
  /** Turns that the judge had held again. */
  readonly drifts: number
}

const PERSONAS = `Invent three different experts for a discussion of the task.
Answer with JSON: {"experts": [{"name": "…", "role": "You are …"}]}.`
const SPEAK = `You take part in a discussion of the task. Say something that brings it further. Where you agree with the newest solution, say so;
where not, give a better one. Answer with JSON: {"agree": true or false, "solution": "…" or null, "text": "…"}.`
const JUDGE = 'Is the second solution of the task worse than the first? Answer with JSON: {"worse": true or false}.'
const BALLOTS: { readonly [rule in VotingRule]: string } = {
  plurality: 'Vote for one solution. Answer with JSON: {"ballot": [its number]}.',
  approval: 'Vote for every solution that you approve of. Answer with JSON: {"ballot": [their numbers]}.',
  cumulative:
    'Divide ten points among the solutions. Answer with JSON: {"ballot": [points of the first, of the second, …]}.',
  ranked: 'Rank the solutions, the best first, five at most. Answer with JSON: {"ballot": [their numbers]}.',
}
const VOTES_FROM_TURN = 3
const invented = z.object({ experts: z.array(z.object({ name: z.string(), role: z.string() })).min(2) })
const spoken = z.object({
  agree: z.boolean(),
  solution: z.string().nullable().default(null),
  text: z.string().default(''),
})
const judged = z.object({ worse: z.boolean() })
const balloted = z.object({ ballot: z.array(z.number()) })

export const mallm = defineProgram('mallm', async (sys, input: MallmInput): Promise<Discussed> => {
  const { question, paradigm = 'memory', decision = 'hybrid', turnsMax = 7, debateRounds = 2 } = input
  const members = membersOf(input.members ?? (await inventMembers(sys, question)))
  const isVote = decision in BALLOTS
  let messages: Message[] = []
  const votes: string[][] = []
  let drifts = 0
  const ended = (answer: string | null, decidedIn: number | null): Discussed => ({
    answer,
    decidedIn,
    messages,
    votes,
    drifts,
  })

  for (let turn = 1; turn <= turnsMax; turn++) {
    const before = messages
    for (let tries = 0; tries < 2; tries++) {
      messages = before
      for (const slot of turnOf(paradigm, members.length, debateRounds)) {
        messages = [...messages, await speak(sys, input, members, slot, messages, turn)]
        const solution = isVote ? undefined : consensus(messages, members.length, decision as ConsensusRule, turn)
        if (solution !== undefined) return ended(solution, turn)
      }
      if (tries > 0 || input.judge !== true || !(await isWorse(sys, question, newest(before), newest(messages)))) break
      drifts++
    }
    if (!isVote || turn < VOTES_FROM_TURN) continue
    const candidates = [...new Set(messages.flatMap(({ solution }) => solution ?? []))]
    const led = await vote(sys, question, members, candidates, decision as VotingRule)
    votes.push(led)
    if (led.length === 1) return ended(led[0] as string, turn)
  }
  return ended(newest(messages) ?? null, null)
})

async function inventMembers(sys: Sys, question: string): Promise<readonly Member[]> {
  const said = await askJson(sys, { instructions: PERSONAS, prompt: question }, invented)
  return said?.experts.map(({ name, role }) => ({ name, instructions: role })) ?? membersOf(3)
}

/** What the speaker of a slot says, from what it has heard of the last turns. */
async function speak(
  sys: Sys,
  { question, visibleTurns = 2 }: MallmInput,
  members: readonly Member[],
  slot: Slot,
  messages: readonly Message[],
  turn: number,
): Promise<Message> {
  const heard = heardBy(slot.speaker, messages)
  const solution = newest(heard)
  const lines = heard
    .filter((message) => message.turn > turn - visibleTurns)
    .map(({ speaker, text }) => `${(members[speaker] as Member).name}: ${text}`)
  const prompt = `Task: ${question}\n\nSo far:\n${lines.length === 0 ? 'nothing was said' : lines.join('\n')}\n\nNewest solution: ${solution ?? 'none yet'}`
  const to = slot.to.map((hearer) => (members[hearer] as Member).name)
  const said = await askMember(
    sys,
    members[slot.speaker] as Member,
    { instructions: SPEAK, prompt, temperature: 0.7, to, turn, inWords },
    spoken,
  )
  const agrees = said.agree && solution !== undefined
  const own = agrees ? undefined : (said.solution ?? undefined)
  return {
    ...slot,
    turn,
    agrees,
    ...(own === undefined ? {} : { solution: own }),
    text: own === undefined ? said.text : `${said.text} Solution: ${own}`,
  }
}

/** Plain words of a person: to agree, or a solution. */
function inWords(words: string): z.input<typeof spoken> {
  const agree = /^(?:yes|i agree|agreed)\b/i.test(words)
  return { agree, solution: agree || words === '' ? null : words }
}

async function isWorse(
  sys: Sys,
  question: string,
  before: string | undefined,
  now: string | undefined,
): Promise<boolean> {
  if (before === undefined || now === undefined || before === now) return false
  const prompt = `Task: ${question}\n\nFirst solution:\n${before}\n\nSecond solution:\n${now}`
  return (await askJson(sys, { instructions: JUDGE, prompt }, judged))?.worse ?? false
}

/** The solutions with the most votes. Who casts no ballot that can be read does not vote. */
async function vote(
  sys: Sys,
  question: string,
  members: readonly Member[],
  candidates: readonly string[],
  rule: VotingRule,
): Promise<string[]> {
  if (candidates.length < 2) return [...candidates]
  const prompt = `Task: ${question}\n\nSolutions:\n${listed(candidates)}`
  const ballots = await Promise.all(
    members.map((member) =>
      askMember(sys, member, { instructions: BALLOTS[rule], prompt }, balloted).catch(() => ({
        ballot: [] as number[],
      })),
    ),
  )
  const numbers = ballots.map(({ ballot }) => (rule === 'cumulative' ? ballot : ballot.map((one) => one - 1)))
  return votedFor(numbers, candidates.length, rule).map((candidate) => candidates[candidate] as string)
}

function newest(messages: readonly Stance[]): string | undefined {
  return messages.findLast(({ solution }) => solution !== undefined)?.solution
}
