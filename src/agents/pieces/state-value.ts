/**
 * The value of a state: how likely a search finds it that the task gets done from here, 0 to 1.
 *
 *     await valueOf(sys, { question, steps, done, by: 'model', samples: 20 })
 *
 * By model, as in Koh et al. 2024: a judge is asked 20 times at temperature 1; "success" counts 1, "on the right track" a half,
 * all else nothing, also what cannot be read; the value is the mean. By tool: what `episode_value` says of the caller's state.
 * Where the end of an episode tells its score, that is the value.
 */
import { z } from 'zod'
import type { Json, Sys } from '../../kernel/types.ts'
import { historyText, holds, type Step } from './acting.ts'
import { askJson } from './json-answer.ts'

export interface ValueOptions {
  /** @default the tool episode_value where it is held, else the model */
  readonly by?: 'model' | 'tool'
  /** Judgements that are averaged. @default 20, as in the release */
  readonly samples?: number
}

const JUDGE = `You judge how far an agent has come with a task. Answer with one JSON object:
{"status": "success" or "failure", "onTrack": true or false}. "success" only if the task is done.`

const verdict = z.object({ status: z.enum(['success', 'failure']), onTrack: z.boolean() })

export async function valueOf(
  sys: Sys,
  {
    by = holds(sys, 'episode_value') ? 'tool' : 'model',
    samples = 20,
    question,
    steps,
    done,
  }: ValueOptions & { readonly question: string; readonly steps: readonly Step[]; readonly done: boolean },
): Promise<number> {
  const score = done ? steps.at(-1)?.told.score : undefined
  if (score !== undefined) return score
  if (by === 'tool') {
    const { value } = (await sys.call<Json>('episode_value', {})) as { readonly value: number }
    return value
  }
  const prompt = `Task: ${question}\n\n${historyText(steps)}`
  const said = await Promise.all(
    Array.from({ length: samples }, () =>
      askJson(sys, { instructions: JUDGE, prompt, temperature: samples > 1 ? 1 : 0, triesMax: 1 }, verdict),
    ),
  )
  return said.reduce((sum, one) => sum + worthOf(one), 0) / samples
}

/** Of one judgement; undefined: it could not be read. */
export function worthOf(said: z.infer<typeof verdict> | undefined): number {
  if (said === undefined) return 0
  return said.status === 'success' ? 1 : said.onTrack ? 0.5 : 0
}
