/** `polity kill <pid>`: ends a process and its descendants, also one of a kernel in another operating-system process. */
import { sendCommand } from '../../drivers/store/sqlite-reader.ts'
import type { StoreReader } from '../../drivers/store/sqlite-reader.ts'
import { PolityError } from '../../kernel/errors.ts'
import { createKernel } from '../../kernel/kernel.ts'
import { startOf } from '../../kernel/past.ts'
import type { Pid, ProcessEnd } from '../../kernel/types.ts'
import type { Context } from '../command.ts'
import { defineCommand } from '../command.ts'
import { noteWait, ownerText } from '../elsewhere.ts'
import { pidOf } from '../options.ts'
import { exitCodes } from '../report.ts'
import { openStore, ownerOf, readStore } from '../store-file.ts'

/** How long the kernel that owns the store may take to obey, ms. */
const OBEY_MS = 5_000
const LOOK_MS = 20

export const kill = defineCommand({
  name: 'kill',
  summary: 'end a process and its descendants',
  usage: '<pid>',
  positionals: [1, 1],
  options: { reason: { kind: 'text', value: 'text', help: 'told to whoever waits for it' } },
  details: 'A killed process has ended; it is not resumed. `polity fork` can go on from one of its calls.',
  examples: ['polity kill 17', 'polity kill 17 --reason "wrong folder"'],
  async run(context, { values, positionals }) {
    const pid = pidOf(positionals[0])
    const reader = readStore(context.storePath)
    try {
      startOf(reader, pid)
      const before = endOf(reader, pid)
      if (before !== undefined) {
        context.note(`process ${pid} has ended already (${before.state})`)
        if (context.isJson) context.result('', { pid, state: before.state, killed: false })
        return exitCodes.done
      }
      const end = await endedBy(context, reader, pid, values.reason)
      if (end.state !== 'killed') context.note(`process ${pid} ended by itself (${end.state})`)
      context.result(end.state === 'killed' ? `killed ${pid}` : '', {
        pid,
        state: end.state,
        killed: end.state === 'killed',
      })
      return exitCodes.done
    } finally {
      reader.close()
    }
  },
})

/** Whoever has the store is wished it; where nobody has, it is done here. Who owns it may change in between. */
async function endedBy(
  context: Context,
  reader: StoreReader,
  pid: Pid,
  reason: string | undefined,
): Promise<ProcessEnd> {
  let isWished = false
  for (let waited = 0; waited === 0 || (waited < OBEY_MS && !context.interrupted.aborted); waited += LOOK_MS) {
    const end = endOf(reader, pid)
    if (end !== undefined) return end
    // Ended before it obeyed: a kernel that comes next is wished it too, and may never come.
    if (!ownerOf(context.storePath).isOwned) {
      try {
        return await killHere(context, reader, pid, reason)
      } catch (error) {
        // Another has come meanwhile.
        if (!PolityError.isInstance(error) || error.code !== 'STORE_LOCKED') throw error
      }
    } else if (!isWished) {
      sendCommand(
        context.storePath,
        reason === undefined ? { command: 'kill', pid } : { command: 'kill', pid, text: reason },
      )
      isWished = true
    }
    noteWait(context, waited)
    await new Promise<void>((resolve) => void context.clock.after(LOOK_MS, resolve))
  }
  throw new PolityError(
    'STORE_LOCKED',
    `${ownerText(context)} that has the store open did not end process ${pid} ${context.interrupted.aborted ? 'yet' : `within ${OBEY_MS / 1_000} s`}; it will when it next looks, or end that kernel`,
  )
}

/** Nobody has the store open: a kernel without models or programs is enough to end a stopped process. */
async function killHere(
  context: Context,
  reader: StoreReader,
  pid: Pid,
  reason: string | undefined,
): Promise<ProcessEnd> {
  const store = await openStore(context.storePath)
  const kernel = createKernel({ store })
  try {
    kernel.kill(pid, reason)
    await kernel.events(pid)
  } finally {
    await kernel.close()
  }
  const end = endOf(reader, pid)
  if (end === undefined) throw new PolityError('STORE_FAILED', `the end of process ${pid} was not kept`)
  return end
}

function endOf(reader: StoreReader, pid: Pid): ProcessEnd | undefined {
  const last = reader.events(pid).at(-1)
  return last?.type === 'process-end' ? last : undefined
}
