/** Tables and pictures of the command, in terminals of any width. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { stripVTControlCharacters } from 'node:util'
import fc from 'fast-check'
import { usd } from '../src/cli/amounts.ts'
import { teamPicture, type TeamInfo } from '../src/cli/commands/top-team.ts'
import { comparisonText, replayedText, resultsText } from '../src/cli/evaluation-text.ts'
import { processTable } from '../src/cli/process-table.ts'
import { table, widthOf, type Column } from '../src/cli/table.ts'
import type { Channel } from '../src/cli/terminal.ts'
import { compare } from '../src/evaluation/compare.ts'
import type { Log } from '../src/evaluation/log.ts'
import { resultsOf } from '../src/evaluation/metrics.ts'
import type { ProcessInfo } from '../src/kernel/types.ts'

const terminal = (columns: number): Channel => ({
  isTerminal: true,
  columns,
  rows: 24,
  paint: (_, text) => `\x1b[1m${text}\x1b[22m`,
  write: () => {},
  line: () => {},
})
const widest = (text: string): number =>
  Math.max(...text.split('\n').map((line) => widthOf(stripVTControlCharacters(line))))
const WIDTHS = [40, 60, 80, 120]

describe('a table', () => {
  const column: fc.Arbitrary<Column> = fc.record(
    {
      title: fc.string({ minLength: 1, maxLength: 12 }),
      align: fc.constant('right' as const),
      widthMin: fc.integer({ min: 1, max: 20 }),
      rank: fc.integer({ min: 0, max: 5 }),
    },
    { requiredKeys: ['title'] },
  )

  test('has no line that is wider than its terminal, whatever stands in it', () => {
    fc.assert(
      fc.property(
        fc.array(column, { minLength: 1, maxLength: 12 }),
        fc.array(fc.array(fc.string({ unit: 'grapheme', maxLength: 60 }), { maxLength: 12 }), { maxLength: 4 }),
        fc.integer({ min: 4, max: 140 }),
        (columns, rows, width) => {
          for (const line of table(columns, rows, width)) assert.ok(widthOf(line) <= width, `${widthOf(line)}: ${line}`)
        },
      ),
    )
  })

  test('cuts nothing where there is room, then what may be cut, then leaves out by rank, and cuts the rest last', () => {
    const columns = [
      { title: 'PID' },
      { title: 'NAME', widthMin: 8 },
      { title: 'COST', rank: 1 },
      { title: 'AGE', rank: 2 },
    ]
    const shown = (width: number) => table(columns, [['12345', 'a long name', '12.50', '3 s']], width)[1]
    assert.deepEqual([Infinity, 30, 27, 26, 20, 13, 11].map(shown), [
      '12345  a long name  12.50  3 s',
      '12345  a long name  12.50  3 s',
      '12345  a long …  12.50  3 s',
      '12345  a long name  12.50',
      '12345  a long name',
      '12345  a lon…',
      '123…  a lo…',
    ])
  })
})

test('an amount of money that is not nothing is not shown as nothing', () => {
  assert.deepEqual([0, 1.25, 0.05, 0.0042, 0.001, 0.000012, 0.00000123, 1e-9].map(usd), [
    '$0',
    '$1.25',
    '$0.05',
    '$0.0042',
    '$0.0010',
    '$0.000012',
    '$0.0000012',
    '$0.0000000010',
  ])
})

describe('what a terminal of any width is shown', () => {
  test('of processes and teams', () => {
    const processes = Array.from({ length: 3 }, (_, i) => ({
      pid: 17_000 + i,
      parent: i === 0 ? null : 17_000,
      program: 'magentic-one-of-somebody',
      name: 'the one that leads',
      state: 'running',
      waiting: 'call(a.tool.of.a.long.name) +3',
      core: 'provider/a-model-of-today',
      queued: true,
      usage: { inputTokens: 1_234_567, outputTokens: 0, usd: 12.5, calls: 123_456 },
      startedAt: 0,
      endedAt: null,
    })) as unknown as readonly ProcessInfo[]
    const seat = { kind: 'process', parent: null, state: 'running', messages: 12, tokens: 34_567, modelTokens: 123_456 }
    const team = {
      pid: 17_000,
      program: 'magentic-one-of-somebody',
      seats: ['17000', '17001'].map((id) => ({ ...seat, id, name: 'somebody with a long name' })),
      lines: [{ from: '17000', to: '17001', kind: 'asked', messages: 12, tokens: 34_567 }],
      ledgers: [
        {
          pid: 17_000,
          counts: [0, 1],
          stalledAt: [3],
          count: 1,
          plans: 2,
          last: { speaker: 'somebody with a long name' },
        },
      ],
      most: { seat: '17000', share: 0.4, of: 3 },
    } as unknown as TeamInfo
    for (const columns of WIDTHS) {
      const lines = [...processTable(processes, terminal(columns), 1e7), ...teamPicture([team], terminal(columns))]
      assert.ok(widest(lines.join('\n')) <= columns, lines.join('\n'))
    }
    const narrow = stripVTControlCharacters(processTable(processes, terminal(40), 1e7).join('\n'))
    assert.match(narrow, /^ +PID +PROGRAM +STATE +WAITING ON *\n17000 {2}magen\S+ +running +call\(/, narrow)
  })

  test('of processes of several principals, and of one', () => {
    const processes = ['ada', 'somebody-with-a-long-name', 'bob'].map((principal, at) => ({
      pid: at + 1,
      parent: null,
      program: 'clerk',
      name: null,
      principal,
      state: 'running',
      waiting: 'generate',
      core: 'openai/gpt-5-mini',
      queued: false,
      usage: { inputTokens: 1_234, outputTokens: 0, usd: 0.000012, calls: 3 },
      startedAt: 0,
      endedAt: null,
    })) as unknown as readonly ProcessInfo[]
    const shown = (some: readonly ProcessInfo[], columns: number): readonly string[] =>
      processTable(some, terminal(columns), 1e4).map((line) => stripVTControlCharacters(line).trimEnd())
    assert.deepEqual(shown(processes, 120).slice(0, 3), [
      'PID  PROGRAM  PRINCIPAL                  STATE    WAITING ON  CORE               QUEUE  CALLS  TOKENS        USD   AGE',
      '  1  clerk    ada                        running  generate    openai/gpt-5-mini  -          3    1.2k  $0.000012  10 s',
      '  2  clerk    somebody-with-a-long-name  running  generate    openai/gpt-5-mini  -          3    1.2k  $0.000012  10 s',
    ])
    assert.deepEqual(
      shown(processes, 80)[2],
      '  2  clerk    somebody-with-a-lon…  running  generate      1.2k  $0.000012  10 s',
    )
    for (const columns of WIDTHS) assert.ok(widest(shown(processes, columns).join('\n')) <= columns)
    assert.ok(!shown(processes.slice(0, 1), 120).join().includes('PRINCIPAL'))
  })

  test('of an evaluation, a comparison and replayed actions', () => {
    const trial = (solver: string, sample: string, value: number) => ({
      task: 'craft.dag of level 8',
      solver,
      sample,
      epoch: 1,
      cluster: sample,
      scores: { episode: { value } },
      usage: { inputTokens: 123_456, cachedTokens: 0, outputTokens: 0, usd: 12.5, steps: 100, calls: 10, children: 0 },
      ms: 1,
      calls: [],
    })
    const trials = ['1', '2', '3'].flatMap((sample, i) => [
      trial('hierarchical-task-dag', sample, i / 2),
      trial('react', sample, 0.5),
    ]) as unknown as Log['trials']
    const told = {
      epochs: 1,
      tasks: [{ name: 'craft.dag of level 8', scorers: [{ name: 'episode', isJudge: false }] }],
      solvers: [{ name: 'hierarchical-task-dag' }, { name: 'react' }],
    } as unknown as Pick<Log, 'epochs' | 'tasks' | 'solvers'>
    const log = { ...told, trials, results: [...resultsOf({ ...told, trials })] } as unknown as Log
    const replayed = {
      id: 'the one of Tuesday',
      score: 0.5,
      metrics: {},
      steps: 123,
      done: true,
      errors: [],
      stateHash: 'a'.repeat(64),
    }
    for (const columns of WIDTHS) {
      const text = [
        resultsText(log, columns),
        comparisonText(compare(log, log, { first: 'react', second: 'hierarchical-task-dag' }), columns),
        replayedText([replayed], columns),
      ].join('\n')
      assert.ok(widest(text) <= columns, text)
    }
    assert.match(resultsText(log, 40), /^TASK +SOLVER +MEAN +TOKENS\n/)
  })
})

test('plain text is measured without the tables of signs, which take a command time to load', async () => {
  const { Segmenter } = Intl
  let made = 0
  const counted = class extends Segmenter {
    constructor() {
      super()
      made++
    }
  }
  Object.defineProperty(Intl, 'Segmenter', { value: counted })
  try {
    const fresh = (await import(new URL('../src/cli/table.ts?fresh', import.meta.url).href)) as {
      readonly table: typeof table
      readonly widthOf: typeof widthOf
    }
    assert.deepEqual(fresh.table([{ title: 'PID' }], [['17']], 40), ['PID', '17'])
    assert.equal(made, 0)
    assert.deepEqual([fresh.widthOf('日本'), fresh.widthOf('é')], [4, 1])
    assert.equal(made, 1)
  } finally {
    Object.defineProperty(Intl, 'Segmenter', { value: Segmenter })
  }
})
