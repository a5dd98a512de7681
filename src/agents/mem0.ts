/**
 * Mem0 (Chhikara et al. 2025, "Mem0: building production-ready AI agents with scalable long-term memory"): a model draws
 * facts from each message, and decides of each whether it is new, betters a memory, takes one away, or says nothing new.
 *
 *     const memory = mem0()
 *     await memory.add(sys, { text: 'Ann: I no longer eat meat.', session: 'chat 1' })
 *     await memory.recall(sys, 'What does Ann eat?')
 *
 * A message costs one model call, and one more where its facts meet memories. The model is shown memories under small
 * numbers, never under their ids, so one that it invents names nothing. A fact whose text is there already is not kept twice,
 * whoever asks for it. Messages stay as they came and are found behind the memories; a message that the model makes nothing
 * of is found all the same.
 *
 * Ranking is the kernel's; the release's own scores (squashed BM25, entity boosts) and its graph are not here.
 *
 * Invariants
 *   ME1. A memory that is bettered keeps its id; what it said before stands in `data.history`. The message is among its parents,
 *        so that revoking the source of either takes it.
 *   ME2. Facts that do not touch one another leave the same memories in whatever order they come.
 */
import { z } from 'zod'
import type { Json, RecalledNote, Sys } from '../kernel/types.ts'
import { changedNote } from './pieces/changed-note.ts'
import { askJson } from './pieces/json-answer.ts'
import type { LongTermMemory, MemoryOptions } from './long-term-memory.ts'
import { checkedMemory } from './pieces/memory-arguments.ts'
import { markedNote } from './pieces/notes.ts'
import { markOf } from './pieces/text-hash.ts'

export interface Mem0Options extends MemoryOptions {
  /** Messages of the session that are shown with a new one. @default 10, as in the paper */
  readonly messages?: number
  /** Memories that each fact is held against. @default 10, as in the paper */
  readonly similar?: number
  /** Facts are only added, without the second call: as in the present release. @default false: as in the paper */
  readonly additive?: boolean
}

const EXTRACT = `Draw from the new message the facts that are worth remembering: of persons, preferences, plans, relations, numbers. One short sentence each, with names instead of pronouns. What the messages before it say is for understanding only. Answer with JSON: {"facts": ["…"]}, empty where there is none.`

const DECIDE = `New facts come into a memory; the memories they may touch are numbered. Say what to do, with JSON:
{"memory": [{"event": "ADD", "text": "a new fact"}, {"event": "UPDATE", "id": number, "text": "the memory, bettered by a fact"},
{"event": "DELETE", "id": number of a memory that a fact shows to be wrong}, {"event": "NONE", "id": number of one that says it already}]}
Each new fact is used once. What contradicts a memory without taking its place deletes it and is added.`

const extracted = z.object({ facts: z.array(z.string()) })
const decided = z.object({
  memory: z.array(
    z.object({
      event: z.enum(['ADD', 'UPDATE', 'DELETE', 'NONE']),
      id: z.number().int().nullish(),
      text: z.string().nullish(),
    }),
  ),
})

/** Earlier texts that a memory keeps. */
const HISTORY_MAX = 20

export function mem0({
  space = 'mem0',
  model,
  messages: shown = 10,
  similar = 10,
  additive = false,
  ...others
}: Mem0Options = {}): LongTermMemory {
  const tags = { message: `${space}:message`, memory: `${space}:memory` }
  const asked = model === undefined ? {} : { model }

  /** Adds a fact, unless its text is there already. */
  async function keep(sys: Sys, text: string, message: RecalledNote): Promise<void> {
    const mark = sameText(text)
    if ((await markedNote(sys, mark)) !== undefined) return
    const { id, validFrom, session, source } = message
    await sys.remember({
      text,
      kind: 'fact',
      tags: [tags.memory, mark],
      parents: [id],
      validFrom,
      data: { history: [] },
      ...(session === null ? {} : { session }),
      ...(source === null ? {} : { source }),
    })
  }

  /** What a message made of a memory is of that message too, and has its source. */
  async function better(sys: Sys, memory: RecalledNote, text: string, message: RecalledNote): Promise<void> {
    if (text === memory.text || (await markedNote(sys, sameText(text))) !== undefined) return
    const { history } = memory.data as { readonly history: readonly Json[] }
    const data = { history: [...history, { text: memory.text, until: sys.now() }].slice(-HISTORY_MAX) }
    const { source: _before, ...changed } = changedNote(memory, message.id)
    await sys.remember({
      ...changed,
      text,
      tags: [tags.memory, sameText(text)],
      data,
      ...(message.source === null ? {} : { source: message.source }),
    })
  }

  const sameText = (text: string): string => markOf(`${space}: ${text.toLowerCase().replaceAll(/\s+/g, ' ').trim()}`)

  return checkedMemory(others, {
    name: 'mem0',
    async add(sys, { text, at = sys.now(), session = space, source }) {
      const before = await sys.recall('', { tag: tags.message, session, limit: shown })
      const id = await sys.remember({
        text,
        tags: [tags.message],
        session,
        validFrom: at,
        ...(source === undefined ? {} : { source }),
      })
      const lines = before.toReversed().map((one) => one.text)
      const prompt = `Messages before:\n${lines.join('\n')}\n\nThe new message:\n${text}`
      const found = await askJson(sys, { ...asked, instructions: EXTRACT, prompt }, extracted)
      const facts = [...new Set(found?.facts.map((fact) => fact.trim()).filter((fact) => fact !== ''))]
      const [message] = await sys.recall('', { ids: [id], limit: 1 })
      if (facts.length === 0 || message === undefined) return id

      const near = new Map<string, RecalledNote>()
      if (!additive)
        for (const fact of facts)
          for (const one of await sys.recall(fact, { tag: tags.memory, limit: similar })) near.set(one.id, one)
      const memories = [...near.values()]
      if (memories.length === 0) {
        for (const fact of facts) await keep(sys, fact, message)
        return id
      }
      const numbered = memories.map((one, i) => `${i}: ${one.text}`).join('\n')
      const question = `Memories:\n${numbered}\n\nNew facts:\n${facts.map((fact) => `- ${fact}`).join('\n')}`
      const said = await askJson(sys, { ...asked, instructions: DECIDE, prompt: question }, decided)
      // A model that cannot decide loses nothing: what is new is added.
      for (const { event, id: number, text: given } of said?.memory ??
        facts.map((fact) => ({ event: 'ADD' as const, text: fact, id: null }))) {
        const memory = memories[number ?? -1]
        const fact = given?.trim() ?? ''
        if (event === 'ADD' && fact !== '') await keep(sys, fact, message)
        else if (event === 'UPDATE' && memory !== undefined && fact !== '') await better(sys, memory, fact, message)
        else if (event === 'DELETE' && memory !== undefined && near.delete(memory.id)) await sys.forget(memory.id)
      }
      return id
    },

    async recall(sys, query, { limit = 10 } = {}) {
      const memories = await sys.recall(query, { tag: tags.memory, limit })
      if (memories.length === limit) return memories
      return [...memories, ...(await sys.recall(query, { tag: tags.message, limit: limit - memories.length }))]
    },
  })
}
