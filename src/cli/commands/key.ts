/** `polity key create|list|revoke`: who may use `polity serve`, for what, and at what cost. */
import { existsSync, statSync } from 'node:fs'
import { spentIn } from '../../kernel/accounts.ts'
import { messageOf } from '../../kernel/errors.ts'
import type { Usage } from '../../kernel/types.ts'
import type { Scope } from '../../server/caller.ts'
import type { KeyEntry } from '../../server/keys.ts'
import { createKey, listKeys, revokeKey, scopes } from '../../server/keys.ts'
import { duration, usd } from '../amounts.ts'
import type { Context, ValuesOf } from '../command.ts'
import { defineCommand } from '../command.ts'
import { checkTaken, usageError } from '../options.ts'
import { exitCodes } from '../report.ts'
import { prepareStoreFolder, readStore } from '../store-file.ts'
import { table } from '../table.ts'
import { oneLine, roomOf } from '../terminal.ts'

const UNITS: { readonly [unit: string]: number } = { m: 60_000, h: 3_600_000, d: 86_400_000 }

const options = {
  scope: { kind: 'texts', value: 'scope', help: `what it opens: ${scopes.join(', ')} (default models)` },
  'budget-tokens': { kind: 'whole', value: 'n', help: 'most tokens, in and out, that all done with it may use' },
  'budget-usd': { kind: 'amount', value: 'n', help: 'most US dollars that all done with it may cost' },
  priority: { kind: 'amount', value: 'n', help: 'of its runs, and the highest they may ask for (default 0)' },
  label: { kind: 'text', value: 'text', help: 'what it is for' },
  expires: { kind: 'text', value: 'time', help: 'how long it opens anything, such as 12h or 30d (default always)' },
} as const

type Verb = (context: Context, words: readonly string[], values: ValuesOf<typeof options>) => number

const verbs: { readonly [verb: string]: Verb } = {
  create(context, [principal = ''], values) {
    const now = context.clock.now()
    checkStore(context.storePath)
    const { key, entry } = createKey(
      context.storePath,
      {
        principal,
        scopes: values.scope.length === 0 ? ['models'] : (values.scope as readonly Scope[]),
        budget: {
          ...(values['budget-tokens'] === undefined ? {} : { tokens: values['budget-tokens'] }),
          ...(values['budget-usd'] === undefined ? {} : { usd: values['budget-usd'] }),
        },
        ...(values.priority === undefined ? {} : { priority: values.priority }),
        ...(values.label === undefined ? {} : { label: values.label }),
        ...(values.expires === undefined ? {} : { expiresAt: now + timeOf(values.expires) }),
      },
      now,
    )
    context.result(key, { key, ...shown(entry) })
    context.note(`key ${entry.id} of ${oneLine(principal)} opens ${entry.scopes.join(', ')}; it is shown this once`)
    return exitCodes.done
  },

  list(context) {
    const keys = listKeys(context.storePath)
    const now = context.clock.now()
    const spent = spentBy(context)
    const rows = keys.map((one) => [
      one.id,
      oneLine(one.principal),
      one.scopes.join(','),
      budgetText(one),
      spent === undefined ? '?' : spentText(one, spent(one)),
      String(one.priority),
      duration(now - one.createdAt),
      stateOf(one, now),
      oneLine(one.label),
    ])
    if (keys.length === 0) context.note('there is no key; `polity key create <principal>` makes one')
    context.result(
      keys.length === 0 ? '' : table(columns, rows, roomOf(context.out)).join('\n'),
      keys.map((one) => ({ ...shown(one), spent: spent?.(one) ?? null })),
    )
    return exitCodes.done
  },

  revoke(context, [id = '']) {
    const entry = revokeKey(context.storePath, id, context.clock.now())
    context.result(`revoked ${entry.id} of ${oneLine(entry.principal)}`, shown(entry))
    return exitCodes.done
  },
}

export const key = defineCommand({
  name: 'key',
  summary: 'keys of `polity serve`: make one, list them, revoke one',
  usage: 'create <principal> | list | revoke <id>',
  positionals: [1, 2],
  options,
  details:
    'A key acts on behalf of a principal: it sees the runs of that principal and no others. Only its hash is kept, beside the store. A server that runs knows of every change with the next request. ' +
    'What a key may use is counted from its first day on, and its holder is refused beyond it; `list` shows what was spent of it, also while a server runs, with what is set aside for calls under way.',
  examples: [
    'polity key create ada',
    'polity key create ci --scope models --scope runs --budget-usd 5 --expires 30d --label nightly',
    'polity key revoke 3f9a41c0',
  ],
  async run(context, { values, positionals: [verb = '', ...words] }) {
    const found = Object.hasOwn(verbs, verb) ? verbs[verb] : undefined
    if (found === undefined)
      throw usageError(`polity key takes ${Object.keys(verbs).join(', ')}, not ${JSON.stringify(verb)}`)
    if (words.length !== (verb === 'list' ? 0 : 1))
      throw usageError(
        `polity key ${verb} takes ${verb === 'list' ? 'nothing more' : verb === 'create' ? 'the name of a principal' : 'the id of a key'}`,
      )
    checkTaken('polity key', verb, { create: Object.keys(options) }, values)
    return found(context, words, values)
  },
})

/** A key beside what no server can open would open nothing. What is not there yet, or is empty, is made by the first run. */
function checkStore(path: string): void {
  prepareStoreFolder(path)
  if ((statSync(path, { throwIfNoEntry: false })?.size ?? 0) > 0) readStore(path).close()
}

const columns = [
  { title: 'ID' },
  { title: 'PRINCIPAL', widthMin: 8 },
  { title: 'SCOPES', widthMin: 8 },
  { title: 'BUDGET' },
  { title: 'SPENT' },
  { title: 'PRIORITY', align: 'right', rank: 3 },
  { title: 'AGE', align: 'right', rank: 2 },
  { title: 'STATE' },
  { title: 'LABEL', widthMin: 4, rank: 1 },
] as const

function budgetText({ budget }: KeyEntry): string {
  const parts = [
    ...(budget.tokens === undefined ? [] : [`${budget.tokens} tokens`]),
    ...(budget.usd === undefined ? [] : [usd(budget.usd)]),
  ]
  return parts.join(', ') || '-'
}

interface Spent {
  /** Input and output together. */
  readonly tokens: number
  readonly usd: number
}

/** What was spent with a key; undefined where the store cannot be read, which is no reason not to list the keys. */
function spentBy(context: Context): ((key: KeyEntry) => Spent) | undefined {
  let spent: ReadonlyMap<string, Usage> = new Map()
  // Before anything ran there is no store, and nothing was spent.
  if (existsSync(context.storePath)) {
    try {
      const reader = readStore(context.storePath)
      try {
        spent = spentIn(reader)
      } finally {
        reader.close()
      }
    } catch (error) {
      context.note(`what was spent cannot be read: ${messageOf(error)}`)
      return undefined
    }
  }
  return ({ id }) => {
    const { inputTokens = 0, outputTokens = 0, usd: dollars = 0 } = spent.get(id) ?? {}
    return { tokens: inputTokens + outputTokens, usd: dollars }
  }
}

/** With its share of a ceiling, such as `4200 tokens (84%), $0.12`. */
function spentText({ budget }: KeyEntry, { tokens, usd: dollars }: Spent): string {
  const parts = [
    ...(tokens === 0 ? [] : [`${tokens} tokens${shareText(tokens, budget.tokens)}`]),
    ...(dollars === 0 ? [] : [`${usd(dollars)}${shareText(dollars, budget.usd)}`]),
  ]
  return parts.join(', ') || '-'
}

/** Rounded down: 100% is all of it. */
function shareText(spent: number, ceiling: number | undefined): string {
  if (ceiling === undefined) return ''
  return ` (${ceiling === 0 ? 100 : Math.floor((spent / ceiling) * 100)}%)`
}

function stateOf({ revokedAt, expiresAt }: KeyEntry, now: number): string {
  if (revokedAt !== null) return 'revoked'
  if (expiresAt === null) return 'open'
  return expiresAt <= now ? 'expired' : `for ${duration(expiresAt - now)}`
}

/** Without the hash: nobody needs it who does not read the file. */
function shown({ hash: _, ...entry }: KeyEntry): Omit<KeyEntry, 'hash'> {
  return entry
}

function timeOf(given: string): number {
  const [, count, unit] = /^(\d{1,5})([mhd])$/.exec(given) ?? []
  if (count === undefined || unit === undefined || Number(count) === 0)
    throw usageError(`--expires takes a time such as 90m, 12h or 30d, not ${JSON.stringify(given)}`)
  return Number(count) * (UNITS[unit] as number)
}
