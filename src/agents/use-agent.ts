/**
 * USEagent (Applis et al. 2025, "Unified software engineering agent as AI software engineer"): a meta-agent that picks the next action on a
 * repository, and a consensus memory, the only thing that actions read and write.
 *
 *     spawn(useAgent, { task: 'add(1, 1) is 3. Mend it.', folder: 'project/' })       →   { diff: 'd2', patch, state, why }
 *
 * Each action is a small agent of its own (task-state.ts): search, edit, test, review; `finish` names the diff that is the output. The
 * meta-agent reads a summary of the memory. The repository is the files under `folder`, in JavaScript with CommonJS modules.
 * Probing the environment and version control are left out: the sandbox is the same for all, and files have versions.
 *
 * Invariants
 *   UA1. The files change once, at the end, by the diff that was chosen; without one they stay.
 *   UA2. The same action with the same arguments is made at most twice in a row; the third is refused and another asked for.
 */
import { z } from 'zod'
import { PolityError } from '../kernel/errors.ts'
import { defineProgram } from '../kernel/program.ts'
import { actionShape, FINISH, keyOf, shortened, type Action } from './pieces/acting.ts'
import { filesIn } from './agentless.ts'
import { askJson } from './pieces/json-answer.ts'
import { orchestrate, type OrchestrationEnd } from './orchestrate.ts'
import type { Repository } from './pieces/patch-text.ts'
import { inARow } from './pieces/stall-counter.ts'
import { carryOut, emptyState, REPOSITORY_ACTIONS, summaryOf, type TaskState } from './pieces/task-state.ts'

export interface UseAgentInput {
  readonly task: string
  /** Path of the repository among the files of the process, with `/` at its end. */
  readonly folder: string
  /** Actions. @default 30 */
  readonly stepsMax?: number
}

export interface UseAgentOutput {
  /** The diff that was chosen. */
  readonly diff: string | null
  /** The files as it left them; undefined where none was chosen. */
  readonly patch?: Repository
  readonly state: TaskState
  readonly why: OrchestrationEnd
  readonly actions: readonly { readonly action: Action; readonly said: string }[]
}

const REPEATS_MAX = 2
const META = `You lead the work on a repository and pick the next action; others carry it out. Answer with JSON: {"thought": "why", "action": {"name": "…", "args": {…}}}. Actions:
${REPOSITORY_ACTIONS}
- ${FINISH}: {"diff": "id"} ends: this diff is the output.`

const chosen = z.object({ thought: z.string().optional(), action: actionShape })

export const useAgent = defineProgram('use-agent', async (sys, input: UseAgentInput): Promise<UseAgentOutput> => {
  const { task, folder, stepsMax = 30 } = input
  const files = await filesIn(sys, folder)
  if (Object.keys(files).length === 0)
    throw new PolityError(
      'INVALID_ARGUMENT',
      `use-agent: there are no files under "${folder}"; write the repository there first`,
    )
  let state: TaskState = emptyState
  let diff: string | null = null

  const { why, all } = await orchestrate<null, Action, string>(
    {
      plan: () => null,
      async decide({ all: taken }) {
        const keys = taken.map(({ move }) => keyOf(move))
        let refused = ''
        for (let tries = 0; tries < 2; tries++) {
          const last = taken.at(-1)
          const prompt = [
            `Task: ${task}`,
            summaryOf(state),
            ...(last === undefined ? [] : [`The last action, ${keyOf(last.move)}, said:\n${last.outcome}`]),
          ].join('\n\n')
          const said = await askJson(sys, { instructions: META, prompt: prompt + refused }, chosen)
          if (said === undefined) break
          const { action } = said
          const id = action.args?.['diff']
          if (action.name === FINISH && typeof id === 'string' && state.diffs[id] !== undefined) {
            diff = id
            return { end: 'done' }
          }
          const isAgain = inARow([...keys, keyOf(action)]) > REPEATS_MAX
          if (!isAgain && action.name !== FINISH) return { move: action }
          refused = isAgain
            ? `\n\n${keyOf(action)} was done ${REPEATS_MAX} times: choose another action.`
            : `\n\nThere is no diff ${JSON.stringify(id ?? null)}; there are ${Object.keys(state.diffs).join(', ') || 'none'}.`
        }
        return { end: 'gave up' }
      },
      async dispatch(action) {
        const made = await carryOut(sys, { task, files, state, action })
        state = { ...state, ...made.changes }
        return shortened(made.said)
      },
    },
    { stepsMax },
  )
  const patch = diff === null ? undefined : state.diffs[diff]
  for (const [path, text] of Object.entries(patch ?? {})) await sys.write(path, text)
  const actions = all.map(({ move, outcome }) => ({ action: move, said: outcome }))
  return { diff, ...(patch === undefined ? {} : { patch }), state, why, actions }
})
