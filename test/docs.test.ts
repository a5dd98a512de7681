/**
 * The docs hold: blocks of code that begin with `// runs` run and are of strict types, tables are the source's, each kernel
 * file has its chapter, and links lead somewhere.
 *
 * A block runs as its reader would run it, in a process of its own, with `polity` standing for `src/index.ts` and
 * `polity/x` for `src/x.ts`; their types are checked all at once, with the options of the repository.
 */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, relative, resolve } from 'node:path'
import { after, describe, test } from 'node:test'
import { pathToFileURL } from 'node:url'
import { clientAdvice, errorTable } from '../src/kernel/errors.ts'
import { defaultLimits } from '../src/kernel/limits.ts'

const root = join(import.meta.dirname, '..')
const chapters = filesIn(join(root, 'docs', 'kernel'))
const pages = ['README.md', 'CHANGELOG.md', 'CONTRIBUTING.md']
  .map((name) => join(root, name))
  .concat(filesIn(join(root, 'docs')))
/** A block that takes longer has not ended by itself, and nor has the check of their types, ms. */
const BLOCK_MS = 60_000

function filesIn(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.md'))
    .map((name) => join(folder, name))
    .toSorted()
}

const nameOf = (path: string) => relative(root, path)
const textOf = (path: string) => readFileSync(path, 'utf8')

// --------------------------------------------------------------------------------------------------------------- blocks

// Its own node_modules, so that blocks find what the repository has installed.
const folder = mkdtempSync(join(tmpdir(), 'polity-docs-'))
symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'))
after(() => rmSync(folder, { recursive: true, force: true }))

function sourceOf(block: string): string {
  return block
    .replaceAll(/from 'polity'/g, () => `from '${pathToFileURL(join(root, 'src', 'index.ts')).href}'`)
    .replaceAll(
      /from 'polity\/([^']+)'/g,
      (_, path: string) => `from '${pathToFileURL(join(root, 'src', `${path}.ts`)).href}'`,
    )
}

function run(...words: string[]): Promise<{ code: unknown; stdout: string; stderr: string }> {
  return new Promise((ended) => {
    execFile(process.execPath, words, { cwd: folder, timeout: BLOCK_MS }, (error, stdout, stderr) => {
      ended({ code: error === null ? 0 : (error.code ?? error.signal), stdout, stderr })
    })
  })
}

const blocks = pages.flatMap((page) =>
  Array.from(textOf(page).matchAll(/^```ts\n(\/\/ runs\n[\s\S]*?)^```$/gm), ([, block = ''], i) => ({
    name: `${nameOf(page)}, block ${i + 1}`,
    file: `${nameOf(page).replaceAll(/\W/g, '-')}-${i + 1}.ts`,
    block,
  })),
)

describe('blocks of code', { concurrency: 2 }, () => {
  test('are of strict types', async () => {
    const typed = join(folder, 'typed')
    mkdirSync(typed)
    for (const { file, block } of blocks) writeFileSync(join(typed, file), block)
    writeFileSync(join(typed, 'package.json'), JSON.stringify({ type: 'module' }))
    const paths = { polity: [join(root, 'src', 'index.ts')], 'polity/*': [join(root, 'src', '*.ts')] }
    const config = { extends: join(root, 'tsconfig.json'), compilerOptions: { paths }, include: ['*.ts'], exclude: [] }
    writeFileSync(join(typed, 'tsconfig.json'), JSON.stringify(config))
    const { code, stdout } = await run(join(root, 'node_modules', 'typescript', 'bin', 'tsc'), '-p', typed)
    assert.equal(stdout, '')
    assert.equal(code, 0)
  })

  for (const { name, file, block } of blocks) {
    test(name, async () => {
      const path = join(folder, file)
      writeFileSync(path, sourceOf(block))
      const { code, stdout, stderr } = await run(path)
      assert.equal(stderr, '')
      assert.equal(code, 0)
      assert.notEqual(stdout, '', 'a block that prints nothing shows nothing')
    })
  }
})

test('most chapters have a block that runs', () => {
  const without = chapters.filter((chapter) => !textOf(chapter).includes('```ts\n// runs\n'))
  assert.ok(without.length <= 3, `${without.map(nameOf).join(', ')} have none`)
})

// --------------------------------------------------------------------------------------------------------------- tables

function rowsOf(markdown: string): string[][] {
  return markdown
    .split('\n')
    .filter((line) => line.startsWith('| `'))
    .map((line) =>
      line
        .slice(2, -2)
        .split(' | ')
        .map((cell) => cell.trim()),
    )
}

test('docs/errors.md is the table of errors, word for word and in its order', () => {
  const [text = '', afar = ''] = textOf(join(root, 'docs', 'errors.md')).split('## From a server')
  const rows = rowsOf(text)
  const expected = Object.entries(errorTable).map(([code, { means, todo, retry }]) => [
    `\`${code}\``,
    means,
    todo,
    retry ? 'yes' : 'no',
  ])
  assert.deepEqual(rows, expected)
  const advice = (Object.keys(errorTable) as (keyof typeof errorTable)[])
    .filter((code) => 'client' in errorTable[code])
    .map((code) => [`\`${code}\``, clientAdvice(code)])
  assert.deepEqual(rowsOf(afar), advice)
})

test('docs/kernel/limits.md has every limit with its default', () => {
  const rows = new Map(
    rowsOf(textOf(join(root, 'docs', 'kernel', 'limits.md'))).map(([name = '', value]) => [
      name.replaceAll('`', ''),
      value,
    ]),
  )
  for (const [name, value] of Object.entries(defaultLimits)) {
    assert.equal(rows.get(name), value.toLocaleString('en-US'), `the row of ${name} in docs/kernel/limits.md`)
    rows.delete(name)
  }
  assert.deepEqual([...rows.keys()], [], 'rows of limits that are gone')
})

// ------------------------------------------------------------------------------------------------------------- chapters

test('every kernel file is covered by exactly one chapter', () => {
  const files = readdirSync(join(root, 'src', 'kernel')).filter((name) => name.endsWith('.ts'))
  const covered = new Map<string, string[]>()
  for (const chapter of chapters) {
    const [title = ''] = textOf(chapter).split('\n')
    const names = Array.from(title.matchAll(/`([\w-]+\.ts)`/g), (match) => match[1] as string)
    assert.notEqual(
      names.length,
      0,
      `${nameOf(chapter)}: the title names no file, such as “# The clock (\`clock.ts\`)”`,
    )
    for (const name of names) covered.set(name, [...(covered.get(name) ?? []), nameOf(chapter)])
  }
  for (const file of files)
    assert.equal(
      covered.get(file)?.length ?? 0,
      1,
      `src/kernel/${file} is covered by ${covered.get(file)?.join(' and ') ?? 'no chapter: write one, or name it in the title of another'}`,
    )
  for (const file of covered.keys())
    assert.ok(files.includes(file), `${covered.get(file)?.join()} covers src/kernel/${file}, which is not there`)
})

// ---------------------------------------------------------------------------------------------------------------- links

test('every source file that the docs name is there', () => {
  const gone: string[] = []
  for (const page of pages) {
    for (const [, path] of textOf(page).matchAll(/`((?:src|test|bench|examples)\/[\w/.-]+\.ts)`/g)) {
      if (!existsSync(join(root, path as string))) gone.push(`${nameOf(page)}: ${path}`)
    }
  }
  assert.deepEqual(gone, [])
})

/** Headings as GitHub makes anchors of them. */
function anchorsOf(markdown: string): Set<string> {
  const anchors = new Set<string>()
  for (const [, heading] of markdown.matchAll(/^#{1,6} (.+)$/gm)) {
    anchors.add(
      (heading as string)
        .toLowerCase()
        .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
        .replaceAll(/\s/g, '-'),
    )
  }
  return anchors
}

test('every relative link leads somewhere', () => {
  const broken: string[] = []
  for (const page of pages) {
    const text = textOf(page).replaceAll(/^```[\s\S]*?^```$/gm, '')
    for (const [, target] of text.matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^[a-z]+:/.test(target as string)) continue
      const [path = '', anchor] = (target as string).split('#')
      const file = path === '' ? page : resolve(dirname(page), path)
      if (!existsSync(file)) broken.push(`${nameOf(page)}: ${target}`)
      else if (anchor !== undefined && !anchorsOf(textOf(file)).has(anchor))
        broken.push(`${nameOf(page)}: ${target} (no such heading)`)
    }
  }
  assert.deepEqual(broken, [])
})
