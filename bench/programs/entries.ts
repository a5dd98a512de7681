/**
 * Every program of src/agents/ in the table of docs/programs.md: how it is let into a world, or why it is not.
 *
 *     const { acting, left, without } = await entries()
 *
 * Settings are those of the paper unless a program's own would ask more of the model for one step than the budget of a whole try
 * holds: then the samples are cut, by counting calls and not by trying, and the table says so.
 */
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { programsOf } from '../../src/cli/program-file.ts'
import type { Solver } from '../../src/evaluation/task.ts'
import type { Json, Program } from '../../src/kernel/types.ts'

/** The worlds, each with its level: all are of one player but `forage`, which is of two. */
export const WORLDS = [
  ['craft.dag', 2],
  ['plan.strips', 1],
  ['forage', 1],
  ['desk.retail', 1],
  ['lab', 1],
] as const

/** How a program acts. */
interface Entry {
  readonly input?: { readonly [name: string]: Json }
  /** It searches by forks. @default false */
  readonly search?: boolean
  /** It acts by code in the sandbox. @default false */
  readonly code?: boolean
}

const FEW = { propose: { samples: 3 } }

const acting: { readonly [name: string]: Entry } = {
  direct: {},
  react: {},
  'hi-agent': {},
  'code-act': { code: true },
  dynasaur: { code: true },
  'skill-library': { code: true, input: { tasksMax: 20 } },
  alita: { code: true },
  'goal-act': {},
  'po-act': {},
  'alpha-umi': {},
  smart: {},
  'chain-act': { input: { frameChars: 4_000 } },
  ghost: {},
  'hierarchical-task-dag': {},
  'api-method': {},
  'auto-manual': {},
  'kwai-agents': {},
  'agent-s2': {},
  'mobile-agent': {},
  'mobile-agent-e': {},
  occam: { search: true },
  align: { search: true },
  reflexion: { search: true },
  'tree-search': { search: true, input: { ...FEW, value: { samples: 1 }, commitsMax: 20 } },
  armap: { search: true, input: { ...FEW, value: { samples: 1 }, rollouts: 3, horizon: 2 } },
  'tool-chain-star': { search: true, input: FEW },
  master: { search: true, input: { expansionsMax: 20 } },
  'multi-branch': { search: true, input: FEW },
}

const ANSWERS = 'answers a question and takes no action; compared at equal tokens in the tables of teams below'
const QUESTION = 'answers a question and takes no action'
const TEAM = 'plays all of a team at once: `polity evaluate --team`'
const OWN = (what: string): string => `takes ${what}, not a question in a world`

const left: { readonly [name: string]: string } = {
  debate: ANSWERS,
  'mixture-of-agents': ANSWERS,
  dylan: ANSWERS,
  'lv-agent': ANSWERS,
  mallm: ANSWERS,
  agp: ANSWERS,
  'ann-forward': ANSWERS,
  aries: ANSWERS,
  'plan-gen': ANSWERS,
  refine: ANSWERS,
  halo: ANSWERS,
  'mm-agent': QUESTION,
  'ext-agents': QUESTION,
  research: `${QUESTION}; it reads folders`,
  'deep-research': `${QUESTION}; it reads folders`,
  'public-agent': `${QUESTION}; it reads tables`,
  'symbolic-moe': ANSWERS,
  routing: ANSWERS,
  routine: OWN('a routine that somebody wrote for the task'),
  'agent-coder': OWN('a task of code'),
  'code-cor': OWN('a task of code'),
  'agent-k': OWN('stages with tests of their own'),
  agentless: OWN('an issue and a repository'),
  'use-agent': OWN('an issue and a repository'),
  l2mac: OWN('a task that ends in files'),
  'agent-write': OWN('what is to be written'),
  'agent-court': ANSWERS,
  lsfs: OWN('commands about files'),
  'meta-gpt': OWN('what a repository is for'),
  'paper-coder': OWN('a paper to be made into code'),
  'present-agent': OWN('a document to be spoken of'),
  'movie-agent': OWN('a synopsis and its characters'),
  'gen-mac': OWN('what a film shows'),
  'research-code-agent': OWN('a task and a folder of code'),
  'sci-agents': OWN('a knowledge graph'),
  spec2rtl: OWN('a specification of hardware'),
  central: TEAM,
  decentral: TEAM,
  'hmas-1': TEAM,
  'hmas-2': TEAM,
  'mind-agent': TEAM,
  damcs: TEAM,
  'pro-agent': TEAM,
  'hierarchical-language-agent': TEAM,
  'alita/mcp-box': 'lists the tools that alita made',
}

export interface Acting {
  readonly solver: Omit<Solver, 'tools'>
  readonly code: boolean
}

/** Programs that are exported by src/agents/, by their names; those that options make (`router`, `bandit` …) are none yet. */
export async function programs(): Promise<ReadonlyMap<string, Program<never, unknown>>> {
  const folder = join(import.meta.dirname, '../../src/agents')
  const found = new Map<string, Program<never, unknown>>()
  for (const file of readdirSync(folder)
    .filter((name) => name.endsWith('.ts'))
    .toSorted()) {
    const exported = (await import(join(folder, file))) as { readonly [name: string]: unknown }
    for (const one of programsOf(exported)) found.set(one.name, one as unknown as Program<never, unknown>)
  }
  return found
}

/** All of them, in the order of this file. `without`: programs that it says nothing of, and names that no program has. */
export async function entries(): Promise<{
  readonly acting: readonly Acting[]
  readonly left: readonly { readonly name: string; readonly why: string }[]
  readonly without: readonly string[]
}> {
  const all = await programs()
  const placed = [...Object.keys(acting), ...Object.keys(left)]
  return {
    acting: Object.entries(acting).flatMap(([name, { input, search, code = false }]) => {
      const program = all.get(name)
      if (program === undefined) return []
      const settings = { ...(input === undefined ? {} : { input }), ...(search === undefined ? {} : { search }) }
      return [{ code, solver: { name, program, ...settings } }]
    }),
    left: Object.entries(left).map(([name, why]) => ({ name, why })),
    without: [...[...all.keys()].filter((name) => !placed.includes(name)), ...placed.filter((name) => !all.has(name))],
  }
}
