/**
 * A group chat with an automatic speaker: before each turn a model that hears everything says who is next (AutoGen, Wu et al. 2023, "AutoGen: enabling
 * next-gen LLM applications via multi-agent conversation").
 *
 *     const { said, isOver } = await groupChat(sys, { task, members: [{ name: 'Critic', description: 'judges a draft', speak }], roundsMax: 50 })
 *
 * Everybody hears all that was said. Who cannot speak yet (`canSpeak`) is not offered; a choice that cannot be read, or of nobody who is offered,
 * falls on the next of those in the order of the list, as in AutoGen. The chat is over when the model says so and `isComplete` agrees, when nobody
 * may speak, or after `roundsMax`.
 *
 * Invariant
 *   GC1. At most `roundsMax` turns, each of one choice and one speaker.
 */
import { z } from 'zod'
import type { ModelChoice, Sys } from '../../kernel/types.ts'
import { askJson } from './json-answer.ts'
import { spokenBy } from './speaker.ts'

export interface ChatTurn {
  readonly name: string
  readonly text: string
}

export interface ChatMember {
  readonly name: string
  /** When it is of use, for who chooses. */
  readonly description: string
  /** Whether it can say something now. @default always */
  canSpeak?(): boolean
  /** What it says, having heard all that was said, to all the others. */
  speak(said: readonly ChatTurn[], others: readonly string[], turn: number): Promise<string>
}

export interface GroupChat {
  readonly task: string
  /** Names are unique. */
  readonly members: readonly ChatMember[]
  /** Turns. @default 50, as in SciAgents */
  readonly roundsMax?: number
  /** Whether it may be over. @default always */
  isComplete?(): boolean
  /** The model that chooses. @default the program's */
  readonly model?: ModelChoice
}

export interface Chatted {
  readonly said: readonly ChatTurn[]
  /** Whether it ended before `roundsMax` did. */
  readonly isOver: boolean
}

const CHOOSE = `You choose who speaks next in a group that works on a task. Read what was said, and choose the one who brings it further; null when the task is done and nobody has to say more. Answer with JSON: {"next": "name" or null}.`
const chosen = z.object({ next: z.string().nullable() })

export async function groupChat(
  sys: Sys,
  { task, members, roundsMax = 50, isComplete = () => true, model }: GroupChat,
): Promise<Chatted> {
  const said: ChatTurn[] = []
  for (let turn = 1; turn <= roundsMax; turn++) {
    const offered = members.filter((one) => one.canSpeak?.() ?? true)
    if (offered.length === 0) return { said, isOver: true }
    const listed = offered.map(({ name, description }) => `- ${name}: ${description}`).join('\n')
    const answer = await askJson(
      sys,
      {
        instructions: CHOOSE,
        prompt: `Task: ${task}\n\nWho may speak:\n${listed}\n\n${chatText(said)}`,
        ...(model === undefined ? {} : { model }),
        ...spokenBy({ name: 'Chair', turn }),
      },
      chosen,
    )
    if (answer?.next === null && isComplete()) return { said, isOver: true }
    const speaker = offered.find(({ name }) => name === answer?.next) ?? following(members, offered, said.at(-1)?.name)
    const others = members.flatMap(({ name }) => (name === speaker.name ? [] : [name]))
    said.push({ name: speaker.name, text: await speaker.speak(said, others, turn) })
  }
  return { said, isOver: false }
}

/** What was said, as a model reads it. */
export function chatText(said: readonly ChatTurn[]): string {
  return said.length === 0 ? 'Nothing was said yet.' : said.map(({ name, text }) => `${name}:\n${text}`).join('\n\n')
}

/** Of those who are offered, the first behind the last speaker in the list, from its beginning again. */
function following(
  members: readonly ChatMember[],
  offered: readonly ChatMember[],
  last: string | undefined,
): ChatMember {
  const at = members.findIndex(({ name }) => name === last)
  const round = [...members.slice(at + 1), ...members.slice(0, at + 1)]
  return round.find((one) => offered.includes(one)) as ChatMember
}
