/** Questions that wait: asked of the kernel that has the store open, or read from the journals of stopped processes. */
import type { StoreReader } from '../drivers/store/sqlite-reader.ts'
import { PolityError } from '../kernel/errors.ts'
import type { CallStart, Pid, Question } from '../kernel/types.ts'
import { askStatus, ownerOf } from './store-file.ts'

/** What waits in the kernel that has the store open; undefined when none has. */
export async function waitingQuestions(path: string, reader: StoreReader): Promise<readonly Question[] | undefined> {
  const { isOwned, pid } = ownerOf(path)
  if (!isOwned) return undefined
  const status = await askStatus(path, reader)
  if (status === undefined)
    throw new PolityError(
      'STORE_LOCKED',
      `the kernel in process ${pid ?? 'unknown'} has the store open and does not answer; try again when it has finished what it computes`,
    )
  return status.questions
}

export interface StoppedQuestion {
  readonly pid: Pid
  readonly text: string
}

/** Questions of stopped processes. They have no id until a kernel asks them again. */
export function stoppedQuestions(reader: StoreReader): StoppedQuestion[] {
  const found: StoppedQuestion[] = []
  for (const { start, end } of reader.processes()) {
    if (end !== undefined) continue
    const open = new Map<number, CallStart>()
    for (const event of reader.events(start.pid)) {
      if (event.type === 'call-start' && event.call === 'ask') open.set(event.n, event)
      else if (event.type === 'call-end') open.delete(event.n)
    }
    for (const { args } of open.values())
      found.push({ pid: start.pid, text: String((args as { text?: unknown } | null)?.text ?? '') })
  }
  return found
}
