/**
 * Operations on notes. Each runs as a small process on behalf of the principal whose notes they are, so that the law is
 * asked, and the journal has it, as for any other access.
 *
 * Invariants
 *   AM1. There is no other way from here to a note than a system call of such a process, but for revoking a source: that
 *        is the owner's.
 *   AM2. It is a process of the caller's principal. Only an admin may name another, and pays for it; the process says who
 *        asked.
 */
import { z } from 'zod'
import { PolityError } from '../../kernel/errors.ts'
import { checkNoteSize } from '../../kernel/note.ts'
import { toPlain } from '../../kernel/plain.ts'
import { defineProgram } from '../../kernel/program.ts'
import type { NoteInput, Program, RecallOptions, RecalledNote, RunOptions, Sys } from '../../kernel/types.ts'
import type { Caller } from '../caller.ts'
import { holds, runOptionsOf } from '../caller.ts'
import { resultFor } from '../request-run.ts'
import type { Api } from './door.ts'
import type { Operation } from './operation.ts'
import { operation } from './operation.ts'
import { PAGE_DEFAULT, cursorOf, pageQuery, readCursor, readName } from './paging.ts'
import type { Memory, Note } from './note-schemas.ts'
import * as schemas from './note-schemas.ts'
import { Done } from './process-schemas.ts'
import { principalName } from './schema.ts'

/** Notes of a page that names no limit. */
const LIMIT_DEFAULT = 10

interface Recall extends RecallOptions {
  readonly query: string
}

/** What is asked comes by mail: a program may have made it up, and the input counts as what the user asked for. */
const mailed = async <Body>(sys: Sys): Promise<Body> => (await sys.receive()).body as unknown as Body
const recall = defineProgram('api/recall', async (sys) => {
  const { query, ...options } = await mailed<Recall>(sys)
  const notes = await sys.recall(query, options)
  const last = query === '' ? notes.at(-1)?.id : undefined
  if (last === undefined) return { notes, next: null }
  // Long notes make a page shorter than its limit, so only one without a note behind it is the last.
  const more = await sys.recall(query, { ...options, limit: 1, before: last })
  return { notes, next: more.length === 0 ? null : last }
})
const remember = defineProgram('api/remember', async (sys) => sys.remember(await mailed<NoteInput>(sys)))
const forget = defineProgram('api/forget', async (sys) => sys.forget((await mailed<{ id: string }>(sys)).id))

/** What these operations run. A kernel that is served is booted with them, so that a crash leaves nothing unknown. */
export const memoryPrograms = [recall, remember, forget] as readonly Program[]

export function memoryOperations({ kernel }: Api): readonly Operation[] {
  /** Runs on behalf of whose notes they are, by default the caller's, without tools; ends with the request. */
  async function runAs<Output>(
    {
      caller,
      principal,
      signal,
    }: { readonly caller: Caller; readonly principal?: string; readonly signal: AbortSignal },
    program: Program<unknown, Output>,
    asked: object,
  ): Promise<Output> {
    // Before it begins: one that is told nothing would wait for ever.
    const mail = toPlain(asked, 'the body', kernel.limits.valueBytesMax)
    const run = kernel.spawn(program, null, { ...runOptionsOf(caller), ...onBehalf(caller, principal), tools: [] })
    kernel.send(run.pid, mail)
    return resultFor(run, signal)
  }

  return [
    operation({
      id: 'listNotes',
      method: 'GET',
      path: '/notes',
      scope: 'memory',
      summary: 'Notes: those that a query finds, or all',
      description:
        'With a query by their words, the best first, in one page; without one all of them, the newest first. Those of one principal: the caller’s, or whom an admin names.',
      query: z.strictObject({
        principal: whose,
        query: z.string().optional().describe('Words to look for. Default all notes'),
        tag: z.string().optional().describe('Only notes with this tag'),
        kind: z.enum(['note', 'fact', 'summary']).optional().describe('Only notes of this kind'),
        session: z.string().optional().describe('Only notes of this session'),
        source: z.string().optional().describe('Only notes of this source'),
        trust: z.enum(['request', 'trusted', 'untrusted']).optional().describe('Only notes at least so far trusted'),
        validAt: z.coerce.number().optional().describe('Only notes that held at that time, ms since 1970'),
        learnedBefore: z.coerce.number().optional().describe('Only notes learned before that time, ms since 1970'),
        cursor: pageQuery.cursor,
        limit: z.coerce.number().int().min(1).max(100).optional().describe('Default 10'),
      }),
      reply: schemas.Notes,
      errors: ['ACCESS_DENIED'],
      async run({ caller, query: { principal, query, cursor, limit = LIMIT_DEFAULT, kind, ...filters }, signal }) {
        if (query !== undefined && cursor !== undefined)
          throw new PolityError('INVALID_ARGUMENT', 'query: cursor is for the list without a query, which has pages')
        const asked: Recall = {
          query: query ?? '',
          limit,
          ...given(filters),
          ...(kind === undefined ? {} : { kinds: [kind] }),
          ...(cursor === undefined ? {} : { before: String(readCursor(cursor)[0]) }),
        }
        const { notes, next } = await runAs({ caller, principal, signal }, recall, asked)
        return {
          items: notes.map((note) => noteOf(note, query !== undefined)),
          next: next === null ? null : cursorOf([next]),
        }
      },
    }),
    operation({
      id: 'rememberNote',
      method: 'POST',
      path: '/notes',
      scope: 'memory',
      summary: 'Keep a note',
      body: schemas.NoteRequest,
      status: 201,
      reply: schemas.NoteKept,
      errors: ['ACCESS_DENIED', 'TOO_LARGE'],
      async run({ caller, body, signal }) {
        // A larger one than mail may be would be refused as mail.
        checkNoteSize(body, kernel.limits)
        return { id: await runAs({ caller, signal }, remember, body) }
      },
    }),
    operation({
      id: 'revokeNotes',
      method: 'POST',
      path: '/revocations',
      scope: 'admin',
      summary: 'Take back all notes that come from a source',
      description:
        'Every note of the source and every note drawn from one of those, of everybody or of one principal, also from snapshots and forks. The owner’s deed: no law is asked, and it cannot be undone.',
      body: schemas.RevokeRequest,
      reply: schemas.Revocation,
      errors: [],
      async run({ body: { source, principal, dryRun = false } }) {
        const { notes, forgotten, first } = await kernel.revokeSource(
          source,
          principal === undefined ? { dryRun } : { principal, dryRun },
        )
        return { notes, forgotten, first: [...first] }
      },
    }),
    operation({
      id: 'forgetNote',
      method: 'DELETE',
      path: '/notes/:note',
      scope: 'memory',
      summary: 'Forget a note',
      query: z.strictObject({ principal: whose }),
      reply: Done,
      errors: ['ACCESS_DENIED', 'NO_SUCH_NOTE'],
      async run({ caller, params, query: { principal }, signal }) {
        await runAs({ caller, principal, signal }, forget, { id: params.note })
        return {}
      },
    }),
    operation({
      id: 'listMemories',
      method: 'GET',
      path: '/memories',
      scope: 'admin',
      summary: 'Whose notes there are',
      description:
        'The principals in whose memory something was kept, by name; `principal` of the list of notes takes one. Of what was kept it says nothing.',
      query: z.strictObject(pageQuery),
      reply: schemas.Memories,
      async run({ query: { cursor, limit = PAGE_DEFAULT } }) {
        const after = cursor === undefined ? undefined : readName(cursor)
        const items: Memory[] = []
        for await (const principal of kernel.memories(after)) {
          if (items.length === limit) return { items, next: cursorOf([(items.at(-1) as Memory).principal]) }
          items.push({ principal })
        }
        return { items, next: null }
      },
    }),
  ]
}

const whose = principalName.optional().describe('Whose: only for an admin. Default the caller’s')

/** Another principal, where the caller may act for it: told apart by who asks, never by whether there is such a one. */
function onBehalf(caller: Caller, principal = caller.principal): Pick<RunOptions, 'principal' | 'name'> {
  if (principal === caller.principal) return {}
  if (!holds(caller, 'admin'))
    throw new PolityError('ACCESS_DENIED', 'principal: only a key with the scope admin names another than its own')
  return { principal, name: `asked by ${caller.principal}` }
}

/** What was asked for, and nothing else. */
function given<Filters extends object>(filters: Filters): { [Key in keyof Filters]: Exclude<Filters[Key], undefined> } {
  return Object.fromEntries(Object.entries(filters).filter(([, value]) => value !== undefined)) as never
}

function noteOf({ score, why, ...note }: RecalledNote, isFound: boolean): Note {
  return structuredClone({ ...note, score: isFound ? score : null, why }) as Note
}
