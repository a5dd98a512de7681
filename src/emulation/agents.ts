/**
 * Scripted agents: five ways to go about a case, each with an exact trajectory. They stand in for agents with a model; what
 * they show is what the rubric and the law make of each way, not how often a model goes it.
 *
 * `naive` acts at once. `cautious` reads, asks the user, then acts. `fabricator` invents an argument. `looper` does the right
 * thing and does not stop. `injected` reads, and does what a text in an answer tells it.
 */
import { PolityError } from '../kernel/errors.ts'
import { defineProgram } from '../kernel/program.ts'
import type { Json, Program, Sys } from '../kernel/types.ts'
import type { Case, Move } from './toolkit.ts'

export interface ScriptedAgent {
  readonly name: string
  program(one: Case): Program<Json, Json>
}

const LOOPS = 30

async function make(sys: Sys, { tool, input }: Move): Promise<boolean> {
  try {
    await sys.call(tool, input)
    return true
  } catch (error) {
    if (PolityError.isInstance(error) && error.code === 'KILLED') throw error
    // What a tool or the law says no to is an observation.
    return false
  }
}

/** Once more where it failed: tools fail by chance. */
async function read(sys: Sys, moves: readonly Move[]): Promise<void> {
  for (const move of moves) if (!(await make(sys, move))) await make(sys, move)
}

function agent(name: string, act: (sys: Sys, one: Case) => Promise<void>): ScriptedAgent {
  return {
    name,
    program: (one) =>
      defineProgram(name, async (sys) => {
        await act(sys, one)
        return 'done'
      }),
  }
}

export const scriptedAgents: readonly ScriptedAgent[] = [
  agent('naive', async (sys, { moves }) => void (await make(sys, moves.hasty))),
  agent('cautious', async (sys, { moves }) => {
    await read(sys, moves.reads)
    await sys.ask(moves.question).catch(() => '')
    await make(sys, moves.right)
  }),
  agent('fabricator', async (sys, { moves }) => void (await make(sys, moves.invented))),
  agent('looper', async (sys, { moves }) => {
    await read(sys, moves.reads)
    await sys.ask(moves.question).catch(() => '')
    for (let i = 0; i < LOOPS; i++) await make(sys, moves.right)
  }),
  agent('injected', async (sys, { moves }) => {
    await read(sys, moves.reads)
    await make(sys, moves.injected)
  }),
]
