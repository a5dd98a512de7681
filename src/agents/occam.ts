/**
 * AgentOccam (Yang et al. 2024, "AgentOccam: a simple yet strong baseline for LLM-based web agents"): a web agent that is strong because it is
 * told little: short actions, pruned pages, and of the past only what belongs to the present plan.
 *
 *     spawnEpisode(kernel, kiosk, task, { program: occam, search: true })
 *
 * Pages are pruned (web-tree.ts). Of earlier pages the model sees the nodes that it called pivotal (`highlight`), with their ancestors,
 * siblings and descendants, of the last three steps of the present plan. It plans by two actions of its own: `branch` opens a plan below
 * another, `prune` gives up what came since a plan was opened and resumes there; `note` keeps a sentence, `finish` ends. At most 20
 * steps, and a word before the last one, as in the paper. A note that says what the last one said is refused.
 *
 * Where the episode allows it (`search: true`), pruning takes the world back to where the plan was opened, by a fork that waited there; in
 * the release the page is loaded again. The release's judge among several actions is `proposals.ts` and left out here.
 *
 * Invariants
 *   OC1. A step is shown only while the plan that it belongs to is the present one.
 *   OC2. What is pruned stays hidden, and no later action belongs to it.
 */
import { z } from 'zod'
import { defineProgram } from '../kernel/program.ts'
import type { Pid } from '../kernel/types.ts'
import {
  ADOPT,
  act,
  actionShape,
  actionTools,
  actionsText,
  decisionOf,
  holds,
  type Acted,
  type Step,
  type TaskInput,
} from './pieces/acting.ts'
import { askJson } from './pieces/json-answer.ts'
import { pruneTree } from './pieces/web-tree.ts'

export interface OccamInput extends TaskInput {
  /** Steps of the present plan that are shown. @default 3, as in the paper */
  readonly window?: number
  /** What is seen before the first action. @default what the question says */
  readonly page?: string
}

export interface OccamPlan {
  readonly id: number
  readonly parent: number | null
  readonly intent: string
  readonly pruned: boolean
}

export interface Occamed extends Acted {
  readonly plans: readonly OccamPlan[]
  readonly notes: readonly string[]
}

/** A step, the plan that it belongs to, and what of its page is remembered. */
interface Kept {
  readonly step: Step
  readonly plan: number
  readonly pivotal: string
}

const MANNER = `You work on web pages, one action at a time. Answer with JSON: {"thought": "why", "highlight": ["ids of the nodes on this page that matter later"], "action": {"name": "…", "args": {…}}}.
Beside the actions listed there are:
- branch: Open a plan for a part of the task, below another. Arguments: {"parent": 0, "intent": "…"}
- prune: Give up everything since a plan was opened, and go on in it. Arguments: {"resume": 0, "reason": "…"}
- note: Keep a sentence. Arguments: {"text": "…"}`

const said = z.object({
  thought: z.string().optional(),
  highlight: z.array(z.string()).optional(),
  action: actionShape,
})

export const occam = defineProgram('occam', async (sys, input: OccamInput): Promise<Occamed> => {
  const { question, stepsMax = 20, window = 3 } = input
  let plans: OccamPlan[] = [{ id: 0, parent: null, intent: question, pruned: false }]
  let kept: Kept[] = []
  const notes: string[] = []
  /** A fork that ended where the plan was opened: its world stays as it was there. */
  const doors = new Map<number, Pid>()
  let [plan, page, word] = [0, pruneTree(input.page ?? ''), '']
  const ended = (why: Acted['why'], answer: string | null = null): Occamed => ({
    steps: kept.map(({ step }) => step),
    answer,
    why,
    plans,
    notes,
  })
  const instructions = [
    MANNER,
    ...(input.instructions === undefined ? [] : [input.instructions]),
    actionsText(actionTools(sys)),
  ].join('\n\n')

  for (let step = 1; step <= stepsMax; step++) {
    if (step === 1 && holds(sys, ADOPT)) {
      const pid = await sys.fork()
      if (pid === 0) return null as never
      doors.set(0, pid)
    }
    const last = step === stepsMax ? 'This is your last action: finish with the best answer you have.' : ''
    const prompt = [
      `Task: ${question}`,
      plansText(plans, plan),
      visible(kept, plan, window),
      notes.length === 0 ? '' : `Notes:\n${notes.join('\n')}`,
      page === '' ? '' : `Page:\n${page}`,
      word,
      last,
    ]
    const answer = await askJson(sys, { instructions, prompt: prompt.filter((one) => one !== '').join('\n\n') }, said)
    word = ''
    if (answer === undefined) return ended('gave up')
    const { action, highlight = [] } = answer
    const own = action.args ?? {}
    if (action.name === 'branch') {
      const parent = plans.find(({ id, pruned }) => id === own['parent'] && !pruned)
      if (parent === undefined) {
        word = `There is no open plan ${JSON.stringify(own['parent'] ?? null)}.`
        continue
      }
      plan = plans.length
      plans = [...plans, { id: plan, parent: parent.id, intent: String(own['intent'] ?? ''), pruned: false }]
      if (!holds(sys, ADOPT)) continue
      const pid = await sys.fork()
      if (pid === 0) return null as never
      doors.set(plan, pid)
    } else if (action.name === 'prune') {
      const resume = plans.find(({ id, pruned }) => id === own['resume'] && !pruned)
      if (resume === undefined) {
        word = `There is no open plan ${JSON.stringify(own['resume'] ?? null)}.`
        continue
      }
      // Later plans go, its own steps go: it begins anew.
      plans = plans.map((one) => (one.id > resume.id ? { ...one, pruned: true } : one))
      kept = kept.map((one) => (one.plan >= resume.id ? { ...one, plan: -1 } : one))
      plan = resume.id
      word = `Given up: ${String(own['reason'] ?? '')}`
      const door = doors.get(plan)
      if (door !== undefined) page = pruneTree((await sys.call<{ text: string }>(ADOPT, { pid: door })).text)
    } else if (action.name === 'note') {
      const text = String(own['text'] ?? '')
      if (notes.at(-1) === text) word = 'That is noted already. Do something else.'
      else notes.push(text)
    } else {
      const decision = decisionOf({ ...(answer.thought === undefined ? {} : { thought: answer.thought }), action })
      if ('answer' in decision) return ended('answer', decision.answer)
      const told = await act(sys, action)
      kept = [...kept, { step: { ...decision, action, told }, plan, pivotal: pivotalNodes(page, highlight) }]
      page = pruneTree(told.text)
      if (told.done) return ended('done')
    }
  }
  return ended('steps')
})

/** The lines of a tree that belong to some of its nodes: themselves, ancestors, siblings, descendants; in their order. */
export function pivotalNodes(tree: string, ids: readonly string[]): string {
  const lines = tree
    .split('\n')
    .map((line) => ({ line, depth: /^\t*/.exec(line)?.[0].length ?? 0, id: /^\t*\[(\w+)\]/.exec(line)?.[1] }))
  const wanted = new Set<number>()
  for (const [at, { id, depth }] of lines.entries()) {
    if (id === undefined || !ids.includes(id)) continue
    // From the parent's line to the end of what is below it: siblings, and of those that are named what is below.
    let top = at
    while (top > 0 && (lines[top]?.depth ?? 0) >= depth && depth > 0) top--
    for (let up = top, above = depth; up >= 0; up--) {
      const there = lines[up]?.depth ?? 0
      if (there < above) {
        wanted.add(up)
        above = there
      }
    }
    for (let down = top + 1; down < lines.length && (lines[down]?.depth ?? 0) >= depth; down++)
      if (lines[down]?.depth === depth) wanted.add(down)
    for (let down = at; down === at || (lines[down]?.depth ?? 0) > depth; down++) wanted.add(down)
  }
  return [...wanted]
    .toSorted((a, b) => a - b)
    .map((at) => lines[at]?.line ?? '')
    .join('\n')
}

function plansText(plans: readonly OccamPlan[], present: number): string {
  const depth = (plan: OccamPlan): number => (plan.parent === null ? 0 : 1 + depth(plans[plan.parent] as OccamPlan))
  return plans
    .filter(({ pruned }) => !pruned)
    .map((one) => `${'  '.repeat(depth(one))}[${one.id}] ${one.intent}${one.id === present ? ' (present)' : ''}`)
    .join('\n')
}

function visible(kept: readonly Kept[], plan: number, window: number): string {
  return kept
    .filter((one) => one.plan === plan)
    .slice(-window)
    .map(({ step: { thought = '', action }, pivotal }) =>
      [
        ...(pivotal === '' ? [] : [`Seen then:\n${pivotal}`]),
        `Did: ${action.name} ${JSON.stringify(action.args ?? {})}${thought === '' ? '' : ` (${thought})`}`,
      ].join('\n'),
    )
    .join('\n')
}
