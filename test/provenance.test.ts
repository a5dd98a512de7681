/**
 * Provenance where it is thin: labels by detours (errors, reasons, names of files), values that only seem to stand in the
 * request. Found by the attacks of test/adversarial. The last part shows what follows from a choice.
 */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { pathToFileURL } from 'node:url'
import { boot } from '../src/boot.ts'
import { PolityError } from '../src/kernel/errors.ts'
import { defineProgram } from '../src/kernel/program.ts'
import type { Json, Sys } from '../src/kernel/types.ts'
import type { Rule } from '../src/policy/law.ts'
import { parseLaw } from '../src/policy/law.ts'
import { tool } from './world.ts'

/** Runs a program under rules; returns what its tools were called with. */
async function calledWith(rules: readonly Rule[], asked: string, program: (sys: Sys) => Promise<unknown>) {
  const calls: { readonly tool: string; readonly input: Json }[] = []
  const tools = ['read_documents', 'send', 'pay'].map((name) =>
    tool(name, (input) => (calls.push({ tool: name, input }), 'done'), {
      effect: name === 'read_documents' ? 'read' : 'once',
      ...(name === 'read_documents' ? { labels: ['private'] } : {}),
    }),
  )
  const kernel = await boot({ tools, law: parseLaw({ rules }) })
  try {
    await kernel.spawn(program, asked).result.catch((error: unknown) => {
      if (!PolityError.isInstance(error)) throw error
    })
    return calls.filter(({ tool }) => tool !== 'read_documents').map(({ input }) => input)
  } finally {
    await kernel.close()
  }
}

/** The call is made; that the law refuses it is its end. */
async function tryCall(sys: Sys, name: string, input: Json): Promise<void> {
  await sys.call(name, input).catch((error: unknown) => {
    if (!PolityError.isInstance(error) || error.code !== 'ACCESS_DENIED') throw error
  })
}

describe('what a process learns of another has the labels of what that one had learned', () => {
  const rules: Rule[] = [
    { id: 'read', effect: 'allow', tool: 'read_documents' },
    { id: 'private', effect: 'deny', tool: 'send', seen: ['private'] },
    { id: 'send', effect: 'allow', tool: 'send' },
  ]

  test('in the words of an error', async () => {
    const child = defineProgram('child', async (sys) => {
      throw new Error(`the passport: ${await sys.call<string>('read_documents', {})}`)
    })
    const sent = await calledWith(rules, 'go', async (sys) => {
      const said = await sys.wait(await sys.spawn(child, null)).catch((error: Error) => error.message)
      await tryCall(sys, 'send', said as Json)
    })
    assert.deepEqual(sent, [])
  })

  test('in the reason of a kill', async () => {
    const child = defineProgram('child', async (sys) => {
      await sys.kill(sys.pid, `the passport: ${await sys.call<string>('read_documents', {})}`)
    })
    const sent = await calledWith(rules, 'go', async (sys) => {
      const said = await sys.wait(await sys.spawn(child, null)).catch((error: Error) => error.message)
      await tryCall(sys, 'send', said as Json)
    })
    assert.deepEqual(sent, [])
  })

  test('in the name of a file', async () => {
    const child = defineProgram('child', async (sys) => {
      await sys.write(`passport-${await sys.call<string>('read_documents', {})}`, '')
    })
    const sent = await calledWith(rules, 'go', async (sys) => {
      await sys.spawn(child, null)
      let names: string[] = []
      for (let i = 0; i < 100 && names.length === 0; i++) {
        await sys.sleep(1)
        names = (await sys.list()).map(({ path }) => path)
      }
      await tryCall(sys, 'send', names)
    })
    assert.deepEqual(sent, [])
  })
})

describe('a value comes from the request only as the user wrote it', () => {
  const rules: Rule[] = [{ id: 'said', effect: 'allow', tool: 'send', origins: { to: 'request' } }]
  const sentTo = (asked: string, to: Json) => calledWith(rules, asked, (sys) => tryCall(sys, 'send', { to }))

  for (const [asked, value] of [
    ["share it with o'neil@x.org", 'neil@x.org'],
    ['share it with a=b@x.org', 'b@x.org'],
    ['share it with mark\u2011roberts@x.org', 'roberts@x.org'],
    ['visit x.org?u=1', 'x.org'],
    ['refund GB29NWBK60161331926819', 29],
    ['on 2024-05-15', -15],
  ] as const)
    test(`${JSON.stringify(value)} does not come from ${JSON.stringify(asked)}`, async () => {
      assert.deepEqual(await sentTo(asked, value), [])
    })

  test('a blank text ends, one way or the other', () => {
    // In a process of its own, because a loop in the kernel cannot be interrupted.
    const program = `
      import { boot } from '${pathToFileURL(join(import.meta.dirname, '../src/boot.ts')).href}'
      import { tool } from '${pathToFileURL(join(import.meta.dirname, 'world.ts')).href}'
      const kernel = await boot({ tools: [tool('send', () => 'done')], law: { rules: ${JSON.stringify(rules)} } })
      await kernel.spawn((sys) => sys.call('send', { to: ' ' }).catch(() => 'denied'), 'abc').result
      await kernel.close()`
    const { status } = spawnSync(process.execPath, ['--input-type=module', '--eval', program], { timeout: HANG_MS })
    assert.equal(status, 0)
  })
})

const HANG_MS = 3_000

// ------------------------------------------------------------------------------------------- as chosen, and worth knowing

describe('what is allowed once is allowed once to each process (decision 10)', () => {
  const once: Rule = { id: 'once', effect: 'allow', tool: 'pay', then: { drop: ['once'] } }
  const alone = ['spawn', 'fork', 'restore'].map((call): Rule => ({ id: `no-${call}`, effect: 'deny', call }))

  const payer = defineProgram('payer', (sys) => tryCall(sys, 'pay', { amount: 250 }))
  const ways: { readonly [way: string]: (sys: Sys) => Promise<unknown> } = {
    'a child each': async (sys) => {
      for (let i = 0; i < 3; i++) await sys.wait(await sys.spawn(payer, null))
    },
    'a fork each': async (sys) => {
      const pids = [await sys.fork(), await sys.fork()]
      await tryCall(sys, 'pay', { amount: 250 })
      for (const pid of pids) if (pid !== 0) await sys.wait(pid)
    },
    'going back': async (sys) => {
      const { id, restored } = await sys.snapshot()
      await tryCall(sys, 'pay', { amount: 250 })
      if (restored < 2) await sys.restore(id)
    },
  }
  for (const [way, program] of Object.entries(ways)) {
    test(`so it happens more than once by ${way}, and a law that counts forbids that`, async () => {
      assert.ok((await calledWith([once], 'pay', program)).length > 1)
      assert.ok((await calledWith([once, ...alone], 'pay', program)).length <= 1)
    })
  }
})
