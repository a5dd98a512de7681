/**
 * Shortcuts: sequences of actions under one name, taken without a model between them (Mobile-Agent-E, Wang et al. 2025).
 *
 *     const offered = shortcutsOn(known, screen)                                  // those whose precondition stands there
 *     const { told, taken } = await takeShortcut(sys, offered[0], { which: 'first' })
 *     const better = await learnShortcuts(sys, known, log)                        // with those that a model writes
 *
 * Invariants
 *   SH1. A shortcut ends with its first action that cannot be done.
 *   SH2. What is learned has a name of its own: neither a tool's nor that of a known one.
 */
import { z } from 'zod'
import type { Json, Sys } from '../../kernel/types.ts'
import { act, actionShape, type Told } from './acting.ts'
import { askJson } from './json-answer.ts'
import { firstOf } from './step-interface.ts'

export const shortcutShape = z.object({
  name: z.string().regex(/^[\w-]{1,40}$/),
  description: z.string().max(300),
  /** Words that have to stand on the screen; empty: always. */
  precondition: z.string().max(200),
  /** `$name` stands for an argument of the shortcut. */
  actions: z.array(actionShape).min(1).max(10),
})
export type Shortcut = z.infer<typeof shortcutShape>

const LEARN = `Is there a sequence of actions that worked and will be of use again? Answer with JSON: {"shortcuts": [{"name": "…", "description": "…", "precondition": "words that stand on the screen where it may begin", "actions": [{"name": "…", "args": {"…": "$argument"}}]}]}; an empty list where there is none.`
const learned = z.object({ shortcuts: z.array(shortcutShape).max(5) })

export function shortcutsOn(shortcuts: readonly Shortcut[], screen: string): readonly Shortcut[] {
  return shortcuts.filter(({ precondition }) => screen.includes(precondition))
}

/** What came of its last action, and how many were taken. */
export async function takeShortcut(
  sys: Sys,
  { name, actions }: Shortcut,
  args: { readonly [name: string]: Json },
): Promise<{ readonly told: Told; readonly taken: number }> {
  const all = firstOf({ first: actions }, { name, args })
  for (let taken = 1; ; taken++) {
    const told = await act(sys, all[taken - 1] as (typeof all)[number])
    if (told.error !== undefined || told.done || taken >= all.length) return { told, taken }
  }
}

/** The known ones and those that a model finds in a log. */
export async function learnShortcuts(sys: Sys, known: readonly Shortcut[], log: string): Promise<readonly Shortcut[]> {
  const said = await askJson(sys, { instructions: LEARN, prompt: log }, learned)
  const names = new Set([...known, ...sys.tools].map(({ name }) => name))
  const fresh = (said?.shortcuts ?? []).filter(({ name }) => !names.has(name) && names.add(name))
  return [...known, ...fresh]
}
