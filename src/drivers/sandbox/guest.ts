/**
 * Guests: one run of code in a process of its own, as the tools see it (tools.ts), whatever the walls are made of.
 *
 *     const guest = openJavaScript(start, limits)          // or openPython, openShell
 *     let said = await guest.next()                        // { calls } or { end }
 *     said = await guest.next([{ id: 0, value: 42 }])
 *     guest.stop()
 *
 * Both sides speak lines of JSON over a pair of pipes. What a guest says is hostile: it is bounded in bytes before it is
 * parsed, and checked field by field before it is believed.
 *
 * Invariants
 *   G1. After `stop` nothing of the guest is left: its process, those it made, its folder. `next` of a stopped guest ends.
 *   G2. A guest that says too much, says nonsense, or says nothing in time is stopped; the end says which it was.
 */
import type { ChildProcess } from 'node:child_process'
import type { Readable, Writable } from 'node:stream'
import type { ErrorCode } from '../../kernel/errors.ts'
import { toErrorData } from '../../kernel/errors.ts'
import { toPlain } from '../../kernel/plain.ts'
import type { Json } from '../../kernel/types.ts'
import type { GuestLine } from './javascript-child.ts'

export interface GuestLimits {
  /** Longest time that the code computes or waits by itself between two answers, ms. Beyond: `TOOL_TIMEOUT`. */
  readonly stepMs: number
  /** Processor time of the whole action, ms. Beyond: `TOOL_TIMEOUT`. */
  readonly cpuMs: number
  /** Memory: of the virtual machine for JavaScript, of all processes together else. Beyond: `LIMIT_EXCEEDED`. */
  readonly memoryBytes: number
  /** What is kept of the output; the rest is dropped, and the end says so. */
  readonly outputChars: number
  /** Size of the value, and of the input of one call. Beyond: `TOO_LARGE`. */
  readonly valueBytes: number
  /** Calls of tools in one action. Beyond, the call fails inside. */
  readonly calls: number
  /** Calls that wait for their answers at the same time. Beyond, the call fails inside. */
  readonly callsOpen: number
  /** Python and shell: processes at the same time, threads included. */
  readonly processes: number
  /** Python and shell: room in the work folder, and as much again in /tmp. */
  readonly diskBytes: number
}

/** What a guest is started with. */
export interface GuestStart {
  readonly code: string
  /** Names of the tools that can be called from inside. */
  readonly tools: readonly string[]
  /** The time inside, ms since 1970. */
  readonly now: number
  /** Of the random numbers inside. A whole number of 32 bits. */
  readonly seed: number
  readonly limits: GuestLimits
}

export interface Call {
  readonly id: number
  readonly tool: string
  readonly input: Json
}

export type Answer = { readonly id: number } & (
  | { readonly value: Json; readonly error?: undefined }
  | { readonly error: { readonly code: string; readonly message: string }; readonly value?: undefined }
)

export interface CodeError {
  readonly code: ErrorCode
  readonly message: string
}

export interface End {
  readonly value?: Json
  readonly error?: CodeError
}

export type Said =
  | { readonly calls: readonly Call[]; readonly end?: undefined }
  | { readonly end: End; readonly calls?: undefined }

export interface Guest {
  /** Lets the code run until it asks or has ended. One at a time. */
  next(answers?: readonly Answer[]): Promise<Said>
  /** What the code printed since the last time this was asked for. */
  output(): { readonly text: string; readonly isCut: boolean }
  stop(): void
}

/** Longest time that its process takes to be ready for the code, on a busy machine, ms. */
export const START_MS = 15_000
/** Who prints this much is not heard out, characters. */
const FLOOD_CHARS = 67_108_864

// ----------------------------------------------------------------------------------------------------------- the channel

export interface Channel {
  readonly child: ChildProcess
  /** Lines from the guest, and to it. */
  readonly from: Readable
  readonly to: Writable
  /** How an answer is written; the shell's is not JSON. */
  readonly encode: (answers: readonly Answer[]) => string
  /** Ends the guest and everything it made. */
  readonly kill: () => void
  /** The end of a guest that went without saying so. */
  readonly gone: (code: number | null, signal: NodeJS.Signals | null) => End
  /** Where the code prints, when not in lines. */
  readonly prints?: readonly Readable[]
  /** After its last line the guest goes by itself, and is given this long, so that what it printed last is heard, ms. */
  readonly farewellMs?: number
}

/** A guest over a channel. `first` is the first line that it is told. */
export function openGuest(channel: Channel, limits: GuestLimits, first: string): Guest {
  const { child, from, to } = channel
  const line = new Array<Buffer>()
  // All of it has to fit into the value of one call of the kernel.
  const lineBytesMax = 3 * limits.valueBytes + 2 * limits.outputChars
  let lineBytes = 0
  let printed = ''
  let keptChars = 0
  let isCut = false
  let heardChars = 0
  let end: End | undefined
  let waiting: ((said: Said) => void) | undefined
  let last: End | undefined
  let isStarted = false
  let timer: NodeJS.Timeout | undefined
  let isReady = false

  function keep(text: string): void {
    heardChars += text.length
    if (heardChars > FLOOD_CHARS)
      return fail({ code: 'LIMIT_EXCEEDED', message: `the code printed more than ${FLOOD_CHARS} characters` })
    const room = limits.outputChars - keptChars
    if (text.length > room) isCut = true
    const kept = text.slice(0, Math.max(0, room))
    keptChars += kept.length
    printed += kept
  }

  function say(said: Said): void {
    if (end !== undefined) return
    clearTimeout(timer)
    if (said.end !== undefined) {
      end = said.end
      channel.kill()
    }
    const resolve = waiting
    waiting = undefined
    hold(child, channel, false)
    resolve?.(said)
  }

  function setTimer(ms: number): void {
    clearTimeout(timer)
    timer = setTimeout(
      () => fail({ code: 'TOOL_TIMEOUT', message: `the code did not end within ${limits.stepMs} ms` }),
      ms,
    )
  }

  const fail = (error: CodeError): void => say({ end: { error } })

  function hear(text: string): void {
    let heard: GuestLine | undefined
    try {
      heard = parseLine(text, limits)
    } catch (error) {
      const { code, message } = toErrorData(error)
      return fail({ code, message })
    }
    if (heard === undefined)
      fail({ code: 'TOOL_FAILED', message: 'the code spoke to its keeper in a way that it does not understand' })
    else if ('print' in heard) keep(heard.print)
    else if ('ready' in heard) {
      // Once: what it took to start is not the code's, and every other moment is.
      if (!isReady && waiting !== undefined) setTimer(limits.stepMs)
      isReady = true
    }
    // Asked before it was answered: a guest has one round of calls at a time.
    else if ('calls' in heard && waiting === undefined)
      fail({ code: 'TOOL_FAILED', message: 'the code asked out of its turn' })
    else if ('end' in heard && channel.farewellMs !== undefined) {
      last ??= heard.end
      setTimeout(channel.kill, channel.farewellMs).unref()
    } else say(heard)
  }

  from.on('data', (chunk: Buffer) => {
    let rest = chunk
    for (;;) {
      if (end !== undefined) return
      const at = rest.indexOf(10)
      const piece = at === -1 ? rest : rest.subarray(0, at)
      lineBytes += piece.length
      if (lineBytes > lineBytesMax)
        return fail({ code: 'TOO_LARGE', message: `the code said more than ${lineBytesMax} bytes at once` })
      line.push(piece)
      if (at === -1) return
      const text = Buffer.concat(line.splice(0)).toString('utf8')
      lineBytes = 0
      hear(text)
      rest = rest.subarray(at + 1)
    }
  })
  for (const stream of channel.prints ?? []) {
    stream.setEncoding('utf8')
    stream.on('data', (text: string) => keep(text))
  }
  for (const stream of [from, to, ...(channel.prints ?? [])]) stream.on('error', nothing)
  child.on('error', (error) => fail({ code: 'TOOL_FAILED', message: `the sandbox did not start: ${error.message}` }))
  // Once the pipes have ended too: what was said last is still heard.
  child.on('close', (code, signal) => say({ end: last ?? channel.gone(code, signal) }))

  return {
    next(answers = []) {
      if (end !== undefined) return Promise.resolve({ end })
      return new Promise((resolve) => {
        waiting = resolve
        hold(child, channel, true)
        setTimer(isStarted ? limits.stepMs : limits.stepMs + START_MS)
        to.write(isStarted ? channel.encode(answers) : first)
        isStarted = true
      })
    },
    output() {
      const said = { text: printed, isCut }
      printed = ''
      return said
    },
    stop() {
      fail({ code: 'KILLED', message: 'the action was stopped' })
      channel.kill()
    },
  }
}

/** Whether the operating-system process stays alive for this child: only while somebody waits for it. */
export function hold(
  child: ChildProcess,
  { from, to, prints = [] }: Pick<Channel, 'from' | 'to' | 'prints'>,
  on: boolean,
): void {
  const held = [child, from, to, ...prints] as readonly { ref?(): void; unref?(): void }[]
  for (const one of held) {
    if (on) one.ref?.()
    else one.unref?.()
  }
}

function nothing(): void {}

/** A line as one of ours, or undefined. Throws where it holds too much. `__proto__` in an input stays data. */
function parseLine(text: string, limits: GuestLimits): GuestLine | undefined {
  let said: unknown
  try {
    said = JSON.parse(text)
  } catch {
    return undefined
  }
  if (typeof said !== 'object' || said === null) return undefined
  const { ready, print, calls, end } = said as { readonly [key: string]: unknown }
  if (ready === true) return { ready }
  if (typeof print === 'string') return { print }
  if (Array.isArray(calls)) {
    if (calls.length === 0 || calls.length > limits.callsOpen) return undefined
    const found: Call[] = []
    for (const call of calls as unknown[]) {
      if (typeof call !== 'object' || call === null) return undefined
      const { id, tool, input } = call as { readonly [key: string]: unknown }
      if (!Number.isSafeInteger(id) || typeof tool !== 'string' || input === undefined) return undefined
      found.push({ id: id as number, tool, input: toPlain(input, 'the input of a call', limits.valueBytes, null) })
    }
    return { calls: found }
  }
  if (typeof end !== 'object' || end === null) return undefined
  const { value, error } = end as { readonly [key: string]: unknown }
  if (error === undefined)
    return { end: value === undefined ? {} : { value: toPlain(value, 'the value', limits.valueBytes, null) } }
  if (typeof error !== 'object' || error === null) return undefined
  const { code, message } = error as { readonly [key: string]: unknown }
  if (typeof code !== 'string' || typeof message !== 'string') return undefined
  return { end: { error: { code: codes.get(code) ?? 'TOOL_FAILED', message: message.slice(0, MESSAGE_CHARS_MAX) } } }
}

/** Codes that a guest may give its own end. */
const codes = new Map<string, ErrorCode>(
  (['TOOL_FAILED', 'TOOL_TIMEOUT', 'LIMIT_EXCEEDED', 'TOO_LARGE'] as const).map((code) => [code, code]),
)
const MESSAGE_CHARS_MAX = 4_000
