/**
 * Teams by where plans are made (Chen et al. 2024, "Scalable multi-robot collaboration with large language models: centralized or
 * decentralized systems?"): four settings of the joint step.
 *
 *     spawnEpisode(kernel, teamWorld(worldOf(kitchen)), task, { program: hmas2 })
 *
 * - `central` (CMAS): one call plans for all.
 * - `decentral` (DMAS): players speak in turn with the dialogue so far, until one says the plan to carry out, four rounds at most.
 * - `hmas1`: a central plan first, then as in `decentral`.
 * - `hmas2`: a central plan; each player who has an action agrees or objects; the planner revises, three rounds at most.
 *
 * A plan that cannot be carried out is written again with what is wrong. The paper compares three histories (`history`): none, what
 * was done, and that with the dialogue; the second is the default.
 */
import { jointProgram } from './joint-step.ts'

/** Rounds of talk (the paper's section III). */
const [TURN_ROUNDS, FEEDBACK_ROUNDS] = [4, 3]

export const central = jointProgram('central', { draft: 'central' })
export const decentral = jointProgram('decentral', { draft: 'none', talk: 'turns', roundsMax: TURN_ROUNDS })
export const hmas1 = jointProgram('hmas-1', { draft: 'central', talk: 'turns', roundsMax: TURN_ROUNDS })
export const hmas2 = jointProgram('hmas-2', { draft: 'central', talk: 'feedback', roundsMax: FEEDBACK_ROUNDS })
