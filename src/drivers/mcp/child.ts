/**
 * A server that is a process of its own: MCP messages, one a line, over its stdin and stdout.
 *
 *     const transport = childTransport(sdk, { command: 'node', args: ['server.js'] })
 *
 * It is started as the head of a process group, so that what it starts (npx starts a shell, which starts node) ends with it.
 * The SDK's own transport ends only the process that it started.
 *
 * Invariants
 *   CH1. After `close` neither the process nor one of its group is left: stdin ends, then SIGTERM, then SIGKILL.
 *   CH2. It ends with ours: at the exit of this process its group is killed. Where this process is killed itself
 *        (SIGKILL), it sees the end of its stdin.
 *   CH3. It keeps this process from ending only while a call is under way.
 *   CH4. What waits to be read by it is bounded, and what it writes to stderr is kept in part only.
 */
import type { Transport } from '@modelcontextprotocol/client'
import type { ChildProcess } from 'node:child_process'
import { spawn } from 'node:child_process'
import { messageOf } from '../../kernel/errors.ts'
import { MESSAGE_BYTES_MAX } from './floods.ts'
import type { ChildOptions } from './options.ts'
import type { Sdk } from './sdk.ts'

export interface ChildTransport extends Transport {
  /** The SDK knows a transport of a child by these two. */
  readonly stderr: null
  readonly pid: number | null
  /** Whether it has ended by itself. */
  readonly isOver: boolean
  /** The last of what it wrote to stderr. */
  said(): string
  /** Whether this process waits for it. */
  hold(isHeld: boolean): void
}

/** How long a server may take to end after its stdin did, and after SIGTERM, ms. */
const END_MS = 500
const STDERR_CHARS_MAX = 1_000
const WAITING_BYTES_MAX = MESSAGE_BYTES_MAX

export function childTransport(sdk: Sdk, options: ChildOptions): ChildTransport {
  const buffer = new sdk.client.ReadBuffer({ maxBufferSize: MESSAGE_BYTES_MAX })
  let child: ChildProcess | undefined
  let ended: Promise<void> | undefined
  let isOver = false
  let stderr = ''

  const transport: ChildTransport = {
    stderr: null,
    get pid() {
      return child?.pid ?? null
    },
    get isOver() {
      return isOver
    },
    said: () => stderr.trim(),
    hold(isHeld) {
      for (const one of [child, child?.stdin, child?.stdout] as (
        | { ref?(): void; unref?(): void }
        | null
        | undefined
      )[]) {
        if (isHeld) one?.ref?.()
        else one?.unref?.()
      }
    },
    start: () =>
      new Promise((resolve, reject) => {
        child = spawn(options.command, options.args ?? [], {
          ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
          env: { ...sdk.stdio.getDefaultEnvironment(), ...options.env },
          stdio: ['pipe', 'pipe', 'pipe'],
          detached: hasGroups,
          windowsHide: true,
        })
        const own = child
        ended = new Promise((end) => {
          own.once('exit', () => {
            // What it started may live on, without anybody to end it.
            killGroup(own, 'SIGKILL')
            living.delete(own)
            isOver = true
            end()
          })
          own.once('error', () => own.pid === undefined && end())
        })
        own.once('error', (error) => {
          reject(error)
          transport.onerror?.(error)
        })
        own.once('spawn', () => {
          endWithUs(own)
          resolve()
        })
        own.once('close', () => transport.onclose?.())
        own.stdin?.on('error', (error) => transport.onerror?.(error))
        own.stdout?.on('error', (error) => transport.onerror?.(error))
        own.stdout?.on('data', read)
        own.stderr?.setEncoding('utf8').on('data', (text: string) => {
          stderr = `${stderr}${text}`.slice(-STDERR_CHARS_MAX)
        })
        ;(own.stderr as { unref?(): void } | null)?.unref?.()
      }),
    send: (message) =>
      new Promise((resolve, reject) => {
        const stdin = child?.stdin
        if (stdin === undefined || stdin === null || isOver || !stdin.writable)
          return reject(failed('NotConnected', 'not connected'))
        if (stdin.writableLength > WAITING_BYTES_MAX)
          return reject(failed('NotConnected', 'the server does not read what it is sent'))
        stdin.write(sdk.client.serializeMessage(message), (error) =>
          error === undefined || error === null ? resolve() : reject(failed('SendFailed', messageOf(error))),
        )
      }),
    async close() {
      const own = child
      if (own === undefined || ended === undefined) return
      own.stdout?.off('data', read).resume()
      own.stdin?.end()
      transport.hold(true)
      const over = ended.then(() => true)
      for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
        if (await Promise.race([over, later(END_MS)])) break
        killGroup(own, signal)
      }
      await over
      for (const stream of [own.stdin, own.stdout, own.stderr]) stream?.destroy()
      transport.hold(false)
    },
  }

  function failed(code: 'NotConnected' | 'SendFailed', message: string): Error {
    return new sdk.client.SdkError(sdk.client.SdkErrorCode[code], message)
  }

  function read(chunk: Buffer): void {
    try {
      buffer.append(chunk)
    } catch (error) {
      // One line without an end.
      transport.onerror?.(error as Error)
      return void transport.close()
    }
    for (;;) {
      try {
        const message = buffer.readMessage()
        if (message === null) return
        transport.onmessage?.(message)
      } catch (error) {
        transport.onerror?.(error as Error)
      }
    }
  }

  return transport
}

const hasGroups = process.platform !== 'win32'
const living = new Set<ChildProcess>()
let isWatching = false

/** At our exit, whatever its cause short of SIGKILL. */
function endWithUs(child: ChildProcess): void {
  if (!isWatching) process.on('exit', killAll)
  isWatching = true
  living.add(child)
}

function killAll(): void {
  for (const child of living) killGroup(child, 'SIGKILL')
}

function killGroup(child: ChildProcess, signal: 'SIGTERM' | 'SIGKILL'): void {
  if (child.pid === undefined) return
  try {
    if (hasGroups) process.kill(-child.pid, signal)
    else child.kill(signal)
  } catch {
    // Nobody of it is left.
  }
}

function later(ms: number): Promise<false> {
  return new Promise((resolve) => setTimeout(() => resolve(false), ms).unref())
}
