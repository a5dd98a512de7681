/**
 * A call that a crash left in doubt, as people meet it: what they may answer, what the program is given, and what they are
 * told of an answer that does not fit.
 */
import assert from 'node:assert/strict'
import type { ChildProcess } from 'node:child_process'
import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { after, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { z } from 'zod'
import { memoryStore } from '../src/drivers/store/memory.ts'
import { realClock } from '../src/kernel/clock.ts'
import type { PolityError } from '../src/kernel/errors.ts'
import { createKernel } from '../src/kernel/kernel.ts'
import { defineProgram } from '../src/kernel/program.ts'
import type { Json, Question } from '../src/kernel/types.ts'
import { doubting, settle } from './doubting.ts'
import { HANGS_MS } from './world.ts'

const folder = mkdtempSync(join(tmpdir(), 'polity-doubt-'))
const children = new Set<ChildProcess>()
after(() => {
  for (const child of children) child.kill('SIGKILL')
  rmSync(folder, { recursive: true, force: true })
})

function refusal(attempt: () => void): string {
  try {
    attempt()
  } catch (error) {
    const { code, message } = error as PolityError
    return `${code}: ${message}`
  }
  return 'taken'
}

test('done gives the program the value that the person says, held to what the tool returns', async () => {
  const { kernel, pid, question } = await doubting({ outputSchema: z.object({ id: z.string() }) as never })
  assert.match(question.text, /done, with what it returned .* retry: .* fail: /)
  const answer = (text: string, value?: Json) => refusal(() => kernel.answer(question.id, text, value))
  for (const value of [undefined, null, 'r-1', { id: 7 }])
    assert.match(
      answer('done', value),
      /^INVALID_ARGUMENT: done takes what tool pay returned: .*expected (object|string), received .*"required":\["id"\]/,
    )
  assert.match(answer('retry', { id: 'r-1' }), /^INVALID_ARGUMENT: retry takes no value: only done does$/)
  assert.equal(kernel.questions.length, 1)
  assert.equal(answer('done', { id: 'r-1', more: 1 }), 'taken')
  // As the schema reads it, as if the tool had returned it.
  assert.deepEqual(await kernel.run(pid).result, ['given', { id: 'r-1' }])
  await kernel.close()
})

test('done without a value gives null, where the tool does not say what it returns', async () => {
  const { kernel, pid, question } = await doubting({})
  kernel.answer(question.id, 'done')
  assert.deepEqual(await kernel.run(pid).result, ['given', null])
  await kernel.close()
})

test('fail tells the program that a person decided so, and asks nobody for an answer that was given', async () => {
  const { kernel, pid, question } = await doubting({})
  kernel.answer(question.id, 'fail')
  const [code, message, todo] = (await kernel.run(pid).result) as string[]
  assert.equal(code, 'IN_DOUBT')
  assert.match(message ?? '', /^a crash interrupted tool pay, and a person who was asked answered fail/)
  assert.doesNotMatch(todo ?? '', /answer the question/)
  await kernel.close()
})

test('a value goes with no other question: it would be passed over', async () => {
  const kernel = createKernel({ store: memoryStore() })
  const run = kernel.spawn(
    defineProgram('asks', (sys) => sys.ask('Which?', { choices: ['red'] })),
    null as never,
  )
  await settle()
  const { id } = kernel.questions[0] as Question
  assert.match(
    refusal(() => kernel.answer(id, 'red', 7)),
    /^INVALID_ARGUMENT: a value goes with done/,
  )
  kernel.answer(id, 'red')
  assert.equal(await run.result, 'red')
  await kernel.close()
})

test(
  'from the command line a call in doubt is answered with its value, as JSON or text',
  { timeout: HANGS_MS * 6 },
  async () => {
    const bin = resolve(import.meta.dirname, '../bin/polity.js')
    const front = resolve(import.meta.dirname, '../src/index.ts')
    writeFileSync(
      join(folder, 'pay.ts'),
      `import { writeFileSync } from 'node:fs'
import { defineProgram, defineTool } from ${JSON.stringify(front)}
import { z } from ${JSON.stringify(import.meta.resolve('zod'))}
const pay = defineTool({ name: 'pay', description: '', effect: 'once', inputSchema: z.object({}), outputSchema: z.object({ id: z.string() }),
  execute: () => { writeFileSync(${JSON.stringify(join(folder, 'paying'))}, ''); return new Promise(() => setInterval(() => {}, 1000)) } })
export default defineProgram('pays', async (sys) => \`receipt \${(await sys.call('pay', {})).id}\`, { tools: [pay] })
`,
    )
    const begin = (...args: string[]) => {
      const child = spawn(process.execPath, [bin, ...args, '--store', 'd.db'], {
        cwd: folder,
        stdio: ['ignore', 'pipe', 'pipe'],
      })
      children.add(child)
      let out = ''
      let err = ''
      child.stdout.setEncoding('utf8').on('data', (text: string) => (out += text))
      child.stderr.setEncoding('utf8').on('data', (text: string) => (err += text))
      const done = new Promise<{ code: number | null; out: string; err: string }>((ended) =>
        child.on('close', (code) => ended({ code, out, err })),
      )
      return { child, done, err: () => err }
    }
    const until = async <T>(look: () => T | undefined): Promise<T> => {
      const { now } = realClock()
      for (const startedAt = now(); now() - startedAt < HANGS_MS; await pause(30)) {
        const found = look()
        if (found !== undefined) return found
      }
      throw new Error(`it did not come to be within ${HANGS_MS} ms`)
    }
    const first = begin('run', 'pay.ts')
    await until(() => (existsSync(join(folder, 'paying')) ? true : undefined))
    first.child.kill('SIGKILL')
    await first.done
    const resumed = begin('resume')
    const id = await until(() => /answer (\d+) done\|retry\|fail/.exec(resumed.err())?.[1])
    const bare = await begin('answer', id, 'done').done
    assert.equal(bare.code, 2)
    assert.match(bare.err, /done takes what tool pay returned: .*expected object, received null/)
    assert.match((await begin('answer', id, 'done', 'paid 5').done).err, /expected object, received string/)
    const told = await begin('answer', id, 'done', '{"id": "r-17"}').done
    assert.deepEqual([told.code, told.out], [0, `answered ${id} of process 1: done {"id":"r-17"}\n`], told.err)
    assert.deepEqual(await resumed.done.then(({ code, out }) => [code, out]), [0, 'receipt r-17\n'])
  },
)
