/**
 * Where an agent's files are: one process a principal and agent that lives as long as they do, since files belong to a
 * process tree. It makes the file calls that it is sent and mails back what came of them; who needs one starts a request.
 *
 *     const pid = openSpace(kernel, caller, agent)        // found, resumed or begun
 *     await runFor(session, fileRequest, { space: pid, call: 'write', args: ['a.txt', 'text'] })
 *
 * The space decides nothing, so that its program need not change: a journal of one version cannot be lived by another.
 *
 * Invariants
 *   FS1. What the space does is allowed or denied by the law as the principal's own, and journaled with it.
 *   FS2. No message ends the space or holds it up: what it cannot do, it says. What comes from outside, where a key for
 *        runs may send but not read files, it does not hear.
 *   FS3. Who kills the space deletes the files from the agent's sight.
 */
import type { ErrorData } from '../../kernel/errors.ts'
import { PolityError, fromErrorData, toErrorData } from '../../kernel/errors.ts'
import type { Kernel } from '../../kernel/kernel.ts'
import { defineProgram } from '../../kernel/program.ts'
import type { FilesPoint, Json, Mail, Pid, Sys } from '../../kernel/types.ts'
import type { Caller } from '../caller.ts'
import { runOptionsOf } from '../caller.ts'

/** A file call, as it is mailed. */
export interface FileCall {
  readonly call: 'read' | 'write' | 'list' | 'remove' | 'restore'
  readonly args: readonly Json[]
}

type FileReply = { readonly value: Json } | { readonly error: ErrorData }

/** How long a request waits for the space, ms: as long as the kernel lets a tool run. */
const REPLY_MS = 120_000

export const fileSpace = defineProgram('aios-files', async (sys): Promise<null> => {
  // Side by side: a call that waits for a person's word holds up no other.
  for (;;) {
    const mail = await sys.receive()
    if (mail.from !== 0) void answer(sys, mail)
  }
})

async function answer(sys: Sys, { from, body }: Mail): Promise<void> {
  let reply: FileReply
  try {
    reply = { value: (await make(sys, body as unknown as FileCall)) ?? null }
  } catch (error) {
    reply = { error: toErrorData(error) }
  }
  try {
    await sys.send(from, reply as unknown as Json)
  } catch {
    // Who asked is gone, and needs no answer.
  }
}

function make(sys: Sys, message: FileCall): Promise<Json> {
  const { call, args } = message ?? {}
  const [path, more] = (Array.isArray(args) ? args : []) as [string, never]
  switch (call) {
    case 'read':
      return sys.read(path, more ?? undefined)
    case 'write':
      return sys.write(path, more) as Promise<unknown> as Promise<Json>
    case 'list':
      return sys.list(path, more ?? undefined) as Promise<unknown> as Promise<Json>
    case 'restore':
      return sys.restore(path as unknown as FilesPoint) as Promise<unknown> as Promise<Json>
    case 'remove':
      return sys.remove(path) as Promise<unknown> as Promise<Json>
    default:
      throw new PolityError('INVALID_ARGUMENT', 'a message to a file space takes a call and its args')
  }
}

/** Asks a space for one file call, which comes by mail (session.ts), and returns what came of it. */
export const fileRequest = defineProgram('aios-file-request', async (sys): Promise<Json> => {
  const asked = await sys.receive({ from: 0 })
  const { space, call, args } = asked.body as unknown as FileCall & { readonly space: Pid }
  await sys.send(space, { call, args })
  const { body } = await sys.receive({ from: space, timeoutMs: REPLY_MS })
  const reply = body as unknown as FileReply
  if ('error' in reply) throw fromErrorData(reply.error)
  return reply.value
})

/** Spaces of one principal: each is a process that lives on. */
const SPACES_MAX = 1_000

/** The process that holds the files: the one that is there, gone on with where it was stopped, or a new one. */
export function openSpace(kernel: Kernel, caller: Caller, agent: string): Pid {
  const { principal } = caller
  const name = `aios/${agent}`
  const spaces = kernel
    .ps()
    .filter(
      (one) =>
        one.program === fileSpace.name && one.principal === principal && one.parent === null && one.endedAt === null,
    )
  const there = spaces.find((one) => one.name === name)
  if (there === undefined) {
    if (spaces.length >= SPACES_MAX)
      throw new PolityError(
        'LIMIT_EXCEEDED',
        `${principal} has the files of ${spaces.length} agents here, its limit; use the name of one of them`,
      )
    return kernel.spawn(fileSpace, null, { ...runOptionsOf(caller), name, tools: [] }).pid
  }
  if (there.state === 'stopped') kernel.resume(there.pid)
  return there.pid
}
