/**
 * Tools: definitions that are checked when made, calls whose arguments are checked before the law sees them.
 *
 *     const add = defineTool({ name: 'add', description: '…', effect: 'read', inputSchema: z.object({ … }), execute: … })
 *
 * Invariants
 *   T1. The arguments that are executed are the ones that were checked, with defaults applied, and frozen.
 *   T2. A tool that throws, hangs or returns nonsense ends its call with an error; it is never disabled by it.
 *   T3. Of the calls that share a lock, one runs at a time. A tool that ignores its time limit keeps its locks until it
 *       ends; who waits for them is told so in time.
 */
import type { Deadlines } from './deadlines.ts'
import { PolityError, messageOf, noSuchProcess } from './errors.ts'
import { readAs } from './input-form.ts'
import type { KeysOf } from './known-keys.ts'
import { checkKeys } from './known-keys.ts'
import { isWithin } from './lineage.ts'
import type { Limits } from './limits.ts'
import { isOpenSchema } from './open-schema.ts'
import { freezePlain, toPlain } from './plain.ts'
import type { Call, Process } from './process.ts'
import { createStamp } from './stamp.ts'
import type { ToolStates } from './tool-state.ts'
import type { Json, Pid, Tool, ToolContext, ToolDescription } from './types.ts'

const NAME = /^[A-Za-z0-9_.\-/]{1,64}$/

const toolKeys: KeysOf<Tool> = {
  name: true,
  description: true,
  inputSchema: true,
  outputSchema: true,
  effect: true,
  control: true,
  labels: true,
  trusted: true,
  outbound: true,
  locks: true,
  timeoutMs: true,
  state: true,
  execute: true,
}

/** Checks a tool's definition and returns it. Throws `CONFIG_INVALID` that says what was expected. */
export function defineTool<Input, Output>(tool: Tool<Input, Output>): Tool<Input, Output> {
  checkTool(tool as unknown as Tool)
  return Object.freeze({ ...tool })
}

/** A list of tools, whoever made them. Throws `CONFIG_INVALID`; `at` names the list. */
export function checkTools(at: string, tools: unknown): void {
  if (!Array.isArray(tools))
    throw new PolityError('CONFIG_INVALID', `${at} takes a list of tools, not ${messageOf(tools).slice(0, 80)}`)
  for (const tool of tools as readonly Tool[]) checkTool(tool)
}

function checkTool(tool: Tool): void {
  const wrong = (what: string) =>
    new PolityError('CONFIG_INVALID', `tool ${JSON.stringify(tool?.name ?? null)}: ${what}`)
  if (typeof tool !== 'object' || tool === null)
    throw wrong('expected an object with name, description, inputSchema and execute')
  checkKeys(`tool ${JSON.stringify(tool.name ?? null)}`, tool, toolKeys)
  if (typeof tool.name !== 'string' || !NAME.test(tool.name))
    throw wrong('name must be 1 to 64 letters, digits, "_", "-", "." or "/"')
  if (typeof tool.description !== 'string') throw wrong('description must be a text: it is what the model reads')
  if (typeof tool.inputSchema?.['~standard']?.validate !== 'function')
    throw wrong('inputSchema must be a Standard Schema, such as z.object({ … }) of zod 4')
  if (typeof tool.execute !== 'function') throw wrong('execute must be a function')
  if (tool.effect !== undefined && !['read', 'idempotent', 'once'].includes(tool.effect))
    throw wrong('effect must be "read", "idempotent" or "once"')
  for (const name of ['labels', 'locks', 'control'] as const)
    if (tool[name] !== undefined && !isTexts(tool[name])) throw wrong(`${name} must be a list of texts`)
  for (const name of ['trusted', 'outbound'] as const)
    if (tool[name] !== undefined && typeof tool[name] !== 'boolean') throw wrong(`${name} must be true or false`)
  if (tool.state !== undefined && (typeof tool.state !== 'string' || !NAME.test(tool.state)))
    throw wrong('state must be a name: 1 to 64 letters, digits, "_", "-", "." or "/"')
  if (tool.timeoutMs !== undefined && !(tool.timeoutMs > 0)) throw wrong('timeoutMs must be a positive number of ms')
  const names = tool.control?.length ? argumentsOf(tool) : undefined
  // A law would hold no argument at all to where it comes from, and let the call pass.
  const stray = names && tool.control?.find((one) => !names.includes(one))
  if (stray !== undefined)
    throw wrong(`control names ${JSON.stringify(stray)}, and its arguments are ${names?.join(', ') || 'none'}`)
}

function isTexts(value: unknown): boolean {
  return Array.isArray(value) && value.every((one) => typeof one === 'string')
}

/** Names of all arguments that a tool can be called with; undefined where its schema leaves them open or cannot say them. */
function argumentsOf(tool: Tool): readonly string[] | undefined {
  let schema: ToolDescription['inputSchema']
  try {
    schema = describeTool(tool).inputSchema
  } catch {
    return undefined
  }
  const { properties } = schema
  const isListed = typeof properties === 'object' && properties !== null && !isOpenSchema(schema)
  return isListed ? Object.keys(properties) : undefined
}

const descriptions = createStamp<ToolDescription>()

/** A tool as a model sees it. Made once, so that it is byte for byte the same in every request (promise 7). */
export function describeTool(tool: Tool): ToolDescription {
  let description = descriptions.get(tool)
  if (description === undefined) {
    const converter = tool.inputSchema['~standard'].jsonSchema
    if (converter === undefined) {
      throw new PolityError(
        'CONFIG_INVALID',
        `tool "${tool.name}": its schema library (${tool.inputSchema['~standard'].vendor}) cannot describe itself as JSON Schema; use one that can, such as zod 4.2 or later`,
      )
    }
    const inputSchema = toPlain(inputOf(tool, converter), `tool ${tool.name}: inputSchema`, SCHEMA_BYTES_MAX, null)
    description = Object.freeze({
      name: tool.name,
      description: tool.description,
      inputSchema: inputSchema as ToolDescription['inputSchema'],
    })
    descriptions.set(tool, description)
  }
  return description
}

function inputOf(tool: Tool, converter: Converter): unknown {
  try {
    return converter.input({ target: 'draft-2020-12' })
  } catch (error) {
    throw new PolityError(
      'CONFIG_INVALID',
      `tool "${tool.name}": no model can be shown its inputSchema: ${messageOf(error)}; take types that JSON has, such as a text for a date`,
      { cause: error },
    )
  }
}

type Converter = NonNullable<Tool['inputSchema']['~standard']['jsonSchema']>

const SCHEMA_BYTES_MAX = 262_144

/** Calls of tools. */
export interface Tools {
  /** The arguments as they will be executed. Throws `NO_SUCH_TOOL`, `INVALID_ARGUMENT`. */
  check(process: Process, name: string, input: Json): Checked
  run(call: Call, checked: Checked): Json | Promise<Json>
  /** What a person says that a call of the tool returned, held to what the tool says. Throws `INVALID_ARGUMENT`, `TOO_LARGE`. */
  said(tool: Tool, value: Json): Json
}

/** A tool with the arguments that it will be called with. */
export interface Checked {
  readonly tool: Tool
  readonly input: Json
}

/** What tools need of the rest of the kernel. */
export interface ToolsOptions {
  readonly deadlines: Deadlines
  readonly limits: Limits
  readonly states: ToolStates
  /** A process, running or ended. */
  readonly find: (pid: Pid) => Process | undefined
}

/** Tools with their locks. */
export function createTools({ deadlines, limits, states, find }: ToolsOptions): Tools {
  /** Last holder of each lock. */
  const locks = new Map<string, Promise<void>>()

  function check(process: Process, name: string, input: Json): Checked {
    const tool = process.tools.get(name)
    if (tool === undefined)
      throw new PolityError(
        'NO_SUCH_TOOL',
        `process ${process.pid} holds no tool "${name}"; it holds ${[...process.tools.keys()].join(', ') || 'none'}`,
      )
    const checked = readAs(
      tool.inputSchema,
      input,
      (what) => new PolityError('INVALID_ARGUMENT', `tool ${name}: ${what}`),
    )
    return { tool, input: freezePlain(checked as Json, () => `tool ${name}: input`, limits.valueBytesMax) }
  }

  function run(call: Call, { tool, input }: Checked): Json | Promise<Json> {
    return tool.locks === undefined || tool.locks.length === 0
      ? execute(call, tool, input, nothing)
      : locked(call, tool, input, tool.locks)
  }

  /** Waits its turn at each lock, for as long as the tool may take; holds them until the tool itself has ended. */
  function locked(call: Call, tool: Tool, input: Json, wanted: readonly string[]): Promise<Json> {
    const names = [...new Set(wanted)]
    let free = nothing
    const mine = new Promise<void>((resolve) => (free = resolve))
    // All at once and none later, so two tools with the same two locks never wait for each other.
    const before = Promise.all(names.map((name) => locks.get(name)))
    for (const name of names) locks.set(name, mine)
    void mine.then(() => {
      for (const name of names) if (locks.get(name) === mine) locks.delete(name)
    })
    const timeoutMs = tool.timeoutMs ?? limits.toolMs
    return new Promise((resolve, reject) => {
      let over = false
      const stop = (error: PolityError): void => {
        over = true
        reject(error)
      }
      const timer = deadlines.set(timeoutMs, {
        late: () =>
          stop(new PolityError('TIMEOUT', `tool ${tool.name} waited ${timeoutMs} ms for ${names.join(', ')}`)),
      })
      call.onAbort({
        aborted(error) {
          timer.cancel()
          stop(error)
        },
      })
      void before.then(() => {
        timer.cancel()
        // Who queued behind still had to wait for who was before.
        if (over) return free()
        try {
          resolve(execute(call, tool, input, free))
        } catch (error) {
          reject(error)
        }
      })
    })
  }

  /** Without a promise for a tool that answers at once. `ended` is called once the tool has ended, however late. */
  function execute(call: Call, tool: Tool, input: Json, ended: () => void): Json | Promise<Json> {
    let output: unknown
    let promised: Promise<unknown> | undefined
    try {
      output = tool.execute(input, new Context(call, tool, reach))
      // What only looks like a promise may throw when it is asked: as one, it rejects.
      if (typeof (output as { then?: unknown } | null)?.then === 'function') promised = Promise.resolve(output)
    } catch (error) {
      ended()
      throw failed(tool, error)
    }
    if (promised === undefined) {
      ended()
      return checkOutput(tool, output)
    }
    const timeoutMs = tool.timeoutMs ?? limits.toolMs
    return new Promise((resolve, reject) => {
      const timer = deadlines.set(timeoutMs, {
        late() {
          const late = new PolityError('TOOL_TIMEOUT', `tool ${tool.name} did not end within ${timeoutMs} ms`)
          reject(late)
          call.abort(late)
        },
      })
      call.onAbort({
        aborted(error) {
          timer.cancel()
          reject(error)
        },
      })
      promised.then(
        (value) => {
          timer.cancel()
          ended()
          try {
            resolve(checkOutput(tool, value))
          } catch (error) {
            reject(error)
          }
        },
        (error: unknown) => {
          timer.cancel()
          ended()
          reject(failed(tool, error))
        },
      )
    })
  }

  const reach: Reach = {
    state: (call, name) => states.get(call, call.process.files, name),
    keep(call, name, state) {
      // What a tool does after its call ended is not heard.
      if (call.open)
        states.hold(
          call,
          name,
          freezePlain(state, () => `state ${JSON.stringify(name)}`, limits.valueBytesMax),
        )
    },
    stateOf(call, name, pid) {
      const { process } = call
      const denied = () =>
        new PolityError(
          'ACCESS_DENIED',
          `process ${pid} does not descend from process ${process.pid}, which asks for a state of it`,
        )
      const other = find(pid)
      if (other !== undefined) {
        if (!isWithin(other, process.pid)) throw denied()
        return states.get(call, other.files, name)
      }
      const left = states.left(call, pid, name)
      if (left === undefined) throw noSuchProcess(pid)
      if (!left.above.includes(process.pid)) throw denied()
      return left.state ?? undefined
    },
  }

  function checkOutput(tool: Tool, output: unknown): Json {
    const wrong = (what: string) =>
      new PolityError('TOOL_INVALID', `tool ${tool.name} returned something else than it says: ${what}`)
    const checked = tool.outputSchema === undefined ? output : readAs(tool.outputSchema, output, wrong)
    try {
      return toPlain(checked, () => `tool ${tool.name}: output`, limits.valueBytesMax)
    } catch (error) {
      // Both name the tool.
      const isTooLarge = PolityError.isInstance(error) && error.code === 'TOO_LARGE'
      throw isTooLarge ? error : new PolityError('TOOL_INVALID', messageOf(error))
    }
  }

  function said(tool: Tool, value: Json): Json {
    const { name, outputSchema } = tool
    const checked =
      outputSchema === undefined
        ? value
        : readAs(
            outputSchema,
            value,
            (what) =>
              new PolityError(
                'INVALID_ARGUMENT',
                `done takes what tool ${name} returned: ${what}; expected ${outputText(outputSchema)}`,
              ),
          )
    return toPlain(checked, () => `what tool ${name} returned`, limits.valueBytesMax)
  }

  return { check, run, said }
}

/** What a tool returns, for a person: as JSON Schema, where its schema library can say it. */
function outputText(schema: NonNullable<Tool['outputSchema']>): string {
  const { jsonSchema, vendor } = schema['~standard']
  try {
    const { $schema: _, ...described } = jsonSchema?.input({ target: 'draft-2020-12' }) ?? {}
    if (Object.keys(described).length > 0) return JSON.stringify(described).slice(0, OUTPUT_TEXT_CHARS_MAX)
  } catch {
    // A schema that no JSON Schema describes, such as one that transforms.
  }
  return `a value of its outputSchema (${vendor})`
}

const OUTPUT_TEXT_CHARS_MAX = 1_000

/** What a tool is told of its call. A class, because an object literal with a getter costs ten times one without. */
class Context implements ToolContext {
  readonly #call: Call
  readonly #tool: Tool
  readonly #reach: Reach
  readonly pid: Pid
  readonly principal: string

  constructor(call: Call, tool: Tool, reach: Reach) {
    this.#call = call
    this.#tool = tool
    this.#reach = reach
    this.pid = call.process.pid
    this.principal = call.process.principal
  }

  get signal(): AbortSignal {
    return this.#call.signal
  }

  get idempotencyKey(): string {
    return `${this.#call.startPid}-${this.#call.startSeq}`
  }

  get names(): readonly (string | null)[] {
    const names: (string | null)[] = []
    for (let at: Process | undefined = this.#call.process; at !== undefined; at = at.parent)
      names.unshift(at.start.name)
    return names
  }

  get space(): string {
    return this.#call.process.files.id
  }

  get state(): Json | undefined {
    return this.#reach.state(this.#call, this.#name)
  }

  keep(state: Json): void {
    this.#reach.keep(this.#call, this.#name, state)
  }

  stateOf(pid: Pid): Json | undefined {
    return this.#reach.stateOf(this.#call, this.#name, pid)
  }

  get #name(): string {
    const { name, state } = this.#tool
    if (state === undefined)
      throw new PolityError(
        'CONFIG_INVALID',
        `tool ${name} keeps no state: give it a name for one, as in state: 'game'`,
      )
    return state
  }
}

/** How a context comes to the states. */
interface Reach {
  state(call: Call, name: string): Json | undefined
  keep(call: Call, name: string, state: Json): void
  stateOf(call: Call, name: string, pid: Pid): Json | undefined
}

function nothing(): void {}

function failed(tool: Tool, error: unknown): PolityError {
  return PolityError.isInstance(error)
    ? error
    : new PolityError('TOOL_FAILED', `tool ${tool.name}: ${messageOf(error)}`, { cause: error })
}
