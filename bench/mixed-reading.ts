/**
 * The journals of a store that a server has open, read while it runs: they go once there are more than it keeps.
 *
 *     const reading = readJournals('polity.db', { everyMs: 2_000, fault })
 *     const counts = reading.end(clients.ledger)      // the server is gone: all is compared with what clients were told
 *
 * Invariant
 *   RJ1. Every event is read once, in order; one that comes to a journal after its end is a fault.
 */
import { readSqliteStore } from '../src/drivers/store/sqlite-reader.ts'
import type { Ledger } from './mixed-clients.ts'

export interface Counts {
  readonly processes: number
  readonly runs: number
  readonly calls: number
}

interface Life {
  readonly parent: number | null
  readonly program: string
  /** How it ended. */
  end?: string
  /** Places of its events. */
  readonly seqs: number[]
}

export function readJournals(
  store: string,
  { everyMs, fault }: { readonly everyMs: number; readonly fault: (what: string) => void },
): { end(ledger: Ledger): Counts } {
  const lives = new Map<number, Life>()
  const reader = readSqliteStore(store)
  let last = 0
  let calls = 0
  const timer = setInterval(() => {
    try {
      read()
    } catch (error) {
      fault(`the journals cannot be read: ${String(error)}`)
    }
  }, everyMs)

  function read(): void {
    for (const event of reader.since(last)) {
      last = event.seq
      const { pid } = event
      if (event.type === 'process-start') lives.set(pid, { parent: event.parent, program: event.program, seqs: [] })
      const life = lives.get(pid)
      if (life === undefined) {
        fault(`process ${pid} has no beginning in the journal`)
        continue
      }
      life.seqs.push(event.seq)
      if (event.type === 'call-start') calls++
      if (event.type !== 'process-end') continue
      if (life.end !== undefined) fault(`process ${pid} ended twice`)
      life.end = event.state
    }
  }

  return {
    end({ ends, followed }) {
      clearInterval(timer)
      try {
        read()
      } finally {
        reader.close()
      }
      for (const [pid, { program, end }] of lives)
        if (end === undefined && program !== 'aios-files')
          fault(`process ${pid} (${program}) has no end in the journal`)
      for (const [pid, told] of ends) {
        const life = lives.get(pid)
        if (life === undefined) fault(`process ${pid} was told to a client and is not in the journal`)
        else if (told !== undefined && life.end !== told)
          fault(`process ${pid} ended ${life.end}; its client was told ${told}`)
      }
      const rootOf = (pid: number): number => {
        const parent = lives.get(pid)?.parent ?? null
        return parent === null ? pid : rootOf(parent)
      }
      const trees = new Map<number, number[]>()
      for (const [pid, { seqs }] of lives) {
        const root = rootOf(pid)
        if (!followed.has(root)) continue
        const tree = trees.get(root) ?? []
        tree.push(...seqs)
        trees.set(root, tree)
      }
      for (const [pid, ids] of followed) {
        const heard = new Set(ids)
        const events = trees.get(pid) ?? []
        const missing = events.filter((seq) => !heard.has(seq))
        if (heard.size !== ids.length) fault(`who followed process ${pid} got an event twice`)
        if (missing.length > 0)
          fault(`who followed process ${pid} did not get ${missing.length} of ${events.length} events`)
      }
      const runs = [...lives.values()].filter(({ parent }) => parent === null).length
      return { processes: lives.size, runs, calls }
    },
  }
}
