/** `polity gc`: removes the journals of ended processes, the oldest first. */
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Collected } from '../../kernel/file-collection.ts'
import { createKernel } from '../../kernel/kernel.ts'
import { counted } from '../amounts.ts'
import { pidOfSetup } from '../setup.ts'
import type { Context } from '../command.ts'
import { defineCommand } from '../command.ts'
import { wish } from '../elsewhere.ts'
import { exitCodes } from '../report.ts'
import { openStore, ownerOf, readStore } from '../store-file.ts'

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
    if (ownerOf(context.storePath).isOwned) return collectElsewhere(context, keep)
    readStore(context.storePath).close()
    const store = await openStore(context.storePath)
    const kernel = createKernel({ store })
    try {
      const removed = kernel.collect(keep)
      const left = new Set([...store.processes()].map(({ start }) => start.pid))
      // Setups of runs that are no more.
      for (const [key] of store.range('meta', 'setup/', 'setup0'))
        if (!left.has(pidOfSetup(key))) kernel.keep(key, null)
      await kernel.events(0) // there is no process 0: it waits until what was written is kept
      const turns = removed === 0 ? 0 : TURNS_MAX
      for (let turn = 0; turn < turns && !context.interrupted.aborted; turn++) await nextTurn()
      tell(context, removed, left.size, await kernel.collectFiles())
      return exitCodes.done
    } finally {
      await kernel.close()
    }
  },
})

/** The kernel that has the store open does it, and removes the rows beside its work. */
async function collectElsewhere(context: Context, keep: number): Promise<number> {
  const removed = (await wish(context, { command: 'collect', keep })) as number
  const files = (await wish(context, { command: 'collect-files' })) as unknown as Collected
  const reader = readStore(context.storePath)
  try {
    tell(context, removed, [...reader.processes()].length, files)
  } finally {
    reader.close()
  }
  return exitCodes.done
}

function tell(context: Context, removed: number, left: number, files: Collected): void {
  const went = files.versions === 0 ? '' : `; ${counted(files.versions, 'version')} of files went too`
  context.result(`removed ${counted(removed, 'process', 'processes')}; ${left} left${went}`, { removed, left, files })
}
