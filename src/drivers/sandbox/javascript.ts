/**
 * JavaScript guests: a Node process for each action, in which QuickJS runs inside WebAssembly (javascript-child.ts).
 *
 *     const javascript = javaScriptGuests()
 *     const guest = javascript.open({ code: 'await tools.look_up({ month: 3 })', tools: ['look_up'], … })
 *
 * Starting Node takes longer than most actions, so one process is kept started beside the last action. It has no code
 * yet, serves one action, and is killed after it.
 *
 * Invariants
 *   N1. No process serves two actions.
 *   N2. A child has no environment, no files but its own sources and its engine, and dies with this process.
 */
import type { ChildProcess } from 'node:child_process'
import { spawn } from 'node:child_process'
import { realpathSync } from 'node:fs'
import { dirname, extname, join } from 'node:path'
import type { Duplex } from 'node:stream'
import { fileURLToPath, pathToFileURL } from 'node:url'
import type { End, Guest, GuestStart } from './guest.ts'
import { hold, openGuest } from './guest.ts'

/** Heap of the child's own JavaScript, MiB; the code's memory is apart, in WebAssembly, and has its own bound. */
const HEAP_MIB = 64

/** A started process that no action takes is given up, ms. */
const SPARE_MS = 60_000

const entry = join(import.meta.dirname, `javascript-child${extname(import.meta.filename)}`)

/** What Node is started with: the second wall, behind which a fault in the engine would come out. */
export function nodeArguments(): string[] {
  const engine = dirname(realpathSync(fileURLToPath(import.meta.resolve('quickjs-wasi/package.json'))))
  return [
    '--permission',
    `--allow-fs-read=${join(import.meta.dirname, '*')}`,
    `--allow-fs-read=${join(engine, '*')}`,
    // For its watch, which ends it when this process is gone.
    '--allow-worker',
    `--max-old-space-size=${HEAP_MIB}`,
    '--disallow-code-generation-from-strings',
    '--disable-proto=delete',
    '--no-addons',
    '--no-warnings',
  ]
}

/** Of the engine and its WebAssembly. Real places: what may be read is asked of the path as it is written. */
function engineFiles(): string[] {
  return ['quickjs-wasi', 'quickjs-wasi/quickjs.wasm'].map(
    (name) => pathToFileURL(realpathSync(fileURLToPath(import.meta.resolve(name)))).href,
  )
}

export interface JavaScriptGuests {
  open(start: GuestStart): Guest
  /** Starts the process of the next action now. */
  prepare(): void
}

export function javaScriptGuests(): JavaScriptGuests {
  let spare: ChildProcess | undefined

  function start(): ChildProcess {
    const child = spawn(
      process.execPath,
      [...nodeArguments(), entry, ...engineFiles()],
      // Descriptor 3 is never written: that it ends is the news.
      { env: {}, cwd: '/', stdio: ['pipe', 'pipe', 'ignore', 'pipe'] },
    )
    child.on('error', () => spare === child && (spare = undefined))
    child.on('exit', () => spare === child && (spare = undefined))
    const leash = child.stdio[3] as Duplex & { unref?(): void }
    leash.on('error', () => undefined)
    leash.unref?.()
    hold(child, channelOf(child), false)
    return child
  }

  function channelOf(child: ChildProcess) {
    return { from: child.stdout!, to: child.stdin! }
  }

  return {
    open(given) {
      const child = spare ?? start()
      spare = undefined
      return openGuest(
        {
          ...channelOf(child),
          child,
          encode: (answers) => `${JSON.stringify(answers)}\n`,
          kill: () => void child.kill('SIGKILL'),
          gone: (code, signal): End => ({
            error: {
              code: 'TOOL_FAILED',
              message: `the process of the code ended early (${signal ?? `exit code ${code}`})`,
            },
          }),
        },
        given.limits,
        `${JSON.stringify(given)}\n`,
      )
    },
    prepare() {
      if (spare !== undefined) return
      const child = (spare = start())
      setTimeout(() => spare === child && child.kill('SIGKILL'), SPARE_MS).unref()
    },
  }
}
