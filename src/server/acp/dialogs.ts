/**
 * What the editor's user is asked in a dialog, which ACP calls a permission.
 *
 *     await permit(kernel, { client, sessionId, over }, question, toolCallId)     // what the law, or a crash, asks
 *     const chosen = await askInterrupted({ client, sessionId, over }, title, pid) // whether a stopped run is to go on
 *
 * Invariant
 *   DI1. A dialog that was closed, or that the editor cannot show, decides nothing: a call is denied or waits for somebody
 *        else, a stopped run stays stopped.
 *   DI2. Who answered is told where the answer was refused, and where it can be given.
 */
import type { AgentContext, PermissionOption, RequestPermissionRequest } from '@agentclientprotocol/sdk'
import { PolityError, warn } from '../../kernel/errors.ts'
import type { Kernel } from '../../kernel/kernel.ts'
import type { Pid, Question } from '../../kernel/types.ts'
import { spoken } from './telling.ts'

/** Whom to ask, and until when. */
export interface Dialog {
  readonly client: AgentContext
  readonly sessionId: string
  /** Aborted when the prompt is over. */
  readonly over: AbortSignal
}

/** What is to become of a run that was stopped; undefined: nobody decides. */
export type Chosen = 'go-on' | 'leave' | undefined

const approvalOptions: readonly PermissionOption[] = [
  { optionId: 'allow', name: 'Allow this call', kind: 'allow_once' },
  { optionId: 'deny', name: 'Deny', kind: 'reject_once' },
]
const doubtOptions: readonly PermissionOption[] = [
  { optionId: 'done', name: 'It happened', kind: 'allow_once' },
  { optionId: 'retry', name: 'It did not happen: do it', kind: 'allow_once' },
  { optionId: 'fail', name: 'Leave it', kind: 'reject_once' },
]
const interruptedOptions: readonly PermissionOption[] = [
  { optionId: 'go-on', name: 'Let it go on, without this message', kind: 'allow_once' },
  { optionId: 'leave', name: 'End it, and take this message', kind: 'reject_once' },
]

/** Asks what the law, or a crash, asks. */
export async function permit(kernel: Kernel, dialog: Dialog, question: Question, toolCallId: string): Promise<void> {
  const { id, kind, text, detail } = question
  const [options, refusal] = kind === 'approval' ? [approvalOptions, 'deny'] : [doubtOptions, 'fail']
  try {
    const chosen = await ask(dialog, { toolCallId, title: text, rawInput: detail, status: 'pending' }, options)
    try {
      // A dialog that was closed is no permission.
      kernel.answer(id, chosen ?? refusal)
    } catch (error) {
      // The editor has no field for what a call returned, without which `done` may be refused: the question stays open.
      if (kind !== 'in-doubt' || !PolityError.isInstance(error) || !kernel.questions.some((one) => one.id === id))
        throw error
      const update = spoken(
        `The answer was refused: ${error.message}. Question ${id} waits still; if it happened, answer in a terminal with what it returned: polity answer ${id} done '<json>'\n`,
      )
      await dialog.client.notify('session/update', { sessionId: dialog.sessionId, update })
    }
  } catch (error) {
    // The prompt is over, the question has ended, or the editor cannot show it: then it waits for somebody who can.
    if (!dialog.over.aborted && !PolityError.isInstance(error)) warn('a permission was not asked', error)
  }
}

/** Asks what is to become of a run that was stopped in the middle of its work, or that cannot simply go on: the title says why. */
export async function askInterrupted(dialog: Dialog, title: string, pid: Pid): Promise<Chosen> {
  try {
    const toolCall = { toolCallId: `process-${pid}`, title, status: 'pending' } as const
    return (await ask(dialog, toolCall, interruptedOptions)) as Chosen
  } catch (error) {
    if (!dialog.over.aborted) warn('nobody was asked what is to become of a stopped run', error)
    return undefined
  }
}

/** The id of the option that was chosen; undefined where none was. */
async function ask(
  { client, sessionId, over }: Dialog,
  toolCall: RequestPermissionRequest['toolCall'],
  options: readonly PermissionOption[],
): Promise<string | undefined> {
  const { outcome } = await client.request(
    'session/request_permission',
    { sessionId, toolCall, options: [...options] },
    { cancellationSignal: over, stopWaitingOnCancel: true },
  )
  if (outcome.outcome !== 'selected') return undefined
  return options.find(({ optionId }) => optionId === outcome.optionId)?.optionId
}
