/**
 * Ghost (Zhu et al. 2023, "Ghost in the Minecraft: generally capable agents for open-world environments via large language models
 * with text-based knowledge and memory"): a goal is decomposed into what it is made of, each sub-goal gets a list of structured
 * actions, and lists that worked are remembered.
 *
 *     kernel.spawn(ghost, { question, actions: { gather: 'get', make: 'craft' } })     // in an episode of craft.dag
 *
 * Decomposer: recipe-tree.ts over a knowledge base: `knowledge`, else the recipes that the episode shows to programs, else what the
 * model says of each thing, asked once a thing. Planner: a list of actions for each sub-goal by the model, with what failed before
 * and how it was done earlier; or, with `actions`, by rule and without a call. Feedback: an action that fails ends its list, and
 * the sub-goal is planned anew, `replansMax` times.
 *
 * Memory: a list that worked is a note (tag `ghost`), by kind of sub-goal. From five on the model writes one reference plan of them,
 * and later prompts show that. The five is not verified against the paper.
 */
import { z } from 'zod'
import { defineProgram } from '../kernel/program.ts'
import type { Json, Sys } from '../kernel/types.ts'
import {
  act,
  actionShape,
  actionTools,
  actionsText,
  canLook,
  look,
  type Acted,
  type Action,
  type Step,
  type TaskInput,
} from './pieces/acting.ts'
import { askJson } from './pieces/json-answer.ts'
import { actionsOf, recipeTree, type MakingWay, type Need, type SubGoalAction } from './pieces/recipe-tree.ts'

export interface GhostInput extends TaskInput {
  /** What is to be had. @default what the episode says */
  readonly goal?: Need
  /** Ways to make things. @default those that the episode shows, else asked of the model */
  readonly knowledge?: readonly MakingWay[]
  /** Tools that gather `{ item, count }` and make `{ item }`. @default the model plans each sub-goal */
  readonly actions?: { readonly gather: string; readonly make: string }
  /** @default 3 */
  readonly replansMax?: number
  /** Lists of one kind from which a reference plan is made. @default 5 */
  readonly plansKept?: number
}

export interface Ghosted extends Acted {
  readonly replans: number
}

const TAG = 'ghost'
const WAYS = `Say how a thing is made, by the task and what is generally known. Answer with JSON: {"ways": [{"count": pieces one making gives, "needs": [{"item": "…", "count": 1}]}]}; no way where it is found and not made.`
const GOAL = 'Say what is to be had at the end of the task. Answer with JSON: {"item": "…", "count": 1}.'
const PLAN =
  'Write the actions that reach the sub-goal, in order, from the list. Answer with JSON: {"actions": [{"name": "…", "args": {…}}]}.'
const SUMMARIZE =
  'These lists of actions all worked for sub-goals of one kind. Write one short reference plan that holds what they have in common.'

const need = z.object({ item: z.string().min(1), count: z.number().int().min(1) })
const ways = z.object({ ways: z.array(z.object({ count: z.number().int().min(1), needs: z.array(need) })) })
const list = z.object({ actions: z.array(actionShape).min(1) })

export const ghost = defineProgram('ghost', async (sys, input: GhostInput): Promise<Ghosted> => {
  const { question, replansMax = 3, plansKept = 5, stepsMax = 400 } = input
  const shown = canLook(sys) ? knowledgeIn((await look(sys)).data) : {}
  const goal = input.goal ?? shown.goal ?? (await askJson(sys, { instructions: GOAL, prompt: question }, need))
  // Nobody says what is to be had.
  if (goal === undefined) return { steps: [], replans: 0, answer: null, why: 'gave up' }
  const given = input.knowledge ?? shown.ways
  const waysOf =
    given === undefined
      ? await asked(sys, question, goal.item)
      : (item: string) => given.filter((way) => way.item === item)
  const tree = recipeTree(goal, waysOf, shown.have)
  const steps: Step[] = []
  let replans = 0
  const ended = (why: Acted['why']): Ghosted => ({ steps, replans, answer: null, why })
  if (tree === undefined) return ended('gave up')

  for (const sub of actionsOf(tree)) {
    let feedback = ''
    for (let tries = 0; ; tries++) {
      const actions =
        input.actions === undefined ? await plan(sys, question, sub, feedback) : [ruled(sub, input.actions)]
      feedback = actions.length === 0 ? 'No list of actions could be read.' : ''
      for (const action of actions) {
        if (steps.length >= stepsMax) return ended('steps')
        const told = await act(sys, action)
        steps.push({ thought: wordsOf(sub), action, told })
        if (told.done) return ended('done')
        if (told.error === undefined) continue
        feedback = `${action.name} ${JSON.stringify(action.args ?? {})} failed: ${told.error.message}`
        break
      }
      if (feedback === '') {
        if (input.actions === undefined) await keep(sys, sub, actions, plansKept)
        break
      }
      if (tries >= replansMax) return ended('gave up')
      replans++
    }
  }
  return ended('steps')
})

function ruled(sub: SubGoalAction, { gather, make }: NonNullable<GhostInput['actions']>): Action {
  return sub.do === 'gather'
    ? { name: gather, args: { item: sub.item, count: sub.count } }
    : { name: make, args: { item: sub.item } }
}

function wordsOf(sub: SubGoalAction): string {
  if (sub.do === 'gather') return `gather ${sub.count} ${sub.item}`
  return `make ${sub.item} of ${sub.way.needs.map(({ item, count }) => `${count} ${item}`).join(', ')}`
}

async function plan(sys: Sys, question: string, sub: SubGoalAction, feedback: string): Promise<readonly Action[]> {
  const [reference] = await sys.recall(wordsOf(sub), { limit: 1, tag: referenceTag(sub) })
  const [like] = reference === undefined ? await sys.recall(wordsOf(sub), { limit: 1, tag: listTag(sub) }) : [reference]
  const parts = [
    `Task: ${question}`,
    ...(like === undefined ? [] : [`How it was done before:\n${reference?.text ?? JSON.stringify(like.data)}`]),
    `Sub-goal: ${wordsOf(sub)}`,
    ...(feedback === '' ? [] : [`Last time: ${feedback}`]),
  ]
  const instructions = `${PLAN}\n\n${actionsText(actionTools(sys))}`
  return (await askJson(sys, { instructions, prompt: parts.join('\n\n') }, list))?.actions ?? []
}

/** Remembers a list that worked, and what lists of its kind have in common once there are enough. */
async function keep(sys: Sys, sub: SubGoalAction, actions: readonly Action[], plansKept: number): Promise<void> {
  await sys.remember({ text: wordsOf(sub), tags: [TAG, listTag(sub)], data: actions as unknown as Json })
  const lists = await sys.recall('', { limit: plansKept + 1, tag: listTag(sub) })
  if (lists.length !== plansKept) return
  const prompt = lists.map(({ text, data }) => `${text}: ${JSON.stringify(data)}`).join('\n')
  const { text } = await sys.generate({ instructions: SUMMARIZE, prompt, temperature: 0 })
  await sys.remember({ text, tags: [TAG, referenceTag(sub)], parents: lists.map(({ id }) => id) })
}

/** A list for gathering says nothing of making. */
function listTag(sub: SubGoalAction): string {
  return `${TAG}-${sub.do}`
}

function referenceTag(sub: SubGoalAction): string {
  return `${TAG}-reference-${sub.do}`
}

/** Everything that a goal may need, asked of the model once a thing. */
async function asked(sys: Sys, question: string, goal: string): Promise<(item: string) => readonly MakingWay[]> {
  const known = new Map<string, readonly MakingWay[]>()
  for (const open = [goal]; open.length > 0 && known.size < THINGS_MAX;) {
    const item = open.pop() as string
    if (known.has(item)) continue
    const said = await askJson(sys, { instructions: WAYS, prompt: `Task: ${question}\nThing: ${item}` }, ways)
    const found = (said?.ways ?? []).filter(({ needs }) => needs.length > 0).map((way) => ({ item, ...way }))
    known.set(item, found)
    for (const { needs } of found) for (const one of needs) open.push(one.item)
  }
  return (item) => known.get(item) ?? []
}

/** Things that the model is asked of; what lies beyond is gathered. */
const THINGS_MAX = 200

const book = z.object({
  goal: need,
  inventory: z.record(z.string(), z.number()).optional(),
  recipes: z.array(
    z.object({
      item: z.string(),
      count: z.number().int().min(1),
      ingredients: z.record(z.string(), z.number().int().min(1)),
    }),
  ),
})

/** What the data of an episode says of goals and recipes, where it has the form of TextCraft's. */
function knowledgeIn(data: Json): { goal?: Need; ways?: MakingWay[]; have?: Map<string, number> } {
  const read = book.safeParse(data)
  if (!read.success) return {}
  const { goal, recipes, inventory = {} } = read.data
  const made = recipes.map(({ item, count, ingredients }) => ({
    item,
    count,
    needs: Object.entries(ingredients).map(([one, n]) => ({ item: one, count: n })),
  }))
  return { goal, ways: made, have: new Map(Object.entries(inventory)) }
}
