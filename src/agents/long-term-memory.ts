/**
 * Long-term memory: one small interface, and the published ways of keeping one behind it, by name.
 *
 *     const memory = longTermMemory('a-mem')
 *     await memory.add(sys, { text: 'Ann moved to Oslo.', at: Date.UTC(2026, 4, 1) })
 *     await memory.recall(sys, 'Where does Ann live?', { limit: 5 })
 *
 *     kernel.spawn(rememberingAgent({ memory: 'temporal-graph' }), 'Where do I live?')
 *
 * A memory is plain functions; what it knows is notes of the principal, so it outlives the process, and a replay finds it
 * as it was. Two memories of one principal do not see each other's notes as long as their `space` differs.
 *
 * Invariants
 *   LM1. Nothing but system calls: no state in the object, so one object serves any number of processes.
 *   LM2. What was added is kept, also where the model that should have worked on it answers nonsense.
 *   LM3. What a call is given is checked in one place for all of them (memory-arguments.ts): `INVALID_ARGUMENT`.
 *   LM4. Two processes that change one memory at the same time may each undo a change of the other; nothing is lost but that.
 */
import { PolityError } from '../kernel/errors.ts'
import { defineProgram } from '../kernel/program.ts'
import type { ModelChoice, Program, RecalledNote, Sys } from '../kernel/types.ts'
import { aMem } from './a-mem.ts'
import { knowledgeGraphMemory } from './knowledge-graph-memory.ts'
import { layeredMemory } from './layered-memory.ts'
import { mem0 } from './mem0.ts'
import { checkedMemory } from './pieces/memory-arguments.ts'
import { pagingMemory } from './pieces/paging-storage.ts'
import { temporalGraph } from './temporal-graph.ts'

/** Something to remember. */
export interface MemoryItem {
  readonly text: string
  /** When it was said or happened, ms since 1970. @default now */
  readonly at?: number
  /** The conversation or episode it belongs to. */
  readonly session?: string
  /** Where it was learned: a path, a URL, a tool, the id of a turn. Notes drawn from it have the same. */
  readonly source?: string
}

/** What a recall may be told. */
export interface MemoryRecallOptions {
  /** Notes at most, 1 to 100. @default 10 */
  readonly limit?: number
  /** As of that time, ms since 1970, for memories that know when something held. @default now */
  readonly at?: number
}

/** A long-term memory. */
export interface LongTermMemory {
  readonly name: string
  /** Takes something in. Returns the id of the note that holds it. */
  add(sys: Sys, item: MemoryItem): Promise<string>
  /** The notes that fit, the best first. */
  recall(sys: Sys, query: string, options?: MemoryRecallOptions): Promise<readonly RecalledNote[]>
  /** What is due because time has passed, such as forgetting what has decayed: to be called about once a day. */
  upkeep?(sys: Sys, options?: { readonly at?: number }): Promise<void>
}

/** What every memory of the list takes. */
export interface MemoryOptions {
  /** Tag that its notes carry, so that several memories of one principal stay apart. @default one of its own */
  readonly space?: string
  /** Model of its calls, where it makes any. @default that of the process */
  readonly model?: ModelChoice
}

/** Notes as they come, found as the kernel finds them: the memory that every other one has to beat. */
export function plainMemory({ space = 'plain-memory', ...others }: MemoryOptions = {}): LongTermMemory {
  return checkedMemory(others, {
    name: 'plain',
    add: (sys, { text, at, session, source }) =>
      sys.remember({
        text,
        tags: [space],
        validFrom: at ?? sys.now(),
        ...(session === undefined ? {} : { session }),
        ...(source === undefined ? {} : { source }),
      }),
    recall: (sys, query, { limit = 10 } = {}) => sys.recall(query, { tag: space, limit }),
  })
}

/** The memories by name. */
export const longTermMemories = {
  plain: plainMemory,
  'a-mem': aMem,
  layered: layeredMemory,
  'temporal-graph': temporalGraph,
  'knowledge-graph': knowledgeGraphMemory,
  mem0,
  paging: pagingMemory,
} as const satisfies { readonly [name: string]: (options?: MemoryOptions) => LongTermMemory }

export type LongTermMemoryName = keyof typeof longTermMemories

/** A memory by its name. Throws `INVALID_ARGUMENT` for a name that is not in the list. */
export function longTermMemory(name: LongTermMemoryName, options?: MemoryOptions): LongTermMemory {
  if (!Object.hasOwn(longTermMemories, name))
    throw new PolityError(
      'INVALID_ARGUMENT',
      `there is no memory ${JSON.stringify(name)}; there are ${Object.keys(longTermMemories).join(', ')}`,
    )
  return longTermMemories[name](options)
}

// --------------------------------------------------------------------------------------------------------------- agent

export interface RememberingAgentOptions extends MemoryOptions {
  /** A memory, or its name. @default 'plain' */
  readonly memory?: LongTermMemory | LongTermMemoryName
  /** @default 'remembering' */
  readonly name?: string
  /** What the model is told before everything else. */
  readonly instructions?: string
  /** Notes that the model is shown. @default 10 */
  readonly limit?: number
}

/** An agent that answers a message with what its memory holds, and then remembers the message: as small as it can be. */
export function rememberingAgent({
  memory = 'plain',
  name = 'remembering',
  instructions = 'Answer the message. What you know from before stands above it; some of it may not matter.',
  limit = 10,
  ...options
}: RememberingAgentOptions = {}): Program<string, string> {
  const kept = typeof memory === 'string' ? longTermMemory(memory, options) : memory
  return defineProgram(name, async (sys, message: string) => {
    const notes = await kept.recall(sys, message, { limit })
    const known = notes.map(noteLine).join('\n')
    const prompt = known === '' ? message : `What you know:\n${known}\n\nThe message:\n${message}`
    const { text } = await sys.generate({
      instructions,
      prompt,
      ...(options.model === undefined ? {} : { model: options.model }),
    })
    await kept.add(sys, { text: message })
    return text
  })
}

/** A note in a line: since when it holds, until when, and its text. */
export function noteLine({ text, validFrom, validTo }: RecalledNote): string {
  const day = (time: number): string => new Date(time).toISOString().slice(0, 10)
  return `- (${day(validFrom)}${validTo === null ? '' : ` to ${day(validTo)}`}) ${text}`
}
