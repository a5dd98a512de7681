/**
 * Counting what a sandbox holds: its processes and their memory, read from `/proc`.
 *
 *     const stop = watchCensus(pid, { memoryBytes, processes }, (what) => kill(what))
 *
 * The kernel's own limits (rlimits) hold for one process; without a control group nothing holds for all of them together.
 * So they are counted, often: what is between two counts is not seen. Where `/proc` does not list children (not Linux, or
 * a kernel without it) nothing is counted.
 */
import { readFileSync } from 'node:fs'

/** Between two counts, ms: a machine that fills a gigabyte a second gets a twentieth of it past the limit. */
const COUNT_MS = 50
const PAGE_BYTES = 4_096

export interface Census {
  readonly processes: number
  /** Memory of their own: what they share with files is not counted, what they share after a fork is counted in each. */
  readonly memoryBytes: number
}

/** A process and everything below it. Stops counting at `processesMax`. */
export function census(pid: number, processesMax: number): Census {
  const pids = [pid]
  let memoryBytes = 0
  for (let i = 0; i < pids.length && pids.length <= processesMax; i++) {
    const one = pids[i] as number
    const [, resident = 0, shared = 0] = read(`/proc/${one}/statm`).split(' ').map(Number)
    memoryBytes += (resident - shared) * PAGE_BYTES
    for (const child of read(`/proc/${one}/task/${one}/children`).split(' ')) if (child !== '') pids.push(Number(child))
  }
  return { processes: pids.length, memoryBytes }
}

/** Counts until it is stopped; says once when there is too much. */
export function watchCensus(pid: number, max: Census, tooMuch: (what: string) => void): () => void {
  // Bubblewrap's own two come on top.
  const processesMax = max.processes + 2
  const timer = setInterval(() => {
    const found = census(pid, processesMax)
    if (found.processes > processesMax) tooMuch(`more than ${max.processes} processes`)
    else if (found.memoryBytes > max.memoryBytes) tooMuch(`more than ${max.memoryBytes} bytes of memory`)
    else return
    clearInterval(timer)
  }, COUNT_MS)
  timer.unref()
  return () => clearInterval(timer)
}

/** Empty where the process has gone. */
function read(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}
