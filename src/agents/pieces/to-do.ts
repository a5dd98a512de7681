/**
 * A list of things to do, as a planner keeps it by calls: pure, one operation after another.
 *
 *     const { lists, said } = applyToDo(noLists, { op: 'create', id: 'trip', title: 'Plan the trip', steps: ['Find trains', 'Book'] })
 *     applyToDo(lists, { op: 'mark', step: 0, status: 'completed', notes: 'the 9:15' }).said      // the list with its counts
 *
 * The planning tool of AgentOrchestra (Zhang et al. 2025): create, update, list, get, set active, mark a step, delete; a step is not
 * started, in progress, completed or blocked, and a list has at most five. What cannot be done changes nothing and is said in words.
 *
 * Invariants
 *   TD1. The active list is one that there is; without lists there is none.
 *   TD2. An update keeps the status and notes of steps that stay as they are.
 */
import { z } from 'zod'

const statuses = ['not started', 'in progress', 'completed', 'blocked'] as const

export interface ToDoStep {
  readonly text: string
  readonly status: (typeof statuses)[number]
  readonly notes: string
}

export interface ToDoList {
  readonly id: string
  readonly title: string
  readonly steps: readonly ToDoStep[]
}

export interface ToDoLists {
  readonly lists: readonly ToDoList[]
  /** Id of the list that is worked on. */
  readonly active: string | undefined
}

export const noLists: ToDoLists = { lists: [], active: undefined }

/** As in the paper. */
export const TO_DO_STEPS_MAX = 5

const id = z.string().min(1)
const steps = z.array(z.string().min(1)).min(1).max(TO_DO_STEPS_MAX)
/** `id` absent: the active list. Steps are counted from 0. */
export const toDoOp = z.discriminatedUnion('op', [
  z.object({ op: z.literal('create'), id, title: z.string(), steps }),
  z.object({ op: z.literal('update'), id: id.optional(), title: z.string().optional(), steps: steps.optional() }),
  z.object({ op: z.literal('list') }),
  z.object({ op: z.literal('get'), id: id.optional() }),
  z.object({ op: z.literal('set_active'), id }),
  z.object({
    op: z.literal('mark'),
    id: id.optional(),
    step: z.number().int().min(0),
    status: z.enum(statuses),
    notes: z.string().optional(),
  }),
  z.object({ op: z.literal('delete'), id }),
])
export type ToDoOp = z.infer<typeof toDoOp>

/** The lists after an operation, and what it says; `ok` is false where it could not be done. */
export function applyToDo(
  now: ToDoLists,
  op: ToDoOp,
): { readonly lists: ToDoLists; readonly said: string; readonly ok: boolean } {
  const refused = (said: string) => ({ lists: now, said, ok: false })
  const done = (lists: ToDoLists, list?: ToDoList) => ({
    lists,
    said: list === undefined ? summaryOf(lists) : toDoText(list),
    ok: true,
  })
  if (op.op === 'list') return done(now)
  if (op.op === 'create') {
    if (now.lists.some((one) => one.id === op.id)) return refused(`there is a list "${op.id}" already; update it`)
    const list = { id: op.id, title: op.title, steps: op.steps.map((text) => fresh(text)) }
    return done({ lists: [...now.lists, list], active: op.id }, list)
  }
  const wanted = op.id ?? now.active
  const list = now.lists.find((one) => one.id === wanted)
  if (list === undefined)
    return refused(
      `there is no list "${wanted ?? ''}"; there are ${now.lists.map((one) => one.id).join(', ') || 'none'}`,
    )
  if (op.op === 'get') return done(now, list)
  if (op.op === 'set_active') return done({ ...now, active: list.id }, list)
  if (op.op === 'delete') {
    const lists = now.lists.filter((one) => one !== list)
    return done({ lists, active: now.active === list.id ? lists.at(-1)?.id : now.active })
  }
  const changed = op.op === 'mark' ? marked(list, op) : updated(list, op)
  if (changed === undefined) return refused(`list "${list.id}" has ${list.steps.length} steps, counted from 0`)
  return done({ ...now, lists: now.lists.map((one) => (one === list ? changed : one)) }, changed)
}

/** A list with its counts, as a model reads it. */
export function toDoText({ id: of, title, steps: all }: ToDoList): string {
  const counts = statuses.map((status) => `${all.filter((one) => one.status === status).length} ${status}`).join(', ')
  const lines = all.map(({ text, status, notes }, i) => `${i}. [${status}] ${text}${notes === '' ? '' : ` (${notes})`}`)
  return [`${title} (${of}): ${counts}`, ...lines].join('\n')
}

function summaryOf({ lists, active }: ToDoLists): string {
  const lines = lists.map((one) => {
    const completed = one.steps.filter(({ status }) => status === 'completed').length
    return `${one.id}${one.id === active ? ' (active)' : ''}: ${one.title}, ${completed} of ${one.steps.length} completed`
  })
  return lines.join('\n') || 'there are no lists'
}

function fresh(text: string): ToDoStep {
  return { text, status: 'not started', notes: '' }
}

function marked(list: ToDoList, { step, status, notes }: Extract<ToDoOp, { op: 'mark' }>): ToDoList | undefined {
  const at = list.steps[step]
  if (at === undefined) return undefined
  return { ...list, steps: list.steps.with(step, { ...at, status, notes: notes ?? at.notes }) }
}

function updated(list: ToDoList, { title = list.title, steps: texts }: Extract<ToDoOp, { op: 'update' }>): ToDoList {
  const kept = texts?.map((text) => list.steps.find((one) => one.text === text) ?? fresh(text))
  return { ...list, title, steps: kept ?? list.steps }
}
