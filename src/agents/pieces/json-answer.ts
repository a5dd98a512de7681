/**
 * One model call whose answer is JSON of a given shape: asked with the shape, checked, and asked again with what was wrong.
 *
 *     const note = await askJson(sys, { instructions: 'Describe the note.', prompt: text }, z.object({ keywords: z.array(z.string()) }))
 *     if (note === undefined) …   // the model never gave one
 *
 * The kernel passes a schema on to the model and does not check the answer; the program does, here.
 */
import { z } from 'zod'
import type { GenerateRequest, Json, Sys } from '../../kernel/types.ts'
import { jsonIn } from './json-text.ts'

export { jsonIn } from './json-text.ts'

export interface JsonQuestion extends Pick<
  GenerateRequest,
  'instructions' | 'model' | 'maxOutputTokens' | 'providerOptions'
> {
  readonly prompt: string
  /** @default 0: the same question, the same answer */
  readonly temperature?: number
  /** Model calls, the first included. Minimum 1. @default 2 */
  readonly triesMax?: number
}

/** What the model said, checked; undefined where it never said anything of that shape. Errors of the call itself are thrown. */
export async function askJson<Shape extends z.ZodType>(
  sys: Sys,
  { prompt, temperature = 0, triesMax, ...request }: JsonQuestion,
  shape: Shape,
): Promise<z.infer<Shape> | undefined> {
  const schema = z.toJSONSchema(shape) as { readonly [key: string]: Json | undefined }
  const ask = async (wrong: string): Promise<string> =>
    (await sys.generate({ ...request, prompt: prompt + wrong, schema, temperature })).text
  return answeredIn(shape, ask, triesMax)
}

/**
 * What somebody answers, of a shape: asked again with what was wrong, `triesMax` times in all. `inWords` reads a text without
 * JSON in it.
 */
export async function answeredIn<Shape extends z.ZodType>(
  shape: Shape,
  ask: (wrong: string) => Promise<string>,
  triesMax = 2,
  inWords?: (text: string) => unknown,
): Promise<z.infer<Shape> | undefined> {
  let wrong = ''
  for (let tries = 0; tries < triesMax; tries++) {
    const text = await ask(wrong)
    const said = shape.safeParse(jsonIn(text) ?? inWords?.(text.trim()))
    if (said.success) return said.data
    wrong = `\n\nYour last answer was not of the shape asked for: ${z.prettifyError(said.error).slice(0, WRONG_CHARS_MAX)}`
  }
  return undefined
}

const WRONG_CHARS_MAX = 500
