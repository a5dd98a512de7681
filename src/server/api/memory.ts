/**
 * Operations on the notes of the caller. Each runs as a small process on its behalf, so that the law is asked, and the
 * journal has it, as for any other access.
 *
 * Invariant
 *   AM1. There is no other way from here to a note than a system call of such a process.
 */
import { z } from 'zod'
import { defineProgram } from '../../kernel/program.ts'
import type { Json, NoteInput, Program, RecalledNote, Sys } from '../../kernel/types.ts'
import type { Caller } from '../caller.ts'
import { runOptionsOf } from '../caller.ts'
import { resultFor } from '../request-run.ts'
import type { Api } from './door.ts'
import type { Operation } from './operation.ts'
import { operation } from './operation.ts'
import type { Note } from './schemas.ts'
import * as schemas from './schemas.ts'

interface Recall {
  readonly query: string
  readonly limit?: number
  readonly tag?: string
}

/** What is asked comes by mail: a program may have made it up, and the input counts as what the user asked for. */
const mailed = async <Body>(sys: Sys): Promise<Body> => (await sys.receive()).body as unknown as Body
const recall = defineProgram('api/recall', async (sys) => {
  const { query, ...options } = await mailed<Recall>(sys)
  return sys.recall(query, options)
})
const remember = defineProgram('api/remember', async (sys) => sys.remember(await mailed<NoteInput>(sys)))
const forget = defineProgram('api/forget', async (sys) => sys.forget((await mailed<{ id: string }>(sys)).id))

/** What these operations run. A kernel that is served is booted with them, so that a crash leaves nothing unknown. */
export const memoryPrograms = [recall, remember, forget] as readonly Program[]

export function memoryOperations({ kernel }: Api): readonly Operation[] {
  /** Runs on behalf of the caller, without tools; ends with the request. */
  async function runAs<Output>(
    caller: Caller,
    program: Program<unknown, Output>,
    asked: object,
    signal: AbortSignal,
  ): Promise<Output> {
    const run = kernel.spawn(program, null, { ...runOptionsOf(caller), tools: [] })
    kernel.send(run.pid, asked as Json)
    return resultFor(run, signal)
  }

  return [
    operation({
      id: 'searchNotes',
      method: 'GET',
      path: '/notes',
      scope: 'memory',
      summary: 'Notes that a query finds',
      description: 'By their words, the best first; those of the caller’s principal only.',
      query: z.strictObject({
        query: z.string().describe('Words to look for'),
        tag: z.string().optional().describe('Only notes with this tag'),
        limit: z.coerce.number().int().min(1).max(100).optional().describe('Default 10'),
      }),
      reply: schemas.Notes,
      errors: ['ACCESS_DENIED'],
      async run({ caller, query, signal }) {
        const notes = await runAs(caller, recall, query, signal)
        return { items: notes.map(noteOf) }
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
      run: async ({ caller, body, signal }) => ({ id: await runAs(caller, remember, body, signal) }),
    }),
    operation({
      id: 'forgetNote',
      method: 'DELETE',
      path: '/notes/:note',
      scope: 'memory',
      summary: 'Forget a note',
      reply: schemas.Done,
      errors: ['ACCESS_DENIED', 'NO_SUCH_NOTE'],
      async run({ caller, params, signal }) {
        await runAs(caller, forget, { id: params.note }, signal)
        return {}
      },
    }),
  ]
}

function noteOf({ id, text, tags, source, pid, at, labels, score }: RecalledNote): Note {
  return { id, text, tags: [...tags], source, pid, at, labels: [...labels], score }
}
