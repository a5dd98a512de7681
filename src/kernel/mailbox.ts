/**
 * Mailboxes: bounded queues of messages, one a process, addressed by pid or by name.
 *
 * Invariants
 *   B1. A message that was accepted is received at most once and is not lost: it is in the journal with the sender's end, and
 *       is measured when it is sent, not again when it is received with what stands around its body.
 *   B2. One sender's messages to one receiver are received in the order in which they were sent.
 *   B3. To a name is to all running processes of that name and principal, by pid. Who they are is looked up, and not looked for
 *       among all processes nor among those who have ended.
 */
import { PolityError } from './errors.ts'
import type { Journal } from './journal.ts'
import type { Limits } from './limits.ts'
import { freezePlain } from './plain.ts'
import type { Call, Process } from './process.ts'
import type { FileShare, Json, Mail, Pid } from './types.ts'

/** Messages between processes. */
export interface Mailbox {
  /** Delivers to all, or to none if one of them is full. Returns to how many. `give` makes what a message brings beside it. */
  send(
    from: Pid,
    labels: readonly string[] | undefined,
    receivers: readonly Process[],
    body: Json,
    give?: (receiver: Process) => FileShare,
  ): number
  /** Takes a process among those that are sent to by their name, if it has one. */
  enlist(process: Process): void
  /** Takes one that has ended from among them. */
  strike(process: Process): void
  /** Whom the sender reaches by a name. */
  named(sender: Process, name: string): Process[]
  /** The oldest matching message, plain and frozen; undefined if the call has to wait (it then stands among the receivers). */
  receive(call: Call, from: number | undefined): Mail | undefined
}

/** Where messages are kept, and how a receiver is told. */
export interface MailboxOptions {
  readonly journal: Journal
  readonly limits: Limits
  /** Ends a `receive` that waited. */
  readonly end: (call: Call, mail: Mail) => void
}

/** The mailboxes of a kernel. */
export function createMailbox({ journal, limits, end }: MailboxOptions): Mailbox {
  /** Processes that have not ended, by name and pid. */
  const names = new Map<string, Map<Pid, Process>>()

  function enlist(process: Process): void {
    const { name } = process.start
    if (name === null) return
    const own = names.get(name) ?? new Map<Pid, Process>()
    names.set(name, own.set(process.pid, process))
  }

  function strike({ pid, start: { name } }: Process): void {
    if (name === null) return
    const own = names.get(name)
    own?.delete(pid)
    if (own?.size === 0) names.delete(name)
  }

  function named({ principal }: Process, name: string): Process[] {
    return [...(names.get(name)?.values() ?? [])]
      .filter((one) => one.state !== 'stopped' && one.principal === principal)
      .toSorted((a, b) => a.pid - b.pid)
  }

  function send(
    from: Pid,
    labels: readonly string[] | undefined,
    receivers: readonly Process[],
    body: Json,
    give?: (receiver: Process) => FileShare,
  ): number {
    for (const receiver of receivers) {
      if ((receiver.mail?.length ?? 0) >= limits.mailboxMessagesMax) {
        throw new PolityError(
          'MAILBOX_FULL',
          `the mailbox of process ${receiver.pid} holds ${limits.mailboxMessagesMax} messages, its limit`,
        )
      }
    }
    for (const receiver of receivers) {
      const mail: Mail = Object.freeze({
        id: journal.lastSeq + 1,
        from,
        body,
        ...(labels === undefined ? {} : { labels }),
        ...(give === undefined ? {} : { share: Object.freeze(give(receiver)) }),
      })
      journal.append({ type: 'mail-sent', pid: receiver.pid, mail })
      const at = receiver.receivers?.findIndex((call) => wants(call, mail)) ?? -1
      if (at >= 0) {
        const [call] = receiver.receivers?.splice(at, 1) ?? []
        if (call !== undefined) end(call, mail)
      } else (receiver.mail ??= []).push(mail)
    }
    return receivers.length
  }

  function receive(call: Call, from: number | undefined): Mail | undefined {
    const { process } = call
    const at = process.mail?.findIndex((mail) => from === undefined || mail.from === from) ?? -1
    if (at >= 0) {
      const mail = process.mail?.splice(at, 1)[0] as Mail
      // What was sent in this kernel is frozen whole; what a store has read is not.
      return Object.isFrozen(mail) ? mail : freezePlain(mail, 'receive', Infinity)
    }
    if (process.receivers === undefined || process.receivers.length === 0) process.receivers = [call]
    else process.receivers.push(call)
    call.onAbort({
      aborted() {
        const index = process.receivers?.indexOf(call) ?? -1
        if (index >= 0) process.receivers?.splice(index, 1)
      },
    })
    return undefined
  }

  return { send, enlist, strike, named, receive }
}

function wants(call: Call, mail: Mail): boolean {
  const { from } = call.args as { readonly from?: number }
  return from === undefined || from === mail.from
}
