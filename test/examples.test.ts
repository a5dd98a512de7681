/** Every example runs as its reader would run it: alone, offline, to the end, printing what its head promises. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'

const folder = join(import.meta.dirname, '..', 'examples')
const names = readdirSync(folder)
  .filter((name) => name.endsWith('.ts'))
  .toSorted()
/** An example that takes longer has not ended by itself, ms. */
const EXAMPLE_MS = 20_000

interface End {
  readonly code: number | string | null
  readonly stdout: string
  readonly stderr: string
}

function run(path: string): Promise<End> {
  return new Promise((resolve) => {
    execFile(process.execPath, [path], { timeout: EXAMPLE_MS }, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : (error.code ?? error.signal ?? 'failed'), stdout, stderr })
    })
  })
}

describe('examples', { concurrency: 2 }, () => {
  for (const name of names) {
    test(name, async () => {
      const path = join(folder, name)
      const source = readFileSync(path, 'utf8')
      const promised = /^\/\/ prints: (.+)$/m.exec(source)?.[1]
      assert.ok(promised !== undefined, `${name} has no line “// prints: …”`)
      assert.ok(source.split('\n').length <= 60, `${name} is longer than a page`)

      const { code, stdout, stderr } = await run(path)
      assert.equal(stderr, '')
      assert.equal(code, 0)
      assert.ok(stdout.includes(promised), `${name} promises ${JSON.stringify(promised)} and printed:\n${stdout}`)
    })
  }
})

test('examples are numbered from 01 without a gap', () => {
  assert.deepEqual(
    names.map((name) => Number(name.slice(0, 2))),
    names.map((_, i) => i + 1),
  )
})
