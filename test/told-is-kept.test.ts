/**
 * What a client of the API, of AIOS or of AG-UI is told to have been done is kept first: a crash after the answer takes nothing back. Over real
 * HTTP, on a store that keeps nothing for a while.
 */
import assert from 'node:assert/strict'
import { mkdtempDisposableSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { memoryStore } from '../src/drivers/store/memory.ts'
import type { Store } from '../src/kernel/drivers.ts'
import { createKernel } from '../src/kernel/kernel.ts'
import { defineProgram } from '../src/kernel/program.ts'
import type { Program } from '../src/kernel/types.ts'
import { doorsOf, serve } from '../src/server/serve.ts'
import { within } from './world.ts'

test('a run that was started, by whatever door, forked, sent to, answered or killed is kept before the client is told', async () => {
  using folder = mkdtempDisposableSync(join(tmpdir(), 'polity-told-'))
  const disk = memoryStore()
  let held: (() => void)[] | undefined
  const store: Store = {
    ...disk,
    durability: 'relaxed',
    async commit(batch) {
      const { events, puts } = { events: [...batch.events], puts: [...batch.puts] }
      if (held !== undefined) await new Promise<void>((resolve) => held?.push(resolve))
      await disk.commit({ events, puts })
    },
  }
  const asks = defineProgram('asks', async (sys) => {
    await sys.receive()
    return sys.ask('Go on?')
  }) as Program
  const kernel = createKernel({ store, programs: [asks] })
  const server = await serve({
    kernel,
    doors: doorsOf({ kernel, programs: [asks] }),
    store: join(folder.path, 'keys.db'),
    port: 0,
  })

  /** Told only once the store has kept it; returns what was told first. */
  async function toldBy(path: string, body: object): Promise<string> {
    await kernel.flush()
    held = []
    let isTold = false
    const told = fetch(`${server.url}/${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    }).then(async (answer) => {
      const reader = answer.body?.getReader()
      const said = Buffer.from((await reader?.read())?.value ?? []).toString()
      isTold = true
      await reader?.cancel()
      assert.ok(answer.ok, said)
      return said
    })
    try {
      while (held.length === 0 && !isTold) await pause(5)
      await pause(50)
      assert.equal(isTold, false, path)
    } finally {
      const waiting = held
      held = undefined
      for (const go of waiting) go()
    }
    return within(2_000, told, path)
  }
  const post = async (path: string, body: object): Promise<{ readonly pid: number }> =>
    JSON.parse(await toldBy(`api/v1/${path}`, body)) as { readonly pid: number }

  try {
    const { pid } = await post('processes', { program: 'asks' })
    await post(`processes/${pid}/send`, { body: 'hello' })
    while (kernel.questions.length === 0) await pause(5)
    const fork = await post(`processes/${pid}/fork`, { at: 0 })
    await post(`questions/${kernel.questions[0]?.id}/answer`, { text: 'yes' })
    await post(`processes/${fork.pid}/kill`, {})
    const submitted = await toldBy('aios/agents/submit', { agent_id: 'a/asks', agent_config: { task: 'go' } })
    assert.match(submitted, /"execution_id":\d/)
    const input = { threadId: 't', runId: 'r', messages: [{ id: 'u', role: 'user', content: 'go' }] }
    assert.match(await toldBy('agui/asks', { ...input, tools: [], context: [] }), /RUN_STARTED/)
  } finally {
    await server.close()
    await kernel.close()
  }
})
