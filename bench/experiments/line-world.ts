/**
 * A line of cells with boxes, as a world: in each cell stands an agent that can push one box of its cell to a neighbour in a turn.
 * To act are those whose cell has a box that belongs elsewhere. All boxes home is the end; 30 turns are all there is.
 */
import {
  drawBelow,
  drawAt,
  unknownAction,
  type Action,
  type ActionError,
  type Rules,
} from '../../src/environments/environment.ts'
import type { Json } from '../../src/kernel/types.ts'

interface LineTask {
  readonly cells: number
  /** Where each box is, and where it belongs. */
  readonly boxes: readonly { readonly from: number; readonly to: number; readonly [key: string]: Json }[]
  readonly [key: string]: Json
}
export interface LineState {
  readonly task: LineTask
  readonly at: readonly number[]
  readonly [key: string]: Json
}

const [CELLS, BOXES, TURNS] = [8, 6, 30]
const actions = [
  {
    name: 'push',
    description: 'Push a box of your cell to the cell beside it.',
    input: {
      type: 'object',
      properties: { box: { type: 'integer' }, way: { type: 'string', enum: ['left', 'right'] } },
      required: ['box', 'way'],
    },
    effect: 'write' as const,
  },
]
const nameOf = (cell: number): string => `cell ${cell}`
/** Boxes of a cell that belong elsewhere. */
export const strayIn = ({ task, at }: LineState, cell: number): number[] =>
  task.boxes.flatMap(({ to }, box) => (at[box] === cell && to !== cell ? [box] : []))

export const lineWorld: Rules<LineTask, LineState> = {
  id: 'line-boxes',
  version: '1',
  description: 'Push every box to the cell where it belongs.',
  stepsMax: TURNS,
  task(seed) {
    const draw = drawAt(seed, 0)
    const boxes = Array.from({ length: BOXES }, () => ({ from: drawBelow(draw, CELLS), to: drawBelow(draw, CELLS) }))
    return { cells: CELLS, boxes }
  },
  start: (task) => ({ task, at: task.boxes.map(({ from }) => from) }),
  actions: () => actions,
  agents: ({ cells }) => Array.from({ length: cells }, (_, cell) => nameOf(cell)),
  toAct: (state) =>
    Array.from({ length: state.task.cells }, (_, cell) => cell)
      .filter((cell) => strayIn(state, cell).length > 0)
      .map(nameOf),
  view(state, agent) {
    const cell = Number(agent.slice('cell '.length))
    const boxes = strayIn(state, cell).map((box) => `box ${box} to cell ${state.task.boxes[box]?.to}`)
    return { text: `Here: ${boxes.join(', ')}.`, actions }
  },
  step(state, given) {
    const at = state.at.slice()
    const errors: ActionError[] = []
    for (const { agent, name, args = {} } of given) {
      const cell = Number(agent.slice('cell '.length))
      const [box, to] = [Number(args['box']), cell + (args['way'] === 'left' ? -1 : 1)]
      if (name !== 'push') errors.push(unknownAction(agent, name, actions))
      else if (state.at[box] !== cell || to < 0 || to >= state.task.cells)
        errors.push({ agent, code: 'NOT_POSSIBLE', message: `box ${box} cannot be pushed there from cell ${cell}` })
      else at[box] = to
    }
    return { state: { ...state, at }, errors }
  },
  score: ({ task, at }) => task.boxes.filter(({ to }, box) => at[box] === to).length / task.boxes.length,
  oracle: (state) =>
    lineWorld.toAct(state).map((agent): Action => {
      const cell = Number(agent.slice('cell '.length))
      const box = strayIn(state, cell)[0] as number
      return {
        agent,
        name: 'push',
        args: { box, way: (state.task.boxes[box]?.to as number) < cell ? 'left' : 'right' },
      }
    }),
}
