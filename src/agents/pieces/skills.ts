/**
 * Skills: functions that were found to work, kept under their names, found by what they do, loaded with what they call.
 *
 *     await keepSkill(sys, { name: 'cleanName', source: 'function cleanName(text) { … }', signature: 'cleanName(text)', description: 'Trims a name.', calls: [] })
 *     const near = await findSkills(sys, 'tidy up the names', { limit: 5 })
 *     const code = skillsCode(await withNeeded(sys, ['cleanName'])) + action
 *
 * The library of Voyager (Wang et al. 2023) and the accumulated actions of DynaSaur (Nguyen et al. 2024): notes of the principal, so they
 * outlive the run, go back with a snapshot, and are gone when their source is revoked. `box` keeps libraries apart.
 *
 * Invariants
 *   SK1. A library holds one skill of a name. The same code again changes nothing; other code takes its place as the next version, and
 *        the earlier ones stay in `history`.
 *   SK2. `withNeeded` gives every skill that the named ones call, however far, each once, those that are called first.
 */
import type { Json, RecalledNote, Sys } from '../../kernel/types.ts'
import { callsIn, type CodeFunction } from './code-functions.ts'
import { markedNote, noteInput } from './notes.ts'
import { markOf } from './text-hash.ts'
import { wordsOfName } from './tool-search.ts'

export interface Skill extends CodeFunction {
  /** From 1. */
  readonly version: number
  /** Sources of earlier versions, the oldest first. */
  readonly history: readonly string[]
  /** Times that it was used in an action that ended well. */
  readonly uses: number
}

export interface SkillBox {
  /** @default 'skill' */
  readonly box?: string
}

const markFor = (name: string, box: string): string => markOf(`${box} ${name}`)
const skillOf = (note: RecalledNote): Skill => note.data as unknown as Skill

export async function skillNamed(sys: Sys, name: string, { box = 'skill' }: SkillBox = {}): Promise<Skill | undefined> {
  const note = await markedNote(sys, markFor(name, box))
  return note === undefined ? undefined : skillOf(note)
}

/** Keeps a function that was found to work. */
export async function keepSkill(sys: Sys, made: CodeFunction, { box = 'skill' }: SkillBox = {}): Promise<Skill> {
  const mark = markFor(made.name, box)
  const note = await markedNote(sys, mark)
  const known = note === undefined ? undefined : skillOf(note)
  if (known?.source === made.source) return known
  const skill: Skill = {
    ...made,
    version: (known?.version ?? 0) + 1,
    history: known === undefined ? [] : [...known.history, known.source],
    uses: known?.uses ?? 0,
  }
  const id = note === undefined ? {} : { id: note.id }
  const text = `${wordsOfName(made.name)}: ${made.description}`
  await sys.remember({ ...id, text, tags: [box, mark], data: skill as unknown as Json })
  return skill
}

/** The skills nearest to a text. */
export async function findSkills(
  sys: Sys,
  query: string,
  { limit = 5, box = 'skill' }: SkillBox & { readonly limit?: number } = {},
): Promise<readonly Skill[]> {
  return (await sys.recall(query, { limit, tag: box })).map(skillOf)
}

/** Those of the names that are skills, with all that they call. */
export async function withNeeded(sys: Sys, names: readonly string[], box: SkillBox = {}): Promise<readonly Skill[]> {
  const found = new Map<string, Skill>()
  const asked = new Set<string>()
  async function load(name: string): Promise<void> {
    if (asked.has(name)) return
    asked.add(name)
    const skill = await skillNamed(sys, name, box)
    if (skill === undefined) return
    for (const called of skill.calls) await load(called)
    found.set(name, skill)
  }
  for (const name of names) await load(name)
  return [...found.values()]
}

/** The skills that a piece of code calls and does not declare itself, with all that they call. */
export async function neededBy(
  sys: Sys,
  code: string,
  declared: readonly string[],
  box: SkillBox = {},
): Promise<readonly Skill[]> {
  const own = new Set(declared)
  const needed = await withNeeded(sys, callsIn(code), box)
  return needed.filter(({ name }) => !own.has(name))
}

/** What stands before code that calls them. */
export function skillsCode(skills: readonly Skill[]): string {
  return skills.map(({ source }) => `${source}\n`).join('')
}

/** Counts a use. */
export async function countUse(sys: Sys, name: string, { box = 'skill' }: SkillBox = {}): Promise<void> {
  const note = await markedNote(sys, markFor(name, box))
  if (note === undefined) return
  const skill = skillOf(note)
  await sys.remember({ ...noteInput(note), data: { ...skill, uses: skill.uses + 1 } as unknown as Json })
}

/** As a model reads them. */
export function skillsText(skills: readonly Skill[]): string {
  return skills.map(({ signature, description }) => `- ${signature}: ${description}`).join('\n')
}
