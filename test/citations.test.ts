/** Citations: whatever a file is called, what it says is found, cited with exactly its path, and read back. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import fc from 'fast-check'
import { claimsOf } from '../src/agents/pieces/citations.ts'
import type { Research } from '../src/agents/research.ts'
import { research } from '../src/agents/research.ts'
import { visibleName } from '../src/cli/terminal.ts'
import { openFolderIndex } from '../src/drivers/folder/folder-index.ts'
import { folderTools } from '../src/drivers/folder/tools.ts'
import { citedLines } from '../src/drivers/llm/reader-evidence.ts'
import { scripted } from '../src/drivers/llm/scripted.ts'
import { boot } from '../src/index.ts'
import { citation, citationsIn } from '../src/kernel/citation.ts'
import type { LanguageModel } from '../src/kernel/drivers.ts'
import type { Tool } from '../src/kernel/types.ts'

const isLong = process.env['POLITY_LONG'] === '1'
const made: string[] = []
after(() => made.forEach((folder) => rmSync(folder, { recursive: true, force: true })))

const signs = `[ ] : \\ " ' ( ) . , - – %5B ${'`'} 1 12 :3 :3] [:3 a B n é 猫 🐈 א`.split(' ')
const unseen = [' ', '\n', '\r', '\t', '\u200f', '\u202e', '\u0085', '\u2028', '\u007f']
const sign = fc.constantFrom(...signs, ...unseen)
/** Names that a walk lists. */
const name = fc
  .array(sign, { minLength: 1, maxLength: 12 })
  .map((all) => all.join(''))
  .filter((one) => !one.startsWith('.'))
/** Two names of which one begins with the other. */
const names = fc
  .tuple(name, fc.array(sign, { minLength: 1, maxLength: 4 }))
  .map(([one, more]) => [one, one + more.join('')] as const)
const lines = fc.tuple(fc.nat(900), fc.nat(20)).map(([line, more]) => ({ line: line + 1, lineEnd: line + 1 + more }))

test('what is written is read back as the same place, whatever the path and whatever else was shown', () => {
  fc.assert(
    fc.property(names, name, lines, fc.boolean(), ([short, long], other, place, isShort) => {
      const path = isShort ? short : long
      const text = `It is so ${citation({ path, ...place })}`
      // A name in quotes of its own looks like another that has to be put in quotes.
      for (const shown of [[], [short, long, other, JSON.stringify(path), JSON.stringify(other)]])
        assert.deepEqual(citationsIn(text, shown), [{ path, ...place, from: 9, to: text.length }])
      const { evidence, rest } = citedLines(`- ${citation({ path, ...place })}: It is so.`)
      assert.deepEqual(
        [evidence[0]?.path, evidence[0]?.line, evidence[0]?.text, rest],
        [path, place.line, 'It is so.', ''],
      )
    }),
    { numRuns: isLong ? 20_000 : 500 },
  )
})

test('a path that was shown is read as a model may write it: as it is, or as it stands in JSON', () => {
  fc.assert(
    fc.property(names, lines, fc.boolean(), fc.boolean(), ([short, long], { line }, isShort, isEscaped) => {
      const [path, other] = isShort ? [short, long] : [long, short]
      const written = isEscaped ? JSON.stringify(path).slice(1, -1) : path
      // Written as another one stands in JSON it means that.
      fc.pre(![other, JSON.stringify(other).slice(1, -1)].includes(written))
      const claims = claimsOf(`It is so. [${written}:${line}] And so it is.`, [short, long])
      assert.deepEqual(claims, [{ text: 'It is so.', path, line, lineEnd: line }])
    }),
    { numRuns: isLong ? 20_000 : 500, seed: 7 },
  )
})

test('a path that nobody showed is read where its brackets are in pairs, and other brackets are text', () => {
  const read = (text: string): string[] => citationsIn(text).map(({ path, line }) => `${path} ${line}`)
  assert.deepEqual(read('see [docs/a.md:3-5][b.md:7] and [app/[slug]/[id].md:1]'), [
    'docs/a.md 3',
    'b.md 7',
    'app/[slug]/[id].md 1',
  ])
  assert.deepEqual(read('[x] [1:2:3] [see [a.md:3] [[b.md:4]] ["c.md":5] ["d.md:6] [e.md:] [:7]'), [
    '1:2 3',
    'a.md 3',
    'b.md 4',
    'c.md 5',
    '"d.md 6',
  ])
  // Reading takes a time that grows with the text, not with its square.
  assert.equal(citationsIn('['.repeat(200_000)).length, 0)
  assert.equal(citationsIn('[[a]'.repeat(50_000)).length, 0)
})

/** Asks the team of a folder with these files; `model` is the offline reader where it is not given. */
async function ask(files: ReadonlyMap<string, string>, question: string, model?: LanguageModel): Promise<Research> {
  const folder = mkdtempSync(join(tmpdir(), 'polity-citations-'))
  made.push(folder)
  for (const [file, text] of files) writeFileSync(join(folder, file), text)
  const index = await openFolderIndex(folder, { indexPath: `${folder}.index/index` })
  made.push(`${folder}.index`)
  assert.equal(index.report().files, files.size)
  const tools = folderTools(index) as unknown as readonly Tool[]
  const kernel = await boot(model === undefined ? { tools } : { tools, model })
  try {
    return await kernel.spawn(research, { question }).result
  } finally {
    await kernel.close()
    index.close()
  }
}

const cook = 'The cook is called Bernard.'
const smith = 'The smith of the village is Anna Holm.'

test('the offline reader cites a file with exactly its path, whatever its name, also beside one that its name begins', async () => {
  await fc.assert(
    fc.asyncProperty(names, fc.boolean(), async ([short, long], isShort) => {
      const [path, other] = isShort ? [short, long] : [long, short]
      const files = new Map([
        [path, `${cook}\n`],
        [other, `# Smiths\n\n${smith}\n`],
      ])
      const one = await ask(files, 'What is the cook called?')
      assert.deepEqual(one.claims, [{ text: cook, path, line: 1, lineEnd: 1 }])
      // Through the writer, who has only the citations of the readers.
      const both = await ask(files, 'What is the cook called, and who is the smith of the village?')
      assert.deepEqual(
        both.claims.map((claim) => [claim.path, claim.line]),
        [
          [path, 1],
          [other, 3],
        ],
      )
    }),
    { numRuns: isLong ? 100 : 4 },
  )
})

test('the offline reader cites what a message gives it in a form that needs nothing else to be read', async () => {
  await fc.assert(
    fc.asyncProperty(name, async (path) => {
      const kernel = await boot()
      const prompt = `What is the cook called?\n\n${citation({ path, line: 7, lineEnd: 7 })} ${cook}`
      const { text } = await kernel.spawn((sys) => sys.generate(prompt), null).result
      await kernel.close()
      assert.deepEqual(claimsOf(text), [{ text: cook, path, line: 7, lineEnd: 7 }])
    }),
    { numRuns: isLong ? 200 : 20 },
  )
})

test('a model that copies the path as it was shown, or as it is, has its claim', async () => {
  const path = '[slug] "x"\\n:3].md'
  for (const written of [path, JSON.stringify(path).slice(1, -1), JSON.stringify(path)]) {
    const model = scripted([
      { text: '{"questions":["What is the cook called?"]}' },
      { toolCalls: [{ name: 'search', input: { query: 'cook' } }] },
      { toolCalls: [{ name: 'read', input: { path } }] },
      { text: `He is called Bernard, the cook [${written}:1].` },
    ])
    const { claims, found } = await ask(new Map([[path, cook]]), 'What is the cook called?', model)
    assert.deepEqual([found, claims], [true, [{ text: 'He is called Bernard, the cook', path, line: 1, lineEnd: 1 }]])
  }
})

test('a file that is cited and cannot be read is named in the answer', async () => {
  const model = scripted([
    { text: '{"questions":["What is the cook called?"]}' },
    { text: 'The cook is called Bernard [nowhere.md:1], they say [a[b.md:2].' },
  ])
  const { answer, found } = await ask(new Map([['c.md', cook]]), 'What is the cook called?', model)
  assert.equal(found, false)
  assert.equal(
    answer,
    'I found nothing in these files that answers the question; what was cited for it could not be read: "nowhere.md", "b.md".',
  )
})

test('a name is shown on one line, and what controls a terminal as a sign', () => {
  assert.equal(visibleName('a\nb\tc\rd\u001b[31m\u202ee.md'), 'a␊b␉c␍d␛[31m\ufffde.md')
  assert.equal(visibleName('app/[slug].md'), 'app/[slug].md')
})
