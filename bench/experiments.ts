/**
 * The experiments behind docs/papers.md: planted worlds with known answers, scripted models, no network.
 *
 *     npm run experiments                       all of them, a few minutes
 *     node bench/experiments.ts P4 P7           only these
 *     node bench/experiments.ts --write P4      writes the row into the table of docs/papers.md as well
 *     node bench/experiments.ts --help          the options, and what there is
 *
 * Prints `id | bar | measured | seeds | ok` or `falls short`, a row each. Which one runs is said on stderr. Where the data or the machine
 * of a row is not at hand, `--write` leaves the row as it is and says on stderr what is missing. Exits with 1 where a row falls short or
 * could not be written, and with 2, before anything is measured, where what is asked for is not there.
 *
 * An experiment is a file of bench/experiments/ that exports its `Experiment`; they show that the programs do what they say, and nothing
 * of how good a real model is.
 */
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { experiments } from './experiments/all.ts'
import { cellsOf, rowOf, tableWith } from './experiments/table.ts'
import { machine, today } from './figures.ts'
import { partOf, writePart } from './page-part.ts'

const USAGE = `usage: node bench/experiments.ts [--times] [--write] [--page file] [id …]

  --times   each row with the seconds it took, where it is printed
  --write   each row into the table of docs/papers.md as well, as soon as it is measured; the others stay as they are
  --page    the page that --write writes, in place of docs/papers.md
  --help    this`

function given() {
  try {
    return parseArgs({
      allowPositionals: true,
      options: {
        times: { type: 'boolean' },
        write: { type: 'boolean' },
        page: { type: 'string' },
        help: { type: 'boolean', short: 'h' },
      },
    })
  } catch (error) {
    return refuse(`${(error as Error).message}\n${USAGE}`)
  }
}
const { values, positionals } = given()

function refuse(why: string): never {
  console.error(why)
  process.exit(2)
}

if (values.page !== undefined && values.write !== true) refuse(`--page is for --write\n${USAGE}`)
const all = await experiments()
if (values.help === true) {
  console.log(`${USAGE}\n\n${all.map(({ id, what }) => `${id.padEnd(15)}${what}`).join('\n')}`)
  process.exit(0)
}
const wanted = positionals.map((id) => id.toUpperCase())
const unknown = wanted.filter((id) => !all.some((one) => one.id === id))
if (unknown.length > 0)
  refuse(`no experiment is called ${unknown.join(', ')}; there are ${all.map(({ id }) => id).join(', ')}`)
const chosen = all.filter(({ id }) => wanted.length === 0 || wanted.includes(id))

const page = values.page ?? join(import.meta.dirname, '../docs/papers.md')

/** What stands in the page, with this row. */
function write(row: string): void {
  const table = tableWith(partOf(page, 'experiments'), all, [row])
  writePart(page, 'experiments', `The machine of the last run: ${machine()}.\n\n${table}`)
}

// A page without a place for the table is told before anything is measured.
if (values.write === true)
  try {
    partOf(page, 'experiments')
  } catch (error) {
    refuse((error as Error).message)
  }
console.log('id | bar | measured | seeds | ok')
console.log('--- | --- | --- | --- | ---')
for (const [i, experiment] of chosen.entries()) {
  const { id, what, seeds } = experiment
  console.error(`${i + 1} of ${chosen.length}: ${id}, ${what}`)
  const started = performance.now()
  const result = await experiment.run(seeds)
  const time = values.times === true ? ` (${((performance.now() - started) / 1_000).toFixed(1)} s)` : ''
  console.log(cellsOf(experiment, { ...result, measured: `${result.measured}${time}` }).join(' | '))
  const isLacking = values.write === true && result.lacks !== undefined
  if (isLacking) console.error(`the row of ${id} stays as it is: ${result.lacks}`)
  else if (values.write === true) write(rowOf(experiment, result, today()))
  if (!result.ok || isLacking) process.exitCode = 1
}
