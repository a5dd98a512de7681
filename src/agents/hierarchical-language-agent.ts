/**
 * Hierarchical language agent (Liu et al. 2024, "LLM-powered hierarchical language agent for real-time human-AI coordination"): a
 * player beside a person who talks with it, in real time, a setting of the joint step.
 *
 *     const program = hierarchicalLanguageAgent       // input: { models: { fast: 'small', slow: 'large' } }
 *     spawnEpisode(kernel, teamWorld(worldOf(kitchen), { others: { name: 'person', play: { 'cook 2': person } } }), task, { program })
 *     // whoever may send it mail talks with it: sys.send('team', { chat: 'Two onions please' })
 *
 * The fast mind says the next action whenever one is needed, with what is to be done for the person. The slow mind is a child process:
 * it infers from the last two chats what the person wants, then looks again and again how far that is done and answers the person
 * (mail `{ reply }`). The fast mind never waits for it: until the words are understood it has them as they were said, and when
 * the person has what they wanted it has none. The world's actions are the executor's.
 *
 * Invariants
 *   HL1. Nothing but what is there already is read before an action: no wait on the slow mind.
 *   HL2. One slow thought at a time; what it found is judged by intention.ts when it has ended. One that failed or was killed is told
 *        to whoever watches (`{ slow: 'why' }`), and another may begin.
 */
import { z } from 'zod'
import { messageOf, PolityError } from '../kernel/errors.ts'
import { defineProgram } from '../kernel/program.ts'
import type { Json, Mail, ModelChoice, Pid, Sys } from '../kernel/types.ts'
import { actionShape } from './pieces/acting.ts'
import { answered, demandOf, heard, inferred, noTalk, phaseOf, type Talk } from './pieces/intention.ts'
import { planText, type Scene } from './pieces/joint-plan.ts'
import type { Asked, Mind } from './pieces/joint-draft.ts'
import { jointSteps, type JointInput, type Jointed } from './joint-step.ts'
import { askJson } from './pieces/json-answer.ts'

/** Moves that are shown while an intention is open, and otherwise to each mind (the release). */
const MOVES = { open: 15, slow: 6, fast: 3 }
/** Chats from which an intention is inferred. */
const CHATS = 2

export const hierarchicalLanguageAgent = defineProgram(
  'hierarchical-language-agent',
  (sys, input: JointInput): Promise<Jointed> =>
    // Moves are shown by the minds themselves.
    jointSteps(sys, { draft: 'each', sees: 'own', history: 'none', ...input, mind: ({ models }) => twoMinds(models) }),
)

const FAST = `Do the next thing that is useful, at once, and what your partner wants before anything else.
Answer with JSON: {"action": {"name": "…", "args": {…}}}.`
const fastShape = z.object({ action: actionShape })

/** What the slow mind is asked. */
interface Thought {
  readonly stage: 'infer' | 'look'
  /** Number of the newest chat, and of the look. */
  readonly of: number
  readonly number: number
  readonly prompt: string
  readonly model: ModelChoice | null
}

const INFER = `Your partner has said something. Say in a sentence what they want you to do. Answer with JSON: {"intention": "…"}.`
const LOOK = `Your partner wants something of you. Say what of it is still to be done, whether all of it is done, and a short answer to them.
Answer with JSON: {"demand": "…", "finished": true or false, "reply": "…" or null}.`
const inferShape = z.object({ intention: z.string() })
const lookShape = z.object({ demand: z.string().default(''), finished: z.boolean(), reply: z.string().nullish() })
/** What it found; neither: nothing. */
interface Found {
  readonly of: number
  readonly number: number
  readonly intention?: string
  readonly look?: z.infer<typeof lookShape>
}

const slowMind = defineProgram('hla/slow-mind', async (sys, { stage, of, number, prompt, model }: Thought) => {
  const question = { prompt, ...(model === null ? {} : { model }) }
  try {
    if (stage === 'infer') {
      const said = await askJson(sys, { ...question, instructions: INFER }, inferShape)
      return { of, number, ...(said === undefined ? {} : { intention: said.intention }) } as Found
    }
    const look = await askJson(sys, { ...question, instructions: LOOK }, lookShape)
    return { of, number, ...(look === undefined ? {} : { look }) } as Found
  } catch (error) {
    // Never as it was thrown: to whoever looks, TIMEOUT is a thought that has not ended.
    throw new PolityError('PROGRAM_FAILED', `the slow mind failed: ${messageOf(error)}`)
  }
})

/** The two minds of one player. */
function twoMinds(models: JointInput['models']): Mind {
  let talk: Talk = noTalk
  let person: Pid | undefined
  let slow: Pid | undefined
  let looks = 0
  const moves: string[] = []
  const movesShown = (mind: 'slow' | 'fast'): string => {
    const shown = moves.slice(-(phaseOf(talk) === 'open' ? MOVES.open : MOVES[mind]))
    return `What was done last:\n${shown.join('\n') || 'nothing yet'}`
  }

  /** What the slow mind has found, where its thought has ended. */
  async function look(sys: Sys): Promise<void> {
    if (slow === undefined) return
    let found: Found
    try {
      found = await sys.wait<Found & Json>(slow, { timeoutMs: 0 })
    } catch (error) {
      if (!PolityError.isInstance(error)) throw error
      if (error.code === 'TIMEOUT') return
      slow = undefined
      return tell(sys, 0, { slow: error.message })
    }
    slow = undefined
    const { of, number, intention, look } = found
    if (intention !== undefined) talk = inferred(talk, of, intention)
    if (look === undefined) return
    const before = talk
    talk = answered(talk, of, number, look)
    if (talk !== before && look.reply != null && person !== undefined) await tell(sys, person, { reply: look.reply })
  }

  function read({ from, body }: Mail): void {
    const chat = z.object({ chat: z.string() }).safeParse(body)
    if (!chat.success) return
    talk = heard(talk, chat.data.chat)
    person = from
  }

  async function think(sys: Sys, { prompt }: Asked): Promise<void> {
    const phase = phaseOf(talk)
    if (slow !== undefined || phase === 'quiet') return
    const { chats, intention } = talk
    const stage = phase === 'inferring' ? 'infer' : 'look'
    const about =
      stage === 'infer'
        ? `Your partner said:\n${chats.slice(-CHATS).join('\n')}`
        : `Your partner wants: ${intention?.text}\n${movesShown('slow')}`
    const thought: Thought = {
      stage,
      of: chats.length,
      number: stage === 'look' ? ++looks : 0,
      prompt: `${prompt}\n\n${about}`,
      model: models?.['slow'] ?? null,
    }
    // It thinks, and acts on nothing.
    slow = await sys.spawn(slowMind, thought, { tools: [] })
  }

  return {
    saw({ last }: Scene) {
      if (last.length > 0) moves.push(planText(last))
    },
    async decide(sys, asked) {
      await look(sys)
      for (let mail = await waiting(sys); mail !== undefined; mail = await waiting(sys)) read(mail)
      await think(sys, asked)
      const demand = demandOf(talk)
      const wanted = demand === '' ? '' : `\nYour partner wants: ${demand}`
      const said = await asked.ask(FAST, `\n\n${movesShown('fast')}${wanted}`, fastShape, models?.['fast'])
      return said === undefined ? undefined : { ...said.action, agent: asked.player.name }
    },
  }
}

/** Says something to somebody who may be gone, or who may not be told it. */
async function tell(sys: Sys, to: Pid, body: Json): Promise<void> {
  try {
    await sys.send(to, body)
  } catch (error) {
    if (!PolityError.isInstance(error) || !['NO_SUCH_PROCESS', 'ACCESS_DENIED', 'MAILBOX_FULL'].includes(error.code))
      throw error
  }
}

/** The oldest message that is there; undefined: none. */
async function waiting(sys: Sys): Promise<Mail | undefined> {
  try {
    return await sys.receive({ timeoutMs: 0 })
  } catch (error) {
    if (PolityError.isInstance(error) && error.code === 'TIMEOUT') return undefined
    throw error
  }
}
