/**
 * Media as a program uses them: the tools of src/drivers/media.ts, or others that speak the same way, and files of the process.
 *
 *     const said = await spoken(sys, { text: 'Hello.', voice: 'en+f3' })            // { sound, mediaType, ms }; sound is base64
 *     const film = await filmed(sys, [{ images: [svg], sound: said.sound }], {})    // { film, ms, frames, parts }
 *     await keepBytes(sys, 'film.mp4', film.film)
 *
 * Films have to fit into one value of the kernel, with what they are made of: see the head of src/drivers/media.ts.
 */
import { z } from 'zod'
import { PolityError } from '../../kernel/errors.ts'
import type { FileEntry, Json, Sys } from '../../kernel/types.ts'

/** How somebody speaks. */
export interface Voice {
  /** A language of espeak-ng, with a variant where wanted: `en`, `de`, `en-us+f3`. @default 'en' */
  readonly voice?: string
  /** 80 to 450. @default 160 */
  readonly wordsPerMinute?: number
  /** 0 to 99. @default 50 */
  readonly pitch?: number
}

export interface FilmPart {
  /** SVG as text, or base64 of PNG or JPEG. */
  readonly images: readonly string[]
  /** base64 */
  readonly sound?: string
  /** At least so long. @default as long as its sound */
  readonly ms?: number
  readonly subtitle?: string
}

export interface FilmForm {
  /** Pixels, even, 16 to 1,920. @default 1,280 */
  readonly width?: number
  /** @default 720 */
  readonly height?: number
  /** Frames a second, 1 to 60. @default 25 */
  readonly fps?: number
}

const speech = z.looseObject({ sound: z.string(), mediaType: z.string(), ms: z.number() })
const film = z.looseObject({
  film: z.string(),
  ms: z.number(),
  frames: z.number(),
  parts: z.array(z.looseObject({ startMs: z.number(), ms: z.number(), frames: z.number() })),
})
export type Speech = z.infer<typeof speech>
export type Film = z.infer<typeof film>

export function spoken(
  sys: Sys,
  { text, voice, wordsPerMinute, pitch }: Voice & { readonly text: string },
): Promise<Speech> {
  return told(sys, 'media.speak', { text, voice, wordsPerMinute, pitch }, speech)
}

export function filmed(sys: Sys, parts: readonly FilmPart[], { width, height, fps }: FilmForm): Promise<Film> {
  return told(sys, 'media.film', { parts: parts as unknown as Json, width, height, fps }, film)
}

/** Base64 as a file of the process. */
export function keepBytes(sys: Sys, path: string, base64: string): Promise<FileEntry> {
  return sys.write(path, Buffer.from(base64, 'base64'))
}

/** What a tool says, of a shape. Throws `TOOL_INVALID` where it says something else. */
export async function told<Shape extends z.ZodType>(
  sys: Sys,
  tool: string,
  input: { readonly [field: string]: Json | undefined },
  shape: Shape,
): Promise<z.infer<Shape>> {
  const said = shape.safeParse(await sys.call<Json>(tool, input))
  if (said.success) return said.data
  throw new PolityError('TOOL_INVALID', `${tool} gave something of another form: ${z.prettifyError(said.error)}`)
}
