/**
 * A child that is taken by itself: the file of its run may have the child's program from elsewhere, and to replay it takes the
 * programs of all above it too.
 *
 *     kernel.replay(pid).catch((error) => { throw ofChild(context, 'replay', pid, error) })
 */
import { PolityError } from '../kernel/errors.ts'
import { startOf } from '../kernel/past.ts'
import type { Pid } from '../kernel/types.ts'
import type { Context } from './command.ts'
import { rootOf } from './setup.ts'
import { readStore } from './store-file.ts'

/** The error; where the program of a child is missing, one that says what to do instead. */
export function ofChild(
  { storePath, commandLine }: Context,
  command: 'replay' | 'fork',
  pid: Pid,
  error: unknown,
): unknown {
  if (!PolityError.isInstance(error) || error.code !== 'NO_SUCH_PROGRAM') return error
  const reader = readStore(storePath)
  try {
    const start = startOf(reader, pid)
    const root = rootOf(reader, start).pid
    if (root === pid) return error
    return new PolityError(
      'NO_SUCH_PROGRAM',
      `process ${pid} is a child of ${root}, and to ${command} it alone one file has to export its program ${start.program}${command === 'replay' ? ' and that of the run' : ''}; ${command} the run instead: ${commandLine(`${command} ${root}`)}`,
      { cause: error },
    )
  } finally {
    reader.close()
  }
}
