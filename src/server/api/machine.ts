/**
 * Operations on the machine: what can be started, which tools and cores there are, what is used of the budgets, and what
 * waits for a person.
 */
import { z } from 'zod'
import { describeTool } from '../../kernel/tools.ts'
import type { AccountInfo, Program, Question as KernelQuestion, Tool } from '../../kernel/types.ts'
import { holds } from '../caller.ts'
import type { KeyEntry } from '../keys.ts'
import { opens } from '../keys.ts'
import type { Api } from './door.ts'
import type { Operation } from './operation.ts'
import { operation } from './operation.ts'
import type { Account, ProgramInfo, Question, ToolInfo } from './machine-schemas.ts'
import * as schemas from './machine-schemas.ts'
import { pageOf, pageQuery } from './paging.ts'
import { Done } from './process-schemas.ts'

export function machineOperations({ kernel, view, programs, tools, keys, clock }: Api): readonly Operation[] {
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
        'Every key is told its own account, whatever its scopes. An admin is told all there are, page by page: those of all keys, also of revoked ones, and those that programs of the server named.',
      query: z.strictObject(pageQuery),
      reply: schemas.Budgets,
      run({ caller, query }) {
        const account = caller.key === null ? null : kernel.account(caller.key)
        const seen = holds(caller, 'admin') ? kernel.accounts() : account === null ? [] : [account]
        const { items: accounts, next } = pageOf(seen, query, ({ name }) => [name])
        const holders = holdersOf(keys(), clock.now())
        const shown = (one: AccountInfo): Account => accountOf(one, holders.get(one.name) ?? null)
        const processes = query.cursor === undefined && holds(caller, 'runs') ? view(caller).ps() : []
        const items = processes
          .filter(({ state, budget }) => (state === 'running' || state === 'stopped') && Object.keys(budget).length > 0)
          .map(({ pid, program, name, principal, budget, usage }) => ({
            pid,
            program,
            name,
            principal,
            budget,
            used: usage,
          }))
        return { account: account === null ? null : shown(account), accounts: accounts.map(shown), next, items }
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
      run: ({ caller }) => ({ items: view(caller).questions.map(questionOf) }),
    }),
    operation({
      id: 'answerQuestion',
      method: 'POST',
      path: '/questions/:question/answer',
      scope: 'approvals',
      summary: 'Answer a question',
      description: 'allow of an approval is for the one call with the arguments in its detail.',
      body: schemas.AnswerRequest,
      reply: Done,
      run({ caller, params, body }) {
        view(caller).answer(params.question, body.text, body.value)
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

function holdersOf(keys: readonly KeyEntry[], now: number): ReadonlyMap<string, Account['holder']> {
  return new Map(keys.map((key) => [key.id, { principal: key.principal, label: key.label, isOpen: opens(key, now) }]))
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
