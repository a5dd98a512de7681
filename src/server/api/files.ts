/**
 * Operations on files: those of a process tree, as they are kept, version by version.
 *
 * Whoever holds the scope `files` looks at the files of its principal as it looks at their traces: no law is asked, no
 * process learns anything, and nothing is journaled. What processes read goes by the law and its labels as ever.
 */
import { z } from 'zod'
import { PolityError } from '../../kernel/errors.ts'
import type { FileVersion as KernelFileVersion } from '../../kernel/types.ts'
import type { Api } from './door.ts'
import type { Operation } from './operation.ts'
import { flag, operation } from './operation.ts'
import { cursorOf, PAGE_DEFAULT, pageQuery, readName, readPlace } from './paging.ts'
import type { FileVersion } from './file-schemas.ts'
import * as schemas from './file-schemas.ts'

const path = z.string().describe('As the process wrote it, such as notes/today.md')

export function fileOperations({ view }: Api): readonly Operation[] {
  return [
    operation({
      id: 'listFiles',
      method: 'GET',
      path: '/processes/:pid/files',
      scope: 'files',
      summary: 'The files of a process tree, as the process sees them',
      description: 'The last version of each, by path; a process, its parent and its children have the same files.',
      query: z.strictObject({
        prefix: z.string().optional().describe('Only paths that begin so. Default all'),
        removed: flag.describe('Those that were removed too. Default false'),
        ...pageQuery,
      }),
      reply: schemas.FilePage,
      errors: ['NO_SUCH_PROCESS'],
      run({ caller, params, query }) {
        const { prefix, removed, cursor, limit = PAGE_DEFAULT } = query
        const after = cursor === undefined ? {} : { after: readName(cursor) }
        const files = view(caller).files(params.pid)
        // One more than the page has: whether there is another.
        const found = files.list(prefix, { removed: removed === 'true', limit: limit + 1, ...after })
        const items = found.slice(0, limit).map(fileOf)
        return { items, next: found.length > limit ? cursorOf([(items.at(-1) as FileVersion).path]) : null }
      },
    }),
    operation({
      id: 'readFile',
      method: 'GET',
      path: '/processes/:pid/file',
      scope: 'files',
      summary: 'One file with its content',
      query: z.strictObject({
        path,
        version: z.coerce.number().int().min(0).optional().describe('Default the last one'),
      }),
      reply: schemas.FileContent,
      errors: ['NO_SUCH_PROCESS', 'NO_SUCH_FILE'],
      run({ caller, params, query }) {
        const { content, encoding, ...version } = view(caller).files(params.pid).read(query.path, query.version)
        return { ...fileOf(version), content, encoding }
      },
    }),
    operation({
      id: 'listFileVersions',
      method: 'GET',
      path: '/processes/:pid/file/versions',
      scope: 'files',
      summary: 'Every version of one file, the newest first',
      description: 'Removals are among them. A fork has those of its origin up to where it was forked, and its own.',
      query: z.strictObject({ path, ...pageQuery }),
      reply: schemas.FilePage,
      errors: ['NO_SUCH_PROCESS', 'NO_SUCH_FILE'],
      run({ caller, params, query: { path: asked, cursor, limit = PAGE_DEFAULT } }) {
        const before = cursor === undefined ? undefined : readPlace(cursor)
        const items: FileVersion[] = []
        for (const version of view(caller).files(params.pid).versions(asked, before)) {
          if (items.length === limit) return { items, next: cursorOf([(items.at(-1) as FileVersion).version]) }
          items.push(fileOf(version))
        }
        // As whoever reads it is told; one that was removed has its removal.
        if (items.length === 0 && before === undefined)
          throw new PolityError('NO_SUCH_FILE', `there is no file "${asked}"`)
        return { items, next: null }
      },
    }),
  ]
}

function fileOf({ path: name, version, bytes, at, pid, removed, labels }: KernelFileVersion): FileVersion {
  return { path: name, version, bytes, at, pid, removed, labels: [...labels] }
}
