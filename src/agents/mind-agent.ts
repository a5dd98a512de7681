/**
 * MindAgent (Gong et al. 2024, "MindAgent: emergent gaming interaction"): one dispatcher for the whole team, one call a turn, a
 * setting of the joint step.
 *
 *     spawnEpisode(kernel, teamWorld(worldOf(kitchen)), task, { program: mindAgent, input: { demonstration } })
 *
 * The dispatcher is told the task, one demonstration, how many agents there are, what could not be done in the turn before and why,
 * what all see now, and the last turn. What cannot be done is left out: its agent does nothing, and the reason is told in the
 * next turn. For any number of agents; with `others` in `teamWorld` a person or another program plays some of them.
 */
import { defineProgram } from '../kernel/program.ts'
import { jointSteps, type JointInput, type Jointed } from './joint-step.ts'

export interface MindAgentInput extends JointInput {
  /** One example of turns and good plans, as a text. @default nothing */
  readonly demonstration?: string
}

const DISPATCH = `You are the dispatcher of a team. Give every agent something useful to do in each turn; share the work, let nobody wait for what
another could bring, and serve first what is due first. Where you are told that something could not be done, do not order it again as things stand.`

export const mindAgent = defineProgram('mind-agent', (sys, input: MindAgentInput): Promise<Jointed> => {
  const { demonstration, instructions, ...rest } = input
  const told = [
    DISPATCH,
    ...(instructions === undefined ? [] : [instructions]),
    ...(demonstration === undefined ? [] : [`An example:\n${demonstration}`]),
  ]
  // The last turn alone, and no second try within a turn: as in the release.
  return jointSteps(sys, { draft: 'central', retriesMax: 0, historySteps: 1, ...rest, instructions: told.join('\n\n') })
})
