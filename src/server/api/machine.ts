/**
 * Operations on the machine: what can be started, which tools and cores there are, what is used of the budgets, and what
 * waits for a person.
 */
import { z } from 'zod'
import { PolityError } from '../../kernel/errors.ts'
import { describeTool } from '../../kernel/tools.ts'
import type { AccountInfo, Pid, ProcessInfo, Program, Question as KernelQuestion, Tool } from '../../kernel/types.ts'
import { holds } from '../caller.ts'
import type { KeyEntry } from '../keys.ts'
import { opens } from '../keys.ts'
import type { Api } from './door.ts'
import type { Operation } from './operation.ts'
import { operation } from './operation.ts'
import type { Account, BudgetUse, ProgramInfo, Question, ToolInfo } from './machine-schemas.ts'
import * as schemas from './machine-schemas.ts'
import { cursorOf, PAGE_DEFAULT, pageOf, pageQuery, readCursor } from './paging.ts'
import { Done } from './process-schemas.ts'

export function machineOperations({ kernel, view, programs, tools, keys, clock }: Api): readonly Operation[] {
  const keysById = indexed(keys)
  return [
    operation({
      id: 'listPrograms',
      method: 'GET',
      path: '/programs',
      scope: 'runs',
      summary: 'Programs that can be started',
      reply: schemas.Programs,
      run: () => ({ items: programs.map(programOf) }),
    }),
    operation({
      id: 'listTools',
      method: 'GET',
      path: '/tools',
      scope: 'runs',
      summary: 'Tools that processes may hold',
      description: 'Those of the kernel, which every root process holds, and those that programs bring.',
      reply: schemas.Tools,
      run: () => ({
        items: [
          ...tools.map((tool) => toolOf(tool, null, kernel.limits.toolMs)),
          ...programs.flatMap((program) =>
            program.tools.map((tool) => toolOf(tool, program.name, kernel.limits.toolMs)),
          ),
        ],
      }),
    }),
    operation({
      id: 'listCores',
      method: 'GET',
      path: '/cores',
      scope: 'runs',
      summary: 'Models with their queues, slots and rates',
      reply: schemas.Cores,
      run: () => ({ items: kernel.cores.map((core) => ({ ...core })) }),
    }),
    operation({
      id: 'getLimits',
      method: 'GET',
      path: '/limits',
      scope: 'runs',
      summary: 'Limits of the machine',
      reply: schemas.Limits,
      run: () => ({ ...kernel.limits }),
    }),
    operation({
      id: 'getBudgets',
      method: 'GET',
      path: '/budgets',
      scope: 'any',
      summary: 'What the caller may spend, and has spent; of an admin, what everybody may',
      description:
        'Every key is told its own account, whatever its scopes. An admin is told all there are, page by page: those of all keys, also of revoked ones, and those that programs of the server named. A page has as many accounts as the limit says, and as many running processes with a budget.',
      query: z.strictObject({
        only: z.enum(['accounts', 'runs']).optional().describe('Leave the others out. Default both'),
        ...pageQuery,
      }),
      reply: schemas.Budgets,
      run({ caller, query }) {
        const account = caller.key === null ? null : kernel.account(caller.key)
        const { cursor, limit = PAGE_DEFAULT, only } = query
        const after = cursor === undefined ? undefined : readBudgetsCursor(cursor)
        const own = account === null || after !== undefined ? [] : [account]
        const seen = only === 'runs' ? [] : holds(caller, 'admin') ? kernel.accounts(after?.name, limit + 1) : own
        const accounts = seen.slice(0, limit)
        const hasRuns = only !== 'accounts' && after?.pid !== NO_MORE && holds(caller, 'runs')
        const runs = hasRuns ? runsOf(view(caller).ps(), after?.pid, limit) : { items: [], next: null }
        const byId = keysById()
        const now = clock.now()
        const shown = (one: AccountInfo): Account => accountOf(one, holderOf(byId.get(one.name), now))
        return {
          account: account === null ? null : shown(account),
          accounts: accounts.map(shown),
          next:
            seen.length > limit || runs.next !== null
              ? cursorOf([accounts.at(-1)?.name ?? after?.name ?? '', runs.next ?? NO_MORE])
              : null,
          items: runs.items,
        }
      },
    }),
    operation({
      id: 'listQuestions',
      method: 'GET',
      path: '/questions',
      scope: 'approvals',
      summary: 'Questions that wait for a person',
      description:
        'What processes ask, what the law asks about, and effects of which a crash left it open whether they happened.',
      reply: schemas.Questions,
      async run({ caller }) {
        const items = view(caller).questions.map(questionOf)
        await kernel.flush()
        return { items }
      },
    }),
    operation({
      id: 'answerQuestion',
      method: 'POST',
      path: '/questions/:question/answer',
      scope: 'approvals',
      summary: 'Answer a question',
      description:
        'allow of an approval is for the one call with the arguments in its detail. A call in doubt takes done (it happened, and `value` is what it returned), retry (it did not, and is done now) or fail (the call fails with `IN_DOUBT`). An answer that does not fit, such as a value that the tool does not return, is refused with `INVALID_ARGUMENT`, and the question stays open.',
      body: schemas.AnswerRequest,
      reply: Done,
      async run({ caller, params, body }) {
        view(caller).answer(params.question, body.text, body.value)
        await kernel.flush()
        return {}
      },
    }),
  ]
}

function programOf({ name, version, tools, model }: Program): ProgramInfo {
  const models = model === undefined ? [] : typeof model === 'string' ? [model] : [...model]
  return { name, version, tools: tools.map((tool) => tool.name), models }
}

function toolOf(tool: Tool, holder: string | null, timeoutMs: number): ToolInfo {
  return {
    name: tool.name,
    description: tool.description,
    effect: tool.effect ?? 'once',
    control: [...(tool.control ?? [])],
    labels: [...(tool.labels ?? [])],
    outbound: tool.outbound ?? null,
    trusted: tool.trusted ?? false,
    locks: [...(tool.locks ?? [])],
    timeoutMs: tool.timeoutMs ?? timeoutMs,
    inputSchema: inputSchemaOf(tool),
    holder,
  }
}

function inputSchemaOf(tool: Tool): ToolInfo['inputSchema'] {
  try {
    return describeTool(tool).inputSchema as ToolInfo['inputSchema']
  } catch {
    // Its schema library cannot say; a run that shows it to a model is told so.
    return null
  }
}

/** Where a page of budgets ended: the last account on it, and the last process; `NO_MORE` where that was the last of all. */
function readBudgetsCursor(cursor: string): { readonly name: string; readonly pid: Pid } {
  const [name, pid] = readCursor(cursor)
  if (typeof name === 'string' && Number.isSafeInteger(pid)) return { name, pid: pid as Pid }
  throw new PolityError('INVALID_ARGUMENT', 'query: cursor is of another list; begin without it')
}

const NO_MORE = Number.MAX_SAFE_INTEGER

/** Those that have a budget of their own and have not ended, by pid; `next` is the last of them where there are more. */
function runsOf(
  processes: readonly ProcessInfo[],
  after: Pid | undefined,
  limit: number,
): { readonly items: BudgetUse[]; readonly next: Pid | null } {
  const found = processes.filter(({ endedAt, budget }) => endedAt === null && Object.keys(budget).length > 0)
  const cursor = after === undefined ? {} : { cursor: cursorOf([after]) }
  const { items, next } = pageOf(found, { limit, ...cursor }, ({ pid }) => [pid])
  return {
    items: items.map(({ pid, program, name, principal, budget, usage }) => ({
      pid,
      program,
      name,
      principal,
      budget,
      used: usage,
    })),
    next: next === null ? null : (items.at(-1) as ProcessInfo).pid,
  }
}

/** The keys by id, looked through only where they are others than before. */
function indexed(keys: () => readonly KeyEntry[]): () => ReadonlyMap<string, KeyEntry> {
  let seen: readonly KeyEntry[] = []
  let byId: ReadonlyMap<string, KeyEntry> = new Map()
  return () => {
    const all = keys()
    if (all !== seen) byId = new Map(all.map((key) => [key.id, key]))
    seen = all
    return byId
  }
}

function holderOf(key: KeyEntry | undefined, now: number): Account['holder'] {
  return key === undefined ? null : { principal: key.principal, label: key.label, isOpen: opens(key, now) }
}

function accountOf({ name, budget, used, reserved, room }: AccountInfo, holder: Account['holder']): Account {
  return {
    name,
    holder,
    budget: { ...budget },
    used: { ...used },
    reserved: { ...reserved },
    room: room === null ? null : { ...room },
  }
}

function questionOf({ id, pid, kind, text, choices, detail, askedAt, expiresAt, binding }: KernelQuestion): Question {
  return {
    id,
    pid,
    kind,
    text,
    choices: choices === null ? null : [...choices],
    detail,
    askedAt,
    expiresAt,
    rule: binding?.rule ?? null,
    what: binding?.what ?? null,
  }
}
