/**
 * Tables as tools: data sets of one SQLite file, found by what they are about, described, and queried with SQL. Nothing is ever written.
 *
 *     const tools = tableTools({ path: 'open-data.db', datasets: [{ id: 'rain', table: 'rain', title: 'Rainfall', description: 'By city and year.' }] })
 *     // 'tables.search' { query }   'tables.describe' { id }   'tables.query' { sql }
 *
 * SQL runs in a process of its own, which is killed when its time or its call ends: SQLite cannot be interrupted from within this one.
 *
 * Invariants
 *   TB1. A query reads tables and computes; SQLite refuses everything else (writing, pragmas, other files), whatever the text says.
 *   TB2. A query ends: with rows, at most `rowsMax` of them, with what SQLite says is wrong, or by its time.
 */
import { spawn } from 'node:child_process'
import { z } from 'zod'
import { PolityError } from '../kernel/errors.ts'
import { searchWords } from '../kernel/query.ts'
import { stem } from '../kernel/stem.ts'
import { defineTool } from '../kernel/tools.ts'
import type { Json, Tool } from '../kernel/types.ts'

export interface Dataset {
  readonly id: string
  /** Its table in the file. */
  readonly table: string
  readonly title: string
  /** What it holds, where it comes from, units. */
  readonly description: string
}

export interface TablesOptions {
  /** The SQLite file. */
  readonly path: string
  readonly datasets: readonly Dataset[]
  /** Rows of a result; minimum 1. @default 200 */
  readonly rowsMax?: number
  /** Of a query, ms. @default 10,000 */
  readonly queryMs?: number
  /** Of the process that computes a query, bytes. @default 268,435,456 */
  readonly memoryBytes?: number
}

/** What a query gives. */
export interface QueryResult {
  readonly columns: readonly string[]
  /** As the tables declare them; null where a column is computed. */
  readonly types: readonly (string | null)[]
  readonly rows: readonly (readonly (string | number | null)[])[]
  /** Whether there are more rows. */
  readonly isCut: boolean
}

const SQL_CHARS_MAX = 20_000
const SAMPLE_ROWS = 3
/** Of an answer, characters: a row may be as long as its texts. */
const ANSWER_CHARS_MAX = 1_000_000

/** The other process: reads what to do, answers with one line. `setAuthorizer` decides while a statement is prepared. */
const CHILD = `
const { readFileSync } = require('node:fs')
const { DatabaseSync, constants } = require('node:sqlite')
const { path, sql, rowsMax, memoryBytes } = JSON.parse(readFileSync(0, 'utf8'))
const say = (answer) => process.stdout.write(JSON.stringify(answer))
try {
  const database = new DatabaseSync(path, { readOnly: true })
  database.exec('PRAGMA hard_heap_limit = ' + memoryBytes)
  const allowed = [constants.SQLITE_SELECT, constants.SQLITE_READ, constants.SQLITE_FUNCTION, constants.SQLITE_RECURSIVE]
  database.setAuthorizer((action) => (allowed.includes(action) ? constants.SQLITE_OK : constants.SQLITE_DENY))
  const statement = database.prepare(sql)
  const columns = statement.columns()
  statement.setReturnArrays(true)
  statement.setReadBigInts(true)
  const plain = (value) =>
    typeof value === 'bigint' ? Number(value) : value === null || typeof value === 'string' || Number.isFinite(value) ? value : null
  const rows = []
  let isCut = false
  for (const row of statement.iterate()) {
    if (rows.length === rowsMax) { isCut = true; break }
    rows.push(row.map(plain))
  }
  say({ columns: columns.map(({ name }) => name), types: columns.map(({ type }) => type), rows, isCut })
} catch (error) { say({ error: error.message }) }
`

/** Throws `CONFIG_INVALID` where the options make no sense. */
export function tableTools({
  path,
  datasets,
  rowsMax = 200,
  queryMs = 10_000,
  memoryBytes = 268_435_456,
}: TablesOptions): readonly Tool[] {
  for (const [name, value] of Object.entries({ rowsMax, queryMs, memoryBytes }))
    if (!Number.isSafeInteger(value) || value < 1)
      throw new PolityError('CONFIG_INVALID', `tableTools: ${name} takes a whole number from 1, not ${value}`)
  const twice = datasets.find(({ id }, i) => datasets.findIndex((one) => one.id === id) !== i)
  if (twice !== undefined) throw new PolityError('CONFIG_INVALID', `tableTools: two data sets are called "${twice.id}"`)

  const query = (sql: string, signal: AbortSignal): Promise<QueryResult> =>
    queried({ path, sql, rowsMax, memoryBytes }, AbortSignal.any([signal, AbortSignal.timeout(queryMs)]), queryMs)

  return [
    defineTool({
      name: 'tables.search',
      description: 'Finds open data sets by what they are about.',
      effect: 'read',
      inputSchema: z.object({ query: z.string(), limit: z.number().int().min(1).max(50).optional() }),
      execute: ({ query: about, limit = 5 }) =>
        nearest(datasets, about, limit).map(({ id, title, description }) => ({ id, title, description })),
    }),
    defineTool({
      name: 'tables.describe',
      description:
        'The table of a data set: its columns with their types, how many rows it has, and the first of them.',
      effect: 'read',
      inputSchema: z.object({ id: z.string() }),
      async execute({ id }, { signal }) {
        const dataset = datasets.find((one) => one.id === id)
        if (dataset === undefined)
          throw new PolityError('TOOL_FAILED', `there is no data set "${id}"; search for one with tables.search`)
        const { table } = dataset
        const [count, sample] = await Promise.all([
          query(`select count(*) from ${quoted(table)}`, signal),
          query(`select * from ${quoted(table)} limit ${SAMPLE_ROWS}`, signal),
        ])
        return {
          id,
          table,
          columns: sample.columns.map((name, i) => ({ name, type: sample.types[i] ?? '' })),
          rows: count.rows[0]?.[0] as number,
          sample: sample.rows as Json,
        }
      },
    }),
    defineTool({
      name: 'tables.query',
      description: `Runs one SELECT of SQLite over the tables; at most ${rowsMax} rows come back.`,
      effect: 'read',
      inputSchema: z.object({ sql: z.string().max(SQL_CHARS_MAX) }),
      execute: ({ sql }, { signal }) => query(sql, signal) as unknown as Promise<Json>,
    }),
  ] as readonly Tool[]
}

interface Asked {
  readonly path: string
  readonly sql: string
  readonly rowsMax: number
  readonly memoryBytes: number
}

function queried(asked: Asked, signal: AbortSignal, queryMs: number): Promise<QueryResult> {
  return new Promise((resolve, reject) => {
    const failed = (message: string): void => reject(new PolityError('TOOL_FAILED', `tables.query: ${message}`))
    const child = spawn(process.execPath, ['--input-type=commonjs', '-e', CHILD], {
      env: {},
      stdio: ['pipe', 'pipe', 'ignore'],
      signal,
      killSignal: 'SIGKILL',
    })
    let said = ''
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      said += text
      if (said.length > ANSWER_CHARS_MAX) child.kill('SIGKILL')
    })
    // A process that died does not read what it was to do: its end says so.
    child.stdin.on('error', () => undefined)
    child.stdin.end(JSON.stringify(asked))
    child.on('error', (error) =>
      failed(
        error.name === 'AbortError'
          ? `the query took longer than ${queryMs} ms, or its call ended; ask for less`
          : error.message,
      ),
    )
    child.on('close', () => {
      if (said.length > ANSWER_CHARS_MAX)
        return failed(`the answer is larger than ${ANSWER_CHARS_MAX} characters; ask for less`)
      let answer: (QueryResult & { readonly error?: string }) | undefined
      try {
        answer = JSON.parse(said) as QueryResult & { readonly error?: string }
      } catch {
        return failed('the query ended without an answer, as one does that needs too much memory; ask for less')
      }
      if (answer.error !== undefined) failed(answer.error)
      else resolve(answer)
    })
  })
}

/** Those that share most words with a text; of equal ones the first, none that shares nothing. */
function nearest(datasets: readonly Dataset[], text: string, limit: number): readonly Dataset[] {
  const asked = new Set(searchWords(text).map(stem))
  return datasets
    .map((dataset) => {
      const own = new Set(searchWords(`${dataset.id} ${dataset.title} ${dataset.description}`).map(stem))
      return { dataset, shared: [...asked].filter((word) => own.has(word)).length }
    })
    .filter(({ shared }) => shared > 0)
    .toSorted((a, b) => b.shared - a.shared)
    .slice(0, limit)
    .map(({ dataset }) => dataset)
}

function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}
