/**
 * What a world declares of its tasks, checked in one place for all of them: the form of a task, and the levels there are.
 *
 *     export const craft: Rules<CraftTask, CraftState> = defineWorld({
 *       id: 'craft.dag', levelMax: 8, params: fields({ goal: fields({ item: z.string(), count: z.int() }), … }), …
 *     })
 *     craft.task(7, 99)                                      // there is no level 99 of craft.dag; there are levels 1 to 8
 *     environmentOf(craft).reset({ params: { gaol: 1 }, seed: 7 })
 *     // a task of craft.dag is { recipes, goal, crafters }: there is no "gaol"; there are recipes, goal, crafters
 *
 * Invariant
 *   DW1. No function of the world sees a task that is not of the declared form, or draws one of a level that is not there;
 *        what is wrong is said with the names that there are.
 */
import { z } from 'zod'
import { PolityError } from '../kernel/errors.ts'
import type { KeysOf } from '../kernel/known-keys.ts'
import { checkKeys } from '../kernel/known-keys.ts'
import type { Json } from '../kernel/types.ts'
import type { Rules, TaskForm } from './environment.ts'

/** An object with these fields and no others: another is refused with the names of those there are. */
export function fields<Shape extends z.ZodRawShape>(shape: Shape): z.ZodObject<Shape, z.core.$strict> {
  return z.strictObject(shape, {
    error: (issue) =>
      issue.code === 'unrecognized_keys'
        ? `there is no "${(issue.keys as readonly string[]).join('", "')}"; there are ${Object.keys(shape).join(', ')}`
        : undefined,
  })
}

/** Rules with what has to be declared. */
export type Declared<Params extends Json, State extends Json> = Rules<Params, State> &
  Required<Pick<Rules<Params, State>, 'params' | 'levelMax'>>

const rulesKeys: KeysOf<Rules<Json, Json>> = {
  id: true,
  version: true,
  description: true,
  stepsMax: true,
  params: true,
  levelMax: true,
  task: true,
  start: true,
  actions: true,
  agents: true,
  toAct: true,
  view: true,
  step: true,
  score: true,
  metrics: true,
  oracle: true,
  floor: true,
}

/** The world with its tasks and levels checked. Throws `CONFIG_INVALID` for a rule that is none. */
export function defineWorld<Params extends Json & object, State extends Json>(
  rules: Declared<NoInfer<Params>, NoInfer<State>>,
): Rules<Params, State> {
  checkKeys('defineWorld', rules, rulesKeys)
  const { id, params: form, levelMax, actions, agents, floor } = rules
  /** Tasks that were looked at: a task does not change. */
  const known = new WeakSet<Params>()
  const checked = (params: Params): Params => {
    if (!known.has(params)) {
      checkTask(id, params, form)
      known.add(params)
    }
    return params
  }
  return {
    ...rules,
    task(seed, level) {
      if (level === undefined) return rules.task(seed)
      checkLevel(id, level, levelMax)
      return rules.task(seed, level)
    },
    start: (params, draw) => rules.start(checked(params), draw),
    ...(actions === undefined ? {} : { actions: (params) => actions(checked(params)) }),
    ...(agents === undefined ? {} : { agents: (params) => agents(checked(params)) }),
    ...(floor === undefined ? {} : { floor: (params) => floor(checked(params)) }),
  }
}

/** @throws INVALID_ARGUMENT for a task that is not of the form */
export function checkTask(id: string, params: Json, form: TaskForm<Json>): void {
  const { error } = form.safeParse(params)
  if (error === undefined) return
  const known = Object.keys(form.shape).join(', ')
  throw new PolityError('INVALID_ARGUMENT', `a task of ${id} is { ${known} }: ${firstIssue(error)}`)
}

/** @throws INVALID_ARGUMENT for a level that is none of the world's */
export function checkLevel(id: string, level: number, levelMax: number): void {
  if (Number.isInteger(level) && level >= 1 && level <= levelMax) return
  const known = levelMax === 1 ? 'is level 1 only' : `are levels 1 to ${levelMax}`
  throw new PolityError('INVALID_ARGUMENT', `there is no level ${level} of ${id}; there ${known}`)
}

/** The first thing that is wrong, and where; a name that there is not goes first, as it explains one that is missing. */
export function firstIssue({ issues }: z.ZodError): string {
  const { path, message: said } = (issues.find(({ code }) => code === 'unrecognized_keys') ??
    issues[0]) as z.core.$ZodIssue
  return path.length === 0 ? said : `${path.join('.')}: ${said}`
}
