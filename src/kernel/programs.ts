/**
 * Programs: which ones are known, and which tools a process of one holds.
 *
 *     const program = programs.find(given)              // an object, a function or a name; made known by it
 *     const held = programs.toolsFor(program, parent, names)   // of a process that begins
 *     const program = programs.of(start)                // of a journal
 *     const held = programs.toolsOf(start)
 *
 * Invariants
 *   N1. A name and a version mean one program at a time: the one that was given last. A function without a name has its
 *       text for a version; where two functions have the same text, a journal of theirs names neither.
 *   N2. A process holds no tool that its parent does not hold, now and after any restart.
 */
import type { Store } from './drivers.ts'
import { PolityError } from './errors.ts'
import type { Process } from './process.ts'
import type { Pid, ProcessStart, Program, Sys, Tool } from './types.ts'

type Held = ReadonlyMap<string, Tool>

/** What stands for a program where one is asked for: itself, a function, or the name of one that is known. */
export type GivenProgram = Program | ((sys: Sys, input: never) => Promise<unknown>) | string

/** The programs that a kernel knows. */
export interface Programs {
  /** Tools that every root process holds. */
  readonly common: Held
  /** The program that is meant, known from now on; `by` spawns it. Throws `NO_SUCH_PROGRAM`, `INVALID_ARGUMENT`. */
  find(given: GivenProgram, by?: Spawner): Program
  /** Makes the programs of a list known. Throws `CONFIG_INVALID` where one cannot be asked for, or two are one to a journal. */
  register(programs: readonly Program[]): void
  /** The program of a journal; throws `NO_SUCH_PROGRAM`. */
  of(start: ProcessStart): Program
  /** The same, or a stand-in that cannot run. */
  standIn(start: ProcessStart): Program
  /** Whether the program of a process is known without its parent, who may have made the function for it alone. */
  knows(process: Process): boolean
  /** Calls `onKnown` with the process once its parent has named its program. */
  await(process: Process): void
  /** What a process that begins will hold. Throws `ACCESS_DENIED`, `NO_SUCH_TOOL`. */
  toolsFor(program: Program, parent: Process | undefined, names: readonly string[] | undefined): Held
  /** Names of what a process holds, as they are journaled. */
  namesOf(held: Held): readonly string[]
  /** The tools that a process was started with, those of its parent among them: by the journal, so never more. */
  toolsOf(start: ProcessStart): Held
}

/** The call that spawns. */
export interface Spawner {
  readonly process: Process
  readonly n: number
}

/** What is held by all, and where journals and processes are looked up. */
export interface ProgramsOptions {
  readonly tools: readonly Tool[]
  readonly table: ReadonlyMap<Pid, Process>
  readonly store: Store
  readonly onKnown: (process: Process, program: Program) => void
}

/** The programs of a kernel: none yet. */
export function createPrograms({ tools, table, store, onKnown }: ProgramsOptions): Programs {
  const known = new Map<string, Program>()
  /** Resumed processes whose program nobody has named yet, by `name@version`. */
  const unnamed = new Map<string, Process[]>()
  /** Versions of functions without a name that more than one function has: closures that were made in one place. */
  const shared = new Set<string>()
  const common: Held = byName(tools, 'the kernel')
  const commonNames: readonly string[] = Object.freeze([...common.keys()])
  /** By a list of tools: those of a root that has no others. */
  const owned = new WeakMap<readonly Tool[], Held>()

  function find(given: GivenProgram, by?: Spawner): Program {
    if (typeof given === 'string') {
      const found = known.get(given) ?? [...known.values()].findLast((one) => one.name === given)
      if (found === undefined)
        throw new PolityError(
          'NO_SUCH_PROGRAM',
          `no program "${given.slice(0, 200)}" is registered; there are ${namesShown()}`,
        )
      return found
    }
    const program = (typeof given === 'function' ? programOf(given as Program['run']) : given) as Program
    if (
      typeof program !== 'object' ||
      program === null ||
      typeof program.run !== 'function' ||
      typeof program.name !== 'string' ||
      program.name === ''
    ) {
      throw new PolityError(
        'INVALID_ARGUMENT',
        'spawn takes a program made by defineProgram or defineAgent, the name of a registered one, or an async function',
      )
    }
    const key = `${program.name}@${program.version}`
    if (known.get(key) !== program) know(key, program)
    if (unnamed.has(key)) wake(key, program, by)
    return program
  }

  function register(programs: readonly Program[]): void {
    const given = new Map<string, Program>()
    for (const one of programs) {
      const program = find(one)
      const key = `${program.name}@${program.version}`
      if (nameless.has(program))
        throw new PolityError(
          'CONFIG_INVALID',
          'programs takes programs with a name, and one is a function without; make it one with defineProgram',
        )
      if ((given.get(key) ?? program).run !== program.run)
        throw new PolityError(
          'CONFIG_INVALID',
          `two different programs are ${key}, and a journal would not say which it is of; give one of them another name or version`,
        )
      given.set(key, program)
    }
  }

  /** Those that can be asked for by a name, the last ones where there are many. */
  function namesShown(): string {
    const named = [...known].filter(([, program]) => !nameless.has(program)).map(([key]) => key)
    const more = named.length > NAMES_SHOWN ? ` and ${named.length - NAMES_SHOWN} more` : ''
    return named.length === 0 ? 'none' : `${named.slice(-NAMES_SHOWN).join(', ')}${more}`
  }

  function know(key: string, program: Program): void {
    if (
      typeof program.version !== 'string' ||
      program.version.length > VERSION_CHARS_MAX ||
      !Array.isArray(program.tools) ||
      program.tools.length > TOOLS_MAX ||
      [...program.tools].some((tool) => typeof tool?.name !== 'string')
    ) {
      throw new PolityError(
        'INVALID_ARGUMENT',
        `program ${program.name.slice(0, 200)} takes a version, a short text, and a list of tools; defineProgram sets both`,
      )
    }
    byName([...(program.ownToolsOnly === true ? [] : common.values()), ...program.tools], `program ${program.name}`)
    if (nameless.has(program) && known.has(key)) shared.add(key)
    known.delete(key)
    known.set(key, program)
  }

  /** Who waited for the program goes on; for a function without a name, the one child that this call had spawned. */
  function wake(key: string, program: Program, by: Spawner | undefined): void {
    const isMeant = ({ parent, start }: Process): boolean =>
      !nameless.has(program) || (parent === by?.process && start.parentCall === by?.n)
    const waiting = unnamed.get(key) ?? []
    const rest = waiting.filter((process) => !isMeant(process))
    if (rest.length === 0) unnamed.delete(key)
    else unnamed.set(key, rest)
    for (const process of waiting) if (isMeant(process)) onKnown(process, program)
  }

  function of(start: ProcessStart): Program {
    const key = keyOf(start)
    // Of several functions with one text, only the process itself knows which it runs.
    const own = table.get(start.pid)?.program
    if (own !== undefined && nameless.has(own)) return own
    if (!shared.has(key)) return find(key)
    throw new PolityError(
      'NO_SUCH_PROGRAM',
      `process ${start.pid} ran one of several functions without a name that have the same text, and its journal does not say which; give it a name with defineProgram`,
    )
  }

  function standIn(start: ProcessStart): Program {
    try {
      return of(start)
    } catch {
      const run = () => Promise.reject(new Error('not registered'))
      return { name: start.program, version: start.version, tools: [], model: undefined, run }
    }
  }

  function toolsFor(program: Program, parent: Process | undefined, names: readonly string[] | undefined): Held {
    if (parent === undefined && names === undefined && program.tools.length === 0 && program.ownToolsOnly !== true)
      return common
    const declared = new Map(program.tools.map((tool) => [tool.name, tool]))
    const available = parent?.tools ?? ofRoot(program)
    if (parent !== undefined) {
      for (const name of declared.keys()) {
        if (!available.has(name))
          throw new PolityError(
            'ACCESS_DENIED',
            `program ${program.name} declares tool "${name}", which its parent, process ${parent.pid}, does not hold`,
          )
      }
    }
    const wanted = names ?? (parent !== undefined && declared.size > 0 ? [...declared.keys()] : undefined)
    return wanted === undefined ? available : pick(program, available, wanted)
  }

  function ofRoot({ tools: own, ownToolsOnly }: Program): Held {
    if (ownToolsOnly !== true) return new Map([...common, ...own.map((tool) => [tool.name, tool] as const)])
    const found = owned.get(own)
    if (found !== undefined) return found
    const held: Held = new Map(own.map((tool) => [tool.name, tool]))
    // Many programs of one list, as a door makes them, share one: what is frozen will not say something else later.
    if (Object.isFrozen(own)) owned.set(own, held)
    return held
  }

  function toolsOf(start: ProcessStart): Held {
    const program = of(start)
    let parentTools: Held | undefined
    if (start.parent !== null) {
      const [parent] = table.has(start.parent) ? [] : store.events(start.parent)
      // A parent whose journal was removed: its tools are found by name among all that are known.
      parentTools =
        table.get(start.parent)?.tools ??
        (parent?.type === 'process-start'
          ? toolsOf(parent)
          : new Map([
              ...[...known.values()].flatMap((one) => one.tools.map((tool) => [tool.name, tool] as const)),
              ...common,
            ]))
    }
    return pick(program, parentTools ?? ofRoot(program), start.tools)
  }

  return {
    common,
    find,
    register,
    of,
    standIn,
    knows: ({ start, program }) => nameless.has(program) || (!isNameless(start) && known.has(keyOf(start))),
    await(process) {
      const key = keyOf(process.start)
      unnamed.set(key, [...(unnamed.get(key) ?? []), process])
    },
    toolsFor,
    namesOf: (held) => (held === common ? commonNames : [...held.keys()]),
    toolsOf,
  }
}

/** A program's identity, as the journal has it. */
function keyOf({ program, version }: ProcessStart): string {
  return `${program}@${version}`
}

/** Programs that were made of functions without a name, by the function, and as such. */
const madeOf = new WeakMap<Program['run'], Program>()
const nameless = new WeakSet<Program>()

function isNameless({ program, version }: ProcessStart): boolean {
  return program === NAMELESS && version.startsWith(TEXT)
}

const NAMELESS = 'anonymous'
const TEXT = 'text-'

/** A function as a program: by its name, or else by its text. */
function programOf(run: Program['run']): Program {
  if (run.name !== '') return { name: run.name, version: '1', tools: [], model: undefined, run }
  let program = madeOf.get(run)
  if (program === undefined) {
    program = { name: NAMELESS, version: `${TEXT}${digestOf(String(run))}`, tools: [], model: undefined, run }
    madeOf.set(run, program)
    nameless.add(program)
  }
  return program
}

/** 64 bits of a text, as letters: two multiplications a character (FNV-1a twice, from two beginnings). */
function digestOf(text: string): string {
  let a = 0x811c9dc5
  let b = 0xcbf29ce4
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    a = Math.imul(a ^ code, 0x01000193)
    b = Math.imul(b ^ code ^ (a >>> 24), 0x01000193)
  }
  return (a >>> 0).toString(36).padStart(7, '0') + (b >>> 0).toString(36).padStart(7, '0')
}

function pick(program: Program, available: Held, names: readonly string[]): Held {
  return new Map(
    names.map((name) => {
      const tool = available.get(name)
      if (tool === undefined)
        throw new PolityError(
          'NO_SUCH_TOOL',
          `a process of ${program.name} cannot be given tool "${name}"; available are ${[...available.keys()].join(', ') || 'none'}`,
        )
      return [name, tool]
    }),
  )
}

/** Names of programs in an error. */
const NAMES_SHOWN = 20
/** Tools of one program: more than any model can choose from. */
const TOOLS_MAX = 10_000
const VERSION_CHARS_MAX = 200

/** Tools by name. Two different ones of one name are refused: the later would stand in the place of the earlier unseen. */
function byName(tools: readonly Tool[], whose: string): Held {
  const held = new Map<string, Tool>()
  for (const tool of tools) {
    const other = held.get(tool.name)
    if (other !== undefined && other !== tool)
      throw new PolityError(
        'CONFIG_INVALID',
        `${whose} has two different tools named "${tool.name}"; give one of them another name`,
      )
    held.set(tool.name, tool)
  }
  return held
}
