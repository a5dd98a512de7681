/**
 * What a process that will be killed tells its parent: written whole, and out of its hands, when the call returns. Its
 * standard output is a socket that does not block: while a slow parent leaves some hundred lines unread, a plain
 * `writeSync` throws `EAGAIN`.
 */
import { writeSync } from 'node:fs'

const turn = new Int32Array(new SharedArrayBuffer(4))

/** Writes a line to standard output, and waits until there is room for it. */
export function say(line: string | number): void {
  let rest = Buffer.from(`${line}\n`)
  while (rest.length > 0) {
    try {
      rest = rest.subarray(writeSync(1, rest))
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error
      Atomics.wait(turn, 0, 0, 1)
    }
  }
}
