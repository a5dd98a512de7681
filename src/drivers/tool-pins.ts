/**
 * Pins: tools are taken only with the manifests that somebody has looked at. Against rug pulls, where a tool server shows
 * another description or schema after it was approved, and against a second tool of the same name.
 *
 *     const pins = pinsOf(tools)                  // once, when a person has read them; keep it beside the law
 *     boot({ tools: pinTools(tools, pins) })      // from then on; throws CONFIG_INVALID with what is different
 *
 * A pin is the SHA-256 of all that the model and the law see of a tool: name, description, schema, effect, labels,
 * outbound, control, trusted. What its code does is not in it.
 *
 * Invariants
 *   PI1. A tool without a pin, with another manifest than its pin, or with a name used twice is refused, all at once.
 */
import { createHash } from 'node:crypto'
import { PolityError } from '../kernel/errors.ts'
import { describeTool } from '../kernel/tools.ts'
import type { Json, Tool } from '../kernel/types.ts'

/** SHA-256 of manifests, by the names of the tools. Plain JSON. */
export interface Pins {
  readonly [tool: string]: string
}

/** SHA-256, in hexadecimal. */
const PIN = /^[0-9a-f]{64}$/

/** Pins from JSON. Throws a TypeError where it holds none. */
export function readPins(json: unknown): Pins {
  const isPins =
    typeof json === 'object' &&
    json !== null &&
    !Array.isArray(json) &&
    Object.values(json).every((pin) => typeof pin === 'string' && PIN.test(pin))
  if (!isPins) throw new TypeError('these are no pins; `polity redteam <agent.ts> --print-pins` prints them')
  return json as Pins
}

export function pinsOf(tools: readonly Tool[]): Pins {
  const pins: { [tool: string]: string } = {}
  for (const tool of tools) {
    if (Object.hasOwn(pins, tool.name)) throw refused([`${tool.name} is there twice`])
    pins[tool.name] = pinOf(tool)
  }
  return pins
}

/** The same tools, if they are those that were pinned. */
export function pinTools<T extends Tool>(tools: readonly T[], pins: Pins): readonly T[] {
  const faults: string[] = []
  const names = new Set<string>()
  for (const tool of tools) {
    if (names.has(tool.name)) faults.push(`${tool.name} is there twice`)
    else if (!Object.hasOwn(pins, tool.name)) faults.push(`${tool.name} has no pin`)
    else if (pins[tool.name] !== pinOf(tool)) faults.push(`${tool.name} is not what was pinned`)
    names.add(tool.name)
  }
  if (faults.length > 0) throw refused(faults)
  return tools
}

function pinOf(tool: Tool): string {
  const { name, description, inputSchema } = describeTool(tool)
  const { effect = 'once', labels = [], outbound = null, control = [], trusted = false } = tool
  const said = [
    name,
    description,
    ordered(inputSchema as Json),
    effect,
    labels.toSorted(),
    outbound,
    control.toSorted(),
    trusted,
  ]
  return createHash('sha256').update(JSON.stringify(said)).digest('hex')
}

/** With keys in order, so that the same schema has the same text. */
function ordered(value: Json): Json {
  if (typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) return value.map(ordered)
  const entries = Object.entries(value as { readonly [key: string]: Json | undefined })
  return Object.fromEntries(
    entries
      .flatMap(([key, one]) => (one === undefined ? [] : [[key, ordered(one)] as const]))
      .toSorted(([a], [b]) => (a < b ? -1 : 1)),
  )
}

function refused(faults: readonly string[]): PolityError {
  return new PolityError(
    'CONFIG_INVALID',
    `the tools are not those that were pinned: ${faults.join('; ')}. Look at what changed, then pin them again`,
  )
}
