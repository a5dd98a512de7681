/**
 * Speech as messages: what a process says to another as a sound, for it or for a person to play. It is an ordinary message that names a file of the
 * sender, with a share of it and with what is said, so that nobody has to listen in order to know.
 *
 *     await say(sys, listener, 'The plan is ready.', { voice: 'en+f3' })      // in one process
 *     const heard = heardIn(await sys.receive())                             // in another
 *     if (heard !== undefined) await sys.read(heard.path, { encoding: 'base64' })
 *
 * Invariants
 *   SM1. The sound can be read at `path` before the message can be received, until the share is given up (`sys.remove('/<share>')`).
 *   SM2. What is no such message is undefined, whatever it is: a message is written by others.
 */
import { z } from 'zod'
import type { Mail, Pid, Sys } from '../kernel/types.ts'
import { keepBytes, spoken, type Voice } from './pieces/media.ts'
import { markOf } from './pieces/text-hash.ts'

const saidShape = z.object({
  type: z.literal('speech'),
  file: z.string(),
  mediaType: z.string(),
  transcript: z.string(),
  ms: z.number(),
})
/** The body of such a message. `file` is the path that the sound has with its sender. */
export type Said = z.infer<typeof saidShape>

export interface SayOptions extends Voice {
  /** Where the sound is kept, with `/` at its end. @default 'speech/' */
  readonly folder?: string
}

export interface Heard extends Said {
  /** Where the receiver reads the sound; where it came without a share, `file`, which only processes of one tree have in common. */
  readonly path: string
}

/** Speaks, keeps the sound, and sends it. */
export async function say(
  sys: Sys,
  to: Pid,
  transcript: string,
  { folder = 'speech/', ...voice }: SayOptions = {},
): Promise<Said> {
  const { sound, mediaType, ms } = await spoken(sys, { text: transcript, ...voice })
  // The same words in the same voice are the same file, so two who are spoken to at once never hear each other's.
  const file = `${folder}${markOf(JSON.stringify([transcript, voice]))}.ogg`
  await keepBytes(sys, file, sound)
  const said: Said = { type: 'speech', file, mediaType, transcript, ms }
  await sys.send(to, said, { share: { path: file } })
  return said
}

export function heardIn({ body, share }: Mail): Heard | undefined {
  const said = saidShape.safeParse(body)
  if (!said.success) return undefined
  return { ...said.data, path: share === undefined ? said.data.file : `/${share.id}/${share.path}` }
}
