/**
 * Reads the files of bench/memory.ts: conversations over many sessions, with questions and the turns that answer them.
 *
 *     const { conversations, skipped } = await readConversations('locomo.json')
 *     // {"sessions": [{"date": "1:56 pm on 8 May, 2023", "turns": [{"id": "D1:1", "speaker": "Ann", "text": "Hi!"}]}],
 *     //  "questions": [{"question": "Who greets?", "evidence": ["D1:1"]}]}                      or a list of those
 *
 * Invariants
 *   F1. What is wrong is one sentence: where in the file, what was found, what was expected.
 *   F2. Ids are unique in a conversation. Evidence that names no turn is left out, and so is a question of which none is
 *       left; both are counted.
 */
import { readFile } from 'node:fs/promises'
import { z } from 'zod'
import { defaultLimits } from '../src/kernel/limits.ts'
import type { Conversation } from './conversations.ts'

/** A conversation with its dates read. */
export interface ReadConversation extends Conversation {
  /** Of each session, ms since 1970. */
  readonly times: readonly number[]
}

export interface ReadFile {
  readonly conversations: readonly ReadConversation[]
  readonly skipped: {
    /** Evidence that names no turn. */
    readonly evidence: number
    /** Questions without evidence that is there. */
    readonly questions: number
    /** Turns without a text. */
    readonly turns: number
  }
}

/** What is wrong with a file, for a person. */
export class FileFault extends Error {}

const id = z.union([z.string(), z.number()]).transform(String)
const one = z.object({
  sessions: z
    .array(
      z.object({
        date: z.string(),
        turns: z.array(z.object({ id, speaker: z.string(), text: z.string() })),
      }),
    )
    .min(1),
  questions: z.array(z.object({ question: z.string().min(1), evidence: z.array(id) })),
})

/** Reads and checks a file. Throws `FileFault`. */
export async function readConversations(path: string): Promise<ReadFile> {
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (error) {
    throw new FileFault(`${path} cannot be read: ${(error as Error).message}`)
  }
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    throw new FileFault(`${path} is not JSON: ${(error as Error).message}`)
  }
  return checkConversations(value, path)
}

/** Checks what a file holds. `path` is for the words of a fault. */
export function checkConversations(value: unknown, path: string): ReadFile {
  const list = Array.isArray(value) ? value : [value]
  if (list.length === 0) throw new FileFault(`${path} holds an empty list; expected at least one conversation`)
  const skipped = { evidence: 0, questions: 0, turns: 0 }
  const conversations = list.map((each: unknown, place): ReadConversation => {
    const at = Array.isArray(value) ? [place] : []
    const { success, data, error } = one.safeParse(each)
    if (!success) {
      const { path: inside, message } = error.issues[0]!
      throw new FileFault(`${path}: ${where([...at, ...inside])}: ${message.replace(/^Invalid input: /, '')}`)
    }
    const ids = new Set<string>()
    const sessions = data.sessions.map((session, index) => ({
      ...session,
      turns: session.turns.filter((turn, order) => {
        if (ids.has(turn.id))
          throw new FileFault(
            `${path}: ${where([...at, 'sessions', index, 'turns', order, 'id'])}: "${turn.id}" is the id of an earlier turn too; ids must differ`,
          )
        ids.add(turn.id)
        // As bench/memory.ts keeps it: the speaker, a colon and the text.
        const bytes = Buffer.byteLength(`${turn.speaker}: ${turn.text}`)
        if (bytes > defaultLimits.noteBytesMax)
          throw new FileFault(
            `${path}: ${where([...at, 'sessions', index, 'turns', order])}: the turn "${turn.id}" has ${bytes} bytes with its speaker; a note has at most ${defaultLimits.noteBytesMax}, so split it`,
          )
        if (turn.text.trim() === '') skipped.turns++
        return turn.text.trim() !== ''
      }),
    }))
    const told = new Set(sessions.flatMap(({ turns }) => turns.map((turn) => turn.id)))
    const questions = data.questions.flatMap(({ question, evidence }) => {
      // Some data write several ids as one text: "D8:6; D9:17".
      const named = evidence.flatMap((one) =>
        ids.has(one) ? [one] : one.split(/[;,\s]+/).filter((part) => part !== ''),
      )
      const there = [...new Set(named)].filter((one) => told.has(one))
      skipped.evidence += new Set(named).size - there.length
      if (there.length > 0) return [{ question, evidence: there }]
      skipped.questions++
      return []
    })
    const times = sessions.map(({ date }, index) => {
      const time = timeOf(date)
      if (time === undefined)
        throw new FileFault(
          `${path}: ${where([...at, 'sessions', index, 'date'])}: "${date}" is no date; expected one such as "1:56 pm on 8 May, 2023" or "2023-05-08T13:56:00Z"`,
        )
      return time
    })
    return { sessions, questions, times }
  })
  return { conversations, skipped }
}

function where(path: readonly PropertyKey[]): string {
  const text = path.map((part) => (typeof part === 'number' ? `[${part}]` : `.${String(part)}`)).join('')
  return text === '' ? 'the conversation' : text.replace(/^\./, '')
}

const MONTHS = 'jan feb mar apr may jun jul aug sep oct nov dec'.split(' ')

/** A date as people and machines write it, in UTC where it names no zone; undefined for anything else. */
export function timeOf(date: string): number | undefined {
  const said =
    /^(?:(\d{1,2})(?::(\d\d))?\s*([ap])\.?m\.?\s*(?:on|,)?\s*)?(\d{1,2})(?:st|nd|rd|th)?\s+(\p{L}{3})\p{L}*\.?,?\s+(\d{4})$/iu.exec(
      date.trim(),
    )
  if (said !== null) {
    const [, hour = '12', minute = '0', half = 'p', day = '', name = '', year = ''] = said
    const month = MONTHS.indexOf(name.toLowerCase())
    const daysInMonth = new Date(Date.UTC(Number(year), month + 1, 0)).getUTCDate()
    const isReal =
      Number(day) >= 1 && Number(day) <= daysInMonth && Number(hour) >= 1 && Number(hour) <= 12 && Number(minute) < 60
    if (month === -1 || !isReal) return undefined
    return Date.UTC(
      Number(year),
      month,
      Number(day),
      (Number(hour) % 12) + (half.toLowerCase() === 'p' ? 12 : 0),
      Number(minute),
    )
  }
  // Without a zone, ISO times are read as local ones; the figures shall not depend on the machine's.
  const iso = /^\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?$/.test(date.trim())
    ? `${date.trim().replace(' ', 'T')}Z`
    : date
  const time = Date.parse(iso)
  // The 31st of February is read as a day of March.
  const [, year = '', month = '', day = ''] = /^(\d{4})-(\d\d)-(\d\d)(?!\d)/.exec(date.trim()) ?? []
  if (day !== '' && Number(day) > new Date(Date.UTC(Number(year), Number(month), 0)).getUTCDate()) return undefined
  return Number.isNaN(time) ? undefined : time
}
