/**
 * Sessions of editors: which runs are a session's, read from the journal.
 *
 *     const name = nameOf({ sessionId, cwd })               // of each run of a session
 *     sessionsOf(heads, 'clerk')                            // those of a program, the latest first
 *     const past = await pastOf(kernel, heads, pid)         // what happened in a run, its children included
 *
 * Invariants
 *   AS1. Nothing is kept beside the journal: the name of a run says whose it is, so a session lives as long as its runs do.
 *   AS2. A process that a program or another door began is of no session: only roots of the local principal count, forks not.
 */
import type { ProcessHead } from '../../kernel/drivers.ts'
import type { Kernel } from '../../kernel/kernel.ts'
import type { JournalEvent, Pid } from '../../kernel/types.ts'
import { textOf } from '../fields.ts'

export interface SessionName {
  readonly sessionId: string
  /** Working directory of the editor, absolute. */
  readonly cwd: string
}

/** A session with at least one run. */
export interface KeptSession extends SessionName {
  /** Its runs, the oldest first. */
  readonly runs: readonly Pid[]
  /** The beginning of what was said first. */
  readonly title: string
  /** When its last run ended, or began where that has not ended, ms since 1970. */
  readonly updatedAt: number
}

const PRINCIPAL = 'local'
const NAME = /^acp:([^:]+):(.*)$/su
const TITLE_CHARS_MAX = 100

export function nameOf({ sessionId, cwd }: SessionName): string {
  return `acp:${sessionId}:${cwd}`
}

export function sessionsOf(heads: Iterable<ProcessHead>, program: string): readonly KeptSession[] {
  const found = new Map<string, KeptSession>()
  for (const { start, end } of heads) {
    const [, sessionId, cwd] = NAME.exec(start.name ?? '') ?? []
    if (sessionId === undefined || cwd === undefined) continue
    if (start.program !== program || start.parent !== null || start.forkOf !== null || start.principal !== PRINCIPAL)
      continue
    const earlier = found.get(sessionId)
    found.set(sessionId, {
      sessionId,
      cwd,
      runs: [...(earlier?.runs ?? []), start.pid],
      title: earlier?.title ?? String(start.input ?? '').slice(0, TITLE_CHARS_MAX),
      updatedAt: end?.at ?? start.at,
    })
  }
  return [...found.values()].toSorted((a, b) => (b.runs.at(-1) as Pid) - (a.runs.at(-1) as Pid))
}

/** What happened in a run and below it, in order. */
export async function pastOf(
  kernel: Kernel,
  heads: Iterable<ProcessHead>,
  root: Pid,
): Promise<readonly JournalEvent[]> {
  const family = new Set([root])
  // By pid ascending: a parent comes before its children.
  for (const { start } of heads) if (start.parent !== null && family.has(start.parent)) family.add(start.pid)
  const all: JournalEvent[] = []
  for (const pid of family) all.push(...(await kernel.events(pid)))
  return all.toSorted((a, b) => a.seq - b.seq)
}

/** A question that a run was stopped with. */
export interface OpenQuestion {
  readonly pid: Pid
  readonly text: string
}

/** Its questions to a person that had no answer when it was stopped. */
export function openQuestionsOf(past: readonly JournalEvent[]): readonly OpenQuestion[] {
  const open = new Map<string, OpenQuestion>()
  for (const event of past) {
    if (event.type === 'call-start' && event.call === 'ask') {
      const text = textOf(event.args, 'text')
      if (text !== undefined) open.set(`${event.pid}-${event.n}`, { pid: event.pid, text })
    } else if (event.type === 'call-end') open.delete(`${event.pid}-${event.n}`)
    else if (event.type === 'process-end') for (const [key, { pid }] of open) if (pid === event.pid) open.delete(key)
  }
  return [...open.values()]
}
