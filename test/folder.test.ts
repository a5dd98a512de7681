/** The folder index and its tools, on real files in a temporary folder. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import {
  chmod,
  mkdir,
  mkdtemp,
  open as openFile,
  readdir,
  rename,
  rm,
  stat,
  symlink,
  truncate,
  utimes,
  writeFile,
} from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { after, test } from 'node:test'
import { setImmediate as immediate, setTimeout as pause } from 'node:timers/promises'
import { promisify } from 'node:util'
import fc from 'fast-check'
import { contentWords } from '../src/agents/pieces/citations.ts'
import { openSources } from '../src/cli/sources.ts'
import { openFolderIndex, type FolderIndex, type FolderIndexOptions } from '../src/drivers/folder/folder-index.ts'
import { cutPassages, passageBytesMax } from '../src/drivers/folder/passages.ts'
import { folderTools, readLines, readLinesMax } from '../src/drivers/folder/tools.ts'
import { spaced } from '../src/drivers/folder/segments.ts'
import { watchFolder } from '../src/drivers/folder/watch.ts'
import { realClock } from '../src/kernel/clock.ts'
import { searchWords } from '../src/drivers/folder/words.ts'

const made: string[] = []
after(async () => {
  for (const folder of made) await rm(folder, { recursive: true, force: true })
})

/** A temporary place with the files given under `docs`; `open` opens its index. */
async function place(files: Record<string, string | Buffer>): Promise<{
  root: string
  outside: string
  indexPath: string
  write: (path: string, text: string | Buffer) => Promise<void>
  open: (options?: Partial<FolderIndexOptions>) => Promise<FolderIndex>
}> {
  const outside = await mkdtemp(join(tmpdir(), 'folder-test-'))
  made.push(outside)
  const root = join(outside, 'docs')
  await mkdir(root)
  const write = async (path: string, text: string | Buffer): Promise<void> => {
    await mkdir(dirname(join(root, path)), { recursive: true })
    await writeFile(join(root, path), text)
  }
  for (const [path, text] of Object.entries(files)) await write(path, text)
  const indexPath = join(outside, 'index', 'docs.index')
  return { root, outside, indexPath, write, open: (options) => openFolderIndex(root, { indexPath, ...options }) }
}

test('a search finds a stemmed word with its path, lines, heading and text', async () => {
  const { open } = await place({
    'guide/start.md':
      '# Guide\n\nHello.\n\n## Budgets\n\nTokens are reserved before the call,\nand settled after it.\n',
    'other.txt': 'nothing here',
  })
  const index = await open()
  const [hit, ...more] = await index.search('how is a token reservation made? reserving')
  assert.equal(more.length, 0)
  assert.equal(hit?.path, 'guide/start.md')
  assert.equal(hit?.heading, 'Guide > Budgets')
  assert.deepEqual([hit?.line, hit?.endLine], [5, 8])
  assert.equal(hit?.text, '## Budgets\n\nTokens are reserved before the call,\nand settled after it.')
  assert.ok((hit?.score ?? 0) > 0)
  index.close()
})

test('words of Japanese, Chinese and Thai are found in the middle of a line, among files of other scripts', async () => {
  const { open } = await place({
    'ja.md':
      '# 灯台\n\n灯台の番人の名前は田中です。\n猫は夜、納屋で寝ます。\n予算は呼び出しの前に確保され、その後で精算されます。\n',
    'zh.md': '# 灯塔\n\n灯塔看守人名叫英格丽德。\n北京是中国的首都。\n预算在调用之前预留。\n',
    'th.txt': 'แมวนอนในยุ้งฉางตอนกลางคืน\n',
    'en.md': '# Barn\n\nThe cat sleeps in the barn. Run it with Node.jsで.\n',
    '納屋/memo.txt': 'empty\n',
  })
  const index = await open()
  const asked: readonly (readonly [question: string, path: string])[] = [
    ['猫はどこで寝ますか', 'ja.md'],
    ['予算はいつ確保されますか？', 'ja.md'],
    ['番人の名前', 'ja.md'],
    ['谁是灯塔的看守人？', 'zh.md'],
    ['中国的首都是哪里？', 'zh.md'],
    ['预算什么时候预留？', 'zh.md'],
    ['แมวนอนที่ไหน', 'th.txt'],
    ['node js', 'en.md'],
  ]
  for (const [question, path] of asked) assert.equal((await index.search(question))[0]?.path, path, question)
  const [hit] = await index.search('首都')
  assert.match(hit?.text ?? '', /北京是中国的首都。/) // as it stands in the file
  assert.deepEqual(new Set((await index.search('納屋')).map(({ path }) => path)), new Set(['ja.md', '納屋/memo.txt']))
  assert.deepEqual(await index.search('東京'), [])
  index.close()
})

test('a script without spaces is cut into words, and other text is left as it is', () => {
  assert.deepEqual(searchWords('猫はどこで寝ますか'), ['猫', '寝'])
  assert.deepEqual(searchWords('北京是中国的首都吗？'), ['北京', '中国', '首都'])
  assert.deepEqual(searchWords('은행의 예산'), ['은행의', '예산']) // Korean has spaces
  const latin = 'Größe, naïve “quotes” — and Ελληνικά.'
  assert.equal(spaced(latin), latin)
  assert.equal(spaced('Node.jsで動く').replaceAll(/\s+/g, ' '), 'Node.js で 動く ')
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => spaced(text).replaceAll(' ', '') === text.replaceAll(' ', '')),
  )
})

test('a claim in a script without spaces is held against the signs of its lines', () => {
  const cited = contentWords('猫は夜、納屋で寝ます。')
  assert.ok([...contentWords('納屋にいる')].some((word) => cited.has(word)))
  assert.ok(![...contentWords('予算の確保')].some((word) => cited.has(word)))
  assert.deepEqual([...contentWords('The budget of 12')], ['budget', '12'])
})

test('a heading inside a code fence is no heading', async () => {
  const text = '# Real\n\n```sh\n# not a heading\nrun wombat\n```\n\n~~~\n## neither\n```\n~~~\nafter wombat\n'
  const headings = [...cutPassages(Buffer.from(text), true)].map((passage) => passage.heading)
  assert.deepEqual([...new Set(headings)], ['Real'])
})

test('a second open indexes nothing, and then only what changed', async () => {
  const { open, write, root } = await place({ 'a.txt': 'apples', 'b.txt': 'bananas', 'c.txt': 'cherries' })
  const first = await open()
  assert.deepEqual([first.report().built, first.report().indexed, first.report().files], [true, 3, 3])
  first.close()
  const second = await open()
  assert.deepEqual([second.report().built, second.report().indexed, second.report().removed], [false, 0, 0])
  second.close()

  await write('b.txt', 'blueberries instead')
  await write('d.txt', 'dates')
  await rm(join(root, 'c.txt'))
  const third = await open()
  assert.deepEqual([third.report().indexed, third.report().removed, third.report().files], [2, 1, 3])
  assert.deepEqual(await third.search('bananas'), [])
  assert.deepEqual(await third.search('cherries'), [])
  assert.equal((await third.search('blueberry'))[0]?.path, 'b.txt')
  assert.deepEqual(third.list(), ['a.txt', 'b.txt', 'd.txt'])
  third.close()
})

test('a hit in a file that changed since is what stands there now, and one that vanished is gone', async () => {
  const { open, write, root } = await place({ 'a.txt': 'the walrus sleeps', 'b.txt': 'a walrus swims' })
  const index = await open()
  await write('a.txt', 'first line\nthe walrus is awake')
  await rm(join(root, 'b.txt'))
  const hits = await index.search('walrus')
  assert.deepEqual(
    hits.map((hit) => [hit.path, hit.text]),
    [['a.txt', 'first line\nthe walrus is awake']],
  )
  index.close()
})

test('binary, large, hidden and linked files are left out and counted', async () => {
  const { open, root, outside, write } = await place({
    'a.txt': 'plain zebra',
    'b.bin': Buffer.from([1, 0, 2]),
    'big.txt': 'zebra '.repeat(1_000),
    '.env': 'zebra',
    '.git/config': 'zebra',
    'node_modules/x/readme.md': 'zebra',
  })
  await writeFile(join(outside, 'secret.txt'), 'zebra secret')
  await symlink(join(outside, 'secret.txt'), join(root, 'leak.txt'))
  await symlink(outside, join(root, 'leak-folder'))
  await symlink(join(root, 'a.txt'), join(root, 'again.txt'))
  await write('sub/loop.txt', 'nothing')
  await symlink(root, join(root, 'sub', 'loop'))
  const index = await open({ fileBytesMax: 2_000 })
  const { skips } = index.report()
  assert.deepEqual(
    { ...skips },
    { binary: 1, tooLarge: 1, hidden: 3, linkOutside: 2, linkInside: 2, unreadable: 0, beyondLimit: 0 },
  )
  assert.deepEqual(
    (await index.search('zebra')).map((hit) => hit.path),
    ['a.txt'],
  )
  index.close()
  const again = await open({ fileBytesMax: 2_000 })
  assert.equal(again.report().skips.binary, 1)
  again.close()
})

test('paths that leave the folder are refused', async () => {
  const { root, outside } = await place({
    'a.txt': 'inside',
    'sub/b.txt': 'b',
    '.env': 'key',
    'node_modules/m.txt': 'm',
  })
  await writeFile(join(outside, 'secret.txt'), 'secret')
  await symlink(join(outside, 'secret.txt'), join(root, 'link.txt'))
  await symlink('..', join(root, 'up'))
  await symlink(join(root, '.env'), join(root, 'env.txt'))
  for (const path of [
    '../secret.txt',
    'sub/../../secret.txt',
    '/etc/passwd',
    join(outside, 'secret.txt'),
    'C:\\x',
    'a\0.txt',
    '..\\secret.txt',
    'link.txt',
    'up/secret.txt',
    'sub/./../../secret.txt',
    '',
    '.env',
    'node_modules/m.txt',
    'env.txt',
  ])
    await assert.rejects(readLines(root, { path }), /is refused|no file/, path)
  for (const path of ['%2e%2e/secret.txt', '..%2fsecret.txt', 'sub/%2e%2e/%2e%2e/secret.txt', '．．/secret.txt'])
    await assert.rejects(readLines(root, { path }), /no file|is refused/, path)
  await assert.rejects(readLines(root, { path: 'sub' }), /not a file/)
  assert.deepEqual((await readLines(root, { path: './sub//b.txt' })).lines, ['b'])
})

test('no path at all reads a file outside', async () => {
  const { root, outside } = await place({ 'a.txt': 'inside' })
  await writeFile(join(outside, 'secret.txt'), 'SECRET')
  const part = fc.constantFrom('..', '.', '', 'a.txt', 'secret.txt', 'docs', '%2e%2e', '..\\', '\0', '~', '/')
  await fc.assert(
    fc.asyncProperty(fc.array(part, { maxLength: 6 }), fc.constantFrom('/', '\\', '//'), async (parts, separator) => {
      const found = await readLines(root, { path: parts.join(separator) }).catch(() => undefined)
      assert.notEqual(found?.lines[0], 'SECRET')
    }),
    { numRuns: 200 },
  )
})

test('read gives numbered lines within bounds', async () => {
  const { root } = await place({
    'n.txt': Array.from({ length: 1_000 }, (_, index) => `line ${index + 1}`).join('\r\n') + '\r\n',
    'wide.txt': 'x'.repeat(50_000),
    'empty.txt': '',
  })
  const some = await readLines(root, { path: 'n.txt', from: 10, to: 12 })
  assert.deepEqual(some, {
    path: 'n.txt',
    from: 10,
    to: 12,
    lines: ['line 10', 'line 11', 'line 12'],
    totalLines: 1_000,
  })
  assert.equal((await readLines(root, { path: 'n.txt' })).lines.length, readLinesMax)
  assert.deepEqual((await readLines(root, { path: 'n.txt', from: 5_000 })).lines, [])
  assert.ok(((await readLines(root, { path: 'wide.txt' })).lines[0] as string).length < 10_000)
  assert.equal((await readLines(root, { path: 'empty.txt' })).totalLines, 0)
})

test('a query is free text: no FTS syntax gets through', async () => {
  const { open } = await place({ 'a.txt': 'the quick brown fox', 'b.txt': 'NOT AND OR NEAR body heading path' })
  const index = await open()
  for (const query of [
    '"',
    '""',
    'fox"',
    'fox AND',
    'NOT fox',
    'NEAR(fox brown, 2)',
    'body:fox',
    'body : fox',
    '{path body}: fox',
    'fox*',
    '^fox',
    'fox)',
    '(((',
    "fox' OR 1=1 --",
    '-fox',
    'fox + brown',
    ';DROP TABLE words',
    '\0fox',
    'a'.repeat(5_000),
  ])
    await index.search(query)
  assert.equal((await index.search('zzz OR fox'))[0]?.path, 'a.txt')
  await fc.assert(
    fc.asyncProperty(fc.string({ unit: 'grapheme', maxLength: 60, size: 'max' }), async (query) =>
      assert.ok(Array.isArray(await index.search(query))),
    ),
    { numRuns: 200 },
  )
  index.close()
})

test('search words hold letters, digits and marks only', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) =>
      searchWords(text).every((word) => /^[\p{L}\p{N}\p{M}]+$/u.test(word)),
    ),
  )
})

test('accents, other scripts and broken UTF-8 are found and read', async () => {
  const { open, root } = await place({
    'é/naïve café.txt': 'Le cœur a ses raisons: café crème.\n',
    'ru.txt': 'Белый кит плывёт.\n',
    'broken.txt': Buffer.concat([
      Buffer.from('before '),
      Buffer.from([0xff, 0xc3, 0x28]),
      Buffer.from(' otter after\n'),
    ]),
    'bom.txt': '\uFEFFbadger first\n',
  })
  const index = await open()
  assert.equal((await index.search('cafe creme'))[0]?.path, 'é/naïve café.txt')
  assert.equal((await index.search('белый'))[0]?.text, 'Белый кит плывёт.')
  assert.match((await index.search('otter'))[0]?.text ?? '', /^before .* otter after$/)
  assert.equal((await index.search('badger'))[0]?.text, 'badger first')
  assert.deepEqual((await readLines(root, { path: 'bom.txt' })).lines, ['badger first'])
  index.close()
})

const plain = (text: string): string => text.replaceAll(/[ \t\r\n]/g, '')

test('passages cover every byte that is not blank, in order, within their limit', () => {
  const line = fc.oneof(
    fc.constantFrom('', '  ', '# Title', '```', 'word '.repeat(400).trim(), 'ünïcödé '.repeat(300), 'Short line.'),
    fc.string({ unit: 'grapheme', maxLength: 80, size: 'max' }),
  )
  fc.assert(
    fc.property(fc.array(line, { maxLength: 30, size: 'max' }), fc.boolean(), (lines, markdown) => {
      const bytes = Buffer.from(lines.join('\n'))
      let end = 0
      let held = ''
      for (const passage of cutPassages(bytes, markdown)) {
        assert.ok(passage.byteOffset >= end && passage.byteLength > 0 && passage.byteLength <= passageBytesMax)
        assert.ok(passage.line >= 1 && passage.endLine >= passage.line)
        assert.equal(bytes.subarray(0, passage.byteOffset).filter((byte) => byte === 10).length + 1, passage.line)
        end = passage.byteOffset + passage.byteLength
        held += bytes.toString('latin1', passage.byteOffset, end)
      }
      assert.equal(plain(held), plain(bytes.toString('latin1')))
    }),
  )
})

test('a corrupt, truncated or foreign index is built again', async () => {
  const { open, indexPath } = await place({ 'a.txt': 'a lone ferret' })
  ;(await open()).close()
  const spoils = [
    () => writeFile(indexPath, 'this is not a database'),
    () => writeFile(indexPath, ''),
    async () => truncate(indexPath, Math.floor((await stat(indexPath)).size / 2)),
  ]
  for (const spoil of spoils) {
    await spoil()
    const index = await open()
    assert.equal(index.report().built, true)
    assert.equal((await index.search('ferret')).length, 1)
    index.close()
  }
  const other = await place({ 'b.txt': 'a lone stoat' })
  const index = await openFolderIndex(other.root, { indexPath })
  assert.deepEqual(index.list(), ['b.txt'])
  index.close()
})

/** Writes over all but the first pages of an index that is open, and lets its connections know that something was written. */
async function damage(indexPath: string): Promise<void> {
  const sql = (statement: string): void => {
    const elsewhere = new DatabaseSync(indexPath)
    elsewhere.exec(statement)
    elsewhere.close()
  }
  sql('PRAGMA wal_checkpoint(TRUNCATE)')
  const file = await openFile(indexPath, 'r+')
  const { size } = await file.stat()
  const pageBytes = 4_096
  for (let at = 3 * pageBytes; at < size; at += pageBytes)
    await file.write(Buffer.alloc(pageBytes, 'Z'), 0, pageBytes, at)
  await file.close()
  sql('UPDATE meta SET value = value')
}

test('an index that is damaged while it is open is built again once, of the folder as it is then', async () => {
  const { indexPath, open, write } = await place(
    Object.fromEntries(Array.from({ length: 300 }, (_, n) => [`${n}.md`, `ferret ${n} lorem ipsum dolor `.repeat(60)])),
  )
  let builds = 0
  let last = Infinity
  const index = await open({
    onProgress({ files }) {
      if (files < last) builds++
      last = files
    },
  })
  const found = async (query: string): Promise<string[]> => (await index.search(query)).map(({ path }) => path)
  await write('stoat.md', 'a lone stoat')
  await index.refresh(['stoat.md'])
  await write('marten.md', 'a lone marten') // nobody has said so yet
  builds = 0
  last = Infinity
  await damage(indexPath)
  const searches = await Promise.all([found('ferret'), found('lorem'), found('dolor')])
  assert.deepEqual(
    searches.map(({ length }) => length),
    [10, 10, 10],
  )
  assert.equal(builds, 1)
  assert.deepEqual([await found('stoat'), await found('marten')], [['stoat.md'], ['marten.md']])
  assert.deepEqual([index.report().built, index.report().files], [true, 302])

  await damage(indexPath)
  await write('mink.md', 'a lone mink')
  const report = await index.refresh(['mink.md'])
  assert.deepEqual([report.built, report.files, await found('mink')], [true, 303, ['mink.md']])
  index.close()
  await assert.rejects(index.search('mink'), /closed/)
})

test('two opens of one index at once both work, and leave no rubbish behind', async () => {
  const { open, indexPath } = await place(
    Object.fromEntries(Array.from({ length: 50 }, (_, index) => [`f${index}.txt`, `file ${index} mentions a marten`])),
  )
  const indexes = await Promise.all([open(), open(), open()])
  for (const index of indexes) assert.equal((await index.search('marten', { limit: 50 })).length, 50)
  await Promise.all(indexes.map((index) => index.refresh()))
  for (const index of indexes) index.close()
  assert.deepEqual(
    (await readdir(dirname(indexPath))).filter((name) => name.includes('building')),
    [],
  )
})

test('an empty folder, a missing one and a file that cannot be read', async () => {
  const { open, root, write, outside } = await place({})
  const index = await open()
  assert.deepEqual([index.report().files, await index.search('anything'), index.list()], [0, [], []])
  await write('closed.txt', 'mink')
  await chmod(join(root, 'closed.txt'), 0)
  await index.refresh() // as root the file can still be read; either way nothing throws
  index.close()
  await assert.rejects(openFolderIndex(join(outside, 'missing'), { indexPath: join(outside, 'x.index') }), /no folder/)
  await assert.rejects(index.search('mink'), /closed/)
})

test('indexing reports its progress, yields to the event loop and can be aborted', async () => {
  const { open, write, indexPath } = await place({})
  for (let file = 0; file < 20; file++)
    await write(`f${file}.txt`, `paragraph ${file} about beavers and dams.\n\n`.repeat(4_000))
  let turns = 0
  const timer = setInterval(() => turns++, 1)
  const seen: number[] = []
  const index = await open({ onProgress: ({ files, bytes, totalBytes }) => seen.push(files, bytes, totalBytes) })
  clearInterval(timer)
  assert.deepEqual(seen.slice(-3), [20, index.report().bytes, index.report().bytes])
  assert.ok(turns > 10, `${turns} turns`)
  index.close()
  await rm(indexPath)
  const abort = new AbortController()
  await assert.rejects(open({ signal: abort.signal, onProgress: () => abort.abort(new Error('enough')) }), /enough/)
  assert.deepEqual(
    (await readdir(dirname(indexPath))).filter((name) => name.includes('building')),
    [],
  )
})

test('a change of time alone leads to indexing again, and gives the same hits', async () => {
  const { open, root } = await place({ 'a.txt': 'one heron', 'b.txt': 'two herons' })
  const first = await open()
  const before = await first.search('heron')
  first.close()
  await utimes(join(root, 'a.txt'), 1, 1)
  const second = await open()
  assert.equal(second.report().indexed, 1)
  assert.deepEqual(await second.search('heron'), before)
  second.close()
})

test('the three tools have schemas and answer as promised', async () => {
  const { open } = await place({ 'a/one.md': '# One\n\nA curious pangolin.', 'b.txt': 'none' })
  const index = await open()
  const [search, read, list] = folderTools(index)
  for (const tool of [search, read, list]) {
    assert.equal(tool.effect, 'read')
    assert.equal(tool.inputSchema['~standard'].jsonSchema.input({ target: 'draft-07' })['type'], 'object')
  }
  assert.equal(search.inputSchema.safeParse({ query: '' }).success, false)
  const hits = search.outputSchema.parse(await search.execute({ query: 'pangolin', limit: 1 }))
  assert.equal(hits[0]?.path, 'a/one.md')
  assert.deepEqual(await read.execute({ path: 'a/one.md', from: 3, to: 3 }), {
    path: 'a/one.md',
    from: 3,
    to: 3,
    lines: ['A curious pangolin.'],
    totalLines: 3,
  })
  assert.deepEqual(await list.execute({ prefix: 'a/' }), ['a/one.md'])
  await assert.rejects(
    search.execute({ query: 'pangolin' }, { signal: AbortSignal.abort(new Error('stopped')) }),
    /stopped/,
  )
  index.close()
})

test('processes that build one index at the same time all get a good one', async () => {
  const files = Object.fromEntries(
    Array.from({ length: 20 }, (_, i) => [`note-${i}.md`, `The heron number ${i} stands in the reeds.\n`]),
  )
  const { root, outside } = await place(files)
  const code = `
    import { openFolderIndex } from ${JSON.stringify(new URL('../src/drivers/folder/folder-index.ts', import.meta.url).href)}
    const index = await openFolderIndex(${JSON.stringify(root)}, { indexPath: process.argv[1] })
    console.log((await index.search('heron', { limit: 50 })).length)
    index.close()`
  for (let round = 0; round < 3; round++) {
    const indexPath = join(outside, `race-${round}.db`)
    const found = await Promise.all(
      Array.from({ length: 3 }, () =>
        promisify(execFile)(process.execPath, ['--input-type=module', '-e', code, indexPath]),
      ),
    )
    assert.deepEqual(
      found.map(({ stdout }) => Number(stdout)),
      [20, 20, 20],
    )
  }
})

test('a watched folder is found as it is: written, written over in the same moment, deleted, renamed, in bursts', async () => {
  const { root, open, write } = await place({ 'a.md': 'the harbour froze', 'deep/b.md': 'a lighthouse keeper' })
  const index = await open()
  const found = async (query: string): Promise<string[]> => (await index.search(query)).map(({ path }) => path)
  await write('early.md', 'walnut: written before anybody watched')
  const watch = watchFolder(index, { clock: realClock(), quietMs: 30, burstMs: 200 })
  /** The system tells of a change a moment after it; a test waits for that, and not for longer. */
  const until = async (query: string, paths: readonly string[]): Promise<void> => {
    for (let tries = 0; ; tries++) {
      await watch.settled()
      const now = (await found(query)).toSorted()
      if (tries > 40 || JSON.stringify(now) === JSON.stringify(paths)) return assert.deepEqual(now, paths, query)
    }
  }
  try {
    assert.equal(watch.isTold(), true)
    await until('walnut', ['early.md'])
    await write('c.md', 'zebra one')
    await until('zebra', ['c.md'])
    const { atime, mtime } = await stat(join(root, 'c.md'))
    await write('c.md', 'otter one')
    await utimes(join(root, 'c.md'), atime, mtime)
    await until('otter', ['c.md'])
    await until('zebra', [])
    await rename(join(root, 'c.md'), join(root, 'deep/d.md'))
    await until('otter', ['deep/d.md'])
    await rename(join(root, 'deep'), join(root, 'other'))
    await until('otter', ['other/d.md'])
    await until('lighthouse', ['other/b.md'])
    await rm(join(root, 'a.md'))
    await until('harbour', [])
    for (let i = 0; i < 300; i++)
      await writeFile(join(root, `burst-${i}.txt`), `burst ${i} marmot${i % 100 === 0 ? ' walrus' : ''}`)
    await until('walrus', ['burst-0.txt', 'burst-100.txt', 'burst-200.txt'])
    assert.equal(index.report().files, 303)
    await symlink('/etc/hostname', join(root, 'link.md'))
    await write('.secret', 'hidden walrus')
    await watch.settled()
    assert.equal((await found('walrus')).length, 3)
  } finally {
    watch.close()
    index.close()
  }
  await write('late.md', 'mongoose')
  const again = await open()
  assert.deepEqual(
    (await again.search('mongoose')).map(({ path }) => path),
    ['late.md'],
  )
  again.close()
})

/** Makes an index refuse new files, as a full disk does, until the function that it returns is called. */
function refuseNewFiles(indexPath: string): () => void {
  const elsewhere = new DatabaseSync(indexPath)
  elsewhere.exec("CREATE TRIGGER refused BEFORE INSERT ON files BEGIN SELECT raise(ABORT, 'no room for it'); END")
  return () => {
    elsewhere.exec('DROP TRIGGER refused')
    elsewhere.close()
  }
}

test('a watch whose refresh failed tries again what it was about, with what happened since', async () => {
  const { indexPath, open, write } = await place({ 'a.md': 'the harbour froze' })
  const index = await open()
  const errors: string[] = []
  const onError = (error: unknown): void => void errors.push((error as Error).message)
  const watch = watchFolder(index, { clock: realClock(), quietMs: 30, burstMs: 200, onError })
  try {
    await watch.settled()
    const accept = refuseNewFiles(indexPath)
    await write('b.md', 'walnut')
    for (let tries = 0; tries < 40 && errors.length === 0; tries++) await watch.settled()
    assert.match(errors[0] ?? '', /no room for it/)
    await write('c.md', 'zebra')
    await watch.settled() // ends, though nothing can be written
    assert.deepEqual(await index.search('walnut'), [])
    const failed = errors.length
    accept()
    // Nothing happens to a file from here on.
    for (let tries = 0; tries < 100 && (await index.search('walnut zebra')).length < 2; tries++) await pause(100)
    assert.deepEqual((await index.search('walnut zebra')).map(({ path }) => path).toSorted(), ['b.md', 'c.md'])
    await watch.settled()
    assert.ok(errors.length <= failed + 1, `${errors.length - failed} errors after there was room`)
  } finally {
    watch.close()
    index.close()
  }
})

test('a watch builds an index again that was damaged, whatever happened to the files', async () => {
  const { root, indexPath, open, write } = await place(
    Object.fromEntries(Array.from({ length: 300 }, (_, n) => [`${n}.md`, `ferret ${n} lorem ipsum dolor `.repeat(60)])),
  )
  const index = await open()
  const watch = watchFolder(index, { clock: realClock(), quietMs: 30, burstMs: 200 })
  try {
    await watch.settled()
    await damage(indexPath)
    assert.throws(() => index.list({ prefix: '7.md', limit: 1 }))
    await rm(join(root, '7.md')) // whether it was a folder is asked of the index
    for (let tries = 0; tries < 100 && !index.report().built; tries++) await pause(50)
    assert.equal(index.report().files, 299)
    await write('stoat.md', 'a lone stoat')
    for (let tries = 0; tries < 100 && index.report().files < 300; tries++) await pause(50)
    assert.equal((await index.search('stoat')).length, 1)
  } finally {
    watch.close()
    index.close()
  }
})

test('who watches sources is told what keeps an index behind its files, once until it has caught up', async () => {
  const { root, outside, write } = await place({ 'a.md': 'the harbour froze' })
  const indexFolder = join(outside, 'indexes')
  const told: string[] = []
  const onProblem = (text: string): void => void told.push(text)
  const sources = await openSources([root], { indexFolder, clock: realClock(), onProblem })
  const [search] = sources.tools
  const found = async (query: string): Promise<boolean> =>
    JSON.stringify(await search?.execute?.({ query, limit: 1 } as never, {} as never)).includes(query)
  const indexPath = join(indexFolder, (await readdir(indexFolder)).find((name) => name.endsWith('.index')) ?? '')
  sources.watch()
  try {
    for (const word of ['walnut', 'zebra']) {
      const accept = refuseNewFiles(indexPath)
      await write(`${word}.md`, word)
      await pause(1_500) // several tries
      assert.equal(await found(word), false)
      assert.match(
        told.join('\n'),
        /^the index of \S+docs is behind its files for now, and goes on trying: no room for it$/,
      )
      told.length = 0
      accept()
      for (let tries = 0; tries < 100 && !(await found(word)); tries++) await pause(100)
      assert.equal(await found(word), true)
    }
  } finally {
    sources.close()
  }
})

test('while others write an index the event loop goes on, and what waits for them is written', async () => {
  const { indexPath, open, write } = await place({ 'a.md': 'the harbour froze' })
  const index = await open()
  // Takes the lock wherever it is free, between two steps of an update too, and gives it back by a timer: one that never comes where the event loop stands.
  const rival = new DatabaseSync(indexPath)
  let held = 0
  let isOver = false
  const rivalry = (async () => {
    while (!isOver) {
      await immediate()
      try {
        rival.exec('BEGIN IMMEDIATE')
      } catch {
        continue
      }
      held++
      await pause(30)
      rival.exec('COMMIT')
      await pause(30)
    }
  })()
  let longestMs = 0
  let last = performance.now()
  const watcher = setInterval(() => {
    longestMs = Math.max(longestMs, performance.now() - last)
    last = performance.now()
  }, 5)
  try {
    // Enough updates that their segments are merged, in steps.
    for (let n = 0; n < 10; n++) {
      const words = Array.from({ length: 20_000 }, (_, i) => `w${(i * 7 + n) % 9_973}`).join(' ')
      await write(`${n}.md`, `${words} walnut`)
      await index.refresh()
      assert.ok(longestMs < 5_000, `the event loop stood still for ${longestMs} ms`)
    }
    assert.equal((await index.search('walnut')).length, 10)
    assert.ok(held >= 5, `the lock was held ${held} times`)
  } finally {
    isOver = true
    clearInterval(watcher)
    await rivalry
    rival.close()
    index.close()
  }
})
