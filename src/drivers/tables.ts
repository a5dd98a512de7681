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
 *   TB2. A query is one statement: behind it stands nothing but comments and semicolons, or none of it is run.
 *   TB3. A query ends: with rows, at most `rowsMax` of them, with what SQLite says is wrong, by its time, its memory or the size of its answer.
 *
 * Errors of 'tables.query', which tell what another statement could mend from what none can:
 *   INVALID_ARGUMENT   SQLite refuses the statement, or there is more than one
 *   TOO_LARGE          its answer is too long, or it takes too much memory
 *   TOOL_TIMEOUT       it takes too long
 *   TOOL_FAILED        the file cannot be read, the process did not start or died, or the call ended
 */
import { spawn } from 'node:child_process'
import { z } from 'zod'
import { PolityError, type ErrorCode } from '../kernel/errors.ts'
import type { KeysOf } from '../kernel/known-keys.ts'
import { checkKeys } from '../kernel/known-keys.ts'
import { searchWords } from '../kernel/query.ts'
import { stem } from '../kernel/stem.ts'
import { defineTool } from '../kernel/tools.ts'
import type { Json, Tool } from '../kernel/types.ts'
import { watchCensus } from './sandbox/census.ts'

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
  /**
   * Of the process that computes a query, bytes, with what Node itself takes; minimum 67,108,864. It is counted from outside (sandbox/census.ts), so a
   * query may be over it for the moment between two counts; where there is no `/proc`, its values and its heap alone are held to it. No value may take
   * more than a quarter of it, of a table neither.
   * @default 268,435,456
   */
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
const MIB = 1_048_576
/** Node alone takes about 45 MiB. */
const MEMORY_BYTES_MIN = 64 * MIB
/** Values of a row are held by SQLite, and copied: several have to find room. */
const VALUES_IN_MEMORY = 4
/** What SQLite allows a value to have at most, bytes. */
const VALUE_BYTES_MAX = 1_000_000_000

/**
 * The other process: reads what to do, answers with one line. `setAuthorizer` decides while a statement is prepared. Rows are counted as they come, so
 * that no more of them is held than may be answered. SQLite prepares the first statement of a text and keeps its source, which tells where that ends.
 * `hard_heap_limit` is of no use here: Node's SQLite keeps no account of its memory.
 */
const CHILD = `
const { readFileSync } = require('node:fs')
const { DatabaseSync, constants } = require('node:sqlite')
const { path, sql, rowsMax, charsMax, valueBytesMax } = JSON.parse(readFileSync(0, 'utf8'))
const say = (answer) => process.stdout.write(JSON.stringify(answer))
// Primary codes of SQLite. Too large: NOMEM, TOOBIG. Of the file: PERM, BUSY, LOCKED, IOERR, CORRUPT, FULL, CANTOPEN, PROTOCOL, NOTADB.
const [tooLarge, ofTheFile] = [[7, 18], [3, 5, 6, 10, 11, 13, 14, 15, 26]]
const codeOf = ({ errcode }) => tooLarge.includes(errcode & 255) ? 'TOO_LARGE' : ofTheFile.includes(errcode & 255) ? 'TOOL_FAILED' : 'INVALID_ARGUMENT'
try {
  const database = new DatabaseSync(path, { readOnly: true, limits: { length: valueBytesMax } })
  const allowed = [constants.SQLITE_SELECT, constants.SQLITE_READ, constants.SQLITE_FUNCTION, constants.SQLITE_RECURSIVE]
  database.setAuthorizer((action) => (allowed.includes(action) ? constants.SQLITE_OK : constants.SQLITE_DENY))
  const statement = database.prepare(sql)
  const behind = sql.slice(statement.sourceSQL.length).replace(/--[^\\n]*|\\/\\*[^]*?(?:\\*\\/|$)|[\\s;]/g, '')
  if (behind !== '')
    throw Object.assign(new Error('there is more than one statement, and none was run; ask one at a time'), { errcode: 1 })
  const columns = statement.columns()
  statement.setReturnArrays(true)
  statement.setReadBigInts(true)
  const plain = (value) =>
    typeof value === 'bigint' ? Number(value) : value === null || typeof value === 'string' || Number.isFinite(value) ? value : null
  const rows = []
  let [isCut, chars] = [false, 0]
  for (const row of statement.iterate()) {
    if (rows.length === rowsMax) { isCut = true; break }
    for (const value of row) chars += typeof value === 'string' ? value.length : 1
    if (chars > charsMax) break
    rows.push(row.map(plain))
  }
  if (chars > charsMax) say({ code: 'TOO_LARGE', error: 'the answer is larger than ' + charsMax + ' characters' })
  else say({ columns: columns.map(({ name }) => name), types: columns.map(({ type }) => type), rows, isCut })
} catch (error) { say({ code: codeOf(error), error: error.message }) }
`

const optionKeys: KeysOf<TablesOptions> = {
  path: true,
  datasets: true,
  rowsMax: true,
  queryMs: true,
  memoryBytes: true,
}

/** Throws `CONFIG_INVALID` where the options make no sense. */
export function tableTools(options: TablesOptions): readonly Tool[] {
  checkKeys('tableTools', options, optionKeys)
  const { path, datasets, rowsMax = 200, queryMs = 10_000, memoryBytes = 268_435_456 } = options
  for (const [name, value, least] of [
    ['rowsMax', rowsMax, 1],
    ['queryMs', queryMs, 1],
    ['memoryBytes', memoryBytes, MEMORY_BYTES_MIN],
  ] as const)
    if (!Number.isSafeInteger(value) || value < least)
      throw new PolityError('CONFIG_INVALID', `tableTools: ${name} takes a whole number from ${least}, not ${value}`)
  const twice = datasets.find(({ id }, i) => datasets.findIndex((one) => one.id === id) !== i)
  if (twice !== undefined) throw new PolityError('CONFIG_INVALID', `tableTools: two data sets are called "${twice.id}"`)

  const query = (sql: string, signal: AbortSignal): Promise<QueryResult> =>
    queried({ path, sql, rowsMax }, signal, { queryMs, memoryBytes })

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
}

type Answer = QueryResult | { readonly code: ErrorCode; readonly error: string }

function queried(
  asked: Asked,
  signal: AbortSignal,
  { queryMs, memoryBytes }: { readonly queryMs: number; readonly memoryBytes: number },
): Promise<QueryResult> {
  return new Promise((resolve, reject) => {
    const failed = (code: ErrorCode, message: string): void =>
      reject(new PolityError(code, `tables.query: ${message}${code in ASKING_LESS ? '; ask for less' : ''}`))
    const ended = AbortSignal.any([signal, AbortSignal.timeout(queryMs)])
    const heap = `--max-old-space-size=${Math.ceil(memoryBytes / MIB)}`
    const child = spawn(process.execPath, [heap, '--input-type=commonjs', '-e', CHILD], {
      env: {},
      stdio: ['pipe', 'pipe', 'ignore'],
      signal: ended,
      killSignal: 'SIGKILL',
    })
    const tooMuch = (): void => {
      failed('TOO_LARGE', `the query takes more than ${memoryBytes} bytes of memory`)
      child.kill('SIGKILL')
    }
    const stopCounting =
      child.pid === undefined ? undefined : watchCensus(child.pid, { processes: 1, memoryBytes }, tooMuch)
    let said = ''
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      said += text
      if (said.length > ANSWER_CHARS_MAX) child.kill('SIGKILL')
    })
    // A process that died does not read what it was to do: its end says so.
    child.stdin.on('error', () => undefined)
    const valueBytesMax = Math.min(VALUE_BYTES_MAX, Math.floor(memoryBytes / VALUES_IN_MEMORY))
    child.stdin.end(JSON.stringify({ ...asked, charsMax: ANSWER_CHARS_MAX, valueBytesMax }))
    child.on('error', (error) => {
      if (error.name !== 'AbortError') failed('TOOL_FAILED', `the process does not start: ${error.message}`)
      else if (signal.aborted) failed('TOOL_FAILED', 'its call ended')
      else failed('TOOL_TIMEOUT', `the query took longer than ${queryMs} ms`)
    })
    child.on('close', (status, killedBy) => {
      stopCounting?.()
      // Signs that take more than one character in JSON make an answer longer than what was counted.
      if (said.length > ANSWER_CHARS_MAX)
        return failed('TOO_LARGE', `the answer is larger than ${ANSWER_CHARS_MAX} characters`)
      let answer: Answer
      try {
        answer = JSON.parse(said) as Answer
      } catch {
        // So V8 ends where its heap is full.
        if (killedBy === 'SIGABRT') return tooMuch()
        return failed('TOOL_FAILED', `the process ended without an answer (${killedBy ?? `status ${status}`})`)
      }
      if ('error' in answer) failed(answer.code, answer.error)
      else resolve(answer)
    })
  })
}

/** Where a smaller question may be answered. */
const ASKING_LESS: { readonly [Code in ErrorCode]?: true } = { TOO_LARGE: true, TOOL_TIMEOUT: true }

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
