/**
 * What can be done on a page of the kiosk: BrowserGym's actions on elements (its sets `bid`, `chat` and `infeas`), under its
 * names and with its arguments. Those by coordinates, for tabs and for navigation are not offered: a kiosk is one page.
 *
 *     readMove({ name: 'click', args: { bid: '12' } })          // { name: 'click', args: { bid: '12', button: 'left', … } }
 *     readMove({ name: 'click', args: {} })                     // says what is wrong with it
 */
import { z } from 'zod'
import type { Json } from '../kernel/types.ts'
import { firstIssue } from './define.ts'
import type { ActionDescription } from './environment.ts'

const bid = z.string().min(1).describe('the element, as it is named in [ ] in the tree')
const button = z.enum(['left', 'middle', 'right']).default('left')
const modifiers = z.array(z.enum(['Alt', 'Control', 'Meta', 'Shift'])).default([])
const key = z.string().min(1).max(40).describe('such as Enter, ArrowDown, Control+a')
const pixels = z.number().min(-100_000).max(100_000)

/** Each with what it takes, what it does, and whether it only looks. */
const moves = {
  noop: [z.strictObject({ wait_ms: z.number().min(0).max(1_000).default(0) }), 'does nothing', 'read'],
  click: [z.strictObject({ bid, button, modifiers }), 'clicks an element', 'write'],
  dblclick: [z.strictObject({ bid, button, modifiers }), 'clicks an element twice', 'write'],
  hover: [z.strictObject({ bid }), 'moves the mouse over an element', 'write'],
  fill: [z.strictObject({ bid, value: z.string().max(10_000) }), 'fills in a field', 'write'],
  clear: [z.strictObject({ bid }), 'empties a field', 'write'],
  focus: [z.strictObject({ bid }), 'focuses an element', 'write'],
  press: [z.strictObject({ bid, key_comb: key }), 'focuses an element and presses keys', 'write'],
  keyboard_press: [z.strictObject({ key }), 'presses keys', 'write'],
  check: [z.strictObject({ bid }), 'checks a checkbox or a radio button', 'write'],
  uncheck: [z.strictObject({ bid }), 'unchecks a checkbox', 'write'],
  select_option: [
    z.strictObject({ bid, options: z.union([z.string(), z.array(z.string()).min(1)]) }),
    'selects one or more options of a list, by value or label',
    'write',
  ],
  drag_and_drop: [z.strictObject({ from_bid: bid, to_bid: bid }), 'drags an element onto another', 'write'],
  scroll: [
    z.strictObject({ delta_x: pixels, delta_y: pixels }),
    'scrolls what is under the mouse, in pixels; positive is right and down',
    'write',
  ],
  send_msg_to_user: [z.strictObject({ text: z.string().min(1).max(10_000) }), 'tells the user something', 'write'],
  report_infeasible: [
    z.strictObject({ reason: z.string().max(10_000) }),
    'tells the user that it cannot be done, and ends',
    'terminal',
  ],
} as const satisfies { readonly [name: string]: readonly [z.ZodType, string, ActionDescription['effect']] }

type Moves = typeof moves
/** An action with all of its arguments. */
export type KioskMove = {
  [Name in keyof Moves]: { readonly name: Name; readonly args: z.output<Moves[Name][0]> }
}[keyof Moves]

/** All actions, as tools are described. */
export const kioskActions: readonly ActionDescription[] = Object.entries(moves).map(
  ([name, [schema, description, effect]]) => {
    const { $schema: _, ...input } = z.toJSONSchema(schema, { io: 'input' })
    return { name, description, input: input as { readonly [keyword: string]: Json }, effect }
  },
)

/** An action as it is understood, or what is wrong with it; undefined where there is none of that name. */
export function readMove(given: {
  readonly name: string
  readonly args?: { readonly [name: string]: Json }
}): { readonly move: KioskMove } | { readonly wrong: string } | undefined {
  if (!Object.hasOwn(moves, given.name)) return undefined
  const [schema] = moves[given.name as keyof Moves]
  const { success, data, error } = schema.safeParse(given.args ?? {})
  if (success) return { move: { name: given.name, args: data } as KioskMove }
  return { wrong: `${given.name}: ${firstIssue(error)}` }
}

/** As BrowserGym writes an action: `click('12')`. */
export function moveText({
  name,
  args = {},
}: {
  readonly name: string
  readonly args?: { readonly [name: string]: Json }
}): string {
  return `${name}(${Object.values(args)
    .map((value) => JSON.stringify(value))
    .join(', ')})`
}
