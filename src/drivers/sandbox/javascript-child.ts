/**
 * The process in which one JavaScript action runs: QuickJS inside WebAssembly, inside a Node of its own that may read two
 * folders, and nothing else of the machine. Started by javascript.ts, never imported by it but for types.
 *
 * It reads a line from its standard input, runs until the code waits for tools or has ended, writes lines to its standard
 * output, and so on. It never ends by itself: who started it kills it, and its watch kills it when who started it is gone.
 *
 * Invariants
 *   J1. The virtual machine is made for this action, after the action is known; it runs no other.
 *   J2. Between the machine and the code there pass only texts and numbers. The prelude runs with the rights of the code:
 *       what the code breaks in it, it breaks for itself.
 *   J3. Time stands still inside, and chance comes from the seed, so that the same answers give the same run.
 */
import { readFileSync, readSync, writeSync } from 'node:fs'
import { Worker } from 'node:worker_threads'
import type { HostFunction, JSValueHandle, QuickJS as Machine } from 'quickjs-wasi'
import type { Answer, Call, CodeError, End, GuestLimits, GuestStart } from './guest.ts'

/** A line that a guest says; Python's and the shell's say the same. */
export type GuestLine =
  | { readonly ready: true }
  | { readonly print: string }
  | { readonly calls: readonly Call[] }
  | { readonly end: End }

/** Stack of the virtual machine, bytes: half of what the library allows. */
const STACK_BYTES = 262_144
const MESSAGE_CHARS_MAX = 4_000
/** Who prints this much is stopped, characters; as in guest.ts, which this process is not to load. */
const FLOOD_CHARS = 67_108_864
/** Of the machine that warms the engine and runs no code of anybody's, bytes. */
const WARM_BYTES = 8_388_608
const RETRY_MS = 2
const still = new Int32Array(new SharedArrayBuffer(4))
const PRINT = 'print'
const ASK = 'ask'

// -------------------------------------------------------------------------------------------------------------- prelude

/** What the code finds: a console, and its tools. Evaluates to a function that is given the two ways out. */
const prelude = `(function (print, ask, names, seed) {
  'use strict'
  const { parse, stringify } = JSON
  const text = String
  const Failure = Error
  const waiting = new Map()
  let count = 0

  const random = () => {
    seed = (seed + 0x6d2b79f5) | 0
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }
  Object.defineProperty(Math, 'random', { value: random, writable: true, configurable: true })

  const plain = (value) => {
    if (value === undefined) return ''
    if (typeof value === 'symbol' || typeof value === 'function') return stringify(text(value))
    try {
      return stringify(value, (_key, one) => (typeof one === 'bigint' ? text(one) : one)) ?? ''
    } catch (error) {
      try { return stringify(text(value)) } catch { return '' }
    }
  }
  const shown = (value) => {
    try {
      if (typeof value === 'string') return value
      if (value instanceof Failure) return text(value.stack ? value.name + ': ' + value.message : value)
      return plain(value) || text(value)
    } catch { return '[unreadable]' }
  }
  const write = (...values) => {
    let line = ''
    for (let i = 0; i < values.length; i++) line += (i === 0 ? '' : ' ') + shown(values[i])
    print(line + '\\n')
  }
  globalThis.console = Object.freeze({ log: write, info: write, warn: write, error: write, debug: write })

  const tools = { __proto__: null }
  for (const name of parse(names)) {
    tools[name] = (input = {}) => new Promise((resolve, reject) => {
      const id = count++
      const refused = ask(id, name, stringify(input))
      if (refused !== '') reject(new Failure(refused))
      else waiting.set(id, { resolve, reject })
    })
  }
  Object.defineProperty(globalThis, 'tools', { value: Object.freeze(tools), enumerable: true })

  return {
    settle(answer) {
      const { id, value, error } = parse(answer)
      const { resolve, reject } = waiting.get(id)
      waiting.delete(id)
      if (error === undefined) return resolve(value), ''
      const failure = new Failure(error.message)
      failure.code = error.code
      reject(failure)
      return ''
    },
    // A script's promise is of a box with its value, a function's of the value itself; either may be a promise again.
    async unwrap(promise, isBoxed) {
      const settled = await promise
      return isBoxed ? await settled.value : settled
    },
    encode: plain,
    describe(error) {
      try {
        if (!(error instanceof Failure)) return 'thrown: ' + shown(error)
        return text(error.name) + ': ' + text(error.message) + (error.stack ? '\\n' + text(error.stack) : '')
      } catch { return 'an error that cannot be read' }
    },
  }
})`

// ------------------------------------------------------------------------------------------------------------------ run

/** What we need of it; the platform's own types come with a browser's. */
declare const WebAssembly: { compile(bytes: Uint8Array): Promise<object> }

// The watch: descriptor 3 ends with the process that started this one. A thread, because no code can keep it busy.
const watch = new Worker(
  `const fs = require('node:fs')
   try { while (fs.readSync(3, Buffer.alloc(64)) > 0); } catch {}
   process.kill(process.pid, 'SIGKILL')`,
  { eval: true, env: {}, resourceLimits: { maxOldGenerationSizeMb: 8, maxYoungGenerationSizeMb: 2, stackSizeMb: 1 } },
)

watch.unref()

// By its real place, which is what may be read: the name would be looked up through links that may not.
const [engine = '', binary = ''] = process.argv.slice(2)
const { EvalFlags, JSException, QuickJS } = (await import(engine)) as typeof import('quickjs-wasi')
const wasm = await WebAssembly.compile(readFileSync(new URL(binary)))
await warm()
await run(JSON.parse(readLine()) as GuestStart)

/** The engine compiles what it needs when it first needs it: here, before anybody waits. */
async function warm(): Promise<void> {
  using vm = await QuickJS.create({ wasm, memoryLimit: WARM_BYTES, maxStackSize: STACK_BYTES, timezoneOffset: 0 })
  vm.evalCode(prelude, 'prelude.js')
  vm.evalCode('await JSON.parse(JSON.stringify([1]))[0]', 'warm.js', EvalFlags.ASYNC)
  vm.executePendingJobs()
}

async function run({ code, tools, now, seed, limits }: GuestStart): Promise<void> {
  const calls: Call[] = []
  let printed = 0
  let asked = 0
  const before = process.threadCpuUsage()
  let vm: Machine
  try {
    vm = await QuickJS.create({
      wasm,
      memoryLimit: limits.memoryBytes,
      maxStackSize: STACK_BYTES,
      timezoneOffset: 0,
      interruptHandler: () => printed > FLOOD_CHARS || process.threadCpuUsage(before).user > limits.cpuMs * 1_000,
      wasi: (memory: { readonly buffer: ArrayBuffer }) => ({
        clock_time_get(_clock: number, _precision: bigint, at: number): number {
          new DataView(memory.buffer).setBigUint64(at, BigInt(Math.floor(now)) * 1_000_000n, true)
          return 0
        },
        random_get(at: number, length: number): number {
          new Uint8Array(memory.buffer, at, length).fill(seed & 0xff)
          return 0
        },
        fd_write: () => 8, // EBADF: the machine has nothing to say by itself
      }),
    })
    const print: HostFunction = (text) => {
      const line = (text as JSValueHandle).toString()
      if (printed <= limits.outputChars) say({ print: line.slice(0, limits.outputChars + 1) })
      printed += line.length
      return vm.undefined
    }
    const ask: HostFunction = (id, tool, input) => {
      const refused =
        calls.length >= limits.callsOpen
          ? `${limits.callsOpen} calls are open; await some of them first`
          : asked >= limits.calls
            ? `an action makes at most ${limits.calls} calls`
            : ''
      if (refused === '') {
        asked++
        calls.push({
          id: (id as JSValueHandle).toNumber(),
          tool: (tool as JSValueHandle).toString(),
          input: JSON.parse((input as JSValueHandle).toString()),
        })
      }
      return vm.newString(refused)
    }
    const opened = vm.callFunction(
      vm.evalCode(prelude, 'prelude.js'),
      vm.undefined,
      vm.newFunction(PRINT, print),
      vm.newFunction(ASK, ask),
      vm.newString(JSON.stringify(tools)),
      vm.newNumber(seed),
    )
    const settle = opened.getProp('settle')
    const encode = opened.getProp('encode')
    const describe = opened.getProp('describe')
    const text = (fn: JSValueHandle, value: JSValueHandle): string =>
      vm.callFunction(fn, vm.undefined, value).toString()

    say({ ready: true })
    const promise = vm.callFunction(opened.getProp('unwrap'), vm.undefined, ...evaluate(vm, code))
    for (;;) {
      vm.executePendingJobs()
      const state = promise.promiseState
      if (state === 0 && calls.length > 0) {
        say({ calls: calls.splice(0) })
        const answers = JSON.parse(readLine()) as Answer[]
        for (const answer of answers) text(settle, vm.newString(JSON.stringify(answer)))
        continue
      }
      if (state === 0)
        return end({ code: 'TOOL_FAILED', message: 'the code waits for a promise that nothing will ever resolve' })
      const settled = await vm.resolvePromise(promise)
      if ('error' in settled) {
        const told = text(describe, settled.error)
        return end(limitIn(told, limits) ?? { code: 'TOOL_FAILED', message: told.slice(0, MESSAGE_CHARS_MAX) })
      }
      const value = text(encode, settled.value)
      if (value.length > limits.valueBytes)
        return end({
          code: 'TOO_LARGE',
          message: `the value is larger than ${limits.valueBytes} bytes; print or return less`,
        })
      return say({ end: value === '' ? {} : { value: JSON.parse(value) } })
    }
  } catch (error) {
    end(endOf(error, limits))
  }
}

/** The code as a script with top-level `await`, whose last expression is its value; one that says `return`, as a function. */
function evaluate(vm: Machine, code: string): [promise: JSValueHandle, isBoxed: JSValueHandle] {
  try {
    return [vm.evalCode(code, 'action.js', EvalFlags.ASYNC), vm.true]
  } catch (error) {
    if (!(error instanceof JSException) || error.name !== 'SyntaxError' || !/\breturn\b/.test(code)) throw error
    return [vm.evalCode(`(async () => {${code}\n})()`, 'action.js'), vm.false]
  }
}

/** What the machine threw out of itself, as the end of the action. */
function endOf(error: unknown, limits: GuestLimits): CodeError {
  const text = error instanceof Error ? `${error.name}: ${error.message}` : String(error)
  const limit = limitIn(text, limits)
  if (limit !== undefined) return limit
  if (error instanceof JSException)
    return { code: 'TOOL_FAILED', message: `${text}\n${error.stack ?? ''}`.slice(0, MESSAGE_CHARS_MAX) }
  // Not an exception of the code but of the host: the machine is broken, and is not used again.
  return { code: 'LIMIT_EXCEEDED', message: `the code broke its virtual machine (${text.slice(0, 200)})` }
}

function limitIn(text: string, { cpuMs, memoryBytes }: GuestLimits): CodeError | undefined {
  if (/^(Error: Job execution error: )?InternalError: interrupted/.test(text))
    return { code: 'TOOL_TIMEOUT', message: `the code computed for more than ${cpuMs} ms, or printed without end` }
  if (/^(Error: Job execution error: )?InternalError: out of memory/.test(text))
    return { code: 'LIMIT_EXCEEDED', message: `the code needs more than ${memoryBytes} bytes of memory` }
  return undefined
}

function end(error: CodeError): void {
  say({ end: { error } })
}

// ---------------------------------------------------------------------------------------------------------------- lines

function say(line: GuestLine): void {
  const bytes = Buffer.from(`${JSON.stringify(line)}\n`)
  for (let at = 0; at < bytes.length;) at += patiently(() => writeSync(1, bytes, at))
}

/** Waits without turning: nothing else is to happen here. */
function readLine(): string {
  const chunks: Buffer[] = []
  for (;;) {
    const chunk = Buffer.alloc(65_536)
    const length = patiently(() => readSync(0, chunk))
    if (length === 0) process.kill(process.pid, 'SIGKILL')
    chunks.push(chunk.subarray(0, length))
    if (chunk[length - 1] === 10) return Buffer.concat(chunks).toString('utf8')
  }
}

/** Node may have made the pipe one that does not wait. */
function patiently(io: () => number): number {
  for (;;) {
    try {
      return io()
    } catch (error) {
      if ((error as { code?: unknown }).code !== 'EAGAIN') throw error
      Atomics.wait(still, 0, 0, RETRY_MS)
    }
  }
}
