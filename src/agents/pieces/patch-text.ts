/**
 * Patches as a model writes them: blocks of what is to be found and what takes its place, in files of a repository. Pure.
 *
 *     const blocks = blocksIn(text)                  // in the form of `patchForm`
 *     const files = applied(repository, blocks)      // undefined where a text is not found, or nothing changes
 *     normalised(files)                              // equal for patches that differ in comments and spaces alone
 *
 * Invariant
 *   PA1. A text that is to be found has to stand in its file exactly once.
 */

export interface PatchBlock {
  readonly path: string
  readonly search: string
  readonly replace: string
}

/** What a model is told of the form of its blocks. */
export const patchForm = `Write for each change a block:
### path
<<<<<<< SEARCH
lines as they stand now, found exactly once
=======
lines that take their place
>>>>>>> REPLACE`

/** Contents by path. */
export type Repository = { readonly [path: string]: string }

/** The blocks of a text, in their order. */
export function blocksIn(text: string): PatchBlock[] {
  const block = /^### (\S+)\s*\n(?:```\w*\n)?<{5,} SEARCH\n([\s\S]*?)^={5,}\n([\s\S]*?)^>{5,} REPLACE/gm
  return [...text.matchAll(block)].map(([, path = '', search = '', replace = '']) => ({ path, search, replace }))
}

/** The files that change, with their new contents. */
export function applied(files: Repository, blocks: readonly PatchBlock[]): Repository | undefined {
  const changed: { [path: string]: string } = {}
  for (const { path, search, replace } of blocks) {
    const before = changed[path] ?? files[path]
    if (before === undefined || search.trim() === '' || before.split(search).length !== 2) return undefined
    changed[path] = before.split(search).join(replace)
  }
  return Object.keys(changed).some((path) => changed[path] !== files[path]) ? changed : undefined
}

/** Without comments and spaces, for a comparison only: `//`, `#` and `/* … *\/` outside of strings count as comments. */
export function normalised(files: Repository): string {
  return Object.keys(files)
    .toSorted()
    .map((path) => `${path}\n${bare(files[path] as string)}`)
    .join('\n')
}

function bare(text: string): string {
  const pieces = /("(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|`(?:\\.|[^`\\])*`)|\/\*[\s\S]*?\*\/|(?:\/\/|#)[^\n]*/g
  return text.replaceAll(pieces, (_, quoted: string | undefined) => quoted ?? '').replaceAll(/\s+/g, '')
}
