/**
 * Every answering program in the table of teams: how it is asked a question of an exam, or why it is not.
 *
 *     const { one, teams } = await teamsOf(exam)    // one agent at 1, 3, 5 … calls, and the teams, as solvers
 *
 * Teams are set up as their papers have them, from the workers in the order in which they did on the questions to learn from: a team
 * of three is the best three. The one agent that they are held against is the best one, and so is who leads. Whoever chooses by what a
 * question is about has learned from the same questions (learned.ts). Settings that differ from a program's own were chosen by counting
 * calls, tokens and questions, and by no score.
 */
import { agentCourt } from '../../src/agents/agent-court.ts'
import { agentOrchestra } from '../../src/agents/agent-orchestra.ts'
import { agentStore } from '../../src/agents/agent-store.ts'
import { agp } from '../../src/agents/agp.ts'
import { annForward } from '../../src/agents/ann-forward.ts'
import { aries } from '../../src/agents/aries.ts'
import { composer } from '../../src/agents/composer.ts'
import { debate } from '../../src/agents/debate.ts'
import { direct } from '../../src/agents/direct.ts'
import { dylan } from '../../src/agents/dylan.ts'
import { halo } from '../../src/agents/halo.ts'
import { internetOfAgents } from '../../src/agents/internet-of-agents.ts'
import { lvAgent } from '../../src/agents/lv-agent.ts'
import { m3 } from '../../src/agents/m3.ts'
import { magenticOne } from '../../src/agents/magentic-one.ts'
import { mallm } from '../../src/agents/mallm.ts'
import { mixtureOfAgents } from '../../src/agents/mixture-of-agents.ts'
import { planGen } from '../../src/agents/plan-gen.ts'
import { refine } from '../../src/agents/refine.ts'
import { router } from '../../src/agents/router.ts'
import { routing } from '../../src/agents/routing.ts'
import { symbolicMoe } from '../../src/agents/symbolic-moe.ts'
import type { Member } from '../../src/agents/pieces/team.ts'
import { askWorker, type Worker } from '../../src/agents/pieces/workers.ts'
import type { Solver } from '../../src/evaluation/task.ts'
import { defineProgram } from '../../src/kernel/program.ts'
import type { Json, Program, Sys } from '../../src/kernel/types.ts'
import { cardName } from './cards.ts'
import { workerName } from './crowd.ts'
import { topicIn, type Exam } from './exams.ts'
import { learnedFor, SUBTASK, type LearnedOptions } from './learned.ts'

/** Calls of the one agent, whose answers are voted on: from a single one to as many as the budget holds. */
const CALLS = [1, 3, 5, 9, 15, 25, 45, 63] as const

/** Name of the one agent that is asked so often. */
function oneName(calls: number): string {
  return calls === 1 ? 'one agent' : `one agent × ${calls}`
}

const CODE = 'it answers a task of code, with tests that are run: experiment C6 and `test/choosers.test.ts`'
const FOLDERS = 'it answers from folders of text'

/** Answering programs that are not asked, why, and where they are measured. */
export const notAsked: { readonly [name: string]: string } = {
  'agent-coder': CODE,
  'code-cor': CODE,
  'mm-agent':
    'it models a problem, computes it by code that is run and writes a report, and names no answer: `test/skill-programs.test.ts`',
  bandit:
    'it betters a solution by a tool that measures it, and nothing measures an answer here but a judgement: experiment C8B',
  'i-agents': 'it answers from what two people know, each alone: experiment C12',
  'ext-agents': 'it answers from more text than a window holds: `test/beyond-window.test.ts`',
  research: `${FOLDERS}: \`test/research.test.ts\``,
  'deep-research': `${FOLDERS}: experiment R1`,
  'public-agent': 'it answers from tables: experiment C15-PIPELINES',
}

type Input = NonNullable<Solver['input']>

/** The one agent by its calls, and the teams, as solvers for an exam. */
export async function teamsOf(
  exam: Exam,
  learning: LearnedOptions = {},
): Promise<{ readonly one: readonly Solver[]; readonly teams: readonly Solver[] }> {
  const best = workerName(0)
  const crew = Array.from({ length: exam.workers }, (_, i): Member => ({ name: cardName(i), model: workerName(i) }))
  const three = crew.slice(0, 3)
  const learned = await learnedFor(exam, crew, learning)
  const alone = (times: number): Member[] =>
    Array.from({ length: times }, (_, i) => ({ name: `Sample-${i + 1}`, model: best }))
  const solver = (name: string, program: Program<never, unknown>, input: Input): Solver => ({ name, program, input })
  const talk = (name: string, input: Input): Solver =>
    solver(name, mallm, { members: three as unknown as Json, ...input })
  const answerers = crew.map(({ name, model }, i): Worker => ({
    name,
    description: learned.cards[i] as string,
    program: defineProgram(`answers-${name}`, async (sys, task: Json) => {
      const prompt = typeof task === 'string' ? task : (task as { readonly question: string }).question
      return (await sys.generate({ prompt, model: model as string, temperature: 0 })).text
    }) as unknown as Program<Json, Json>,
  }))
  // A token of one costs what a token of another does, so a cascade has no cheapest: it asks the best first.
  const routes = crew.map(({ name, model }) => ({ name, model: model as string, cost: 1 }))
  const store = agentStore({
    agents: answerers.map((one, i) => ({ ...one, demos: learned.demos[i] as readonly string[] })),
    tokens: learned.rows,
  })
  const byAll = (members: readonly Member[]): Input => ({ members: members as unknown as Json })
  const one = CALLS.map((calls) =>
    calls === 1
      ? solver(oneName(1), direct, {})
      : solver(oneName(calls), debate, { ...byAll(alone(calls)), rounds: 1 }),
  )
  const teams: Solver[] = [
    solver('self-refine', debate, { ...byAll(alone(1)), rounds: 5 }),
    solver('refine', refine, {}),
    solver('plan-gen', planGen, { method: 'best-of-n' }),
    solver('halo', halo, {}),
    solver('aries', aries, {}),
    solver('vote', debate, { ...byAll(crew), rounds: 1 }),
    solver('debate × 2', debate, { ...byAll(crew), rounds: 2 }),
    solver('debate × 3', debate, { ...byAll(crew), rounds: 3 }),
    solver('debate of 3', debate, { ...byAll(three), rounds: 3 }),
    solver('mixture-of-agents', mixtureOfAgents, { proposers: crew as unknown as Json }),
    solver('mixture, 2 layers', mixtureOfAgents, { proposers: crew as unknown as Json, layers: 2 }),
    solver('ann-forward', annForward, {
      layers: [{ subtask: SUBTASK, team: crew }] as unknown as Json,
      past: learned.past as unknown as Json,
    }),
    solver('dylan', dylan, byAll(crew)),
    solver(
      'dylan, team of the subject',
      asked(dylan, (question) => ({ question, members: learned.teams[topicIn(question)] ?? three })),
      {},
    ),
    solver('lv-agent', lvAgent, byAll(three)),
    solver('agp', agp, byAll(crew)),
    solver('agp, pruned', agp, { ...byAll(crew), pruner: learned.pruner as unknown as Json }),
    solver(
      'symbolic-moe',
      asked(symbolicMoe, (question) => ({ questions: [question], experts: crew, profiles: exam.profiles })),
      {},
    ),
    ...(['memory', 'relay', 'report', 'debate'] as const).map((paradigm) => talk(`mallm ${paradigm}`, { paradigm })),
    // Of three, a super-majority is a majority, and unanimity is what `memory` ends by.
    ...(['majority', 'plurality', 'approval', 'cumulative', 'ranked'] as const).map((decision) =>
      talk(`mallm ${decision}`, { decision }),
    ),
    ...(['judge', 'agreement'] as const).map((accept) =>
      solver(`routing, ${accept}`, routing, { candidates: routes, accept }),
    ),
    solver('routing, similarity', routing, {
      candidates: routes,
      how: 'similarity',
      history: learned.history as unknown as Json,
    }),
    solver('routing, generative', routing, {
      candidates: routes.map((route, i) => ({ ...route, description: learned.cards[i] as string })),
      how: 'generative',
    }),
    solver(
      'router',
      asked(router({ agents: answerers }), (task) => ({ task })),
      {},
    ),
    ...(['router', 'manager'] as const).map((mode) =>
      solver(
        `agent-store, ${mode}`,
        asked(store, (task) => ({ task, mode })),
        {},
      ),
    ),
    solver(
      'm3',
      m3({
        tasks: [{ goal: SUBTASK, after: [], candidates: answerers }],
        scorer: learned.scorer,
      }) as unknown as Program<never, unknown>,
      {},
    ),
    solver('composer', composed(answerers), {}),
    solver('agent-court', court(three), {}),
    solver(
      'magentic-one',
      asked(magenticOne({ team: answerers }), (task) => ({ task })),
      {},
    ),
    solver(
      'agent-orchestra',
      asked(agentOrchestra({ agents: answerers }), (task) => ({ task })),
      {},
    ),
    solver(
      'internet-of-agents',
      asked(internetOfAgents({ agents: answerers }), (goal) => ({ goal })),
      {},
    ),
  ]
  return { one, teams }
}

/** A program that is asked in other words than `{ question }`. */
function asked<Input>(
  program: Program<Input, unknown>,
  inputOf: (question: string) => unknown,
): Program<never, unknown> {
  return defineProgram(
    program.name,
    (sys, { question }: { readonly question: string }) => program.run(sys, inputOf(question) as Input),
    { tools: program.tools },
  ) as unknown as Program<never, unknown>
}

/** Who is bought for a question answers it; where nobody is, the best one does. A budget of 1 buys one. */
function composed(crew: readonly Worker[]): Program<never, unknown> {
  const shop = composer({ inventory: crew.map((one) => ({ ...one, cost: 1 })) })
  return defineProgram('composer', async (sys, { question }: { readonly question: string }) => {
    const { chosen } = await shop.run(sys, { task: question, budget: 1 })
    return askWorker(sys, (crew.find(({ name }) => chosen.includes(name)) ?? crew[0]) as Worker, question)
  }) as unknown as Program<never, unknown>
}

/** A question as a case: two answer it, and where they differ the court hears both. */
function court([plaintiff, defendant]: readonly Member[]): Program<never, unknown> {
  const says = async (sys: Sys, question: string, { model }: Member): Promise<string> =>
    (await sys.generate({ prompt: question, temperature: 0, ...(model === undefined ? {} : { model }) })).text
  return defineProgram('agent-court', async (sys, { question }: { readonly question: string }) => {
    const [first, second] = await Promise.all([
      says(sys, question, plaintiff as Member),
      says(sys, question, defendant as Member),
    ])
    if (first === second) return first
    const sides = { plaintiff: `${question}\n${first}`, defendant: second }
    const { winner } = await agentCourt.run(sys, { ...sides, reflect: false })
    return winner === 'defendant' ? second : first
  }) as unknown as Program<never, unknown>
}
