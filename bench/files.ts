/**
 * Files at scale, on one store file on the disk: opening, writing, snapshots, and steps back.
 *
 *     node bench/files.ts [files] [megabytes]         (1,000,000 and 10,000 when not given)
 *
 * Writes so many files with so many bytes of versions (a quarter of the files have two), through the system calls of
 * ordinary programs, `relaxed`; then measures, with all that there: one write at a time, reading one, a snapshot, steps
 * back over 10, 100 and 1,000 changed files, a page of a list, and opening again. The store lies in the folder for temporary
 * files (TMPDIR), takes about 1.4 times the bytes, and is removed at the end. Contents are text without repetition.
 */
import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { performance } from 'node:perf_hooks'
import { openSqliteStore } from '../src/drivers/store/sqlite.ts'
import { randomAt, realClock } from '../src/kernel/clock.ts'
import type { Kernel } from '../src/kernel/kernel.ts'
import { createKernel } from '../src/kernel/kernel.ts'
import { defineProgram } from '../src/kernel/program.ts'
import type { Json, Sys } from '../src/kernel/types.ts'

const files = Number(process.argv[2] ?? 1_000_000)
const bytes = Number(process.argv[3] ?? 10_000) * 1e6

/** Writes of one child process, and how many of them are under way together. */
const CHILD_WRITES = 10_000
const TOGETHER = 128
const SINGLE_WRITES = 2_000

const writes = Math.round(files * 1.25)
const size = Math.round(bytes / writes)
const letters = Array.from({ length: size + 4_096 }, (_, i) =>
  String.fromCharCode(97 + Math.floor(randomAt(7, i, 0) * 26)),
).join('')

const pathOf = (i: number): string => `folder-${Math.floor(i / 1_000)}/file-${i % 1_000}.txt`
const contentOf = (i: number): string => `${i} ${letters.slice(i % 4_096)}`.slice(0, size)

const writer = defineProgram('writer', async (sys, { from, to }: { from: number; to: number }) => {
  for (let at = from; at < to; at += TOGETHER)
    await Promise.all(
      Array.from({ length: Math.min(TOGETHER, to - at) }, (_, k) =>
        sys.write(pathOf((at + k) % files), contentOf(at + k)),
      ),
    )
})

const filler = defineProgram('filler', async (sys) => {
  for (let at = 0; at < writes; at += CHILD_WRITES)
    await sys.wait(await sys.spawn(writer, { from: at, to: Math.min(writes, at + CHILD_WRITES) }))
  await sys.receive()
})

/** A child of the filler's: it has the same files. */
const measure = defineProgram('measure', async (sys) => {
  const random = (i: number): string => pathOf(Math.floor(randomAt(11, i, 0) * files))
  const report: { [what: string]: Json } = {}
  report['write'] = await times(SINGLE_WRITES, (i) => sys.write(random(i), `${contentOf(i).slice(1)}!`))
  report['read'] = await times(SINGLE_WRITES, (i) => sys.read(random(i)))
  report['snapshot'] = await times(20, () => sys.snapshot())
  report['page of 100'] = await times(50, (i) => sys.list('', { after: random(i), limit: 100 }))
  report['copy'] = await times(200, (i) => sys.write(`copies/${i}`, { from: random(i) }))
  for (const changed of [10, 100, 1_000]) {
    const { id } = await sys.snapshot()
    await Promise.all(Array.from({ length: changed }, (_, i) => sys.write(random(i), `changed ${i}`)))
    report[`files of ${changed} changed back`] = await times(1, () => sys.restore({ snapshot: id }))
  }
  return report
})

async function times(count: number, work: (i: number) => Promise<unknown>): Promise<Json> {
  const took: number[] = []
  for (let i = 0; i < count; i++) {
    const before = performance.now()
    await work(i)
    took.push(performance.now() - before)
  }
  took.sort((a, b) => a - b)
  const at = (part: number): number => round(took[Math.min(took.length - 1, Math.floor(part * took.length))] as number)
  return { p50: at(0.5), p99: at(0.99) }
}

const round = (ms: number): number => Math.round(ms * 1_000) / 1_000

const folder = mkdtempSync(join(tmpdir(), 'polity-bench-files-'))
process.on('exit', () => rmSync(folder, { recursive: true, force: true }))
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit(1))
const path = join(folder, 'files.db')

function open(): Kernel {
  return createKernel({
    store: openSqliteStore(path),
    clock: realClock({ seed: 1 }),
    programs: [writer, filler, lead, measure, restorer],
  })
}

/** The root of it all: files belong to a tree. */
const lead = defineProgram('lead', async (sys: Sys): Promise<Json> => {
  const fill = await sys.spawn(filler, null)
  for (;;) {
    const { body } = await sys.receive()
    if (body === 'measure') await sys.send(0, await sys.wait<Json>(await sys.spawn(measure, null)))
    else if (body === 'restore') await sys.send(0, await sys.wait<Json>(await sys.spawn(restorer, null)))
    else return fill
  }
})

/** `restore(id)` of a process takes its notes and its state back too: it runs again from its snapshot. */
const restorer = defineProgram('restorer', async (sys): Promise<Json> => {
  const took: number[] = []
  const { id, restored } = await sys.snapshot()
  if (restored > 0) return { ms: performance.now() - begun }
  for (let i = 0; i < 100; i++) await sys.write(pathOf(i), `changed ${i}`)
  begun = performance.now()
  void took
  await sys.restore(id)
  return null
})
let begun = 0

const started = performance.now()
let kernel = open()
const { pid } = kernel.spawn(lead, null)
const filled = new Promise<void>((resolve) => {
  let done = 0
  kernel.watch((event) => {
    if (event.type !== 'process-end' || event.state !== 'done') return
    done += CHILD_WRITES
    if (done % 100_000 < CHILD_WRITES && process.stderr.isTTY) process.stderr.write(`${done} of ${writes}\r`)
    if (done >= writes) resolve()
  })
})
await filled
const seconds = (performance.now() - started) / 1_000
const told = (): Promise<Json> =>
  new Promise((resolve) => {
    const stop = kernel.watch((event) => {
      if (event.type !== 'call-start' || event.pid !== pid || event.call !== 'send') return
      stop()
      resolve((event.args as { readonly body: Json }).body)
    })
  })
kernel.send(pid, 'measure')
const report = await told()
kernel.send(pid, 'restore')
const restore = await told()
await kernel.close()
const opened: number[] = []
for (let i = 0; i < 5; i++) {
  const before = performance.now()
  kernel = open()
  opened.push(performance.now() - before)
  await kernel.close()
}
opened.sort((a, b) => a - b)

console.log(
  `${files} files, ${writes} versions of ${size} bytes (${round((writes * size) / 1e9)} GB), ${round(statSync(path).size / 1e9)} GB on the disk`,
)
console.log(
  `filled in ${round(seconds)} s, ${Math.round(writes / seconds)} writes a second, ${TOGETHER} at a time; RSS ${Math.round(process.memoryUsage().rss / 1e6)} MB`,
)
console.log(`open: p50 ${round(opened[2] as number)} ms, longest ${round(opened.at(-1) as number)} ms`)
for (const [what, { p50, p99 }] of Object.entries(
  report as unknown as { [what: string]: { p50: number; p99: number } },
))
  console.log(`${what}: p50 ${p50} ms, p99 ${p99} ms`)
console.log(
  `restore of a process with 100 changed files, until it goes on: ${round((restore as { ms: number }).ms)} ms`,
)
process.exit(0)
