/**
 * Knowledge graph of agents that work together (DAMCS, Yang et al. 2025, "LLM-powered decentralized generative agents with
 * adaptive hierarchical knowledge graph for cooperative planning"): each agent keeps its experiences under goals, and goals
 * under a long-term goal, plans from one branch of that tree, and tells others only what matters to their goal.
 *
 *     const graph = knowledgeGraph({ agent: 'miner' })
 *     await graph.aim(sys, 'find a diamond')
 *     await graph.experience(sys, { goal: 'collect wood', action: 'chop', observation: 'a tree', result: '2 wood', step: 1 })
 *     await graph.consolidate(sys, goalId, { status: 'done' })
 *     const { longTerm, goal, experiences, messages } = await graph.plan(sys)
 *     await graph.tell(sys, 'smith', state, 'forge an iron pickaxe')      // sys.send, what concerns that goal
 *     await graph.hear(sys)                                               // sys.receive, kept for the next plan
 *
 * Agents of one principal share a memory; `agent` keeps their graphs apart.
 *
 * Invariants
 *   KG1. An experience has exactly one goal and a goal one long-term goal.
 *   KG2. Consolidating again changes nothing.
 *   KG3. A plan reads the long-term goal, the open goal, its last `recent` experiences and one message an agent: what it
 *        takes does not grow with what was experienced.
 *   KG4. What is told is what concerns the other's goal (peer-messages.ts).
 */
import { PolityError } from '../kernel/errors.ts'
import type { Json, NoteInput, RecalledNote, Sys } from '../kernel/types.ts'
import { changedNote } from './pieces/changed-note.ts'
import type { MemoryOptions } from './long-term-memory.ts'
import { markedNote, noteInput, readNote, readNotes } from './pieces/notes.ts'
import type { PeerMessage } from './pieces/peer-messages.ts'
import { inWords, messageFor, nextMessage } from './pieces/peer-messages.ts'
import { markOf } from './pieces/text-hash.ts'
import { likeness } from './pieces/topics.ts'

export interface KnowledgeGraphOptions extends MemoryOptions {
  /** Whose graph. @default 'self' */
  readonly agent?: string
  /** Experiences that a plan shows. @default 5 */
  readonly recent?: number
  /** Likeness of two goals, 0 to 1 by their words, from which on they are one. @default 0.5 (not stated in the paper) */
  readonly sameGoal?: number
}

export interface Experience {
  /** What it was done for. @default the open goal */
  readonly goal?: string
  readonly observation?: string
  readonly action: string
  readonly result: string
  readonly step?: number
}

export type GoalStatus = 'open' | 'done' | 'failed'

export interface Plan {
  readonly longTerm: RecalledNote | undefined
  readonly goal: RecalledNote | undefined
  /** The newest last. */
  readonly experiences: readonly RecalledNote[]
  /** The last message of each agent that was heard. */
  readonly messages: readonly PeerMessage[]
}

export interface KnowledgeGraph {
  /** Sets the long-term goal; the same again is the same. Returns its id. */
  aim(sys: Sys, text: string): Promise<string>
  /** Attaches to the goal that is meant, or to one like it, or to a new one. Returns the id of the experience. */
  experience(sys: Sys, experience: Experience, from?: Pick<NoteInput, 'source' | 'validFrom'>): Promise<string>
  /** Closes a goal with what came of it, and counts it for the long-term goal. */
  consolidate(
    sys: Sys,
    goal: string,
    end: { readonly status: 'done' | 'failed'; readonly summary?: string },
  ): Promise<void>
  plan(sys: Sys): Promise<Plan>
  /** To a process by pid or name; `theirGoal` and `theirNeeds` as far as they were heard. Returns how many took it. */
  tell(
    sys: Sys,
    to: number | string,
    message: Omit<PeerMessage, 'from'>,
    theirGoal: string,
    theirNeeds?: readonly string[],
  ): Promise<number>
  /** Takes in all messages that wait, and keeps the last of each agent. */
  hear(sys: Sys): Promise<readonly PeerMessage[]>
}

/** What notes of the three levels keep. */
interface LongTermNode {
  readonly level: 'long-term'
  /** The goal that is being worked on. */
  readonly open: string | null
  readonly goals: number
  readonly done: number
  readonly failed: number
  /** The agents that were heard, by the note of their last message. */
  readonly peers: { readonly [agent: string]: string }
}

interface GoalNode {
  readonly level: 'goal'
  readonly longTerm: string
  readonly status: GoalStatus
  /** The last experiences, the newest last. */
  readonly recent: readonly string[]
  readonly count: number
}

interface ExperienceNode {
  readonly level: 'experience'
  readonly goal: string
  readonly step: number
}

/** Goals that are compared with a new one. */
const LIKE_GOALS = 10
/** Messages that are heard at once. */
const HEARD_MAX = 100

export function knowledgeGraph({
  space = 'knowledge-graph',
  agent = 'self',
  recent = 5,
  sameGoal = 0.5,
}: KnowledgeGraphOptions = {}): KnowledgeGraph {
  const own = `${space}:${agent}`
  const tags = { root: markOf(`${own}:long-term`), goal: `${own}:goal`, experience: `${own}:experience` }

  const root = (sys: Sys): Promise<RecalledNote | undefined> => markedNote(sys, tags.root)

  async function keepRoot(sys: Sys, note: RecalledNote, changes: Partial<LongTermNode>): Promise<void> {
    await sys.remember({ ...noteInput(note), data: { ...nodeIn<LongTermNode>(note), ...changes } })
  }

  async function aim(sys: Sys, text: string): Promise<string> {
    const now = await root(sys)
    if (now?.text === text) return now.id
    // The mark is of the one that counts; the goals of the others keep pointing at them.
    if (now !== undefined) await sys.remember({ ...noteInput(now), tags: now.tags.filter((tag) => tag !== tags.root) })
    const data = { level: 'long-term', open: null, goals: 0, done: 0, failed: 0, peers: {} } satisfies LongTermNode
    return sys.remember({ text, kind: 'summary', tags: [space, own, tags.root], data })
  }

  /** The goal that is meant: the open one, one of that name, one like it, or a new one. */
  async function goalFor(sys: Sys, longTerm: RecalledNote, text: string | undefined): Promise<RecalledNote> {
    const { open, goals } = nodeIn<LongTermNode>(longTerm)
    const current = open === null ? undefined : await readNote(sys, open)
    if (text === undefined) {
      if (current !== undefined) return current
      throw new PolityError('INVALID_ARGUMENT', 'an experience without a goal needs an open one: name it in `goal`')
    }
    const near = await sys.recall(text, { tag: tags.goal, limit: LIKE_GOALS })
    const fits = [...(current === undefined ? [] : [current]), ...near]
      .filter((one) => nodeIn<GoalNode>(one).longTerm === longTerm.id)
      .map((one) => ({ one, likeness: likeness(one.text, text) }))
      .filter((fit) => fit.likeness >= sameGoal)
      .sort((a, b) => b.likeness - a.likeness)[0]
    if (fits !== undefined) {
      const isOther = nodeIn<GoalNode>(fits.one).status === 'open' && fits.one.id !== open
      if (isOther) await keepRoot(sys, longTerm, { open: fits.one.id })
      return fits.one
    }
    const data = { level: 'goal', longTerm: longTerm.id, status: 'open', recent: [], count: 0 } satisfies GoalNode
    const id = await sys.remember({ text, kind: 'summary', tags: [space, own, tags.goal], links: [longTerm.id], data })
    await keepRoot(sys, longTerm, { open: id, goals: goals + 1 })
    return (await readNote(sys, id)) as RecalledNote
  }

  async function experience(
    sys: Sys,
    { goal, observation, action, result, step = 0 }: Experience,
    from: Pick<NoteInput, 'source' | 'validFrom'> = {},
  ): Promise<string> {
    const longTerm = await root(sys)
    if (longTerm === undefined)
      throw new PolityError('INVALID_ARGUMENT', 'there is no long-term goal yet: call `aim` first')
    const node = await goalFor(sys, longTerm, goal)
    const text = [observation, action, result].filter((part) => part !== undefined && part !== '').join('; ')
    const data = { level: 'experience', goal: node.id, step } satisfies ExperienceNode
    const id = await sys.remember({
      text,
      tags: [space, own, tags.experience],
      session: node.id,
      links: [node.id],
      data,
      ...from,
    })
    const before = nodeIn<GoalNode>(node)
    const now: GoalNode = { ...before, recent: [...before.recent, id].slice(-recent), count: before.count + 1 }
    await sys.remember({ ...noteInput(node), data: now as unknown as Json })
    return id
  }

  async function consolidate(
    sys: Sys,
    goal: string,
    { status, summary }: { readonly status: 'done' | 'failed'; readonly summary?: string },
  ): Promise<void> {
    const note = await readNote(sys, goal)
    if (note === undefined) throw new PolityError('NO_SUCH_NOTE', `there is no goal "${goal}" in this memory`)
    const before = nodeIn<GoalNode>(note)
    const drawn = summary === undefined && note.context === '' ? await readNotes(sys, before.recent) : []
    const context = summary ?? (note.context || drawn.map(({ text }) => text).join('. '))
    if (before.status === status && note.context === context) return
    // What is told in experiences goes with their sources.
    const by = drawn.map(({ id }) => id)
    await sys.remember({ ...changedNote(note, ...by), context, data: { ...before, status } as unknown as Json })
    const longTerm = await readNote(sys, before.longTerm)
    if (longTerm === undefined) return
    const { open, done, failed } = nodeIn<LongTermNode>(longTerm)
    const counts = { done: done + change(before, status, 'done'), failed: failed + change(before, status, 'failed') }
    await keepRoot(sys, longTerm, { ...counts, open: open === goal ? null : open })
  }

  async function plan(sys: Sys): Promise<Plan> {
    const longTerm = await root(sys)
    if (longTerm === undefined) return { longTerm, goal: undefined, experiences: [], messages: [] }
    const { open, peers } = nodeIn<LongTermNode>(longTerm)
    const goal = open === null ? undefined : await readNote(sys, open)
    const experiences = goal === undefined ? [] : await readNotes(sys, nodeIn<GoalNode>(goal).recent)
    const heard = await readNotes(sys, Object.values(peers))
    return { longTerm, goal, experiences, messages: heard.map(({ data }) => data as unknown as PeerMessage) }
  }

  async function hear(sys: Sys): Promise<readonly PeerMessage[]> {
    const heard: PeerMessage[] = []
    while (heard.length < HEARD_MAX) {
      const message = await nextMessage(sys)
      if (message === undefined) break
      if (message !== null) heard.push(message)
    }
    const longTerm = await root(sys)
    if (longTerm === undefined || heard.length === 0) return heard
    const peers = new Map(Object.entries(nodeIn<LongTermNode>(longTerm).peers))
    for (const message of new Map(heard.map((one) => [one.from, one])).values()) {
      const id = peers.get(message.from)
      const note = { text: inWords(message), tags: [space, own], data: message as unknown as Json }
      peers.set(message.from, await sys.remember(id === undefined ? note : { ...note, id }))
    }
    await keepRoot(sys, longTerm, { peers: Object.fromEntries(peers) })
    return heard
  }

  return {
    aim,
    experience,
    consolidate,
    plan,
    hear,
    tell: (sys, to, message, theirGoal, theirNeeds) =>
      sys.send(to, { peer: messageFor({ ...message, from: agent }, theirGoal, theirNeeds) as unknown as Json }),
  }
}

function change(before: GoalNode, status: GoalStatus, counted: GoalStatus): number {
  return Number(status === counted) - Number(before.status === counted)
}

function nodeIn<Node>(note: RecalledNote): Node {
  return note.data as unknown as Node
}
