/**
 * What other processes say to the kernel that owns a store, and what it shows them: tables `command` and `state`.
 *
 * A command waits in its table until an owner takes it, also when there is none now: an answer given while no kernel
 * runs is there when one boots. It goes once it is done: the next owner is given what a crash interrupted, and is told how
 * many had it before. One that closes in order gives back what it did not do, as if it had never had it.
 */
import type { DatabaseSync } from 'node:sqlite'
import type { Command } from '../../kernel/drivers.ts'
import { PolityError } from '../../kernel/errors.ts'
import { preparer } from './statements.ts'

/** The table of wishes that are still to be taken. */
export const commandTables = 'CREATE TABLE command(id INTEGER PRIMARY KEY AUTOINCREMENT, wish TEXT NOT NULL)'

/** Commands that wait in one store. Beyond: `LIMIT_EXCEEDED` to the sender. */
const COMMANDS_WAITING_MAX = 10_000
const verbs: ReadonlySet<unknown> = new Set<Command['command']>([
  'kill',
  'answer',
  'status',
  'resume',
  'fork',
  'collect',
  'revoke',
  'forget',
  'restore-files',
  'collect-files',
])

/** Adds a command, in a transaction of its own. */
export function insertCommand(database: DatabaseSync, command: Command): void {
  const wish = toCommand(command)
  if (wish === undefined)
    throw new PolityError(
      'INVALID_ARGUMENT',
      `A command is one of ${[...verbs].join(', ')} with what it takes, and got ${JSON.stringify(command)}.`,
    )
  const { changes } = database
    .prepare('INSERT INTO command(wish) SELECT ?1 WHERE (SELECT count(*) FROM command) < ?2')
    .run(JSON.stringify(wish), COMMANDS_WAITING_MAX)
  if (changes === 0)
    throw new PolityError(
      'LIMIT_EXCEEDED',
      `${COMMANDS_WAITING_MAX} commands wait for the owner of this store; it does not take them.`,
    )
}

/** Takes a command back by its reply; false where an owner has taken it, which may do it yet, but after which nobody does. */
export function deleteCommand(database: DatabaseSync, reply: string): boolean {
  const [row] = database
    .prepare(
      `DELETE FROM command WHERE CASE WHEN json_valid(wish) THEN json_extract(wish, '$.reply') END = ?
       RETURNING json_extract(wish, '$.tries') AS tries`,
    )
    .all(reply)
  return row !== undefined && row['tries'] === null
}

/** Wishes, as the owner of the store takes them. */
export interface CommandBox {
  /** A number that changes when another connection writes. The connection must hold no read transaction. */
  version(): unknown
  /** Whether any came after the one of that number. */
  any(after: number): boolean
  /** Takes all that did, oldest first; `last` is the number of the last one. Its caller opens the transaction. */
  take(after: number): { readonly taken: readonly Command[]; readonly last: number }
  /** Removes what was taken and is done. Its caller opens the transaction. */
  done(commands: readonly Command[]): void
  /** Takes nobody to have had what was taken. Its caller opens the transaction. */
  giveBack(commands: readonly Command[]): void
}

/** The box of a store file. */
export function createCommandBox(database: DatabaseSync): CommandBox {
  const prepare = preparer(database)
  const idOf = new WeakMap<Command, number>()
  return {
    version: () => prepare('PRAGMA data_version').get()?.['data_version'],
    any: (after) => prepare('SELECT 1 FROM command WHERE id > ? LIMIT 1').get(after) !== undefined,
    take(after) {
      const taken: Command[] = []
      const rows = prepare('SELECT id, wish FROM command WHERE id > ? ORDER BY id').all(after)
      for (const row of rows) {
        const id = row['id'] as number
        const wish = parse(row['wish'] as string)
        const command = toCommand(wish)
        const { tries = 0 } = (wish ?? {}) as { readonly tries?: number }
        if (command === undefined) prepare('DELETE FROM command WHERE id = ?').run(id)
        else {
          prepare("UPDATE command SET wish = json_set(wish, '$.tries', ?) WHERE id = ?").run(tries + 1, id)
          const given = tries === 0 ? command : { ...command, tries }
          idOf.set(given, id)
          taken.push(given)
        }
      }
      return { taken, last: (rows.at(-1)?.['id'] as number | undefined) ?? after }
    },
    done(commands) {
      for (const command of commands) prepare('DELETE FROM command WHERE id = ?').run(idOf.get(command) ?? null)
    },
    giveBack(commands) {
      for (const command of commands) {
        const id = idOf.get(command) ?? null
        const { tries = 0 } = command
        // What nobody had before can be taken back by its sender again.
        if (tries === 0) prepare("UPDATE command SET wish = json_remove(wish, '$.tries') WHERE id = ?").run(id)
        else prepare("UPDATE command SET wish = json_set(wish, '$.tries', ?) WHERE id = ?").run(tries, id)
      }
    },
  }
}

/** Who may write to the file may write anything; what is no command is left out. */
function toCommand(value: unknown): Command | undefined {
  if (typeof value !== 'object' || value === null) return undefined
  const given = value as { [key: string]: unknown }
  const { command } = given
  if (!verbs.has(command)) return undefined
  const known: { [key: string]: unknown } = { command }
  for (const [key, type] of Object.entries(fieldTypes)) {
    const field = given[key]
    if (field === undefined) continue
    if (typeof field !== type || field === null) return undefined
    known[key] = field
  }
  return known as unknown as Command
}

/** What a sender may say. How many had it before is not a sender’s to say. */
const fieldTypes: { readonly [Key in Exclude<keyof Command, 'command' | 'tries'>]: 'number' | 'string' | 'object' } = {
  pid: 'number',
  pids: 'object',
  id: 'number',
  text: 'string',
  proof: 'string',
  value: 'string',
  at: 'number',
  budget: 'object',
  keep: 'number',
  law: 'string',
  source: 'string',
  principal: 'string',
  reply: 'string',
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined // as any other row that is no command
  }
}

// ------------------------------------------------------------------------------------------------------------- state

/** Says who owns the file, or what it does. */
export function writeState(database: DatabaseSync, key: 'owner' | 'status', value: string | number): void {
  database.prepare('INSERT INTO state VALUES(?1, ?2) ON CONFLICT(key) DO UPDATE SET value = ?2').run(key, value)
}

/** What was said last. */
export function readState(database: DatabaseSync, key: 'owner' | 'status'): unknown {
  return database.prepare('SELECT value FROM state WHERE key = ?').get(key)?.['value']
}
