/** The table of docs/papers.md: a row for each experiment, the command that puts it there, and parts of pages that commands write. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { experiments } from '../bench/experiments/all.ts'
import type { Experiment } from '../bench/experiments/experiment.ts'
import { cellsIn, cellsOf, rowOf, rowsIn, tableWith } from '../bench/experiments/table.ts'
import { partOf, writePart } from '../bench/page-part.ts'

const page = join(import.meta.dirname, '../docs/papers.md')
const one = (id: string, what = 'a plant'): Experiment => ({
  id,
  what,
  bar: 'half',
  seeds: 3,
  run: () => ({ measured: '', ok: true }),
})

test('docs/papers.md has a row for each experiment and for nothing else, with the bar and the seeds of its code', async () => {
  const all = await experiments()
  const rows = rowsIn(partOf(page, 'experiments'))
  const remedy = (id: string): string => `node bench/experiments.ts --write ${id}`
  assert.deepEqual(
    [...rows.keys()],
    all.map(({ id }) => id),
  )
  for (const experiment of all) {
    const cells = cellsIn(rows.get(experiment.id) as string)
    const [id, bar, measured = '', seeds, end = '', day = ''] = cells
    const [, barNow, , seedsNow] = cellsOf(experiment, { measured, ok: end === 'ok' })
    assert.deepEqual([id, bar, seeds], [experiment.id, barNow, seedsNow], remedy(experiment.id))
    assert.match(`${end} ${day}`, /^(ok|falls short) \d{4}-\d\d-\d\d$/, remedy(experiment.id))
    assert.equal(cells.length, 6, remedy(experiment.id))
  }
  const rowsOutside = readFileSync(page, 'utf8').replace(partOf(page, 'experiments'), '').split('\n')
  for (const { id } of all) assert.ok(!rowsOutside.some((line) => line.startsWith(`| ${id} |`)), id)
})

test('what is measured anew takes the place of its row; the others stay, in the order of the experiments', () => {
  const [first, second, third] = [one('A1'), one('A2', 'what | is'), one('A10')]
  const before = tableWith(
    '',
    [first, second, third],
    [
      rowOf(third, { measured: 'c', ok: true }, '2001-01-01'),
      rowOf(first, { measured: 'a', ok: true }, '2001-01-01'),
      rowOf(one('GONE'), { measured: 'd', ok: true }, '2001-01-01'),
    ],
  )
  const [head, rule, ...rows] = before.split('\n')
  assert.deepEqual(rows, [
    '| A1 | a plant: half | a | 3 | ok | 2001-01-01 |',
    '| A10 | a plant: half | c | 3 | ok | 2001-01-01 |',
  ])
  const after = tableWith(
    `Some words.\n\n${before}`,
    [first, second, third],
    [rowOf(second, { measured: 'b | b\nb', ok: false }, '2002-02-02')],
  )
  const row = String.raw`| A2 | what \| is: half | b \| b b | 3 | falls short | 2002-02-02 |`
  assert.equal(after, [head, rule, rows[0], row, rows[1]].join('\n'))
  assert.deepEqual(cellsIn(row), ['A2', 'what | is: half', 'b | b b', '3', 'falls short', '2002-02-02'])
  assert.throws(() => rowsIn(`${after}\n${row}`), /two rows of A2/)
})

describe('node bench/experiments.ts', () => {
  const folder = mkdtempSync(join(tmpdir(), 'polity-experiments-'))
  const copy = join(folder, 'page.md')
  after(() => rmSync(folder, { recursive: true }))

  /** Without the recipes of TextCraft. */
  function run(...args: readonly string[]) {
    const path = join(import.meta.dirname, '../bench/experiments.ts')
    return spawnSync(process.execPath, [path, ...args], { encoding: 'utf8', env: { ...process.env, TEXTCRAFT: '' } })
  }
  /** Writes these rows into a copy of the page where those of `old` are old. */
  function written(ids: readonly string[], old: readonly string[]) {
    const stale = (line: string): string => {
      const id = old.find((one) => line.startsWith(`| ${one} |`))
      return id === undefined ? line : `| ${id} | old | old | 1 | ok | 2001-01-01 |`
    }
    const before = readFileSync(page, 'utf8').split('\n').map(stale).join('\n')
    writeFileSync(copy, before)
    const ended = run('--write', '--page', copy, ...ids)
    return { ...ended, before, left: readFileSync(copy, 'utf8'), rows: rowsIn(partOf(copy, 'experiments')) }
  }

  test('writes the rows that are asked for and no other, and ends with 1 where one falls short', () => {
    const { status, stdout, rows } = written(['c14', 'C4'], ['C14', 'C4', 'P1'])
    const printed = stdout.trim().split('\n').slice(2)
    const cells = (row: string | undefined): readonly string[] => cellsIn(row ?? '').slice(0, 5)
    assert.deepEqual(printed, [cells(rows.get('C4')).join(' | '), cells(rows.get('C14')).join(' | ')])
    for (const [id, row] of rowsIn(partOf(page, 'experiments')))
      if (id === 'P1') assert.match(rows.get(id) ?? '', /^\| P1 \| old /)
      else assert.deepEqual(cells(rows.get(id)), cells(row), 'as the page has it')
    assert.match(printed[0] ?? '', / falls short$/)
    assert.equal(status, 1)
  })

  test('ends with 0 where every bar is reached', () => {
    const { status, stdout } = run('C14')
    assert.match(stdout, /\nC14 \| .* \| ok\n$/)
    assert.equal(status, 0)
  })

  test('leaves a row whose data is not at hand, and says so', () => {
    const { status, stdout, stderr, before, left } = written(['P6'], ['P6'])
    assert.match(stdout, /of made-up books made/)
    assert.match(stderr, /the row of P6 stays as it is: .* TEXTCRAFT/)
    assert.equal(left, before)
    assert.equal(status, 1)
  })

  test('refuses what is no experiment, no option and no such page before anything is measured', () => {
    for (const [args, why] of [
      [['P4', 'P99'], /no experiment is called P99; there are C1, /],
      [['--writ', 'P4'], /'--writ'[^]*usage: /],
      [['--page', page, 'P4'], /--page is for --write/],
      [
        ['--write', '--page', join(import.meta.dirname, '../README.md'), 'P4'],
        /README\.md has no place for experiments/,
      ],
    ] as const) {
      const { status, stdout, stderr } = run(...args)
      assert.match(stderr, why)
      assert.deepEqual([status, stdout], [2, ''])
    }
  })
})

test('a part of a page is written between its marks alone', () => {
  const folder = mkdtempSync(join(tmpdir(), 'polity-page-'))
  const path = join(folder, 'page.md')
  try {
    const [begin, end] = ['<!-- figures: made by a command -->', '<!-- figures end -->']
    const around = (text: string): string => `# Page\n\n${begin}\n\n${text}\n\n${end}\n\nMore, of $1.\n`
    writeFileSync(path, around('1'))
    assert.equal(partOf(path, 'figures'), '1')
    writePart(path, 'figures', '2 for $1\n\n3')
    assert.equal(readFileSync(path, 'utf8'), around('2 for $1\n\n3'))
    writePart(path, 'figures', partOf(path, 'figures'))
    assert.equal(readFileSync(path, 'utf8'), around('2 for $1\n\n3'))
    for (const [wrong, name] of [
      [around('1'), 'others'],
      [`${end}\n${begin}\n`, 'figures'],
      [`${begin}\n`, 'figures'],
      [`${end}\n`, 'figures'],
    ] as const) {
      writeFileSync(path, wrong)
      assert.throws(() => partOf(path, name), /has no place for/)
      assert.throws(() => writePart(path, name, '4'), /has no place for/)
      assert.equal(readFileSync(path, 'utf8'), wrong)
    }
  } finally {
    rmSync(folder, { recursive: true })
  }
})

test('the pages that commands write have a place for it', () => {
  for (const [name, part] of [
    ['docs/programs.md', 'programs'],
    ['docs/programs.md', 'teams'],
    ['bench/README.md', 'serving'],
  ] as const)
    assert.notEqual(partOf(join(import.meta.dirname, '..', name), part), '')
})
