/**
 * What a worker of the crowd says as the leader of others: it asks one after another, the best suited first, until it holds an answer to
 * be right or all have answered; a leader who gives work to all at once concludes from what they said.
 *
 *     const form = LEADERS.find(([name]) => properties[name] !== undefined)
 *
 * Who ended because an answer was held to be right passes it on (CR4 of crowd.ts). In `internet-of-agents` nobody's answer is judged
 * alone, so its leader reads.
 */
import { suited } from './cards.ts'
import type { Saying } from './forms.ts'
import type { Asked, Voice } from './voice.ts'

/** By a property of the form: what is said in it. */
export const LEADERS: readonly (readonly [property: string, say: Saying])[] = [
  ['look_up', () => ({ given: ['The question.'], look_up: [], derive: ['The answer.'], guesses: [] })],
  [
    'is_request_satisfied',
    (asked, voice, { next_speaker: speaker }) => {
      const reason = 'So it stands.'
      return {
        is_request_satisfied: { reason, answer: isOver(asked, voice) },
        is_in_loop: { reason, answer: false },
        is_progress_being_made: { reason, answer: true },
        next_speaker: { reason, answer: inTurn(asked, speaker?.properties?.['answer']?.enum ?? []) },
        instruction_or_question: { reason, answer: 'Answer the question.' },
      }
    },
  ],
  [
    'action',
    (asked, voice) =>
      isOver(asked, voice)
        ? { action: { name: 'final_answer', args: { answer: voice.reported(asked) } } }
        : { action: { name: inTurn(asked, []), args: { task: asked.question.text } } },
  ],
]

/** Where the form says nothing, the instructions do: Internet of Agents. @returns undefined where they are of somebody else */
export function ledInWords(asked: Asked, voice: Voice): unknown {
  const { question, prompt, seen, instructions } = asked
  const cards = [...new Set(prompt.match(/\bWorker-\d+\b/g) ?? [])]
  if (instructions.includes('You form the team'))
    return cards.length === 0 ? { search: `answers questions of ${question.topic}` } : { launch: cards }
  if (instructions.includes('You lead the conversation'))
    return seen.length === 0
      ? { type: 'sync_task', tasks: [{ task: question.text, assignees: cards }] }
      : { type: 'conclude', content: voice.read(asked) }
  return undefined
}

/** Whether an answer is held to be right, or all have answered. */
function isOver(asked: Asked, voice: Voice): boolean {
  return asked.seen.length > 0 && (voice.accepts(asked) || asked.seen.length >= voice.exam.workers)
}

/** Whose turn it is: the best suited first. */
function inTurn(asked: Asked, names: readonly string[]): string | undefined {
  const best = suited(asked).map(({ name }) => name)
  const those = best.length === 0 ? names : best
  return those[asked.seen.length % those.length]
}
