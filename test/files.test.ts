/**
 * Files: versions, copies without contents, lists, search, quotas, steps back, shares, collection, and a disk that fails.
 *
 * Kernels in simulated time on a store in memory where nothing else is said; what survives is tried on SQLite files.
 */
// oxlint-disable unicorn/consistent-function-scoping -- a test reads best with its parts beside it
import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { copyFileSync, existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import fc from 'fast-check'
import { readCommand } from '../src/agents/pieces/file-commands.ts'
import type { LsfsOutcome } from '../src/agents/lsfs.ts'
import { lsfs } from '../src/agents/lsfs.ts'
import { scripted } from '../src/drivers/llm/scripted.ts'
import { openSqliteStore } from '../src/drivers/store/sqlite.ts'
import { randomAt, simulatedClock } from '../src/kernel/clock.ts'
import { createKernel } from '../src/kernel/kernel.ts'
import { cutPassages } from '../src/kernel/file-search.ts'
import { unifiedDiff } from '../src/kernel/diff.ts'
import { pathGlob } from '../src/kernel/paths.ts'
import { defineProgram } from '../src/kernel/program.ts'
import type { FileShare, Json, Pid, RunOptions, Sys } from '../src/kernel/types.ts'
import type { World } from './world.ts'
import { codeOf, createWorld, cutStore, endOf, lasting, recordingStore, tool } from './world.ts'

const isLong = process.env['POLITY_LONG'] === '1'

type Body = (sys: Sys) => Promise<unknown>

const spawned = (world: World, body: Body, options: RunOptions = {}) =>
  world.kernel.spawn(body as (sys: Sys) => Promise<Json>, null, options)
const lived = (world: World, body: Body, options: RunOptions = {}): Promise<Json> =>
  world.settled(spawned(world, body, options).result)
const paths = async (sys: Sys, ...given: Parameters<Sys['list']>): Promise<string[]> =>
  (await sys.list(...given)).map(({ path }) => path)
const codeAt = async (promise: Promise<unknown>): Promise<string> => codeOf(await endOf(promise))
const blobs = (world: World): string[] =>
  world.store.batches.flatMap(({ puts }) => puts.filter(({ table }) => table === 'blob').map(({ key }) => key))

describe('versions', () => {
  test('have their contents once, whoever writes them, and copies and moves write none', async () => {
    const world = createWorld()
    const long = 'x'.repeat(10_000)
    const found = await lived(world, async (sys) => {
      await sys.write('a', long)
      await sys.write('b', long)
      await sys.write('a', 'short')
      await sys.write('a', long)
      await sys.write('c', { from: 'a' })
      const moved = await sys.write('dir/c', { from: 'c', move: true })
      const folder = await sys.write('other/', { from: 'dir/' })
      return [await paths(sys), moved.bytes, folder.files, (await sys.read('other/c')) === long]
    })
    assert.deepEqual(found, [['a', 'b', 'dir/c', 'other/c'], 10_000, 1, true])
    await lived(world, (sys) => sys.write('elsewhere', long))
    assert.equal(new Set(blobs(world)).size, 2)
    assert.equal(blobs(world).length, 2)
  })

  test('of a long content stand in the journal by their hash, and the law sees all of it', async () => {
    const law = {
      rules: [{ id: 'no', effect: 'deny', call: 'write', args: { content: { pattern: 'secret' } } }],
    } as const
    const world = createWorld({ law })
    const codes = await lived(world, async (sys) => {
      const long = 'word '.repeat(2_000)
      await sys.write('fine', long)
      const bytes = Buffer.from(`${long}secret`)
      return [
        await codeAt(sys.write('a', `${long}secret`)),
        await codeAt(sys.write('a', bytes)),
        await codeAt(sys.write('a', bytes.subarray(-6))),
        await codeAt(sys.write('a', 'secret')),
        await codeAt(sys.write('a', 'open')),
      ]
    })
    assert.deepEqual(codes, [...Array(4).fill('ACCESS_DENIED'), 'ok'])
    const journal = JSON.stringify(world.store.batches.flatMap(({ events }) => events))
    assert.ok(!journal.includes('word word'))
  })

  test('of bytes come back as bytes, whole and in parts; of text, parts are whole characters', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.uint8Array({ maxLength: 5_000, size: 'max' }),
        fc.nat(5_000),
        fc.nat(5_000),
        async (bytes, a, b) => {
          const [from, to] = [Math.min(a, b), Math.max(a, b)]
          const given = bytes.slice()
          const world = createWorld()
          const got = (await lived(world, async (sys) => {
            const writing = sys.write('f', given)
            given.fill(0)
            await writing
            const read = (range?: [number, number]) =>
              sys.read('f', { encoding: 'base64', ...(range === undefined ? {} : { range }) })
            return [await read(), await read([from, to])]
          })) as [string, string]
          assert.deepEqual(Buffer.from(got[0], 'base64'), Buffer.from(bytes))
          assert.deepEqual(Buffer.from(got[1], 'base64'), Buffer.from(bytes.subarray(from, to)))
        },
      ),
      { numRuns: 40 },
    )
    await fc.assert(
      fc.asyncProperty(
        fc.string({ unit: 'grapheme', maxLength: 60, size: 'max' }),
        fc.integer({ min: 4, max: 9 }),
        async (text, size) => {
          const parts = (await lived(createWorld(), async (sys) => {
            await sys.write('f', text)
            const parts: string[] = []
            for (let from = 0; from < Buffer.byteLength(text);) {
              const part = await sys.read('f', { range: [from, from + size] })
              parts.push(part)
              from += Buffer.byteLength(part)
            }
            return parts
          })) as string[]
          assert.equal(parts.join(''), text)
        },
      ),
      { numRuns: 40 },
    )
    const codes = await lived(createWorld(), async (sys) => {
      const { version } = await sys.write('f', new Uint8Array([255, 254]))
      return [await codeAt(sys.read('f')), await codeAt(sys.read('f', { diff: version }))]
    })
    assert.deepEqual(codes, ['INVALID_ARGUMENT', 'INVALID_ARGUMENT'])
  })

  test('are listed, read by number and time, and held against each other', async () => {
    const world = createWorld()
    const found = await lived(world, async (sys) => {
      const one = await sys.write('f', 'a\nb\nc\n')
      await sys.sleep(1_000)
      const two = await sys.write('f', 'a\nB\nc\n')
      await sys.sleep(1_000)
      await sys.remove('f')
      const versions = await sys.list('f', { versions: true })
      const page = await sys.list('f', { versions: true, limit: 1, after: two.version })
      return {
        removed: versions.map(({ removed = false }) => removed),
        page: page.map(({ version }) => version === one.version),
        then: await sys.read('f', { at: two.at - 1 }),
        diff: await sys.read('f', { version: two.version, diff: one.version }),
        now: await codeAt(sys.read('f')),
        before: await codeAt(sys.read('f', { at: one.at - 1 })),
        there: await paths(sys, ''),
        gone: await paths(sys, '', { removed: true }),
      }
    })
    assert.deepEqual(found, {
      removed: [true, false, false],
      page: [true],
      then: 'a\nb\nc\n',
      diff: '@@ -1,3 +1,3 @@\n a\n-b\n+B\n c\n',
      now: 'NO_SUCH_FILE',
      before: 'NO_SUCH_FILE',
      there: [],
      gone: ['f'],
    })
  })

  test('of a million lines are compared in bounded work, or refused', () => {
    const lines = Array.from({ length: 90_000 }, (_, i) => `${i % 7}\n`)
    const many = lines.join('').repeat(6)
    assert.equal(unifiedDiff(`${many}a\n`, `${many}b\n`, 1), '@@ -540000,2 +540000,2 @@\n 0\n-a\n+b\n')
    assert.throws(() => unifiedDiff(`x\n${many}x\n`, `y\n${many}y\n`), { code: 'TOO_LARGE' })
  })

  test('property: a diff, applied, gives the other text', () => {
    const text = fc
      .array(fc.constantFrom('a', 'b', 'c', ''), { maxLength: 40, size: 'max' })
      .map((lines) => lines.join('\n'))
    fc.assert(
      fc.property(text, text, fc.nat(4), (a, b, context) => {
        const diff = unifiedDiff(a, b, context)
        assert.equal(applied(a, diff), b)
        assert.equal(diff === '', a === b)
      }),
      { numRuns: 300 },
    )
  })
})

/** What patch does, for diffs without fuzz. */
function applied(before: string, diff: string): string {
  const lines = before.split('\n').map((line) => `${line}\n`)
  lines[lines.length - 1] = (lines.at(-1) as string).slice(0, -1)
  if (lines.at(-1) === '') lines.pop()
  const out: string[] = []
  let at = 0
  let last = ''
  for (const line of diff.split('\n').slice(0, -1)) {
    const hunk = /^@@ -(\d+)(?:,(\d+))? /.exec(line)
    if (hunk !== null) {
      const from = Number(hunk[1]) - (hunk[2] === '0' ? 0 : 1)
      while (at < from) out.push(lines[at++] as string)
    } else if (line.startsWith('\\')) {
      if (last === '+') out[out.length - 1] = (out.at(-1) as string).slice(0, -1)
    } else if (line.startsWith('+')) out.push(`${line.slice(1)}\n`)
    else if (line.startsWith('-')) at++
    else out.push(lines[at++] as string)
    last = line[0] as string
    if (last === ' ' || last === '-') assert.equal((lines[at - 1] as string).trimEnd(), line.slice(1))
  }
  return [...out, ...lines.slice(at)].join('')
}

describe('folders', () => {
  test('are copied, moved and removed as one, and not onto themselves', async () => {
    const found = await lived(createWorld(), async (sys) => {
      await sys.write('a/1', 'one')
      await sys.write('a/b/2', 'two')
      await sys.write('ab', 'not of it')
      const copied = await sys.write('c/', { from: 'a/' })
      await sys.write('d/', { from: 'c/', move: true })
      await sys.remove('a/')
      return [
        copied.files,
        await paths(sys),
        await codeAt(sys.write('d/e/', { from: 'd/', move: true })),
        await codeAt(sys.write('x', { from: 'd/' })),
        await codeAt(sys.write('x/', { from: 'nothing/' })),
        await codeAt(sys.write('ab', { from: 'ab', move: true })),
        await codeAt(sys.remove('nothing/')),
      ]
    })
    assert.deepEqual(found, [
      2,
      ['ab', 'd/1', 'd/b/2'],
      'INVALID_ARGUMENT',
      'INVALID_ARGUMENT',
      'NO_SUCH_FILE',
      'INVALID_ARGUMENT',
      'NO_SUCH_FILE',
    ])
  })
})

describe('labels', () => {
  test('go with a copy, a move and a step back, and whoever makes one has learned them', async () => {
    const secret = Object.assign(
      tool('secret', () => 'x'),
      { labels: ['private'] },
    )
    const writer = defineProgram('writer', async (sys) => {
      await sys.call('secret', null)
      await sys.write('f', 'private text')
    })
    for (const how of [
      (sys: Sys) => sys.write('g', { from: 'f' }),
      (sys: Sys) => sys.write('g', { from: 'f', move: true }),
      (sys: Sys) => sys.remove('f').then(() => sys.restore({ path: 'f', at: sys.now() - 1 })),
      (sys: Sys) => sys.list('', { grep: 'nothing of it' }),
      (sys: Sys) => sys.list('', { search: 'private' }),
    ]) {
      const world = createWorld({ tools: [secret] })
      const run = spawned(world, async (sys) => {
        await sys.spawn(writer, null)
        await sys.sleep(50)
        await how(sys)
        await sys.write('after', '')
      })
      await world.settled(run.result)
      const labels = Object.fromEntries(
        world.kernel
          .files(run.pid)
          .list()
          .map((file) => [file.path, file.labels]),
      )
      assert.deepEqual(
        Object.values(labels),
        Object.values(labels).map(() => ['private']),
        JSON.stringify(labels),
      )
    }
  })
})

describe('the law', () => {
  test('is asked about each file that a copy, a folder, a look or a step back reaches', async () => {
    const law = {
      rules: [
        { id: 'r', effect: 'deny', call: 'read', args: { path: { pattern: '^secrets/' } } },
        { id: 'w', effect: 'deny', call: 'write', args: { path: { pattern: '^kept/' } } },
        { id: 'd', effect: 'deny', call: 'remove', args: { path: { pattern: '^fixed/' } } },
      ],
    } as const
    const found = await lived(createWorld({ law }), async (sys) => {
      await sys.write('secrets/key', 'word one')
      await sys.write('open/kept/x', 'word two')
      const { version } = await sys.write('fixed/f', 'word three')
      await sys.write('fixed/g', 'word')
      return [
        await codeAt(sys.read('secrets/key')),
        await codeAt(sys.write('out', { from: 'secrets/key' })),
        await codeAt(sys.write('out/', { from: 'secrets/' })),
        await paths(sys, '', { grep: 'word' }),
        await paths(sys, '', { search: 'word' }),
        await codeAt(sys.write('kept/', { from: 'open/kept/' })),
        await codeAt(sys.write('moved', { from: 'fixed/f', move: true })),
        await codeAt(sys.remove('fixed/')),
        await codeAt(sys.restore({ version })),
        await codeAt(sys.write('copied', { from: 'fixed/f' })),
      ]
    })
    const denied = 'ACCESS_DENIED'
    const readable = ['fixed/f', 'fixed/g', 'open/kept/x']
    assert.deepEqual(
      (found as Json[]).map((one) => (Array.isArray(one) ? one.toSorted() : one)),
      [denied, denied, denied, readable, readable, denied, denied, denied, denied, 'ok'],
    )
  })
})

describe('a list', () => {
  test('of a glob is what the glob means', () => {
    for (const [glob, yes, no] of [
      ['*.md', ['a.md', '.md'], ['a/b.md', 'a.mdx']],
      ['docs/**/*.md', ['docs/a.md', 'docs/a/b/c.md'], ['docs.md', 'x/docs/a.md']],
      ['**', ['a', 'a/b'], []],
      ['**/x', ['x', 'a/x', 'a/b/x'], ['ax']],
      ['a?c', ['abc', 'aüc'], ['ac', 'a/c']],
      ['{a,b/*}.txt', ['a.txt', 'b/c.txt'], ['b.txt']],
      ['a+(b)[c].$', ['a+(b)[c].$'], ['aab']],
    ] as const) {
      const matches = pathGlob(glob)
      assert.deepEqual([yes.filter(matches), no.filter(matches)], [yes, []], glob)
    }
    for (const wrong of ['{a', 'a}']) assert.throws(() => pathGlob(wrong), { code: 'INVALID_ARGUMENT' })
    // A pattern that hangs those that backtrack.
    assert.equal(pathGlob(`${'*a'.repeat(40)}b`)('a'.repeat(1_000)), false)
  })

  test('comes in pages that are together all of it', async () => {
    const found = (await lived(createWorld({ limits: { listPathsMax: 50 } }), async (sys) => {
      for (let i = 0; i < 60; i++)
        await sys.write(`p/${String(i).padStart(3, '0')}.${i % 3 === 0 ? 'md' : 'txt'}`, `${i}`)
      const all: string[] = []
      for (let after: string | undefined; ;) {
        const page: string[] = await paths(sys, 'p/', { limit: 7, ...(after === undefined ? {} : { after }) })
        if (page.length === 0) break
        all.push(...page)
        after = page.at(-1)
      }
      return [
        all.length,
        new Set(all).size,
        await codeAt(sys.list('p/')),
        (await paths(sys, 'p/', { glob: '**/*.md' })).length,
      ]
    })) as Json[]
    assert.deepEqual(found, [60, 60, 'LIMIT_EXCEEDED', 20])
  })

  test('of lines has them with their numbers, and nothing of what is not text', async () => {
    const found = await lived(createWorld(), async (sys) => {
      await sys.write('a.txt', 'First\nsecond line\r\nthird')
      await sys.write('b.txt', 'nothing here')
      await sys.write('c.bin', new Uint8Array([0, ...Buffer.from('second line')]))
      await sys.write('d.txt', 'SECOND')
      return [
        (await sys.list('', { grep: 'second' })).map(({ path, lines }) => [path, lines]),
        await paths(sys, '', { grep: 'second', ignoreCase: true }),
        await paths(sys, '', { grep: '^(f|F)irst$', regex: true }),
        await codeAt(sys.list('', { grep: '(', regex: true })),
        await codeAt(sys.list('', { grep: '' })),
      ]
    })
    assert.deepEqual(found, [
      [['a.txt', [{ line: 2, text: 'second line' }]]],
      ['a.txt', 'd.txt'],
      ['a.txt'],
      'INVALID_ARGUMENT',
      'INVALID_ARGUMENT',
    ])
  })

  test('through many contents lets others work, and ends with its process', async () => {
    const world = createWorld()
    const run = spawned(world, async (sys) => {
      for (let i = 0; i < 6; i++) await sys.write(`big/${i}`, `${i}${'x'.repeat(1_500_000)}`)
      await sys.list('', { grep: 'never there' })
    })
    let ended = 0
    world.kernel.watch((event) => {
      if (event.type === 'call-start' && event.call === 'list') run.kill()
      if (event.type === 'call-end') ended++
    })
    await assert.rejects(world.settled(run.result), { code: 'KILLED' })
    assert.equal(ended, 6)
  })
})

describe('search', () => {
  const animals: { readonly [path: string]: string } = {
    'zoo/whale.md': 'The blue whale is the largest animal.\n\nIt eats krill in cold water.',
    'zoo/owl.md': 'An owl hunts at night and sees well in the dark.',
    'house/cat.md': 'The cat sleeps. At night it hunts mice.',
  }

  test('finds passages by their words, below a prefix, and follows every change', async () => {
    const found = await lived(createWorld(), async (sys) => {
      for (const [path, text] of Object.entries(animals)) await sys.write(path, text)
      const [whale] = await sys.list('', { search: 'what do whales eat' })
      const zoo = await paths(sys, 'zoo/', { search: 'who hunts at night' })
      await sys.write('zoo/owl.md', 'An owl is a bird.')
      await sys.write('zoo/bat.md', { from: 'house/cat.md', move: true })
      const after = await paths(sys, '', { search: 'who hunts at night' })
      await sys.remove('zoo/')
      return [
        whale?.path,
        whale?.passages?.[0]?.text.includes('krill'),
        zoo,
        after,
        await paths(sys, '', { search: 'owl night' }),
      ]
    })
    assert.deepEqual(found, ['zoo/whale.md', true, ['zoo/owl.md'], ['zoo/bat.md'], []])
  })

  test('in a fork finds what the fork sees', async () => {
    const world = createWorld()
    const found = await lived(world, async (sys) => {
      for (const [path, text] of Object.entries(animals)) await sys.write(path, text)
      await sys.list('', { search: 'owl' })
      const child = await sys.fork()
      if (child === 0) {
        await sys.receive()
        await sys.write('house/dog.md', 'The dog barks at krill.')
        return [await paths(sys, '', { search: 'krill' }), await paths(sys, '', { search: 'bird' })]
      }
      await sys.write('zoo/whale.md', 'Gone is what stood here: a bird.')
      await sys.list('', { search: 'bird' })
      await sys.send(child, null)
      return [await sys.wait(child), await paths(sys, '', { search: 'krill' })]
    })
    assert.deepEqual(found, [[['house/dog.md', 'zoo/whale.md'], []], []])
  })

  test('uses what texts mean where there is an embedder', async () => {
    const embed = (texts: readonly string[]) =>
      Promise.resolve(texts.map((text) => [/cat|feline/.test(text) ? 1 : 0, /owl|bird/.test(text) ? 1 : 0, 0.01]))
    const found = await lived(createWorld({ embedder: { name: 'toy', embed } }), async (sys) => {
      for (const [path, text] of Object.entries(animals)) await sys.write(path, text)
      return (await paths(sys, '', { search: 'feline' }))[0] as Json
    })
    assert.equal(found, 'house/cat.md')
  })

  test('asks the embedder for few at a time, within the budget, and makes up for an outage', async () => {
    let calls = 0
    let most = 0
    let texts = 0
    let isOut = false
    const embed = async (given: readonly string[]) => {
      most = Math.max(most, ++calls)
      await Promise.resolve()
      calls--
      if (isOut) throw new Error('out')
      texts += given.length
      return given.map((text) => [/cat|feline/.test(text) ? 1 : 0, 0.01])
    }
    const world = createWorld({ embedder: { name: 'toy', embed } })
    const paragraph = `${'word '.repeat(200)}\n\n`
    const run = spawned(world, async (sys) => {
      isOut = true
      await sys.write('a/cat', 'The cat sleeps.')
      const without = await paths(sys, '', { search: 'feline' })
      isOut = false
      await sys.sleep(60_000)
      const after = (await paths(sys, 'a/', { search: 'feline' }))[0] as Json
      await sys.write('b/long', paragraph.repeat(1_000))
      texts = 0
      await sys.list('b/', { search: 'word' })
      return [without, after, texts]
    })
    const [without, after, asked] = (await world.settled(run.result)) as [Json, Json, number]
    assert.deepEqual([without, after, asked], [[], 'a/cat', 257])
    assert.ok(most <= 2, `${most} calls at once`)
    assert.ok(world.kernel.info(run.pid).usage.inputTokens > 256 * 200)
    texts = 0
    const poor = spawned(
      world,
      async (sys) => {
        await sys.write('long', paragraph.repeat(1_000))
        return paths(sys, '', { search: 'word' })
      },
      { budget: { tokens: 1_000 } },
    )
    assert.deepEqual(await world.settled(poor.result), ['long'])
    assert.ok(texts < 10 && world.kernel.info(poor.pid).usage.inputTokens <= 1_000, `${texts} texts`)
  })

  test('property: passages hold every word of a text, in order, with the lines they stand in', () => {
    const line = fc.string({ unit: fc.constantFrom('a', 'b', ' ', 'ü', '😀'), maxLength: 400, size: 'max' })
    fc.assert(
      fc.property(fc.array(line, { maxLength: 60, size: 'max' }), (lines) => {
        const text = lines.join('\n')
        const passages = [...cutPassages(text)]
        assert.equal(
          passages
            .map((one) => one.text)
            .join('')
            .replaceAll(/\s/g, ''),
          text.replaceAll(/\s/g, ''),
        )
        for (const { line: from, endLine, text: part } of passages) {
          assert.ok(part.isWellFormed() && part.length <= 1_700 && from <= endLine && endLine <= lines.length)
          const [firstWord] = part.trim().split(/\s/)
          assert.ok(lines[from - 1]?.includes((firstWord as string).slice(0, 100)))
        }
      }),
      { numRuns: 100 },
    )
  })
})

describe('quotas', () => {
  /** What the store has as the sum of the one principal. */
  function countedOf({ store }: World): unknown {
    for (const [, value] of store.range('file', 'principal ', 'principal!')) return JSON.parse(value as string)
    return undefined
  }

  /** The same, from every file and version there is. */
  function heldIn({ store }: World): unknown {
    let [files, bytes] = [0, 0]
    for (const [, value] of store.range('file', 'newest ', 'newest!'))
      if ((JSON.parse(value as string) as { hash: string | null }).hash !== null) files++
    for (const kind of ['tree', 'fork'])
      for (const [, value] of store.range('file', `${kind} `, `${kind}!`))
        bytes += (JSON.parse(value as string) as { bytes: number }).bytes
    return { files, bytes }
  }

  test('of a tree bind it, its children and its forks; what is refused is not there', async () => {
    const world = createWorld()
    const writer = defineProgram('writer', async (sys, path: string) => codeAt(sys.write(path, 'x'.repeat(60))))
    const found = await lived(
      world,
      async (sys) => {
        await sys.write('a', 'x'.repeat(50))
        const child = await sys.wait(await sys.spawn(writer, 'b'))
        await sys.write('c', 'x')
        const third = await endOf(sys.write('d', 'x'))
        await sys.remove('c')
        await sys.write('d', 'x')
        const forked = await sys.fork()
        if (forked === 0) return codeAt(sys.write('e', ''))
        return [child, codeOf(third), 'message' in third && third.message, await sys.wait(forked), await paths(sys)]
      },
      { quota: { files: 2, bytes: 100 } },
    )
    assert.deepEqual(found, [
      'LIMIT_EXCEEDED',
      'LIMIT_EXCEEDED',
      'the files of this run (tree 1) would be 3; the quota is 2: remove some, or ask for more',
      'LIMIT_EXCEEDED',
      ['a', 'd'],
    ])
  })

  test('count versions, hold over a restart, and bind a fork from outside', async () => {
    const program = defineProgram('writes', async (sys) => {
      await sys.write('f', 'x'.repeat(40))
      await sys.write('f', 'y'.repeat(40))
      await sys.receive()
      return codeAt(sys.write('f', 'z'.repeat(40)))
    })
    const world = createWorld({ programs: [program] })
    const { pid } = world.kernel.spawn(program, null, { quota: { bytes: 100 } })
    const asked = async (): Promise<void> => {
      for (let i = 0; i < 20; i++) await new Promise((resolve) => void setImmediate(resolve))
    }
    await asked()
    await world.kernel.close()
    const again = createWorld({ programs: [program], store: cutStore(world.store.batches, Infinity) })
    const fork = await again.kernel.fork(pid)
    const [run] = again.kernel.resume(pid)
    await asked()
    for (const one of [pid, fork.pid]) again.kernel.send(one, null)
    assert.deepEqual(
      [await again.settled(run!.result), await again.settled(fork.result)],
      ['LIMIT_EXCEEDED', 'LIMIT_EXCEEDED'],
    )
  })

  test('of a principal bind all its trees together', async () => {
    const world = createWorld({ limits: { principalFilesMax: 3, principalBytesMax: 1_000 } })
    const three: Body = async (sys) => [
      await codeAt(sys.write('a', '1')),
      await codeAt(sys.write('b', '2')),
      await codeAt(sys.write('c', 'x'.repeat(996))),
    ]
    assert.deepEqual(await lived(world, three), ['ok', 'ok', 'ok'])
    assert.deepEqual(await lived(world, three), Array(3).fill('LIMIT_EXCEEDED'))
    assert.deepEqual(await lived(world, three, { principal: 'another' }), ['ok', 'ok', 'ok'])
  })

  test('of a principal: a fork that removes files of its origin gives none of them back, and has its own counted', async () => {
    const world = createWorld({ limits: { principalFilesMax: 10 } })
    const found = await lived(world, async (sys) => {
      for (let i = 0; i < 8; i++) await sys.write(`in/${i}`, 'x')
      const fork = await sys.fork()
      if (fork === 0) {
        await sys.remove('in/')
        const codes = [await codeAt(sys.write('in/0', 'y')), await codeAt(sys.write('in/1', 'y'))]
        return [...codes, await codeAt(sys.write('in/2', 'y')), await paths(sys)]
      }
      const there = await sys.wait(fork)
      return [there, (await paths(sys)).length, await codeAt(sys.write('more', 'x'))] as Json
    })
    assert.deepEqual(found, [['ok', 'ok', 'LIMIT_EXCEEDED', ['in/0', 'in/1']], 8, 'LIMIT_EXCEEDED'])
    assert.deepEqual(countedOf(world), { files: 10, bytes: 10 })
    await world.settled(world.kernel.collect(0))
    await world.settled(world.kernel.collectFiles())
    assert.deepEqual(countedOf(world), { files: 0, bytes: 0 })
  })

  test('of a principal, property: what is counted is what its trees and forks hold, also after a crash between any two commits', async () => {
    const deed = fc.record({
      inFork: fc.boolean(),
      path: fc.constantFrom('d/a', 'd/b', 'd/c', 'd/d'),
      does: fc.constantFrom('write', 'write', 'remove', 'move', 'restore'),
    })
    await fc.assert(
      fc.asyncProperty(fc.array(deed, { minLength: 4, maxLength: 16 }), fc.nat(), async (deeds, cut) => {
        const act = async (sys: Sys, begun: number, { path, does }: (typeof deeds)[number]): Promise<void> => {
          if (does === 'write') await sys.write(path, 'xy')
          else if (does === 'remove') await codeAt(sys.remove(path))
          else if (does === 'move') await codeAt(sys.write('d/e', { from: path, move: true }))
          else await sys.restore({ path: 'd/', version: begun })
        }
        const program = defineProgram('acts', async (sys) => {
          await sys.write('d/a', 'xy')
          const { version } = await sys.write('d/b', 'xy')
          await sys.write('d/c', 'xy')
          const fork = await sys.fork()
          for (const one of deeds) if (one.inFork === (fork === 0)) await act(sys, version, one)
          if (fork !== 0) await sys.wait(fork)
        })
        const whole = createWorld({ programs: [program] })
        await whole.settled(whole.kernel.spawn(program, null).result)
        assert.deepEqual(countedOf(whole), heldIn(whole))
        const store = cutStore(whole.store.batches, 1 + (cut % whole.store.batches.length))
        const again = createWorld({ programs: [program], store })
        if (countedOf(again) !== undefined) assert.deepEqual(countedOf(again), heldIn(again))
        for (const run of again.kernel.resume()) await again.settled(endOf(run.result))
        assert.deepEqual(countedOf(again), heldIn(again))
        assert.deepEqual(countedOf(again), countedOf(whole))
      }),
      { numRuns: isLong ? 300 : 30 },
    )
  })

  test('are never passed and never miscounted, whatever writes, moves and removes are under way together', async () => {
    const quota = { files: 3, bytes: 60 }
    const place = fc.constantFrom('a', 'b', 'c', 'd', 'in/a', 'in/b')
    const deed = fc.oneof(
      fc.record({ to: place, bytes: fc.nat(9) }),
      fc.record({ to: place, from: place, move: fc.boolean() }),
      fc.record({ to: fc.constantFrom('in/', 'out/'), from: fc.constantFrom('in/', 'out/'), move: fc.boolean() }),
      fc.record({ gone: place }),
    )
    const done = (sys: Sys, one: { to?: string; gone?: string; bytes?: number; from?: string; move?: boolean }) => {
      if (one.gone !== undefined) return codeAt(sys.remove(one.gone))
      const given = one.from === undefined ? 'x'.repeat(one.bytes ?? 0) : { from: one.from, move: one.move === true }
      return codeAt(sys.write(one.to as string, given))
    }
    await fc.assert(
      fc.asyncProperty(fc.array(fc.array(deed, { maxLength: 8 }), { maxLength: 6 }), async (waves) => {
        const world = createWorld()
        const run = spawned(
          world,
          async (sys) => {
            const codes: string[][] = []
            for (const wave of waves) codes.push(await Promise.all(wave.map((one) => done(sys, one))))
            const left = quota.files - (await sys.list()).length
            const more = await Promise.all([1, 2, 3, 4].map((n) => codeAt(sys.write(`more ${n}`, ''))))
            return { codes: codes.flat(), left, more }
          },
          { quota },
        )
        const { codes, left, more } = (await world.settled(run.result)) as {
          codes: string[]
          left: number
          more: string[]
        }
        // There is room for as many as are missing, and no more.
        assert.equal(more.filter((code) => code === 'ok').length, left)
        for (const code of codes)
          assert.ok(['ok', 'LIMIT_EXCEEDED', 'NO_SUCH_FILE', 'INVALID_ARGUMENT'].includes(code), code)
        const files = world.kernel.files(run.pid)
        const all = files.list('', { removed: true })
        const there = all.filter(({ removed }) => !removed).length
        const bytes = all.reduce((sum, { path }) => {
          for (const one of files.versions(path)) sum += one.bytes
          return sum
        }, 0)
        assert.ok(there <= quota.files && bytes <= quota.bytes, `${there} files, ${bytes} bytes`)
        assert.deepEqual(countedOf(world), { files: there, bytes })
      }),
      { numRuns: isLong ? 300 : 25 },
    )
  })
})

describe('a step back', () => {
  test('by version, time and snapshot: of one file, of a folder, of all', async () => {
    const found = await lived(createWorld(), async (sys) => {
      const one = await sys.write('d/f', 'one')
      await sys.write('g', 'g one')
      await sys.sleep(100)
      const snapshot = (await sys.snapshot()).id
      await sys.sleep(100)
      const two = await sys.write('d/f', 'two')
      await sys.write('d/new', 'n')
      await sys.remove('g')
      const sight = async () => {
        const files: Json[] = []
        for (const { path } of await sys.list()) files.push([path, await sys.read(path)])
        return files
      }
      await sys.restore({ path: 'd/f', version: one.version })
      const file = await sight()
      await sys.restore({ path: 'd/', snapshot })
      const folder = await sight()
      const all = await sys.restore({ at: two.at - 1 })
      const everything = await sight()
      await sys.restore({ path: 'd/f', at: two.at })
      await sys.restore({ version: two.version })
      return [file, folder, all.files, everything, await sight()]
    })
    assert.deepEqual(found, [
      [
        ['d/f', 'one'],
        ['d/new', 'n'],
      ],
      [['d/f', 'one']],
      1,
      [
        ['d/f', 'one'],
        ['g', 'g one'],
      ],
      [
        ['d/f', 'two'],
        ['g', 'g one'],
      ],
    ])
  })

  test('is refused where nothing says when, where there is no such file or snapshot', async () => {
    const codes = await lived(createWorld(), async (sys) => [
      await codeAt(sys.restore({})),
      await codeAt(sys.restore({ version: 1, at: 1 })),
      await codeAt(sys.restore({ path: 'absent', version: 1 })),
      await codeAt(sys.restore({ version: 1e9 })),
      await codeAt(sys.write('x/', { from: 'y/', version: 1e9 })),
      await codeAt(sys.restore({ at: sys.now() + 1 })),
      await codeAt(sys.restore({ snapshot: '1.7' })),
      await codeAt(sys.restore(null as never)),
    ])
    assert.deepEqual(codes, [
      'INVALID_ARGUMENT',
      'INVALID_ARGUMENT',
      'NO_SUCH_FILE',
      'NO_SUCH_FILE',
      'NO_SUCH_FILE',
      'INVALID_ARGUMENT',
      'NO_SUCH_SNAPSHOT',
      'INVALID_ARGUMENT',
    ])
  })

  test('property: any writes, copies, moves, removals and steps back leave what a plain model says, in the tree and in a fork', async () => {
    const path = fc.constantFrom('a', 'b', 'd/a', 'd/b', 'd/e/a')
    const folder = fc.constantFrom('d/', 'd/e/', 'x/')
    const action = fc.oneof(
      fc.record({ do: fc.constant('write'), path, text: fc.constantFrom('1', '2', '3') }),
      fc.record({ do: fc.constant('copy'), path, from: path, move: fc.boolean() }),
      fc.record({ do: fc.constant('copy'), path: folder, from: folder, move: fc.boolean() }),
      fc.record({ do: fc.constant('remove'), path: fc.oneof(path, folder) }),
      fc.record({ do: fc.constant('restore'), path: fc.oneof(path, folder, fc.constant('')), back: fc.nat(8) }),
      fc.record({ do: fc.constant('fork') }),
    )
    type Action = { do: string; path: string; text: string; from: string; move: boolean; back: number }
    await fc.assert(
      fc.asyncProperty(fc.array(action, { maxLength: 25, size: 'max' }), async (given) => {
        const actions = given as Action[]
        const found = (await lived(createWorld(), async (sys) => {
          let files = new Map<string, string>()
          const states: { readonly version: number; readonly files: Map<string, string> }[] = []
          let isFork = false
          for (const { do: what, path: at, text, from, move, back } of actions) {
            const before = new Map(files)
            let made: { version: number } | undefined
            try {
              if (what === 'write') {
                made = await sys.write(at, text)
                files.set(at, text)
              } else if (what === 'copy') {
                made = await sys.write(at, move ? { from, move } : { from })
                for (const [name, content] of before) {
                  if (from.endsWith('/') ? !name.startsWith(from) : name !== from) continue
                  if (move) files.delete(name)
                  files.set(at + name.slice(from.length), content)
                }
              } else if (what === 'remove') {
                await sys.remove(at)
                for (const name of before.keys())
                  if (at.endsWith('/') ? name.startsWith(at) : name === at) files.delete(name)
              } else if (what === 'restore') {
                const state = states.at(-1 - back)
                if (state === undefined) continue
                const done = await sys.restore({ ...(at === '' ? {} : { path: at }), version: state.version })
                made = (done.files ?? 1) > 0 && done.version > (states.at(-1)?.version ?? 0) ? done : undefined
                for (const name of [...before.keys(), ...state.files.keys()]) {
                  if (at.endsWith('/') || at === '' ? !name.startsWith(at) : name !== at) continue
                  const was = state.files.get(name)
                  if (was === undefined) files.delete(name)
                  else files.set(name, was)
                }
              } else if (!isFork) {
                const child = await sys.fork()
                if (child !== 0) {
                  // What the origin does from here on is not the fork's.
                  await sys.write('a', 'origin')
                  await sys.write('d/late', 'origin')
                  return sys.wait(child)
                }
                isFork = true
              }
            } catch {
              files = before
            }
            if (made !== undefined) states.push({ version: made.version, files: new Map(files) })
            if (what === 'remove') states.length = 0 // it tells no version, so what follows is compared from the next write on
          }
          const seen: [string, string][] = []
          for (const { path: name } of await sys.list()) seen.push([name, await sys.read(name)])
          return [seen, [...files].toSorted(([a], [b]) => (a < b ? -1 : 1))]
        })) as [Json, Json]
        assert.deepEqual(found[0], found[1])
      }),
      { numRuns: Number(process.env['RUNS'] ?? 150) },
    )
  })

  test('costs what changed since, not what there is', async () => {
    const world = createWorld()
    let reads = 0
    const store = { ...world.store }
    const counted = createWorld({
      store: {
        ...store,
        *range(...given: Parameters<typeof store.range>) {
          for (const entry of store.range(...given)) {
            reads++
            yield entry
          }
        },
      } as typeof world.store,
    })
    const found = (await lived(counted, async (sys) => {
      for (let i = 0; i < 500; i++) await sys.write(`f${i}`, `${i}`)
      const { id, restored } = await sys.snapshot()
      if (restored > 0) return [reads, await sys.read('f7')]
      await sys.write('f7', 'new')
      reads = 0
      return sys.restore(id)
    })) as [number, string]
    assert.equal(found[1], '7')
    assert.ok(found[0] < 30, `${found[0]} entries were read`)
  })
})

describe('a share', () => {
  /** Keeps what it is given and does what it is asked: `[call, path, more]`, and mails back what came of it. */
  const guest = defineProgram('guest', async (sys) => {
    for (;;) {
      const { from, body, share } = await sys.receive()
      const [call, path, more] = (Array.isArray(body) ? body : []) as unknown as [
        'read' | 'write' | 'list' | 'remove' | 'restore' | 'give' | 'spawn',
        never,
        never,
      ]
      if (call === undefined && share === undefined) continue
      if (call === undefined) await sys.send(from, share as unknown as Json)
      else if (call === 'spawn') await sys.send(from, await sys.wait(await sys.spawn(reader, path)))
      else if (call === 'give') await sys.send(from, await codeAt(sys.send(more, null, { share: path })))
      else {
        const end = await endOf((sys[call] as (...given: unknown[]) => Promise<unknown>)(path, more ?? undefined))
        await sys.send(from, ('code' in end ? end.code : (end.value ?? null)) as Json)
      }
    }
  })
  const reader = defineProgram('reader', async (sys, path: string) => {
    const end = await endOf(sys.read(path))
    return ('code' in end ? end.code : end.value) as Json
  })

  interface Guests {
    readonly sys: Sys
    give(to: Pid, path: string, write?: boolean): Promise<FileShare>
    ask(to: Pid, ...what: Json[]): Promise<Json>
  }

  async function withGuests(
    world: World,
    count: number,
    body: (host: Guests, guests: readonly Pid[]) => Promise<Json>,
  ): Promise<Json> {
    const guests = Array.from({ length: count }, () => world.kernel.spawn(guest, null).pid)
    const found = await lived(world, (sys) =>
      body(
        {
          sys,
          async give(to, path, write = false) {
            await sys.send(to, null, { share: { path, write } })
            return (await sys.receive({ from: to })).body as unknown as FileShare
          },
          async ask(to, ...what) {
            await sys.send(to, what)
            return (await sys.receive({ from: to })).body
          },
        },
        guests,
      ),
    )
    for (const pid of guests) world.kernel.kill(pid)
    return found
  }

  test('shows its files to the one it was given to and to what descends from that, as they are now', async () => {
    const world = createWorld()
    const found = await withGuests(world, 2, async ({ sys, give, ask }, [ann, bob]) => {
      await sys.write('docs/a', 'one')
      await sys.write('docs/sub/b', 'b')
      await sys.write('docsx', 'no')
      await sys.write('own', 'no')
      const { id, path, write } = await give(ann!, 'docs/')
      await sys.write('docs/a', 'two')
      const at = `/${id}`
      return [
        [path, write],
        await ask(ann!, 'read', `${at}/docs/a`),
        ((await ask(ann!, 'list', `${at}/`)) as { path: string }[]).map((one) => one.path.replace(at, '')),
        ((await ask(ann!, 'list', `${at}/docs/sub/`, { search: 'b' })) as { path: string }[]).map((one) =>
          one.path.replace(at, ''),
        ),
        await ask(ann!, 'spawn', `${at}/docs/a`),
        [await ask(ann!, 'read', `${at}/own`), await ask(ann!, 'read', `${at}/docsx`)],
        [await ask(ann!, 'write', `${at}/docs/a`, 'x'), await ask(ann!, 'remove', `${at}/docs/a`)],
        // Whoever it was not given to cannot tell it from one that never was.
        [
          await ask(bob!, 'read', `${at}/docs/a`),
          await ask(bob!, 'read', '/999999/docs/a'),
          await ask(bob!, 'remove', at),
        ],
        await codeAt(sys.read(`${at}/docs/a`)),
      ] as Json
    })
    assert.deepEqual(found, [
      ['docs/', false],
      'two',
      ['/docs/a', '/docs/sub/b'],
      ['/docs/sub/b'],
      'two',
      ['ACCESS_DENIED', 'ACCESS_DENIED'],
      ['ACCESS_DENIED', 'ACCESS_DENIED'],
      ['NO_SUCH_FILE', 'NO_SUCH_FILE', 'NO_SUCH_FILE'],
      'NO_SUCH_FILE',
    ])
  })

  test('for writing writes at home; passed on it only narrows, and ends with what it was made of', async () => {
    const world = createWorld()
    const found = await withGuests(world, 2, async ({ sys, give, ask }, [ann, bob]) => {
      await sys.write('d/a', 'one')
      await sys.write('d/e/b', 'b')
      const { id } = await give(ann!, 'd/', true)
      const read = await give(ann!, 'd/a')
      await ask(ann!, 'write', `/${id}/d/a`, 'by ann')
      const codes = [
        await ask(ann!, 'give', { path: `/${read.id}/d/a`, write: true }, bob!),
        await ask(ann!, 'give', { path: `/${id}/other/`, write: false }, bob!),
        await ask(ann!, 'give', { path: `/${id}/d/e/`, write: false }, bob!),
      ]
      // Bob mailed what it got to Ann, who has not asked for it; the id is in the journal for us.
      const passed = world.store.batches
        .flatMap(({ events }) => events)
        .findLast((event) => event.type === 'mail-sent' && event.pid === bob && event.mail.share !== undefined)
      const { id: inner } = (passed as unknown as { mail: { share: FileShare } }).mail.share
      const before = await ask(bob!, 'read', `/${inner}/d/e/b`)
      await sys.remove(`/${id}`)
      return [
        await sys.read('d/a'),
        codes,
        before,
        [
          await ask(ann!, 'read', `/${id}/d/a`),
          await ask(bob!, 'read', `/${inner}/d/e/b`),
          await ask(ann!, 'read', `/${read.id}/d/a`),
        ],
      ] as Json
    })
    assert.deepEqual(found, [
      'by ann',
      ['ACCESS_DENIED', 'ACCESS_DENIED', 'ok'],
      'b',
      ['ACCESS_DENIED', 'ACCESS_DENIED', 'by ann'],
    ])
  })

  test('is judged with the path at home, carries labels, and holds over a restart', async () => {
    const law = {
      rules: [
        { id: 'secrets', effect: 'deny', call: 'read', program: 'guest', args: { path: { pattern: '^secrets/' } } },
      ],
    } as const
    const world = createWorld({ law, programs: [guest] })
    let at = ''
    const found = await lived(world, async (sys) => {
      const to = world.kernel.spawn(guest, null).pid
      await sys.write('secrets/key', 'k')
      await sys.write('open', 'o')
      const ask = async (what: Json): Promise<Json> => {
        await sys.send(to, what)
        return (await sys.receive({ from: to })).body
      }
      await sys.send(to, null, { share: { path: 'secrets/' } })
      const denied = (await sys.receive({ from: to })).body as unknown as FileShare
      await sys.send(to, null, { share: { path: 'open' } })
      const open = (await sys.receive({ from: to })).body as unknown as FileShare
      at = `${to} /${open.id}/open`
      return [await ask(['read', `/${denied.id}/secrets/key`]), await ask(['read', `/${open.id}/open`])]
    })
    assert.deepEqual(found, ['ACCESS_DENIED', 'o'])
    await world.kernel.close()
    const again = createWorld({ law, programs: [guest], store: cutStore(world.store.batches, Infinity) })
    const [to, path] = at.split(' ') as [string, string]
    again.kernel.resume(Number(to))
    const after = await lived(again, async (sys) => {
      await sys.send(Number(to), ['read', path])
      return (await sys.receive({ from: Number(to) })).body
    })
    assert.equal(after, 'o')
  })

  test('is there as soon as it is given, and gone as soon as it is taken back, however many others the store does not have yet', async () => {
    const clock = simulatedClock({ seed: 1 })
    const store = recordingStore({ slowly: (done) => void clock.after(20, done) })
    const world = createWorld({ clock, store, limits: { mailboxMessagesMax: 5_000 } })
    const receiver = defineProgram('receiver', async (sys) => {
      const { share } = await sys.receive()
      const path = `/${share?.id}/a`
      const read = async (): Promise<Json> => {
        const end = await endOf(sys.read(path))
        return ('code' in end ? end.code : end.value) as Json
      }
      const before = await read()
      while ((await sys.receive()).body !== 'taken back');
      return [before, await read()]
    })
    const to = world.kernel.spawn(receiver, null)
    const giver = spawned(world, async (sys) => {
      await sys.write('a', 'hello')
      const share = { path: 'a' }
      const others = (count: number) => Array.from({ length: count }, () => sys.send(to.pid, 'more', { share }))
      await Promise.all(others(1_100))
      const [given] = await sys.list('/')
      await Promise.all([sys.remove(`/${given?.version}`), ...others(1_100), sys.send(to.pid, 'taken back')])
    })
    assert.deepEqual(await world.settled(to.result), ['hello', 'ACCESS_DENIED'])
    await world.settled(giver.result)
  })

  test('shows nothing of the past, also one for writing, and its giver finds it', async () => {
    const world = createWorld()
    let id = 0
    const found = await withGuests(world, 1, async ({ sys, give, ask }, [ann]) => {
      const { version } = await sys.write('d/a', 'password')
      await sys.write('d/b', 'b')
      await sys.remove('d/b')
      await sys.write('d/a', 'clean')
      const share = await give(ann!, 'd/', true)
      id = share.id
      const at = `/${id}/d/a`
      const given = (await sys.list('/')).map(({ path }) => path)
      const held = ((await ask(ann!, 'list', '/')) as { path: string }[]).map(({ path }) => path)
      const codes = [
        await ask(ann!, 'read', at, { version }),
        await ask(ann!, 'read', at, { at: sys.now() }),
        await ask(ann!, 'read', at, { diff: version }),
        await ask(ann!, 'list', at, { versions: true }),
        await ask(ann!, 'list', `/${id}/`, { removed: true }),
        await ask(ann!, 'write', 'mine', { from: at, version }),
        await ask(ann!, 'restore', { path: at, version }),
        await ask(ann!, 'read', at),
        await codeAt(sys.list('/', { limit: 1 })),
      ]
      await sys.remove(`/${id}`)
      return [given, held, codes, await sys.list('/')] as unknown as Json
    })
    const no = 'ACCESS_DENIED'
    assert.deepEqual(found, [
      [`/${id}/d/`],
      [`/${id}/d/`],
      [no, no, no, no, no, no, no, 'clean', 'INVALID_ARGUMENT'],
      [],
    ])
  })

  test('goes to one process and not to a name, the outside, or another principal', async () => {
    const world = createWorld()
    const other = world.kernel.spawn(guest, null, { principal: 'another' }).pid
    const codes = await lived(world, async (sys) => {
      await sys.write('f', 'x')
      const share = { share: { path: 'f' } }
      return [
        await codeAt(sys.send('name', null, share)),
        await codeAt(sys.send(0, null, share)),
        await codeAt(sys.send(other, null, share)),
        await codeAt(sys.send(sys.pid, null, { share: { path: '../f' } })),
      ]
    })
    assert.deepEqual(codes, ['INVALID_ARGUMENT', 'INVALID_ARGUMENT', 'NO_SUCH_PROCESS', 'INVALID_ARGUMENT'])
  })
})

describe('a collection', () => {
  const settle = async (): Promise<void> => {
    for (let i = 0; i < 12; i++) await new Promise((resolve) => void setImmediate(resolve))
  }
  const kept = (world: World): { versions: number; contents: number } => ({
    versions: [...world.store.range('file', 'tree ', 'tree!')].length,
    contents: [...world.store.range('blob', '', '~')].length,
  })

  test('takes a tree of which no journal is left, and contents that nobody else has', async () => {
    const world = createWorld()
    await lived(world, async (sys) => {
      await sys.write('a', 'shared')
      await sys.write('a', 'own')
      await sys.list('', { search: 'own' })
      await sys.snapshot()
    })
    await lived(world, (sys) => sys.write('b', 'shared'), { principal: 'other' })
    assert.deepEqual(kept(world), { versions: 3, contents: 2 })
    assert.deepEqual(await world.settled(world.kernel.collectFiles()), { versions: 0, contents: 0, bytes: 0 })
    await world.settled(world.kernel.collect(1))
    assert.deepEqual(await world.settled(world.kernel.collectFiles()), { versions: 2, contents: 1, bytes: 3 })
    assert.deepEqual(kept(world), { versions: 1, contents: 1 })
    assert.deepEqual(
      [...world.store.range('file', '', '~')].filter(([key]) => /tree 1(\0|$)/.test(key)),
      [],
    )
    assert.equal(await lived(world, async (sys) => (await sys.write('c', 'own'), sys.read('c'))), 'own')
  })

  test('takes what children wrote in between and nobody can see, and nothing that a fork, a snapshot or a share can', async () => {
    const world = createWorld()
    const busy = defineProgram('busy', async (sys, texts: string[]) => {
      for (const text of texts) await sys.write('f', text)
      return null
    })
    let checked: Json = null
    const run = spawned(world, async (sys) => {
      const { version } = await sys.write('f', 'mine')
      await sys.wait(await sys.spawn(busy, ['1', '2', '3']))
      await sys.snapshot()
      await sys.wait(await sys.spawn(busy, ['4', '5']))
      await sys.receive()
      checked = [
        await sys.read('f'),
        await sys.read('f', { version }),
        (await sys.list('f', { versions: true })).length,
      ]
      return checked
    })
    await settle()
    await world.settled(world.kernel.collect(0))
    // The parent began to wait when the first and the fourth were the last, and went on when the third and the fifth were.
    assert.deepEqual(await world.settled(world.kernel.collectFiles()), { versions: 1, contents: 1, bytes: 1 })
    const early = await world.kernel.fork(run.pid, { at: 3 })
    assert.equal(world.kernel.files(early.pid).read('f').content, '3')
    early.kill()
    world.kernel.send(run.pid, null)
    assert.deepEqual(await world.settled(run.result), ['5', 'mine', 5])
  })

  test('takes nothing of who begins meanwhile: not all that a new run has, nor what a new child looked at', async () => {
    // Every thousand rows others have a turn: here a long one.
    const FILES = 4_000
    const clock = simulatedClock()
    const turn = (fn: () => void, left: number): unknown => (left === 0 ? fn() : setImmediate(turn, fn, left - 1))
    Object.assign(clock, { yield: (fn: () => void) => void turn(fn, 40) })
    const world = createWorld({ clock })
    const filler = spawned(world, async (sys) => {
      for (let i = 0; i < FILES; i++) await sys.write(`g${i}`, 'g')
      await sys.receive()
      return sys.wait(
        await sys.spawn(
          defineProgram('child', async (own) => {
            await own.write('z', 'one')
            const seen = await own.read('z')
            await own.write('z', 'two')
            return `${seen}, then ${await own.read('z')}`
          }),
          null,
        ),
      )
    })
    while (world.kernel.files(filler.pid).list().length < FILES) await settle()
    await world.kernel.flush()
    let isOver = false
    const gone = world.kernel.collectFiles().finally(() => (isOver = true))
    // It has begun, and has not come far.
    await new Promise((resolve) => void setImmediate(resolve))
    const fresh = spawned(world, async (sys) => {
      await sys.write('mine', 'kept')
      await sys.receive()
      return sys.read('mine')
    })
    world.kernel.send(filler.pid, null)
    const meanwhile = await world.settled(filler.result)
    assert.ok(!isOver, 'the collection was over before the child was')
    await gone
    world.kernel.send(fresh.pid, null)
    assert.equal(await world.settled(fresh.result), 'kept')
    assert.equal(meanwhile, 'one, then two')
    const child = world.kernel.ps().find(({ program }) => program === 'child')
    const again = await world.kernel.fork(child?.pid ?? 0, { at: 1 })
    assert.equal(await world.settled(again.result), 'one, then two')
  })

  test('gives the quota back once, however often the books are read anew', async () => {
    const store = lasting()
    const busy = defineProgram('busy', async (sys) => {
      for (const text of ['0', '1', '2']) await sys.write('f', text.repeat(100))
      return null
    })
    const writer = defineProgram('writer', async (sys) => {
      await sys.wait(await sys.spawn(busy, null))
      for (let i = 0; ; i++) {
        const { body } = await sys.receive()
        await sys.write(`g${i}`, 'x'.repeat(body as number))
      }
    })
    const options = { store, programs: [busy, writer], limits: { treeBytesMax: 500 } }
    let kernel = createKernel(options)
    const { pid } = kernel.spawn(writer, null)
    let isOver = false
    const wrote = async (path: string): Promise<void> => {
      while (
        !isOver &&
        !kernel
          .files(pid)
          .list()
          .some((one) => one.path === path)
      )
        await settle()
      await kernel.flush()
    }
    await wrote('f')
    while (kernel.ps().some(({ program, state }) => program === 'busy' && state === 'running')) await settle()
    await kernel.collect(0)
    assert.deepEqual(await kernel.collectFiles(), { versions: 1, contents: 1, bytes: 100 })
    // 200 bytes are left; each of these is one more time that what was collected could be taken off.
    for (let i = 0; i < 4; i++) {
      kernel.send(pid, 50)
      await wrote(`g${i}`)
      await kernel.close()
      kernel = createKernel(options)
      for (const { result } of kernel.resume(pid)) result.catch(() => {})
    }
    const refused = kernel.run(pid).result
    kernel.send(pid, 101)
    await assert.rejects(Promise.race([refused, wrote('g4')]), { code: 'LIMIT_EXCEEDED' })
    isOver = true
    await kernel.close()
  })

  test('that is closed, or ends in a crash between any two commits, is finished by the next, and the quota has all back', async () => {
    const busy = defineProgram('busy', async (sys, from: number) => {
      for (let i = 0; i < 700; i++) await sys.write('f', `${from + i}`)
      return null
    })
    const world = createWorld()
    const dead = spawned(world, async (sys) => {
      for (let i = 0; i < 600; i++) await sys.write(`g${i}`, `g${i}`)
    })
    await world.settled(dead.result)
    await world.settled(world.kernel.collect(0))
    spawned(world, async (sys) => {
      await sys.write('f', 'first')
      await sys.wait(await sys.spawn(busy, 0))
      await sys.wait(await sys.spawn(busy, 700))
      await sys.receive()
    })
    for (let i = 0; i < 40; i++) await settle()
    await world.settled(world.kernel.collect(0))
    const state = (one: World): Json => [
      [...one.store.range('blob', '', '~')].length,
      ...['principal ', 'collected ', 'loose ', 'tree ', 'newest ', 'writes '].map((begin) => {
        const rows = [...one.store.range('file', begin, `${begin.trimEnd()}!`)]
        return [begin, rows.length, JSON.stringify(rows.slice(0, 3))]
      }),
    ]
    const left = new Set([...world.store.processes()].map(({ start }) => start.pid))
    const cut = (one: World, end: number) => {
      const store = cutStore(one.store.batches, end)
      store.drop(Array.from(store.processes(), ({ start }) => start.pid).filter((pid) => !left.has(pid)))
      return store
    }
    const from = world.store.batches.length
    const gone = await world.settled(world.kernel.collectFiles())
    assert.ok(gone.versions > 1_900 && gone.contents > 1_900, JSON.stringify(gone))
    const whole = state(world)
    const to = world.store.batches.length
    assert.ok(to - from > 2, `${to - from} commits`)
    for (let end = from; end < to; end++) {
      const again = createWorld({ store: cut(world, end) })
      await again.settled(again.kernel.collectFiles())
      assert.deepEqual(state(again), whole, `after ${end - from} of ${to - from} commits`)
    }
    const closing = createWorld({ store: cut(world, from) })
    const half = closing.kernel.collectFiles()
    await closing.kernel.close()
    assert.ok((await half).contents === 0)
    const last = createWorld({ store: cut(closing, Infinity) })
    await last.settled(last.kernel.collectFiles())
    assert.deepEqual(state(last), whole)
  })

  test('property: what every fork of every process with a journal sees is the same before and after', async () => {
    const step = fc.record({
      by: fc.constantFrom('self', 'child'),
      path: fc.constantFrom('a', 'b'),
      text: fc.constantFrom('1', '2', '3'),
    })
    const child = defineProgram(
      'child',
      (sys, { path, text }: { path: string; text: string }) =>
        sys.write(path, text) as Promise<unknown> as Promise<Json>,
    )
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 14, size: 'max' }), fc.nat(3), async (steps, keep) => {
        const world = createWorld()
        const run = spawned(world, async (sys) => {
          for (const { by, path, text } of steps)
            if (by === 'self') await sys.write(path, text)
            else await sys.wait(await sys.spawn(child, { path, text }))
          await sys.receive()
        })
        await settle()
        await world.settled(world.kernel.collect(keep))
        const sights = async (): Promise<Json> => {
          const seen: Json[] = []
          for (const { pid, usage } of world.kernel.ps().filter((one) => one.parent === null && one.forkOf === null)) {
            for (let at = 0; at <= usage.calls; at++) {
              const fork = await world.kernel.fork(pid, { at }).catch(() => undefined)
              if (fork === undefined) continue
              const files = world.kernel.files(fork.pid)
              seen.push([pid, at, files.list().map(({ path }) => [path, files.read(path).content])])
              fork.kill()
            }
          }
          return seen
        }
        const before = await sights()
        await settle()
        await world.settled(world.kernel.collect(0))
        await world.settled(world.kernel.collectFiles())
        assert.deepEqual(await sights(), before)
        run.kill()
      }),
      { numRuns: 30 },
    )
  })
})

describe('a full disk', () => {
  const disk = mkdtempSync(join(tmpdir(), 'polity-full-'))
  const mount = (...options: string[]): boolean =>
    spawnSync('mount', ['-t', 'tmpfs', '-o', options.join(), 'tmpfs', disk]).status === 0
  const isThere = isLong && mount('size=3m')
  after(() => {
    if (isThere) spawnSync('umount', [disk])
    rmSync(disk, { recursive: true, force: true })
  })

  const skip = isThere ? false : 'POLITY_LONG=1, and whoever may mount, try it on a disk of 3 MB'
  test('is said, with the room that a collection needs; with as much it frees what ended', { skip }, async () => {
    const path = join(disk, 's.db')
    const fill = defineProgram('fill', async (sys: Sys, count: number) => {
      for (let i = 0; i < count; i++) await sys.write(`f${i % 3}`, `${sys.now()} ${i} `.repeat(3_000))
    })
    const filled = async (count: number): Promise<string> => {
      const kernel = createKernel({ store: openSqliteStore(path) })
      const end = await endOf(kernel.spawn(fill, count).result)
      await kernel.close().catch(() => {})
      return codeOf(end)
    }
    const gc = (): { readonly status: number | null; readonly said: string } => {
      const bin = join(import.meta.dirname, '../bin/polity.js')
      const { status, stdout, stderr } = spawnSync(process.execPath, [bin, 'gc', '--keep', '0', '--store', path], {
        encoding: 'utf8',
      })
      return { status, said: `${stdout}${stderr}` }
    }
    assert.deepEqual([await filled(10), await filled(10)], ['ok', 'ok'])
    let code = 'ok'
    for (let tries = 0; code === 'ok'; tries++) {
      assert.ok(tries < 100)
      code = await filled(10).catch(codeOf)
    }
    for (let bytes = 1 << 20; bytes >= 4_096;) {
      try {
        writeFileSync(join(disk, `another ${bytes}`), Buffer.alloc(bytes))
      } catch {
        rmSync(join(disk, `another ${bytes}`), { force: true })
      }
      bytes /= 2
    }
    const before = gc()
    assert.equal(before.status, 4, before.said)
    const needs = /gc needs about ([\d.]+) (kB|MB) to begin/.exec(before.said)
    assert.ok(needs !== null, before.said)
    const kB = Number(needs[1]) * (needs[2] === 'MB' ? 1_000 : 1)
    // What the store grows by, not all that stands in the log.
    assert.ok(kB * 1_000 < statSync(`${path}-wal`).size, before.said)
    assert.ok(mount('remount', `size=${3 * 1_024 + Math.ceil(kB)}k`))
    const then = gc()
    assert.equal(then.status, 0, then.said)
    assert.match(then.said, /removed \d+ processes; 0 left/)
    assert.deepEqual([await filled(10), await filled(10)], ['ok', 'ok'])
  })
})

describe('commands in plain words', () => {
  const run = async (world: World, commands: string): Promise<readonly LsfsOutcome[]> =>
    (await world.settled(world.kernel.spawn(lsfs, { commands }).result)) as unknown as readonly LsfsOutcome[]

  test('are read in the usual words, and not guessed in others', () => {
    for (const [command, operation] of [
      [
        'Create a new file called "notes/a.md" with the content "one; two".',
        { verb: 'create_file', path: 'notes/a.md', content: 'one; two' },
      ],
      ['please make a folder x', { verb: 'create_dir', path: 'x' }],
      ['write "by train" to plans/trip.md', { verb: 'write', content: 'by train', path: 'plans/trip.md' }],
      ['Delete notes/a.md.', { verb: 'delete', path: 'notes/a.md' }],
      ['rename a to b/c', { verb: 'move', path: 'a', to: 'b/c' }],
      ['roll back a.md by 2 versions', { verb: 'rollback', path: 'a.md', versions: 2 }],
      ['rollback a.md to its previous 1 version', { verb: 'rollback', path: 'a.md', versions: 1 }],
      ['roll back a.md to 2026-01-31T12:00:00Z', { verb: 'rollback', path: 'a.md', time: '2026-01-31T12:00:00Z' }],
      ['find 2 files about cold harbours', { verb: 'retrieve', limit: 2, query: 'cold harbours' }],
      ['share docs/ with process 17', { verb: 'share', path: 'docs/', to: 17 }],
      ['summarize a.md', { verb: 'summarise', path: 'a.md' }],
      ['list files in docs', { verb: 'list', path: 'docs' }],
    ] as const)
      assert.deepEqual(readCommand(command), [operation], command)
    for (const odd of ['make it nice', 'undo everything', 'create']) assert.equal(readCommand(odd), undefined, odd)
  })

  test('do what they say, and what they say of it is the calls’ own', async () => {
    const world = createWorld()
    const outcomes = await run(
      world,
      `create file a/x.md with the content "the harbour froze"
       write "the harbour is open" to a/x.md; append "and warm" to a/x.md
       create file a/x.md; roll back a/x.md by 2 versions; read a/x.md
       find files about frozen harbours; copy a/x.md to b/y.md; move a/ to c/; list
       delete b; read b/y.md; roll back c/x.md by 9 versions`,
    )
    const said = outcomes.map(({ verb, value, error }) => {
      if (error !== undefined) return [verb, error.code]
      if (Array.isArray(value)) return [verb, value.map((one) => (one as { path: string }).path).join()]
      return [verb, typeof value === 'string' ? value : 'ok']
    })
    assert.deepEqual(said, [
      ['create_file', 'ok'],
      ['write', 'ok'],
      ['append', 'ok'],
      ['create_file', 'INVALID_ARGUMENT'],
      ['rollback', 'ok'],
      ['read', 'the harbour froze'],
      ['retrieve', 'a/x.md'],
      ['copy', 'ok'],
      ['move', 'ok'],
      ['list', 'b/y.md,c/x.md'],
      ['delete', 'ok'],
      ['read', 'NO_SUCH_FILE'],
      ['rollback', 'NO_SUCH_FILE'],
    ])
  })

  test('in other words go to a model, whose operations are checked and go by the law', async () => {
    const law = { rules: [{ id: 'keep', effect: 'deny', call: 'remove' }] } as const
    const model = scripted(
      [
        {
          text: 'Sure: {"operations":[{"verb":"write","path":"a","content":"x"},{"verb":"delete","path":"a"},{"verb":"format"}]}',
        },
        { text: 'All done, the files are gone.' },
      ],
      { clock: createWorld().clock },
    )
    const world = createWorld({ law, models: { 'test/model': model } })
    const outcomes = await run(world, 'tidy up my things\nwipe the lot')
    assert.deepEqual(
      outcomes.map(({ verb, error }) => [verb, error?.code]),
      [
        ['write', undefined],
        ['delete', 'ACCESS_DENIED'],
        ['format', 'INVALID_ARGUMENT'],
        ['read', 'INVALID_ARGUMENT'],
      ],
    )
  })
})

describe('a crash', () => {
  const folder = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'polity-files-'))
  after(() => rmSync(folder, { recursive: true, force: true }))
  const url = (path: string): string => JSON.stringify(import.meta.resolve(path))
  const contentOf = (i: number): string => `${i}\n`.repeat(1_500)

  /** Writes `f0` to `f2` in turn, says each version that it was told of, and kills itself after so many where it is asked to. */
  const child = (path: string, killAfter: number): string[] => [
    '--disable-warning=ExperimentalWarning',
    '--input-type=module',
    '--eval',
    `
    import { statSync } from 'node:fs'
    import { say } from ${url('./crash/say.ts')}
    import { openSqliteStore } from ${url('../src/drivers/store/sqlite.ts')}
    import { createKernel } from ${url('../src/kernel/kernel.ts')}
    const contentOf = ${contentOf}
    const kernel = createKernel({ store: openSqliteStore(${JSON.stringify(path)}) })
    kernel.spawn(async (sys) => {
      for (let i = 0; ; i++) {
        if (i === ${killAfter - 1}) say('wal ' + statSync(${JSON.stringify(`${path}-wal`)}).size)
        await sys.write('f' + i % 3, contentOf(i))
        say(i)
        if (i === ${killAfter}) process.kill(process.pid, 'SIGKILL')
      }
    }, null)`,
  ]

  /** Every file is one whole content, and everything that is said of it says the same. Returns the number in each. */
  async function look(path: string): Promise<number[]> {
    const kernel = createKernel({ store: openSqliteStore(path) })
    try {
      const [root] = kernel.ps()
      if (root === undefined) return []
      const files = kernel.files(root.pid)
      return files.list().map((file) => {
        const { content, version } = files.read(file.path)
        const i = Number.parseInt(content)
        assert.equal(content, contentOf(i), `${file.path} is half of something`)
        assert.equal(file.path, `f${i % 3}`)
        const versions = [...files.versions(file.path)]
        assert.deepEqual([versions[0]?.version, versions.length], [version, Math.floor(i / 3) + 1])
        return i
      })
    } finally {
      await kernel.close()
    }
  }

  test('of kill -9 at any moment leaves every file whole, and all that was told', async () => {
    for (let round = 0; round < (isLong ? 40 : 1); round++) {
      const path = join(folder, `kill-${round}.db`)
      const running = spawn(process.execPath, child(path, -1), { stdio: ['ignore', 'pipe', 'inherit'] })
      let said = ''
      await new Promise<void>((resolve) => {
        running.stdout.setEncoding('utf8').on('data', (text: string) => (said += text))
        running.stdout.once('data', () => setTimeout(() => running.kill('SIGKILL'), randomAt(5, round, 0) * 60))
        running.on('close', () => resolve())
      })
      const told = Number(said.slice(0, said.lastIndexOf('\n')).split('\n').at(-1))
      const kept = Math.max(...(await look(path)))
      assert.ok(kept === told || kept === told + 1, `told ${told}, kept ${kept}`)
    }
  })

  test('that cuts what was written last at any byte leaves the old version or the new one', async () => {
    const path = join(folder, 'torn.db')
    const { stdout } = spawnSync(process.execPath, child(path, 7), { encoding: 'utf8' })
    const from = Number(/wal (\d+)/.exec(stdout)?.[1])
    const wal = readFileSync(`${path}-wal`)
    assert.ok(wal.length > from && from > 0)
    const seen = new Set<number>()
    // Each frame of the log is a header of 24 bytes and a page of 4,096.
    const step = isLong ? 97 : 2_900
    for (let cut = from; cut <= wal.length; cut = cut === wal.length ? cut + 1 : Math.min(wal.length, cut + step)) {
      const torn = join(folder, 'torn-copy.db')
      for (const end of ['', '-wal', '-shm', '-owner']) rmSync(torn + end, { force: true })
      copyFileSync(path, torn)
      writeFileSync(`${torn}-wal`, wal.subarray(0, cut))
      const found = await look(torn)
      assert.ok(found.length === 3)
      seen.add(Math.max(...found))
    }
    assert.deepEqual([...seen].toSorted(), [5, 6, 7].slice([...seen].includes(5) ? 0 : 1))
    assert.ok(seen.has(7) && statSync(path).size > 0)
  })
})

test('what a kernel keeps of files and notes in RAM changes nothing that it says, be it next to nothing', async () => {
  const busy = defineProgram('busy', async (sys: Sys) => {
    const said: Json[] = []
    for (let i = 0; i < 24; i++) {
      const path = `a/${i % 6}.txt`
      await sys.write(path, `version ${i}`)
      if (i % 5 === 0) await sys.remove(path)
      const id = await sys.remember({ text: `note ${i}`, tags: ['t'] })
      if (i % 4 === 0) await sys.forget(id)
      const notes = await sys.recall(`note ${i}`, { limit: 3 })
      said.push((await sys.list('a/')).map((one) => one.path) as Json, notes.map(({ text }) => text) as Json)
    }
    // Its room is counted from what it has, whether that was looked up or remembered.
    return [...said, await endOf(sys.write('b', 'x'.repeat(300)))] as Json
  })
  const saidBy = async (limits: object): Promise<unknown> => {
    const { kernel, settled } = createWorld({ limits: { treeBytesMax: 480, ...limits } })
    const runs = [kernel.spawn(busy, null), kernel.spawn(busy, null)]
    return settled(Promise.all(runs.map((run) => run.result)))
  }
  const usual = await saidBy({})
  assert.match(JSON.stringify(usual), /LIMIT_EXCEEDED/)
  assert.deepEqual(await saidBy({ filesCachedMax: 2, notesCachedBytesMax: 1 }), usual)
})
