/**
 * One model call whose answer is JSON of a given shape: asked with the shape, checked, and asked again with what was wrong.
 *
 *     const note = await askJson(sys, { instructions: 'Describe the note.', prompt: text }, z.object({ keywords: z.array(z.string()) }))
 *     if (note === undefined) …   // the model never gave one
 *
 * The kernel passes a schema on to the model and does not check the answer; the program does, here.
 */
import { z } from 'zod'
import type { GenerateRequest, Json, Sys } from '../kernel/types.ts'

export interface JsonQuestion extends Pick<GenerateRequest, 'instructions' | 'model' | 'maxOutputTokens'> {
  readonly prompt: string
  /** @default 0: the same question, the same answer */
  readonly temperature?: number
  /** Model calls, the first included. Minimum 1. @default 2 */
  readonly triesMax?: number
}

/** What the model said, checked; undefined where it never said anything of that shape. Errors of the call itself are thrown. */
export async function askJson<Shape extends z.ZodType>(
  sys: Sys,
  { prompt, temperature = 0, triesMax = 2, ...request }: JsonQuestion,
  shape: Shape,
): Promise<z.infer<Shape> | undefined> {
  const schema = z.toJSONSchema(shape) as { readonly [key: string]: Json | undefined }
  let wrong = ''
  for (let tries = 0; tries < triesMax; tries++) {
    const { text } = await sys.generate({ ...request, prompt: prompt + wrong, schema, temperature })
    const said = shape.safeParse(jsonIn(text))
    if (said.success) return said.data
    wrong = `\n\nYour last answer was not of the shape asked for: ${z.prettifyError(said.error).slice(0, WRONG_CHARS_MAX)}`
  }
  return undefined
}

/** The JSON object in a text, also between other words; undefined where there is none. */
export function jsonIn(text: string): unknown {
  try {
    return JSON.parse(/\{[\s\S]*\}/.exec(text)?.[0] ?? '') as unknown
  } catch {
    return undefined
  }
}

const WRONG_CHARS_MAX = 500
