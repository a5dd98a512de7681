/**
 * Operations on the journals of processes: system calls as spans, model calls as conversations.
 */
import { z } from 'zod'
import { PolityError } from '../../kernel/errors.ts'
import type { Api } from './door.ts'
import type { Operation } from './operation.ts'
import { flag, operation } from './operation.ts'
import { cursorOf, pageOf, pageQuery, readPlace } from './paging.ts'
import type { ModelCall, Span } from './trace-schemas.ts'
import * as schemas from './trace-schemas.ts'
import { livesOf, modelCallsOf, spansOf, wholeSpan } from './trace.ts'

/** A page of conversations ends early at so many characters: each of its items repeats what was said before. */
const PAGE_CHARS_MAX = 4_194_304
const CONVERSATIONS_MAX = 100
const CONVERSATIONS_DEFAULT = 20

export function traceOperations({ view }: Api): readonly Operation[] {
  return [
    operation({
      id: 'getTrace',
      method: 'GET',
      path: '/processes/:pid/trace',
      scope: 'runs',
      summary: 'The system calls of a process',
      description: 'In the order in which they started; of a fork, those of its past too.',
      query: z.strictObject({ full: flag.describe('Arguments and values whole. Default false'), ...pageQuery }),
      reply: schemas.SpanPage,
      errors: ['NO_SUCH_PROCESS'],
      async run({ caller, params, query }) {
        const lives = await livesOf(params.pid, view(caller).events)
        const pageFrom = (spans: readonly Span[]) => pageOf(spans, query, ({ seq }) => [seq])
        const page = pageFrom(spansOf(lives))
        // Of the page alone: whole requests of models are long.
        return query.full === 'true' ? pageFrom(spansOf(lives, new Set(page.items.map(({ seq }) => seq)))) : page
      },
    }),
    operation({
      id: 'getCall',
      method: 'GET',
      path: '/processes/:pid/trace/:n',
      scope: 'runs',
      summary: 'One system call, whole',
      description: 'Of the calls of that number the one in force, where a restore went back to before another.',
      reply: schemas.Span,
      errors: ['NO_SUCH_PROCESS'],
      async run({ caller, params: { pid, n } }) {
        const span = wholeSpan(await livesOf(pid, view(caller).events), n)
        if (span === undefined)
          throw new PolityError(
            'INVALID_ARGUMENT',
            `process ${pid} has made no call ${n}; its trace shows those it made`,
          )
        return span
      },
    }),
    operation({
      id: 'getConversation',
      method: 'GET',
      path: '/processes/:pid/conversation',
      scope: 'runs',
      summary: 'What the models of a process were sent, and what they answered',
      description: `Each model call with all its messages. A page ends early at ${PAGE_CHARS_MAX} characters.`,
      query: z.strictObject({
        sort: z.enum(['n', '-n']).optional().describe('-n: the last one first. Default n'),
        cursor: pageQuery.cursor,
        limit: z.coerce
          .number()
          .int()
          .min(1)
          .max(CONVERSATIONS_MAX)
          .optional()
          .describe(`Items of a page. Default ${CONVERSATIONS_DEFAULT}`),
      }),
      reply: schemas.ModelCallPage,
      errors: ['NO_SUCH_PROCESS'],
      async run({ caller, params, query: { sort, cursor, limit = CONVERSATIONS_DEFAULT } }) {
        const calls = modelCallsOf(await livesOf(params.pid, view(caller).events))
        const ordered = sort === '-n' ? calls.toReversed() : calls
        const after = cursor === undefined ? undefined : readPlace(cursor)
        const rest = after === undefined ? ordered : ordered.filter(({ n }) => (sort === '-n' ? n < after : n > after))
        const items: ModelCall[] = []
        let chars = 0
        for (const { whole } of rest) {
          if (items.length === limit || chars >= PAGE_CHARS_MAX) break
          const item = whole()
          chars += JSON.stringify(item).length
          items.push(item)
        }
        const last = items.length < rest.length ? items.at(-1) : undefined
        return { items, next: last === undefined ? null : cursorOf([last.n]) }
      },
    }),
  ]
}
