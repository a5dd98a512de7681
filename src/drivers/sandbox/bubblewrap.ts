/**
 * Python and shell guests: processes behind the walls of bubblewrap (`bwrap`), on Linux.
 *
 *     const walls = await findWalls()                        // what this machine has, tried for real, once
 *     if (walls.python.isAvailable) openWalled('python', walls.python, start)
 *
 * Inside there is: the system's programs, read only; `/proc` of its own processes; a work folder and `/tmp` of a bounded
 * size that end with the action. There is no network, no home, no host name, no variable, no capability, no way to more.
 *
 * Invariants
 *   B1. Nothing runs without the walls: what was not tried with success is refused.
 *   B2. When bubblewrap ends, its first process inside ends, and with it every other, however it was started.
 */
import type { ChildProcess } from 'node:child_process'
import { spawn } from 'node:child_process'
import { accessSync, constants, lstatSync, readlinkSync, realpathSync } from 'node:fs'
import { delimiter, dirname, join } from 'node:path'
import type { Duplex, Readable } from 'node:stream'
import { watchCensus } from './census.ts'
import { escaped, pythonClient, shellAnswer, shellClient } from './clients.ts'
import type { End, Guest, GuestLimits, GuestStart } from './guest.ts'
import { openGuest } from './guest.ts'
import { seccompFilter } from './seccomp.ts'

export type WalledLanguage = 'python' | 'shell'

export type Walls =
  | { readonly isAvailable: true; readonly reason: string; readonly plan: Plan }
  | { readonly isAvailable: false; readonly reason: string }

export interface Plan {
  /** Program and arguments before bubblewrap's own: `setpriv` where this process is root. */
  readonly head: readonly string[]
  readonly interpreter: string
  /** Folders that the interpreter needs, besides the system's. */
  readonly folders: readonly string[]
  readonly hasUserNamespaceSwitch: boolean
}

/** `nobody`, here and inside. */
const NOBODY = '65534'
const OPEN_FILES = 128
const SHARED_MEMORY_BYTES = 16_777_216
/** A guest that has said its end goes by itself; this long is waited for what it printed last, ms. */
const FAREWELL_MS = 500
/** A machine on which the trial takes longer is not one for sandboxes, ms. */
const TRIAL_MS = 10_000
const INSTALL = 'install it (Debian, Ubuntu: apt-get install bubblewrap; Fedora: dnf install bubblewrap)'

// ---------------------------------------------------------------------------------------------------------------- trial

let found: Promise<{ readonly [language in WalledLanguage]: Walls }> | undefined

/** What this machine has. Tried once; `folders`, where programs are looked for, makes it try again. */
export function findWalls(folders?: readonly string[]): Promise<{ readonly [language in WalledLanguage]: Walls }> {
  if (folders !== undefined || found === undefined) found = tryWalls(folders ?? programFolders())
  return found
}

export function programFolders(): string[] {
  return ['/usr/bin', '/bin', '/usr/sbin', '/usr/local/bin', ...(process.env['PATH'] ?? '').split(delimiter)]
}

async function tryWalls(folders: readonly string[]): Promise<{ readonly [language in WalledLanguage]: Walls }> {
  const programIn = (name: string): string | undefined => folders.map((folder) => join(folder, name)).find(canRun)
  const none = (reason: string): { readonly [language in WalledLanguage]: Walls } => {
    const walls = { isAvailable: false, reason } as const
    return { python: walls, shell: walls }
  }
  if (process.platform !== 'linux') return none(`bubblewrap needs Linux; this is ${process.platform}`)
  const bwrap = programIn('bwrap')
  if (bwrap === undefined) return none(`bwrap is not installed; ${INSTALL}`)
  const help = await output(bwrap, ['--help'])
  if (!help.text.includes('--die-with-parent') || !help.text.includes('--size'))
    return none(`${bwrap} is too old; 0.8 or later is needed: ${INSTALL}`)
  if (programIn('prlimit') === undefined) return none('prlimit is not installed; install util-linux')
  const hasUserNamespaceSwitch = help.text.includes('--disable-userns')
  const drop = process.getuid?.() === 0 ? programIn('setpriv') : undefined
  const heads = [
    ...(drop === undefined ? [] : [[drop, `--reuid=${NOBODY}`, `--regid=${NOBODY}`, '--clear-groups', bwrap]]),
    [bwrap],
  ]

  async function firstThatWorks(interpreters: readonly string[], trial: readonly string[]): Promise<Walls> {
    if (interpreters.length === 0) return { isAvailable: false, reason: 'its interpreter is not installed' }
    let reason = ''
    for (const interpreter of interpreters) {
      for (const head of heads) {
        const plan: Plan = { head, interpreter, folders: foldersOf(interpreter), hasUserNamespaceSwitch }
        const { text, status } = await output(...commandOf(plan, trialLimits, trial))
        if (status === 0 && text.includes('walls stand'))
          return { isAvailable: true, reason: `${bwrap}, ${interpreter}`, plan }
        reason ||= text.trim().split('\n').at(-1) ?? ''
      }
    }
    return {
      isAvailable: false,
      reason: `bwrap does not work here (${reason.slice(0, 200)}); user namespaces have to be allowed: sysctl kernel.unprivileged_userns_clone=1, or kernel.apparmor_restrict_unprivileged_userns=0, or a container that may make them`,
    }
  }

  const [python, shell] = await Promise.all([
    firstThatWorks(pythons(programIn('python3')), ['-I', '-c', 'print("walls stand")']),
    firstThatWorks(['/usr/bin/bash', '/bin/bash'].filter(canRun).slice(0, 1), ['-c', 'echo walls stand']),
  ])
  return { python, shell }
}

const trialLimits: GuestLimits = {
  stepMs: TRIAL_MS,
  cpuMs: TRIAL_MS,
  memoryBytes: 268_435_456,
  outputChars: 1_024,
  valueBytes: 1_024,
  calls: 0,
  callsOpen: 0,
  processes: 8,
  diskBytes: 1_048_576,
}

/** The system's own first: others may lie in a home that is not to be seen. */
function pythons(onPath: string | undefined): string[] {
  const paths = ['/usr/bin/python3', '/usr/local/bin/python3', onPath]
  return [...new Set(paths.filter((path): path is string => path !== undefined && canRun(path)))]
}

function foldersOf(interpreter: string): string[] {
  const real = realpathSync(interpreter)
  return real.startsWith('/usr/') ? [] : [dirname(dirname(real))]
}

function canRun(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

function output(program: string, args: readonly string[]): Promise<{ text: string; status: number | null }> {
  return new Promise((resolve) => {
    let text = ''
    const child = spawn(program, args, { env: {}, cwd: '/', timeout: TRIAL_MS, stdio: stdio() })
    give(child)
    for (const stream of [child.stdout, child.stderr] as Readable[])
      stream.on('data', (chunk: Buffer) => (text += chunk.toString('utf8')))
    child.on('error', (error) => resolve({ text: error.message, status: null }))
    child.on('close', (status) => resolve({ text, status }))
  })
}

// ---------------------------------------------------------------------------------------------------------------- walls

/** Standard input is empty; 3 is the line to the code; 4 brings the filter of system calls. */
function stdio(): ('ignore' | 'pipe')[] {
  return ['ignore', 'pipe', 'pipe', 'pipe', 'pipe']
}

/** Hands the filter over, if this machine has one. */
function give(child: ChildProcess): void {
  const pipe = child.stdio[4] as Duplex & { unref?(): void }
  pipe.on('error', () => undefined)
  pipe.end(seccompFilter())
  pipe.unref?.()
}

function commandOf(plan: Plan, limits: WallLimits, args: readonly string[]): [program: string, args: string[]] {
  const [program = 'bwrap', ...head] = plan.head
  const walls = [
    ['--unshare-all', '--unshare-user', ...(plan.hasUserNamespaceSwitch ? ['--disable-userns'] : [])],
    ['--die-with-parent', '--new-session', '--clearenv', '--cap-drop', 'ALL'],
    ['--uid', NOBODY, '--gid', NOBODY, '--hostname', 'sandbox'],
    ['--ro-bind', '/usr', '/usr'],
    ...['/bin', '/sbin', '/lib', '/lib32', '/lib64'].map(systemFolder),
    ...['/etc/alternatives', '/etc/ld.so.cache'].map((path) => ['--ro-bind-try', path, path]),
    ...plan.folders.map((path) => ['--ro-bind', path, path]),
    ['--proc', '/proc', '--dev', '/dev'],
    ['--size', String(Math.min(SHARED_MEMORY_BYTES, limits.diskBytes)), '--tmpfs', '/dev/shm', '--remount-ro', '/dev'],
    ['--size', String(limits.diskBytes), '--tmpfs', '/tmp'],
    ['--size', String(limits.diskBytes), '--tmpfs', '/action'],
    ['--remount-ro', '/', '--chdir', '/action'],
    ...Object.entries({
      PATH: '/usr/local/bin:/usr/bin:/bin',
      HOME: '/action',
      TMPDIR: '/tmp',
      LANG: 'C.UTF-8',
      PYTHONHASHSEED: '0',
      PYTHONDONTWRITEBYTECODE: '1',
    }).map(([name, value]) => ['--setenv', name, value]),
    seccompFilter() === undefined ? [] : ['--seccomp', '4'],
  ]
  // Inside, where the kernel counts the processes of this sandbox alone.
  const bounds = [
    `--as=${limits.memoryBytes}`,
    `--cpu=${Math.ceil(limits.cpuMs / 1_000)}`,
    `--nproc=${limits.processes}`,
    `--fsize=${limits.diskBytes}`,
    `--nofile=${OPEN_FILES}`,
    '--core=0',
  ]
  return [program, [...head, ...walls.flat(), '--', 'prlimit', ...bounds, '--', plan.interpreter, ...args]]
}

function systemFolder(path: string): string[] {
  const stat = lstatSync(path, { throwIfNoEntry: false })
  if (stat === undefined) return []
  return stat.isSymbolicLink() ? ['--symlink', readlinkSync(path), path] : ['--ro-bind', path, path]
}

/** What the walls themselves hold to. */
export type WallLimits = Pick<GuestLimits, 'cpuMs' | 'memoryBytes' | 'processes' | 'diskBytes'>

/**
 * The interpreter behind the walls with these arguments, and its standard streams in the hands of the caller, who watches
 * its memory and kills it. `openWalled` is for code that calls tools.
 */
export function spawnWalled(plan: Plan, limits: WallLimits, args: readonly string[]): ChildProcess {
  const streams = ['pipe', 'pipe', 'pipe', 'ignore', 'pipe'] as const
  const child = spawn(...commandOf(plan, limits, args), { env: {}, cwd: '/', stdio: [...streams] })
  give(child)
  return child
}

// ---------------------------------------------------------------------------------------------------------------- guest

export function openWalled(language: WalledLanguage, plan: Plan, start: GuestStart): Guest {
  const { limits } = start
  const isShell = language === 'shell'
  const args = isShell ? ['--noprofile', '--norc', '-c', shellClient] : ['-I', '-c', pythonClient]
  const child = spawn(...commandOf(plan, limits, args), { env: {}, cwd: '/', stdio: stdio() })
  give(child)
  const line = child.stdio[3] as Duplex
  let tooMuch: string | undefined
  const kill = (): void => {
    stopCounting()
    child.kill('SIGKILL')
  }
  const stopCounting =
    child.pid === undefined
      ? () => undefined
      : watchCensus(child.pid, { memoryBytes: limits.memoryBytes, processes: limits.processes }, (what) => {
          tooMuch = what
          kill()
        })
  child.on('exit', () => stopCounting())

  function gone(code: number | null, signal: NodeJS.Signals | null): End {
    if (tooMuch !== undefined) return { error: { code: 'LIMIT_EXCEEDED', message: `the code held ${tooMuch}` } }
    if (isShell && code === 0) return {}
    // Bubblewrap ends with 128 and the number of the signal that ended the code.
    if (code === 128 + 24 || code === 128 + 9)
      return {
        error: { code: 'TOOL_TIMEOUT', message: `the code computed for more than ${limits.cpuMs} ms, or was killed` },
      }
    const how = signal ?? `exit code ${code}`
    return { error: { code: 'TOOL_FAILED', message: isShell ? how : `the process of the code ended early (${how})` } }
  }

  return openGuest(
    {
      child,
      from: line,
      to: line,
      prints: [child.stdout as Readable, child.stderr as Readable],
      encode: isShell ? shellAnswer : (answers) => `${JSON.stringify(answers)}\n`,
      kill,
      gone,
      farewellMs: FAREWELL_MS,
    },
    limits,
    isShell ? `${escaped(start.code)}\n` : `${JSON.stringify(start)}\n`,
  )
}
