/**
 * Runs the table of teams: every exam, every answering program, each try with the same budget, by the `evaluate` that `polity evaluate`
 * calls.
 *
 *     const runs = await teamRuns({ exams, tokens: 20_000, onDone: (line) => console.error(line) })
 *
 * A program has a kernel and a crowd of its own on each exam, so who is asked before whom changes nothing.
 */
import { boot } from '../../src/boot.ts'
import { hashingEmbedder } from '../../src/drivers/embedder/hashing.ts'
import { evaluate } from '../../src/evaluation/evaluate.ts'
import type { Log, Trial } from '../../src/evaluation/log.ts'
import { defineScorer, type Solver, type Task } from '../../src/evaluation/task.ts'
import { realClock } from '../../src/kernel/clock.ts'
import type { Json } from '../../src/kernel/types.ts'
import { createCrowd, workerName, type CrowdOptions } from './crowd.ts'
import type { Exam } from './exams.ts'
import type { LearnedOptions } from './learned.ts'
import { teamsOf } from './teams.ts'

export interface TeamRunOptions extends Pick<LearnedOptions, 'a' | 'b' | 'past'> {
  readonly exams: readonly Exam[]
  /** Of a try. */
  readonly tokens: number
  /** Only programs of these names. @default all */
  readonly names?: readonly string[]
  /** Hears of each program on each exam. */
  readonly onDone?: (line: string) => void
}

/** What came of one exam. */
export interface TeamRun {
  readonly exam: Exam
  /** Of the one agent, by calls, and of the teams: without their transcripts. */
  readonly one: readonly Outcome[]
  readonly teams: readonly Outcome[]
}

/** What came of one program on one exam. */
export interface Outcome {
  readonly name: string
  readonly task: Log['tasks'][number]
  readonly trials: readonly Trial[]
  /** Tries in which a model call was refused because the tokens were used up. */
  readonly refused: number
}

export async function teamRuns({
  exams,
  tokens,
  names,
  onDone,
  past,
  ...readers
}: TeamRunOptions): Promise<readonly TeamRun[]> {
  const runs: TeamRun[] = []
  for (const exam of exams) {
    const all = await teamsOf(exam, { ...readers, ...(past === undefined ? {} : { past }) })
    const isChosen = ({ name }: Solver): boolean => names === undefined || names.includes(name)
    const ranAll = async (solvers: readonly Solver[]): Promise<Outcome[]> => {
      const outcomes: Outcome[] = []
      for (const solver of solvers) {
        const begun = performance.now()
        outcomes.push(await ran(exam, solver, tokens, readers))
        onDone?.(`${exam.id}, ${solver.name}: ${((performance.now() - begun) / 1_000).toFixed(1)} s`)
      }
      return outcomes
    }
    runs.push({ exam, one: await ranAll(all.one), teams: await ranAll(all.teams.filter(isChosen)) })
  }
  return runs
}

/**
 * What is held back for an answer before it is asked for, beside its prompt: the crowd writes about 100 tokens, so that a budget holds as
 * many calls side by side as one after another.
 */
const ANSWER_TOKENS = 160

/** One program on one exam. One try at a time: what the crowd has said is of one try. */
async function ran(exam: Exam, solver: Solver, tokens: number, readers: CrowdOptions): Promise<Outcome> {
  const crowd = createCrowd(exam, readers)
  const kernel = await boot({
    models: crowd.models,
    model: workerName(0),
    embedder: hashingEmbedder(),
    clock: realClock({ seed: 1 }),
    limits: { outputTokensDefault: ANSWER_TOKENS },
  })
  try {
    const log = await evaluate(kernel, {
      tasks: [taskOf(exam)],
      solvers: [solver],
      budget: { tokens },
      concurrency: 1,
      onTrial: () => crowd.begin(),
    })
    const isRefused = ({ calls }: Trial): boolean =>
      calls.some(({ failed, end }) => failed === true && end?.includes('BUDGET_EXCEEDED') === true)
    return {
      name: solver.name,
      task: log.tasks[0] as Log['tasks'][number],
      trials: log.trials.map((trial) => ({ ...trial, calls: [] })),
      refused: log.trials.filter(isRefused).length,
    }
  } finally {
    await kernel.close()
  }
}

/** An exam as a task: a sample for each question, which is a cluster of its own. */
export function taskOf(exam: Exam): Task {
  return {
    name: exam.id,
    description: exam.what,
    samples: exam.questions.map(({ number, text, labels: [right = ''] }) => ({
      id: `${exam.id} q${number}`,
      input: text,
      target: right,
    })),
    scorers: [isRight],
  }
}

/** The last label of the answer is the right one. */
const isRight = defineScorer('right', (_, { sample, output }) => {
  const said = answerIn(output)
    .match(/\bq\d+-[a-z]\b/g)
    ?.at(-1)
  return { value: Number(said === sample.target), answer: said ?? '' }
})

/** Of an output with an answer that; else all of it. */
function answerIn(output: Json): string {
  const isOpen = typeof output === 'object' && output !== null && !Array.isArray(output) && 'answer' in output
  return JSON.stringify(isOpen ? (output['answer'] ?? null) : output)
}
