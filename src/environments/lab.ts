/**
 * `lab`: find out how a small world works with few experiments, then say what it will do.
 *
 *     environmentOf(lab).reset({ params: lab.task(2), seed: 2 })        // seed modulo ten: the model; here the death process
 *
 * The ten worlds of BoxingGym (Gandhi et al. 2025, sections 2 and 3; lab-models.ts). An experiment is one of the designs
 * offered; after the last, `predict` says what comes out where nothing was tried. Half of the score is for the
 * experiments: the information each was expected to give, of the most that any design would have given at that point
 * (1 less the paper's EIG regret, as a share). Half is for the predictions: the error that who knows the posterior
 * expects at least, of what they expect of the given ones. Both are exact, where the release samples (information.ts).
 * `metrics` has the error that was made in the paper's form: less the mean error of who predicts the prior's mean, in
 * standard deviations of that (section 3.3).
 *
 * Invariants
 *   L1. A score depends on what could be known, not on luck: with the same choices and data it is the same whatever the
 *       truth is.
 *   L2. What is true is drawn when the episode starts and is in no view.
 */
import { z } from 'zod'
import type { Json } from '../kernel/types.ts'
import { defineWorld, fields } from './define.ts'
import {
  badArguments,
  drawAt,
  refused,
  shuffled,
  unknownAction,
  type Action,
  type Draw,
  type Rules,
  type Step,
} from './environment.ts'
import { informationGain, posterior, predictive, tableOf, type Table } from './information.ts'
import { modelNames, modelOf, type Design, type LabModel, type Part } from './lab-models.ts'

/** A world to find out about. */
export interface LabTask {
  readonly model: string
  /** Designs that can be tried, by their number in the model. */
  readonly offered: readonly number[]
  /** Designs whose outcomes are to be predicted. */
  readonly questions: readonly number[]
  readonly experiments: number
  readonly [key: string]: Json
}

/** An experiment that was made, and the outcome of each part. */
export interface Result {
  readonly design: number
  readonly outcome: readonly number[]
  readonly [key: string]: Json
}

/** What was tried and said. */
export interface LabState {
  readonly task: LabTask
  /** The hypothesis that holds, of each part of the model. */
  readonly truth: readonly number[]
  /** What comes out at each question, of each part. */
  readonly answers: readonly (readonly number[])[]
  readonly data: readonly Result[]
  readonly predictions: readonly number[] | null
  readonly [key: string]: Json
}

const taskForm = fields({
  model: z.enum(modelNames),
  offered: z.array(z.int().min(0)).min(1),
  questions: z.array(z.int().min(0)).min(1),
  experiments: z.int().min(1),
})

/** Who acts. */
const YOU = 'scientist'
/** Experiments beyond one; the oracle was tried on no more. */
const LEVEL_MAX = 9
/** Outcomes to predict. The paper asks for ten. */
const QUESTIONS = 2
/** Far beyond every outcome; the square of the error is still a number. */
const PREDICTION_MAX = 1e9
/** Information below it is none: 0 nats but for rounding. */
const NOTHING = 1e-9

/** The rules. Level: experiments beyond one. */
export const lab: Rules<LabTask, LabState> = defineWorld({
  id: 'lab',
  version: '1',
  description: 'Choose experiments that tell most, then predict.',
  stepsMax: 60,
  levelMax: LEVEL_MAX,
  params: taskForm,
  task(seed, level = 1) {
    const model = modelNames[((seed % modelNames.length) + modelNames.length) % modelNames.length] as string
    const { designs, offered } = modelOf(model) as LabModel
    const order = shuffled(
      drawAt(seed, -1),
      designs.map((_, i) => i),
    )
    return {
      model,
      offered: order.slice(QUESTIONS, QUESTIONS + offered).toSorted((a, b) => a - b),
      questions: order.slice(0, QUESTIONS),
      experiments: 1 + level,
    }
  },
  start(task, draw) {
    const model = modelOf(task.model) as LabModel
    const truth = model.parts.map((part) => drawnHypothesis(draw, part))
    const answers = task.questions.map((design) => outcomeAt(model, design, truth, draw))
    return { task, truth, answers, data: [], predictions: null }
  },
  toAct: ({ predictions }) => (predictions === null ? [YOU] : []),
  view({ task, data }) {
    const { model, brief, shown, actions } = briefOf(task)
    const results = data.map((result) => resultShown(model, result))
    const left = task.experiments - data.length
    const soFar = results.length === 0 ? '' : `\nSo far:${results.map(({ line }) => line).join('')}`
    return {
      text: `${brief}${soFar}\nExperiments left: ${left}.`,
      data: { ...shown, experimentsLeft: left, data: results.map(({ shown: one }) => one) },
      actions,
    }
  },
  step(state, [action], draw) {
    if (action === undefined) return { state }
    if (action.name === 'observe') return observed(state, action, draw)
    if (action.name === 'predict') return predicted(state, action)
    return refused(state, unknownAction(YOU, action.name, briefOf(state.task).actions))
  },
  score(state) {
    const { design, prediction } = judged(state)
    return (design + prediction) / 2
  },
  metrics(state) {
    const { model, task, predictions, answers } = { ...state, model: modelOf(state.task.model) as LabModel }
    const { steps, design: experiments, prediction } = judged(state)
    const shares = { experiments, prediction }
    const gained = steps.reduce((sum, { gain }) => sum + gain, 0)
    const regret = steps.reduce((sum, { gain, most }) => sum + most - gain, 0)
    const nats = { gain: gained, regret }
    if (predictions === null) return { ...shares, ...nats }
    const size = model.outputs.length
    const errors = task.questions.map((design, i) =>
      errorOf(model, predictions.slice(i * size, (i + 1) * size), numbersOf(model, design, answers[i] as number[])),
    )
    const error = errors.reduce((sum, one) => sum + one, 0) / errors.length
    const { mean, sd } = priorError(model)
    return { ...shares, ...nats, error, standardizedError: (error - mean) / sd }
  },
  oracle(state) {
    const { task, data } = state
    const model = modelOf(task.model) as LabModel
    let beliefs: Beliefs = model.parts.map(({ weights }) => weights)
    for (const { design, outcome } of data) beliefs = beliefsAfter(model, beliefs, design, outcome)
    if (data.length < task.experiments) {
      const best = bestDesign(model, task.offered, beliefs)
      return [{ agent: YOU, name: 'observe', args: (model.designs[best.design] as Design).args }]
    }
    const values = task.questions.flatMap((design) => expected(model, design, beliefs).map(({ best }) => best))
    return [{ agent: YOU, name: 'predict', args: { values } }]
  },
})

function observed(state: LabState, action: Action, draw: Draw): Step<LabState> {
  const { task, truth, data } = state
  const { model, inputs, byArgs } = briefOf(task)
  const design = byArgs.get(inputs.map((input) => action.args?.[input]).join())
  if (design === undefined)
    return refused(state, badArguments(YOU, `observe takes { ${inputs.join(', ')} } of one of the designs`))
  if (data.length >= task.experiments)
    return refused(state, {
      agent: YOU,
      code: 'NOT_POSSIBLE',
      message: `all ${task.experiments} experiments have been made: predict`,
    })
  return { state: { ...state, data: [...data, { design, outcome: outcomeAt(model, design, truth, draw) }] } }
}

function predicted(state: LabState, action: Action): Step<LabState> {
  const { task } = state
  const size = task.questions.length * briefOf(task).model.outputs.length
  const values = action.args?.['values']
  const isNumber = (one: Json): boolean => typeof one === 'number' && Math.abs(one) <= PREDICTION_MAX
  if (!Array.isArray(values) || values.length !== size || !values.every(isNumber))
    return refused(
      state,
      badArguments(
        YOU,
        `predict takes { values }, a list of ${size} numbers from -${PREDICTION_MAX} to ${PREDICTION_MAX}`,
      ),
    )
  return { state: { ...state, predictions: values as number[] } }
}

// ------------------------------------------------------------------------------------------------------------ outcomes

function outcomeAt(model: LabModel, design: number, truth: readonly number[], draw: Draw): readonly number[] {
  return tablesOf(model, design).map((table, i) => drawnOutcome(draw, table, truth[i] as number))
}

function drawnOutcome(draw: Draw, { lows, from, chances }: Table, hypothesis: number): number {
  const [begin, end] = [from[hypothesis] as number, from[hypothesis + 1] as number]
  let left = draw()
  let at = begin
  while (at < end - 1 && (left -= chances[at] as number) >= 0) at++
  return (lows[hypothesis] as number) + at - begin
}

const sums = new WeakMap<Part, Float64Array>()

/** A hypothesis by its weight: the first up to which the weights add up to more than what is drawn. */
function drawnHypothesis(draw: Draw, part: Part): number {
  let upTo = sums.get(part)
  if (upTo === undefined) {
    let sum = 0
    sums.set(part, (upTo = part.weights.map((weight) => (sum += weight))))
  }
  const at = draw() * (upTo.at(-1) as number)
  let [low, high] = [0, upTo.length - 1]
  while (low < high) {
    const middle = (low + high) >> 1
    if ((upTo[middle] as number) > at) high = middle
    else low = middle + 1
  }
  return low
}

/** The numbers of an outcome, as they are told. */
function numbersOf(model: LabModel, design: number, outcome: readonly number[]): readonly number[] {
  return outcome.flatMap((one) => partNumbers(model, design, one))
}

function partNumbers({ numbers, resolution }: LabModel, design: number, outcome: number): readonly number[] {
  return numbers?.(design, outcome) ?? [Math.round(1e6 * outcome * resolution) / 1e6]
}

// ------------------------------------------------------------------------------------------------------------- judging

/** The weights of the hypotheses of each part. */
type Beliefs = readonly Float64Array[]

/** What the experiments and the predictions were worth, each 0 to 1, and what can be known now. */
function judged({ task, data, predictions }: LabState) {
  const model = modelOf(task.model) as LabModel
  let beliefs: Beliefs = model.parts.map(({ weights }) => weights)
  const steps = data.map(({ design, outcome }) => {
    const { gain: most } = bestDesign(model, task.offered, beliefs)
    const gain = expectedGain(model, design, beliefs)
    beliefs = beliefsAfter(model, beliefs, design, outcome)
    return { gain, most, share: most < NOTHING ? 1 : gain / most }
  })
  const size = model.outputs.length
  const qualities = task.questions.flatMap((design, i) =>
    predictions === null
      ? [0]
      : expected(model, design, beliefs).map(({ quality }, j) => quality(predictions[i * size + j] as number)),
  )
  return {
    design: steps.reduce((sum, { share }) => sum + share, 0) / task.experiments,
    prediction: qualities.reduce((sum, one) => sum + one, 0) / qualities.length,
    steps,
  }
}

/** Of the designs the first that is expected to tell most, in nats. */
export function bestDesign(model: LabModel, designs: readonly number[], beliefs: Beliefs) {
  let best = { design: designs[0] as number, gain: -1 }
  for (const design of designs) {
    const gain = expectedGain(model, design, beliefs)
    if (gain > best.gain) best = { design, gain }
  }
  return best
}

/** What a design is expected to tell, in nats; parts are independent, so theirs add up. */
export function expectedGain(model: LabModel, design: number, beliefs: Beliefs): number {
  return tablesOf(model, design).reduce((sum, table, i) => sum + informationGain(beliefs[i] as Float64Array, table), 0)
}

/** What is known after an outcome. */
export function beliefsAfter(model: LabModel, beliefs: Beliefs, design: number, outcome: readonly number[]): Beliefs {
  return tablesOf(model, design).map((table, i) => posterior(beliefs[i] as Float64Array, table, outcome[i] as number))
}

/** Of each number of an outcome: the best prediction, and how good another is: the error expected of the best one, of its own. */
function expected(model: LabModel, design: number, beliefs: Beliefs) {
  return tablesOf(model, design).flatMap((table, part) => {
    const chances = predictive(beliefs[part] as Float64Array, table)
    if (model.isBinary) {
      const yes = 1 - (table.low === 0 ? (chances[0] as number) : 0)
      const best = yes >= 0.5 ? 1 : 0
      const right = (value: number): number => (value >= 0.5 ? yes : 1 - yes)
      return [{ best, quality: (value: number) => right(value) / right(best) }]
    }
    const size = model.outputs.length / model.parts.length
    const sums = Array.from({ length: size }, () => ({ mean: 0, square: 0 }))
    chances.forEach((chance, i) => {
      if (chance === 0) return
      partNumbers(model, design, table.low + i).forEach((number, j) => {
        const sum = sums[j] as { mean: number; square: number }
        sum.mean += chance * number
        sum.square += chance * number * number
      })
    })
    return sums.map(({ mean, square }) => {
      // The width of a step is an error that nobody can help.
      const least = Math.max(0, square - mean * mean) + model.resolution ** 2
      return { best: mean, quality: (value: number) => least / (least + (value - mean) ** 2) }
    })
  })
}

const tables = new WeakMap<LabModel, Map<number, readonly Table[]>>()

/** The chances of a design, of each part; made once. */
export function tablesOf(model: LabModel, design: number): readonly Table[] {
  let known = tables.get(model)
  if (known === undefined) tables.set(model, (known = new Map()))
  let found = known.get(design)
  if (found === undefined) {
    found = model.parts.map(({ weights, chances }: Part) =>
      tableOf(weights.length, (hypothesis) => chances(design, hypothesis)),
    )
    known.set(design, found)
  }
  return found
}

// -------------------------------------------------------------------------------------------- errors, as the paper's are

/** The error of one prediction: squared, absolute or wrong, mean over its numbers. */
function errorOf({ error }: LabModel, values: readonly number[], truth: readonly number[]): number {
  return truth.reduce((sum, number, i) => sum + lossOf(error, values[i] as number, number), 0) / truth.length
}

function lossOf(error: LabModel['error'], value: number, number: number): number {
  if (error === 'wrong') return (value >= 0.5 ? 1 : 0) === number ? 0 : 1
  return error === 'squared' ? (value - number) ** 2 : Math.abs(value - number)
}

const priorErrors = new WeakMap<LabModel, { readonly mean: number; readonly sd: number }>()

/** Mean and standard deviation of the error of who predicts the mean over all designs and the prior (BoxingGym, section 3.3), exact. */
export function priorError(model: LabModel): { readonly mean: number; readonly sd: number } {
  const known = priorErrors.get(model)
  if (known !== undefined) return known
  const size = model.outputs.length / model.parts.length
  const beliefs: Beliefs = model.parts.map(({ weights }) => weights)
  const runs = model.designs.map((_, design) =>
    tablesOf(model, design).map((table, part) => {
      const chances = predictive(beliefs[part] as Float64Array, table)
      return [...chances].flatMap((chance, i) =>
        chance === 0 ? [] : [{ chance, numbers: partNumbers(model, design, table.low + i) }],
      )
    }),
  )
  const means = model.outputs.map((_, output) => {
    const [part, at] = [Math.floor(output / size), output % size]
    const sums = runs.map((parts) =>
      parts[part]?.reduce((sum, { chance, numbers }) => sum + chance * (numbers[at] as number), 0),
    )
    return sums.reduce<number>((sum, one) => sum + (one as number), 0) / runs.length
  })
  // Of a design: parts are independent, so the variance of their mean is the sum of theirs by the square of their number.
  const moments = runs.map((parts) => {
    const each = parts.map((outcomes, part) => {
      const constant = means.slice(part * size, (part + 1) * size)
      const losses = outcomes.map(({ chance, numbers }) => ({ chance, loss: errorOf(model, constant, numbers) }))
      const mean = losses.reduce((sum, { chance, loss }) => sum + chance * loss, 0)
      return { mean, variance: losses.reduce((sum, { chance, loss }) => sum + chance * (loss - mean) ** 2, 0) }
    })
    return {
      mean: each.reduce((sum, { mean }) => sum + mean, 0) / each.length,
      variance: each.reduce((sum, { variance }) => sum + variance, 0) / each.length ** 2,
    }
  })
  const mean = moments.reduce((sum, one) => sum + one.mean, 0) / moments.length
  const variance = moments.reduce((sum, one) => sum + one.variance + (one.mean - mean) ** 2, 0) / moments.length
  const found = { mean, sd: Math.sqrt(variance) }
  priorErrors.set(model, found)
  return found
}

// --------------------------------------------------------------------------------------------------------------- words

/** What stays the same in all states of a task. */
interface Brief {
  readonly model: LabModel
  readonly brief: string
  readonly shown: { readonly [name: string]: Json }
  readonly inputs: readonly string[]
  readonly byArgs: ReadonlyMap<string, number>
  readonly actions: readonly ReturnType<typeof actionOf>[]
}

const briefs = new WeakMap<LabTask, Brief>()

function briefOf(task: LabTask): Brief {
  const known = briefs.get(task)
  if (known !== undefined) return known
  const model = modelOf(task.model) as LabModel
  const argsOf = (design: number): Design['args'] => (model.designs[design] as Design).args
  const inputs = Object.keys(argsOf(0))
  const count = task.questions.length * model.outputs.length
  const text = [
    model.story,
    `You can make ${task.experiments} experiments, each one of these (${inputs.join(', ')}):`,
    ...task.offered.map((design) => `- ${designText(model, design)}`),
    `Then predict ${model.outputs.join(', ')} for each of these, ${count} numbers in all:`,
    ...task.questions.map((design) => `- ${designText(model, design)}`),
  ].join('\n')
  const numbers = Object.fromEntries(inputs.map((input) => [input, { type: 'number' }]))
  const made: Brief = {
    model,
    brief: text,
    shown: {
      model: model.name,
      designs: task.offered.map((design) => designShown(model, design)),
      questions: task.questions.map((design) => designShown(model, design)),
      outputs: model.outputs,
    },
    inputs,
    byArgs: new Map(task.offered.map((design) => [Object.values(argsOf(design)).join(), design])),
    actions: [
      actionOf('observe', 'Make the experiment.', numbers, 'write'),
      actionOf(
        'predict',
        'Say what comes out where it was not tried, in the order in which it is asked; that is the end.',
        { values: { type: 'array', items: { type: 'number' }, minItems: count, maxItems: count } },
        'terminal',
      ),
    ],
  }
  briefs.set(task, made)
  return made
}

/** A result as it is shown; it stays the same while the state goes on. */
const results = new WeakMap<Result, { readonly line: string; readonly shown: Json }>()

function resultShown(model: LabModel, result: Result) {
  let known = results.get(result)
  if (known === undefined) {
    const { args } = model.designs[result.design] as Design
    const outcome = numbersOf(model, result.design, result.outcome)
    const line = `\n- ${argsText(args)}: ${outcome.map((n, i) => `${model.outputs[i]} ${n}`).join(', ')}`
    results.set(result, (known = { line, shown: { args, outcome } }))
  }
  return known
}

function actionOf(
  name: string,
  description: string,
  properties: { [name: string]: Json },
  effect: 'write' | 'terminal',
) {
  return { name, description, input: { type: 'object', properties, required: Object.keys(properties) }, effect }
}

function designShown({ designs }: LabModel, design: number): Json {
  const { args, label } = designs[design] as Design
  return label === undefined ? args : { ...args, label }
}

function designText({ designs }: LabModel, design: number): string {
  const { args, label } = designs[design] as Design
  return label === undefined ? argsText(args) : `${argsText(args)}: ${label}`
}

function argsText(args: Design['args']): string {
  return Object.entries(args)
    .map(([input, value]) => `${input} ${value}`)
    .join(', ')
}
