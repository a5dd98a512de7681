/**
 * HALO (Hou et al. 2025, "HALO: hierarchical autonomous logic-oriented orchestration for multi-agent LLM systems"): a planner says
 * one subtask at a time, a designer invents the roles that it needs, and tree search finds the order in which they speak.
 *
 *     kernel.spawn(halo, { question })
 *
 * A node of the tree is a role that has spoken: its answer, a judge's word (success, fail, continue) and a score of 0 to 1. A leaf is
 * expanded with all roles; then the best child is gone on from with random roles, `attempts` times, to `depth`. What comes back is
 * .7 for success and -.3 otherwise. Before all that the query is refined in four calls (`refine`), and where their answer is no
 * JSON the query stays as it is. Equal answers of two subtasks end the run.
 *
 * The release selects in a deep copy of the tree, so what is learned below the first level is lost and a search may never end, and it
 * divides a mean by the visits once more. Here one tree is shared and values are means; `haloBackUp` has the release's arithmetic
 * behind `asPublished`, as `haloUcb` has. Expansions are bounded by `expansionsMax`, which the release does without.
 */
import { z } from 'zod'
import { defineProgram } from '../kernel/program.ts'
import type { Sys } from '../kernel/types.ts'
import { askJson } from './pieces/json-answer.ts'
import { largest } from './pieces/largest.ts'
import { childrenOf, growTree, pathTo, plantTree, type SearchTree, type TreeNode } from './pieces/reward-tree.ts'
import { haloUcb } from './pieces/upper-confidence.ts'
import { tally } from './pieces/vote.ts'

export interface HaloInput {
  readonly question: string
  /** @default 5 */
  readonly subtasksMax?: number
  /** Refine the query first: parse, template, optimize, write. @default true */
  readonly refine?: boolean
  /** Random continuations of an expansion. @default 5 */
  readonly attempts?: number
  /** Roles that speak one after another. @default 5 */
  readonly depth?: number
  /** Roles of a subtask. @default 4 */
  readonly rolesMax?: number
  /** Expansions of one subtask. @default 5 */
  readonly expansionsMax?: number
  /** Answers that are equal end the run from this many on; 0: never. @default 2 */
  readonly agreeing?: number
}

export interface Haloed {
  readonly answer: string
  readonly subtasks: readonly { readonly subtask: string; readonly answer: string; readonly success: boolean }[]
  /** Roles that spoke. */
  readonly spoken: number
}

interface Role {
  readonly name: string
  readonly prompt: string
}

/** A role that has spoken; the root has not. */
export interface Spoken {
  readonly role: Role | undefined
  readonly answer: string
  readonly verdict: 'success' | 'fail' | 'continue'
  /** What it was found to be worth: the scorer's word at first, then what comes back. */
  value: number
}

const REFINE = [
  'Parse the query: name the kind of task, what is wanted, and details. Answer with JSON: {"text": "…"}.',
  'Write a template of a good prompt for this. Answer with JSON: {"text": "…"}.',
  'Improve the prompt. Answer with JSON: {"text": "…"}.',
  'Write the final prompt. Answer with JSON: {"text": "…"}.',
]
const NEXT =
  'Say the next subtask, or stop where the answers so far solve the task. Answer with JSON: {"subtask": "…"} or {"stop": true}.'
const ROLES =
  'Invent the roles that the subtask needs, each with a prompt. Answer with JSON: {"roles": [{"name": "…", "prompt": "…"}]}.'
const JUDGE =
  'Say how the subtask stands after the last answer. Answer with JSON: {"verdict": "success" or "fail" or "continue", "score": 0 to 1}.'

const refined = z.object({ text: z.string().min(1) })
const wanted = z.object({ subtask: z.string().optional(), stop: z.boolean().optional() })
const roleList = z.object({ roles: z.array(z.object({ name: z.string(), prompt: z.string() })).min(1) })
const judged = z.object({ verdict: z.enum(['success', 'fail', 'continue']), score: z.number().min(0).max(1) })

/** Reward of a simulation that succeeds, and of any other. */
export const HALO_REWARDS = { success: 0.7, otherwise: -0.3 }

export const halo = defineProgram('halo', async (sys, input: HaloInput): Promise<Haloed> => {
  const { subtasksMax = 5, refine = true, agreeing = 2 } = input
  const question = refine ? await refinedQuery(sys, input.question) : input.question
  const subtasks: { subtask: string; answer: string; success: boolean }[] = []
  let spoken = 0
  while (subtasks.length < subtasksMax) {
    const history = subtasks.map(
      ({ subtask, answer, success }) => `${subtask} → ${answer} (${success ? 'success' : 'fail'})`,
    )
    const prompt = `Task: ${question}\n\n${history.join('\n') || 'Nothing was done yet.'}`
    const { subtask, stop } = (await askJson(sys, { instructions: NEXT, prompt }, wanted)) ?? {}
    if (stop === true || subtask === undefined) break
    const found = await solve(sys, `${prompt}\n\nSubtask: ${subtask}`, input)
    spoken += found.spoken
    subtasks.push({ subtask, answer: found.answer, success: found.success })
    const [most] = tally(subtasks.filter(({ success }) => success).map(({ answer }) => answer.trim()))
    if (agreeing > 0 && most !== undefined && most.weight >= agreeing) return { answer: most.ballot, subtasks, spoken }
  }
  return { answer: subtasks.at(-1)?.answer ?? '', subtasks, spoken }
})

async function refinedQuery(sys: Sys, question: string): Promise<string> {
  let text = question
  for (const instructions of REFINE) {
    const said = await askJson(
      sys,
      { instructions, prompt: `Query: ${question}\n\nSo far: ${text}`, triesMax: 1 },
      refined,
    )
    if (said === undefined) return question
    text = said.text
  }
  return text
}

/** Tree search for one subtask over who speaks next. */
async function solve(
  sys: Sys,
  prompt: string,
  { attempts = 5, depth = 5, rolesMax = 4, expansionsMax = 5 }: HaloInput,
) {
  const roles = (
    (await askJson(sys, { instructions: ROLES, prompt }, roleList))?.roles ?? [
      { name: 'worker', prompt: 'You carry out the subtask.' },
    ]
  ).slice(0, rolesMax)
  const tree = plantTree<Spoken>({ role: undefined, answer: '', verdict: 'continue', value: 0 })
  let spoken = 0

  const speak = async (path: readonly Spoken[], role: Role): Promise<Spoken> => {
    spoken++
    const before = path.filter((one) => one.role !== undefined).map((one) => `${one.role?.name}: ${one.answer}`)
    const told = [prompt, ...before].join('\n\n')
    const answer = (await sys.generate({ instructions: role.prompt, prompt: told })).text
    const said = await askJson(sys, { instructions: JUDGE, prompt: `${told}\n\n${role.name}: ${answer}` }, judged)
    return { role, answer, verdict: said?.verdict ?? 'continue', value: said?.score ?? 0 }
  }

  for (let expansions = 0; expansions < expansionsMax; expansions++) {
    let node = tree.root
    while (node.children.length > 0)
      node = largest(childrenOf(tree, node), (child) =>
        haloUcb({ value: child.content.value, visits: child.visits, parentVisits: node.visits }),
      ) as TreeNode<Spoken>
    if (node.content.verdict !== 'continue' || node.depth >= depth) return result(node, spoken)
    const path = pathTo(tree, node).map(({ content }) => content)
    for (const one of await Promise.all(roles.map((role) => speak(path, role)))) growTree(tree, node, one)
    const best = largest(childrenOf(tree, node), ({ content }) => content.value) as TreeNode<Spoken>
    const success = await simulate([...path, best.content], attempts)
    haloBackUp(tree, best, success ? HALO_REWARDS.success : HALO_REWARDS.otherwise)
  }
  const ended = tree.nodes.filter(({ content }) => content.role !== undefined)
  const succeeded = ended.filter(({ content }) => content.verdict === 'success')
  const best = largest(succeeded.length > 0 ? succeeded : ended, ({ content }) => content.value)
  return result(best ?? tree.root, spoken)

  /** Whether one of so many random ways from here succeeds. */
  async function simulate(start: readonly Spoken[], tries: number): Promise<boolean> {
    for (let attempt = 0; attempt < tries; attempt++) {
      const path = [...start]
      for (;;) {
        const { verdict } = path.at(-1) as Spoken
        if (verdict === 'success') return true
        if (verdict === 'fail' || path.length > depth) break
        path.push(await speak(path, roles[Math.floor(sys.random() * roles.length)] as Role))
      }
    }
    return false
  }
}

/**
 * A simulation's reward comes back. Mean: each node's value is the mean of its first value and all rewards. As published: value ←
 * (value · visits + reward + Σ children) / (visits + children), with visits that count this one already.
 */
export function haloBackUp(
  tree: SearchTree<Spoken>,
  node: TreeNode<Spoken>,
  reward: number,
  { asPublished = false } = {},
): void {
  for (const at of pathTo(tree, node).toReversed()) {
    at.visits++
    const children = asPublished ? childrenOf(tree, at).map(({ content }) => content.value) : []
    const sum = children.reduce((total, value) => total + value, 0)
    at.content.value = (at.content.value * at.visits + reward + sum) / (at.visits + (asPublished ? children.length : 1))
  }
}

function result(node: TreeNode<Spoken>, spoken: number) {
  return { answer: node.content.answer, success: node.content.verdict === 'success', spoken }
}
