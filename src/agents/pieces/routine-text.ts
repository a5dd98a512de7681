/**
 * Routines as text: plans of numbered steps that a person can read and a small model can follow.
 *
 *     const routine = parseRoutine(text)             // throws INVALID_ARGUMENT with the line that is wrong
 *     routineText(routine) === text                  // of what `routineText` wrote
 *
 * A step is a line `Step 2 [normal]: name | description | in: … | out: … | tool: …`, of the types normal, branch and finish. A branch
 * has lines below it, `- if <condition> go to step 4`, the last of which may be `- else go to step 3`. The fields are those of the
 * routines of Zeng et al. 2025 as far as they are known; `in`, `out` and `tool` may be left out.
 *
 * Invariant
 *   RT1. A routine that was parsed has steps numbered from 1 on, at least one `finish`, and branches that lead to steps it has.
 */
import { PolityError } from '../../kernel/errors.ts'

export interface RoutineStep {
  readonly number: number
  readonly type: 'normal' | 'branch' | 'finish'
  readonly name: string
  readonly description: string
  readonly input?: string
  readonly output?: string
  readonly tool?: string
  /** Of a branch, in order; no condition: in all other cases. */
  readonly ways?: readonly { readonly condition: string | null; readonly to: number }[]
}

export type Routine = readonly RoutineStep[]

const STEP = /^Step (\d+) \[(normal|branch|finish)\]: (.*)$/
const WAY = /^- (?:if (.+)|else) go to step (\d+)$/

export function routineText(routine: Routine): string {
  return routine
    .flatMap(({ number, type, name, description, input, output, tool, ways = [] }) => [
      [
        `Step ${number} [${type}]: ${name}`,
        description,
        ...(input === undefined ? [] : [`in: ${input}`]),
        ...(output === undefined ? [] : [`out: ${output}`]),
        ...(tool === undefined ? [] : [`tool: ${tool}`]),
      ].join(' | '),
      ...ways.map(({ condition, to }) => `- ${condition === null ? 'else' : `if ${condition}`} go to step ${to}`),
    ])
    .join('\n')
}

export function parseRoutine(text: string): Routine {
  const steps: { -readonly [key in keyof RoutineStep]: RoutineStep[key] }[] = []
  for (const line of text.split('\n').map((one) => one.trim())) {
    if (line === '') continue
    const last = steps.at(-1)
    const way = WAY.exec(line)
    if (way !== null && last?.type === 'branch') {
      last.ways = [...(last.ways ?? []), { condition: way[1] ?? null, to: Number(way[2]) }]
      continue
    }
    const step = STEP.exec(line)
    if (step === null)
      throw wrong(
        `expected "Step n [normal|branch|finish]: name | description" or, below a branch, "- if … go to step n", not ${JSON.stringify(line)}`,
      )
    const [name = '', description = '', ...fields] = (step[3] as string).split(' | ').map((one) => one.trim())
    const field = (key: string): string | undefined =>
      fields.find((one) => one.startsWith(`${key}: `))?.slice(key.length + 2)
    const [input, output, tool] = [field('in'), field('out'), field('tool')]
    steps.push({
      number: Number(step[1]),
      type: step[2] as RoutineStep['type'],
      name,
      description,
      ...(input === undefined ? {} : { input }),
      ...(output === undefined ? {} : { output }),
      ...(tool === undefined ? {} : { tool }),
    })
  }
  const fault = faultOfRoutine(steps)
  if (fault !== undefined) throw wrong(fault)
  return steps
}

/** What is wrong with it; undefined where nothing is. */
export function faultOfRoutine(routine: Routine): string | undefined {
  for (const [i, { number, type, ways }] of routine.entries()) {
    if (number !== i + 1) return `step ${number} stands where step ${i + 1} is expected`
    if (type === 'branch' && (ways ?? []).length === 0) return `step ${number} is a branch and leads nowhere`
    for (const { to } of ways ?? [])
      if (to < 1 || to > routine.length) return `step ${number} leads to step ${to}, which there is not`
  }
  return routine.some(({ type }) => type === 'finish') ? undefined : 'there is no step that finishes'
}

/** The step that comes next; undefined behind a finish, and behind the last. @param way of a branch, by its place */
export function stepAfter(routine: Routine, step: RoutineStep, way = 0): RoutineStep | undefined {
  if (step.type === 'finish') return undefined
  const to = step.type === 'branch' ? step.ways?.[way]?.to : step.number + 1
  return to === undefined ? undefined : routine[to - 1]
}

function wrong(why: string): PolityError {
  return new PolityError('INVALID_ARGUMENT', `a routine: ${why}`)
}
