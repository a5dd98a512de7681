/** `polity gc`: removes the journals of ended processes, the oldest first. */
import { setImmediate as nextTurn } from 'node:timers/promises'
import { fileBytes, numberOf, openConnection, openForReading, realStorePath } from '../../drivers/store/connection.ts'
import type { Store } from '../../kernel/drivers.ts'
import type { Collected } from '../../kernel/file-collection.ts'
import { PolityError } from '../../kernel/errors.ts'
import type { Kernel } from '../../kernel/kernel.ts'
import { bytes, counted } from '../amounts.ts'
import { pidOfSetup } from '../setup.ts'
import type { Context } from '../command.ts'
import { defineCommand } from '../command.ts'
import { wishOr } from '../elsewhere.ts'
import { exitCodes, isNoSpace } from '../report.ts'
import { ownerOf, readStore } from '../store-file.ts'

const KEEP_DEFAULT = 1_000
/** The store removes rows in steps, between which it lets others work; what is left is removed when it is next opened. */
const TURNS_MAX = 2_000

export const gc = defineCommand({
  name: 'gc',
  summary: 'remove the journals of ended processes, the oldest first',
  usage: '',
  positionals: [0, 0],
  options: { keep: { kind: 'whole', value: 'n', help: `how many ended processes stay (default ${KEEP_DEFAULT})` } },
  details:
    'Running and stopped processes stay, and so do those from which others were forked. What is removed cannot be traced, replayed or forked any more, and versions of files that only they could see go with them. A kernel that has the store open is asked to do it.',
  examples: ['polity gc', 'polity gc --keep 0'],
  async run(context, { values }) {
    const keep = values.keep ?? KEEP_DEFAULT
    try {
      return await collectAll(context, keep)
    } catch (error) {
      throw isNoSpace(error) ? noRoom(context, error) : error
    }
  },
})

async function collectAll(context: Context, keep: number): Promise<number> {
  emptyLog(context.storePath)
  const removed = await wishOr(context, { command: 'collect', keep }, (kernel, store) =>
    collect(context, kernel, store, keep),
  )
  const files = await wishOr<Collected>(context, { command: 'collect-files' }, (kernel) => kernel.collectFiles())
  const reader = readStore(context.storePath)
  try {
    tell(context, removed, [...reader.processes()].length, files)
  } finally {
    reader.close()
  }
  return exitCodes.done
}

/** On a kernel that does nothing else. Returns how many journals went. */
async function collect(context: Context, kernel: Kernel, store: Store, keep: number): Promise<number> {
  const removed = await kernel.collect(keep)
  const left = new Set([...store.processes()].map(({ start }) => start.pid))
  // Setups go with their journals; those that an earlier version or a crash left, here.
  for (const [key] of store.range('meta', 'setup/', 'setup0')) if (!left.has(pidOfSetup(key))) kernel.keep(key, null)
  const turns = removed === 0 ? 0 : TURNS_MAX
  for (let turn = 0; turn < turns && !context.interrupted.aborted; turn++) await nextTurn()
  return removed
}

/**
 * What stands in the log comes into the file, and the log’s bytes are free again: on a full disk they are the room that a
 * collection needs to begin. Where another kernel has the store open, that is its own to do.
 */
function emptyLog(storePath: string): void {
  if (ownerOf(storePath).isOwned) return
  // A store that is not there, or none, is left alone.
  readStore(storePath).close()
  try {
    const database = openConnection(realStorePath(storePath))
    try {
      database.exec('PRAGMA wal_checkpoint(TRUNCATE)')
    } finally {
      database.close()
    }
  } catch {
    // The disk has no room for it, or nobody may write: the collection says so.
  }
}

/** What is taken away is written down first, so it needs some room itself, and the file has to hold what is in the log. */
function noRoom({ storePath }: Context, cause: unknown): PolityError {
  const room = growthOf(realStorePath(storePath)) + ROOM_BYTES
  return new PolityError(
    'STORE_FAILED',
    `there is no space left for the store ${storePath}, and gc needs about ${bytes(room)} to begin: make room for as much on that disk, and run it again`,
    { cause },
  )
}

/** By how much the file grows until it holds what stands in the log. */
function growthOf(path: string): number {
  const log = fileBytes(`${path}-wal`)
  try {
    const { database, close } = openForReading(path)
    try {
      return Math.max(
        0,
        numberOf(database, 'PRAGMA page_count') * numberOf(database, 'PRAGMA page_size') - fileBytes(path),
      )
    } finally {
      close()
    }
  } catch {
    return log
  }
}

/** Beside the log: what opening a store writes, and the first step of a collection. */
const ROOM_BYTES = 1 << 18

function tell(context: Context, removed: number, left: number, files: Collected): void {
  const went = files.versions === 0 ? '' : `; ${counted(files.versions, 'version')} of files went too`
  context.result(`removed ${counted(removed, 'process', 'processes')}; ${left} left${went}`, { removed, left, files })
}
