/**
 * Notes as the native API takes and shows them (memory.ts).
 */
import { z } from 'zod'
import { json, named, pageOf, pid, principalName, time } from './schema.ts'

const noteKind = z.enum(['note', 'fact', 'summary'])
const noteTrust = z.enum(['request', 'trusted', 'untrusted'])
const instant = z.number().describe('ms since 1970')

export const NoteRequest = named(
  'NoteRequest',
  'A note to keep',
  z.strictObject({
    text: z.string().min(1),
    tags: z.array(z.string()).optional(),
    source: z.string().optional().describe('Where it was learned: a path, a URL, a tool'),
    kind: noteKind.optional().describe('Something observed, a statement drawn from notes, or their gist. Default note'),
    keywords: z.array(z.string()).optional().describe('Words that it shall also be found by'),
    context: z.string().optional().describe('What it stands in; it is found by that too'),
    session: z.string().optional().describe('Notes of one session are neighbours'),
    validFrom: instant.optional().describe('Since when it holds, ms since 1970. Default: when it was remembered'),
    validTo: instant.optional().describe('Until when it held, ms since 1970. Default: it still holds'),
    parents: z.array(z.string()).optional().describe('Ids of the notes it was drawn from; it is revoked with them'),
    links: z.array(z.string()).optional().describe('Ids of notes that belong to it'),
    data: json.optional().describe('Kept with it, not searched'),
    id: z.string().optional().describe('Of a note whose place it takes'),
  }),
)
export type NoteRequest = z.infer<typeof NoteRequest>

export const Note = named(
  'Note',
  'A note',
  z.object({
    id: z.string(),
    text: z.string(),
    tags: z.array(z.string()),
    source: z.string().nullable(),
    pid: pid.describe('The process that wrote it'),
    at: time,
    labels: z.array(z.string()).describe('Of what its writer had learned'),
    tools: z
      .array(z.string())
      .describe('Tools whose answers its writer, or a process above it, had learned, also through other notes'),
    trust: noteTrust.describe(
      'Where the text as a whole came from: the user’s own words, the answer of a trusted tool, or elsewhere; no more than the least of its parents',
    ),
    kind: noteKind,
    keywords: z.array(z.string()),
    context: z.string(),
    session: z.string().nullable(),
    validFrom: instant,
    validTo: instant.nullable().describe('ms since 1970, itself not included; null: it still holds'),
    parents: z.array(z.string()).describe('Notes it was drawn from'),
    links: z.array(z.string()),
    data: json,
    score: z
      .number()
      .nullable()
      .describe('Higher is nearer to the query; comparable within one answer only. null where there was no query'),
    why: z
      .array(
        z.object({
          by: z.enum(['lexical', 'vector', 'neighbour', 'session', 'derived', 'link', 'name', 'time', 'form']),
          score: z.number(),
          through: z.string().optional().describe('The note through which it was found'),
        }),
      )
      .describe('Why it came back, the weightiest first; none where there was no query'),
  }),
)
export type Note = z.infer<typeof Note>

export const Notes = pageOf(
  'Notes',
  'notes: those that a query found, the best first; without one all, the newest first',
  Note,
)
export type Notes = z.infer<typeof Notes>

export const Memory = named(
  'Memory',
  'A principal in whose memory something was kept',
  z.object({ principal: z.string() }),
)
export type Memory = z.infer<typeof Memory>
export const Memories = pageOf('Memories', 'principals in whose memory something was kept, by name', Memory)
export type Memories = z.infer<typeof Memories>

export const RevokeRequest = named(
  'RevokeRequest',
  'Notes that come from a source',
  z.strictObject({
    source: z.string().min(1),
    principal: principalName.optional().describe('Whose. Default everybody’s'),
    dryRun: z.boolean().optional().describe('Only tell which. Default false'),
  }),
)
export type RevokeRequest = z.infer<typeof RevokeRequest>

export const Revocation = named(
  'Revocation',
  'Notes that were revoked, or would be',
  z.object({
    notes: z.int().min(0).describe('Notes that processes saw until then'),
    forgotten: z.int().min(0).describe('Notes forgotten before, which forks from before could still see'),
    first: z
      .array(
        z.object({
          principal: z.string(),
          fork: pid.nullable().describe('The fork in whose own branch it stood'),
          id: z.string(),
          text: z.string(),
          source: z.string().nullable(),
          through: z.string().nullable().describe('The note it was drawn from; null: it is of the source itself'),
        }),
      )
      .describe('The first ones'),
  }),
)
export type Revocation = z.infer<typeof Revocation>

export const NoteKept = named('NoteKept', 'A note was kept', z.object({ id: z.string() }))
export type NoteKept = z.infer<typeof NoteKept>
