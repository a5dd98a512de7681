/**
 * The folder tools: what an agent may do with a folder of text files, namely search it, read lines of a file and list names. None of them writes.
 *
 *     const index = await openFolderIndex('docs', { indexPath: '/tmp/docs.index' })
 *     const [search, read, list] = folderTools(index)
 *
 * Invariants
 *   T1. Paths are relative to the root with `/`. Every path given is confined (walk.ts): what can be read is what the walk would show.
 *   T2. Every result is bounded: hits, lines, characters a line, names.
 */
import { open } from 'node:fs/promises'
import { z } from 'zod'
import type { FolderIndex, SearchHit } from './folder-index.ts'
import { confine } from './walk.ts'

/** `read` returns at most this many lines. */
export const readLinesMax = 400
/** Longer lines are cut, and end with `…`. */
export const readLineCharsMax = 8_000
/** `read` refuses larger files, in bytes. */
export const readFileBytesMax = 64 * 1024 * 1024
/** A line past this total of characters ends a `read`. */
const readCharsMax = 200_000

export interface ReadResult {
  readonly path: string
  /** First line returned, 1-based. */
  readonly from: number
  /** Last line returned, inclusive; `from - 1` when the file has no such line. */
  readonly to: number
  readonly lines: string[]
  readonly totalLines: number
}

/** Reads lines `from` to `to` (1-based, inclusive) of a file under a real root. */
export async function readLines(
  root: string,
  { path, from = 1, to }: { path: string; from?: number; to?: number },
  signal?: AbortSignal,
): Promise<ReadResult> {
  const real = await confine(root, path)
  const file = await open(real, 'r')
  let bytes: Buffer
  try {
    const stat = await file.stat()
    if (!stat.isFile()) throw new Error(`${JSON.stringify(path)} is not a file.`)
    if (stat.size > readFileBytesMax)
      throw new Error(`${JSON.stringify(path)} has ${stat.size} bytes; at most ${readFileBytesMax} can be read.`)
    bytes = await file.readFile(signal ? { signal } : {})
  } finally {
    await file.close()
  }
  if (bytes.subarray(0, 8_192).includes(0)) throw new Error(`${JSON.stringify(path)} is not a text file.`)
  const all = bytes
    .toString('utf8')
    .replace(/^\uFEFF/, '')
    .split('\n')
  if (all.at(-1) === '') all.pop()
  const first = Math.max(1, Math.trunc(from))
  const last = Math.min(all.length, Math.trunc(to ?? first + readLinesMax - 1), first + readLinesMax - 1)
  const lines: string[] = []
  let chars = 0
  for (let line = first; line <= last && chars < readCharsMax; line++) {
    const text = (all[line - 1] as string).replace(/\r$/, '')
    lines.push(text.length > readLineCharsMax ? `${text.slice(0, readLineCharsMax)}…` : text)
    chars += Math.min(text.length, readLineCharsMax)
  }
  return { path, from: first, to: first + lines.length - 1, lines, totalLines: all.length }
}

/** The three tools of one folder. */
export function folderTools(index: FolderIndex) {
  const search = {
    name: 'search',
    description:
      'Full-text search over the files of the folder. Takes key words or a question; returns the passages that fit best, each with its path and lines.',
    inputSchema: z.object({
      query: z.string().min(1).max(10_000).describe('Key words or a question, as free text'),
      limit: z.number().int().min(1).max(50).optional().describe('How many passages. Default 10'),
    }),
    outputSchema: z.array(
      z.object({
        path: z.string(),
        line: z.number(),
        endLine: z.number(),
        heading: z.string().optional(),
        text: z.string(),
        score: z.number(),
      }),
    ),
    effect: 'read',
    execute: (
      input: { query: string; limit?: number | undefined },
      { signal }: { signal?: AbortSignal } = {},
    ): Promise<SearchHit[]> =>
      index.search(input.query, {
        ...(input.limit === undefined ? {} : { limit: input.limit }),
        ...(signal ? { signal } : {}),
      }),
  } as const

  const read = {
    name: 'read',
    description: `Reads lines of one file of the folder. Lines are numbered from 1; at most ${readLinesMax} come back.`,
    inputSchema: z.object({
      path: z.string().min(1).max(4_096).describe('Path relative to the folder, with /'),
      from: z.number().int().min(1).optional().describe('First line. Default 1'),
      to: z.number().int().min(1).optional().describe('Last line, inclusive'),
    }),
    outputSchema: z.object({
      path: z.string(),
      from: z.number(),
      to: z.number(),
      lines: z.array(z.string()),
      totalLines: z.number(),
    }),
    effect: 'read',
    execute: (
      input: { path: string; from?: number | undefined; to?: number | undefined },
      { signal }: { signal?: AbortSignal } = {},
    ): Promise<ReadResult> =>
      readLines(
        index.root,
        {
          path: input.path,
          ...(input.from === undefined ? {} : { from: input.from }),
          ...(input.to === undefined ? {} : { to: input.to }),
        },
        signal,
      ),
  } as const

  const list = {
    name: 'list',
    description: 'Lists the paths of the text files of the folder, sorted.',
    inputSchema: z.object({
      prefix: z.string().max(4_096).optional().describe('Only paths that begin with this'),
      limit: z.number().int().min(1).max(1_000).optional().describe('How many paths. Default 200'),
    }),
    outputSchema: z.array(z.string()),
    effect: 'read',
    execute: async (input: { prefix?: string | undefined; limit?: number | undefined }): Promise<string[]> =>
      index.list({
        ...(input.prefix === undefined ? {} : { prefix: input.prefix }),
        ...(input.limit === undefined ? {} : { limit: input.limit }),
      }),
  } as const

  return [search, read, list] as const
}
