/**
 * What the folder index costs: seconds to index, size, the longest stall of the event loop, reopening, and searching.
 *
 *     node bench/folder-index.ts [megabytes] [seed]        (100 and 7 when not given)
 *
 * The files are the corpora of test/quality, shuffled by paragraph from the seed and written out again until there is enough; so the words are real and no two files are alike.
 */
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { monitorEventLoopDelay, performance } from 'node:perf_hooks'
import { openFolderIndex } from '../src/drivers/folder/folder-index.ts'
import { corpusNames, prepareCorpus } from '../test/quality/corpora.ts'
import { questionsOf } from '../test/quality/reader-quality.ts'

const megabytes = Number(process.argv[2] ?? 100)
const seed = Number(process.argv[3] ?? 7)
const fileBytes = 40_000

/** Mulberry32: the same seed always gives the same files. */
function randomFrom(start: number): () => number {
  let state = start >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

async function writeFiles(parent: string, folder: string): Promise<{ files: number; bytes: number }> {
  const paragraphs: string[] = []
  for (const corpus of corpusNames) {
    const from = await prepareCorpus(corpus, parent)
    for (const path of await readdir(from, { recursive: true })) {
      if (!/\.(?:txt|mdx?)$/.test(path)) continue
      const text = await readFile(join(from, path), 'utf8')
      paragraphs.push(
        ...(corpus === 'addresses' ? text.split(/(?<=\n(?:.*\n){5})/) : text.split(/\n\s*\n/)).filter(
          (each) => each.trim() !== '',
        ),
      )
    }
  }
  const random = randomFrom(seed)
  let bytes = 0
  let files = 0
  while (bytes < megabytes * 1e6) {
    const parts: string[] = []
    for (let size = 0; size < fileBytes; size += parts.at(-1)?.length ?? 0)
      parts.push(paragraphs[Math.floor(random() * paragraphs.length)] as string)
    const text = parts.join('\n\n')
    const sub = join(folder, `part-${Math.floor(files / 100)}`)
    if (files % 100 === 0) await mkdir(sub, { recursive: true })
    await writeFile(join(sub, `file-${files}.${files % 3 === 0 ? 'md' : 'txt'}`), text)
    bytes += Buffer.byteLength(text)
    files++
  }
  return { files, bytes }
}

async function timed<T>(work: () => Promise<T>): Promise<{ value: T; seconds: number; stallMs: number }> {
  const delay = monitorEventLoopDelay({ resolution: 1 })
  delay.enable()
  const start = performance.now()
  const value = await work()
  const seconds = (performance.now() - start) / 1_000
  delay.disable()
  return { value, seconds, stallMs: delay.max / 1e6 }
}

const parent = await mkdtemp(join(tmpdir(), 'folder-index-bench-'))
try {
  const folder = join(parent, 'files')
  const made = await writeFiles(parent, folder)
  console.log(`${made.files} files, ${(made.bytes / 1e6).toFixed(1)} MB, seed ${seed}`)
  const indexPath = join(parent, 'bench.index')

  const first = await timed(() => openFolderIndex(folder, { indexPath }))
  const size = (await stat(indexPath)).size
  console.log(
    `index     ${first.seconds.toFixed(2)} s   ${first.value.report().passages} passages   ${(size / 1e6).toFixed(1)} MB   longest stall ${first.stallMs.toFixed(1)} ms`,
  )
  first.value.close()

  const again = await timed(() => openFolderIndex(folder, { indexPath }))
  console.log(
    `reopen    ${again.seconds.toFixed(3)} s   ${again.value.report().indexed} files indexed again   longest stall ${again.stallMs.toFixed(1)} ms`,
  )
  const index = again.value

  await writeFile(join(folder, 'part-0', 'file-0.md'), '# Changed\n\nOne new sentence.\n')
  const changed = await timed(() => index.refresh())
  console.log(
    `refresh   ${changed.seconds.toFixed(3)} s   ${changed.value.indexed} file changed   longest stall ${changed.stallMs.toFixed(1)} ms`,
  )

  const queries = (await Promise.all(corpusNames.map((corpus) => questionsOf(corpus))))
    .flat()
    .map((each) => each.question)
  const times: number[] = []
  for (const query of [...queries, ...queries]) {
    const start = performance.now()
    await index.search(query, { limit: 20 })
    times.push(performance.now() - start)
  }
  times.sort((a, b) => a - b)
  const at = (share: number): string =>
    (times[Math.min(times.length - 1, Math.floor(times.length * share))] ?? 0).toFixed(1)
  console.log(`search    p50 ${at(0.5)} ms   p99 ${at(0.99)} ms   ${times.length} questions, 20 hits each`)
  index.close()
} finally {
  await rm(parent, { recursive: true, force: true })
}
