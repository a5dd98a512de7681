/**
 * Access: asks the law about each system call, before anything of it happens.
 *
 * Tool calls need a rule that allows them. The other calls reach only what is the process's own (its memory, its files,
 * its budget), so they are let through unless a rule forbids them or wants a person.
 */
import type { Decision, Law } from '../policy/law.ts'
import { decide, holdersLaw } from '../policy/law.ts'
import type { Process } from './process.ts'
import type { CallName, Json } from './types.ts'

export interface Access {
  /** undefined: allowed, by the common case. */
  decide(process: Process, call: CallName, args: Json): Decision | undefined
}

export function createAccess(law: Law | undefined): Access {
  const rules = law ?? holdersLaw
  const beyondTools = rules.rules.some((rule) => (rule.call ?? 'call') !== 'call')
  const everyTool = law === undefined
  return {
    decide(process, call, args) {
      if (call === 'call') {
        if (everyTool) return undefined
        const { tool, input } = args as { readonly tool: string; readonly input: Json }
        return decide(rules, { call, tool, args: input, principal: process.principal, program: process.program.name })
      }
      if (!beyondTools) return undefined
      const decision = decide(rules, { call, args, principal: process.principal, program: process.program.name })
      return decision.rule === null ? undefined : decision
    },
  }
}
