/** A program behind a chat in a web page: what the server sends is what the protocol's own schemas take, event by event. */
import assert from 'node:assert/strict'
import { afterEach, test } from 'node:test'
import type { AGUIEvent, Interrupt, ResumeEntry, RunErrorEvent } from '@ag-ui/core'
import { EventSchemas } from '@ag-ui/core/schemas'
import { z } from 'zod'
import { defineAgent } from '../src/agents/react.ts'
import { scripted } from '../src/drivers/llm/scripted.ts'
import { memoryStore } from '../src/drivers/store/memory.ts'
import type { Store } from '../src/kernel/drivers.ts'
import type { Kernel } from '../src/kernel/kernel.ts'
import { createKernel } from '../src/kernel/kernel.ts'
import { defineProgram } from '../src/kernel/program.ts'
import type { Json, Program } from '../src/kernel/types.ts'
import { parseLaw } from '../src/policy/law.ts'
import { aguiDoor } from '../src/server/agui.ts'
import type { Server } from '../src/server/http.ts'
import { startServer } from '../src/server/http.ts'
import type { Scope } from '../src/server/caller.ts'
import { recordingStore, tool, within } from './world.ts'
import { clumsy } from './clumsy.ts'
import { doubting } from './doubting.ts'

const pay = tool('pay', (input) => `paid ${(input as { to: string }).to}`)
const clerk = defineAgent({ name: 'clerk', instructions: 'Pay.', tools: [pay] })
const greeter = defineProgram('greeter', async (sys, input: Json) => `${input}, ${await sys.ask('Who?')}!`)
const child = defineProgram('child', async () => null)
const worker = defineProgram('worker', async (sys, input: Json) => {
  await sys.send(0, { state: { step: 1 } })
  await sys.send(0, 'half way')
  await sys.wait(await sys.spawn(child, null))
  if (input === 'fail') throw new Error('out of order')
  if (input === 'sleep') await sys.sleep(3_600_000)
  return { done: input }
})
const hasty = defineProgram(
  'hasty',
  async (sys) => {
    await sys.sleep(5)
    return sys.call('pay', { to: 'bob' })
  },
  { tools: [pay] },
)
const late = defineProgram('late', async (sys) => sys.receive({ timeoutMs: 1 }))
const programs = [clerk, greeter, worker, hasty, late, clumsy] as readonly Program[]

const closing: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close()
})

async function opened(law?: object, store: Store = memoryStore()): Promise<{ kernel: Kernel; server: Server }> {
  const kernel = createKernel({
    store,
    models: {
      m: scripted(({ prompt }) =>
        prompt.at(-1)?.role === 'tool'
          ? { text: 'All is paid.' }
          : { text: 'I pay.', toolCalls: [{ id: 'x', name: 'pay', input: { to: 'bob' } }] },
      ),
    },
    ...(law === undefined ? {} : { law: parseLaw(law) }),
  })
  const server = await startServer({
    doors: [aguiDoor({ kernel, programs })],
    authenticate({ headers }) {
      const key = headers['x-api-key'] as string
      const scopes: readonly Scope[] = key === 'mute' ? ['runs'] : ['runs', 'approvals']
      return { principal: key === 'bob' ? 'bob' : 'ada', scopes: new Set(scopes), key: null }
    },
    port: 0,
    limits: { drainMs: 200 },
  })
  closing.push(
    () => kernel.close(),
    () => server.close(),
  )
  return { kernel, server }
}

interface Asked {
  readonly said?: unknown
  readonly resume?: readonly ResumeEntry[]
  readonly key?: string
  readonly signal?: AbortSignal
}

function ask({ url }: Server, program: string, { said = 'hi', resume, key = 'ada', signal }: Asked): Promise<Response> {
  const messages = said === null ? [] : [{ id: 'u1', role: 'user', content: said }]
  return fetch(`${url}/agui/${program}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'x-api-key': key },
    body: JSON.stringify({ threadId: 't', runId: 'r', messages, tools: [], context: [], ...(resume && { resume }) }),
    ...(signal === undefined ? {} : { signal }),
  })
}

/** The events of an answer, each taken by the protocol's schema, in an order that the protocol allows. */
async function eventsOf(response: Response): Promise<readonly AGUIEvent[]> {
  assert.equal(response.headers.get('content-type'), 'text/event-stream')
  const body = await within(5_000, response.text())
  const events = [...body.matchAll(/^data: (.*)$/gm)].map(([, data]) => {
    const parsed: unknown = JSON.parse(data as string)
    return EventSchemas.parse(parsed) as AGUIEvent
  })
  assert.equal(events[0]?.type, 'RUN_STARTED')
  assert.match(String(events.at(-1)?.type), /^RUN_(FINISHED|ERROR)$/)
  const open = new Set<string>()
  for (const event of events) {
    const { type, messageId, toolCallId, stepName } = event as unknown as { [key: string]: string }
    const id = `${String(type).split('_')[0]} ${toolCallId ?? messageId ?? stepName}`
    if (/_STARTED$|_START$/.test(type as string) && type !== 'RUN_STARTED') {
      assert.ok(!open.has(id), `${id} is started twice`)
      open.add(id)
    } else if (/_CONTENT$|_ARGS$/.test(type as string)) assert.ok(open.has(id), `${id} was not started`)
    else if (/_END$|_FINISHED$/.test(type as string) && type !== 'RUN_FINISHED')
      assert.ok(open.delete(id), `${id} ends`)
  }
  assert.deepEqual([...open], [], 'what was started is ended')
  return events
}

const run = async (server: Server, program: string, asked: Asked = {}): Promise<readonly AGUIEvent[]> =>
  eventsOf(await ask(server, program, asked))
const types = (events: readonly AGUIEvent[]): string[] => events.map(({ type }) => type)
function interruptsOf(events: readonly AGUIEvent[]): readonly Interrupt[] {
  const last = events.at(-1)
  assert.equal(last?.type, 'RUN_FINISHED')
  const { outcome } = last as { outcome?: { type: string; interrupts?: readonly Interrupt[] } }
  assert.equal(outcome?.type, 'interrupt')
  return outcome.interrupts ?? []
}

test('an agent is heard as it speaks, with its tool calls and their results', async () => {
  const { server } = await opened()
  const events = await run(server, 'clerk')
  const told = types(events)
  const count = (type: string): number => told.filter((one) => one === type).length
  assert.equal(count('TEXT_MESSAGE_START'), 2, 'each text once: the output is the last of them')
  assert.equal(
    events.map((event) => (event.type === 'TEXT_MESSAGE_CONTENT' ? event.delta : '')).join(''),
    'I pay.All is paid.',
  )
  const start = events.find((event) => event.type === 'TOOL_CALL_START')
  const result = events.find((event) => event.type === 'TOOL_CALL_RESULT')
  assert.ok(start?.type === 'TOOL_CALL_START' && result?.type === 'TOOL_CALL_RESULT')
  assert.deepEqual([start.toolCallName, result.content], ['pay', 'paid bob'])
  assert.equal(start.toolCallId, result.toolCallId)
  const last = events.at(-1) as { result: unknown; usage: readonly { inputTokens: number }[] }
  assert.equal(last.result, 'All is paid.')
  assert.ok((last.usage[0]?.inputTokens ?? 0) > 0)
})

test('a program shows its state, its progress and its children', async () => {
  const { server } = await opened()
  const events = await run(server, 'worker', { said: [{ type: 'text', text: 'work' }] })
  assert.deepEqual(types(events), [
    'RUN_STARTED',
    'STATE_SNAPSHOT',
    'CUSTOM',
    'STEP_STARTED',
    'STEP_FINISHED',
    'RUN_FINISHED',
  ])
  assert.deepEqual((events[1] as { snapshot: unknown }).snapshot, { step: 1 })
  assert.deepEqual((events.at(-1) as { result: unknown }).result, { done: 'work' })
  const failed = await run(server, 'worker', { said: 'fail' })
  const { type, code, message, metadata } = failed.at(-1) as RunErrorEvent
  assert.deepEqual([type, code, message], ['RUN_ERROR', 'PROGRAM_FAILED', 'out of order'])
  assert.deepEqual(metadata, { retryable: false })
  const timeout = (await run(server, 'late')).at(-1) as RunErrorEvent
  assert.deepEqual([timeout.type, timeout.code, timeout.metadata], ['RUN_ERROR', 'TIMEOUT', { retryable: true }])
})

test('a call with wrong arguments is no part of what is told', async () => {
  const { server } = await opened()
  const events = await run(server, 'clumsy')
  assert.deepEqual(types(events), [
    'RUN_STARTED',
    'TEXT_MESSAGE_START',
    'TEXT_MESSAGE_CONTENT',
    'TEXT_MESSAGE_END',
    'RUN_FINISHED',
  ])
  assert.equal((events.at(-1) as { result: unknown }).result, 'INVALID_ARGUMENT')
})

test('a question interrupts the run, and a run that resumes answers it and no other', async () => {
  const { server, kernel } = await opened()
  const [question] = interruptsOf(await run(server, 'greeter', { said: 'Hello' }))
  assert.equal(question?.message, 'Who?')
  const interruptId = question.id
  const answer = { interruptId, status: 'resolved', payload: { answer: 'Ada' } } as const
  assert.equal((await ask(server, 'greeter', { resume: [answer], key: 'bob' })).status, 404, 'another’s is not there')
  const stale = await run(server, 'greeter', {
    resume: [{ ...answer, interruptId: interruptId.replace(/\d+$/, '9999') }],
  })
  assert.match((stale.at(-1) as { message: string }).message, /waits for no answer any more/)
  assert.equal((await ask(server, 'worker', { resume: [answer] })).status, 404, 'another program’s is not there')
  const another = interruptsOf(await run(server, 'greeter'))[0]?.id.split('-')[1]
  const crossed = [{ ...answer, interruptId: `${interruptId.split('-')[0]}-${another}` }]
  const mixed = await run(server, 'greeter', { resume: crossed })
  assert.match((mixed.at(-1) as { message: string }).message, /waits for no answer any more/, 'of another run')
  assert.equal(kernel.questions.length, 2)
  const resumed = await run(server, 'greeter', { said: null, resume: [answer] })
  assert.deepEqual(types(resumed), [
    'RUN_STARTED',
    'TEXT_MESSAGE_START',
    'TEXT_MESSAGE_CONTENT',
    'TEXT_MESSAGE_END',
    'RUN_FINISHED',
  ])
  assert.equal((resumed.at(-1) as { result: unknown }).result, 'Hello, Ada!')
  const [other] = interruptsOf(await run(server, 'greeter'))
  const abandoned = await run(server, 'greeter', {
    resume: [{ interruptId: other?.id as string, status: 'cancelled' }],
  })
  assert.deepEqual((abandoned.at(-1) as { outcome: unknown }).outcome, { type: 'cancelled' })
})

test('an approval is given for the call that was shown, by who may', async () => {
  // The question is there before the call is in the store.
  const slow = recordingStore({ slowly: (done) => void setTimeout(done, 20) })
  const { server, kernel } = await opened({ rules: [{ id: 'asks', effect: 'ask', tool: 'pay' }] }, slow)
  const before = await run(server, 'clerk')
  const [question] = interruptsOf(before)
  const start = before.find((event) => event.type === 'TOOL_CALL_START')
  assert.equal(question?.reason, 'approval_required')
  assert.equal(question.toolCallId, (start as { toolCallId: string }).toolCallId)
  assert.deepEqual(question.metadata, { detail: { tool: 'pay', input: { to: 'bob' } } })
  const resume = [{ interruptId: question.id, status: 'resolved', payload: { answer: 'allow' } }] as const
  assert.equal((await ask(server, 'clerk', { resume, key: 'mute' })).status, 403)
  const after = await run(server, 'clerk', { resume })
  const result = after.find((event) => event.type === 'TOOL_CALL_RESULT')
  assert.equal((result as { content: string }).content, 'paid bob')
  const early = types(await run(server, 'hasty'))
  assert.ok(early.includes('TOOL_CALL_START'), `the call comes before its question: ${early.join(', ')}`)
  const gone = new AbortController()
  const response = await ask(server, 'clerk', { key: 'mute', signal: gone.signal })
  const reader = (response.body as ReadableStream<Uint8Array>).getReader()
  let heard = ''
  while (!heard.includes('TOOL_CALL_END')) heard += new TextDecoder().decode((await reader.read()).value)
  await new Promise((resolve) => void setTimeout(resolve, 50))
  assert.equal(kernel.questions.length, 2, 'it waits for somebody who may')
  gone.abort()
})

test('a call in doubt is answered with what it returned', async () => {
  const { kernel, pid, question } = await doubting({ outputSchema: z.object({ id: z.string() }) as never }, 2)
  const server = await startServer({
    doors: [aguiDoor({ kernel, programs })],
    authenticate: () => ({ principal: 'ada', scopes: new Set<Scope>(['admin', 'runs', 'approvals']), key: null }),
    port: 0,
    limits: { drainMs: 200 },
  })
  closing.push(
    () => kernel.close(),
    () => server.close(),
  )
  const says = (interruptId: string, payload: Json) =>
    run(server, 'pays', { resume: [{ interruptId, status: 'resolved', payload }] })
  const first = `${pid}-${question.id}`
  const refusal = (events: readonly AGUIEvent[]): string => (events.at(-1) as RunErrorEvent).message
  assert.match(refusal(await says(first, { answer: 'done' })), /done takes what tool pay returned: .*received null/)
  assert.match(refusal(await says(first, { answer: 'retry', value: 1 })), /retry takes no value: only done does/)
  const [second] = interruptsOf(await says(first, { answer: 'done', value: { id: 'r-1' } }))
  const { answer, value } = (second?.responseSchema?.['properties'] ?? {}) as { answer?: unknown; value?: object }
  assert.deepEqual(answer, { type: 'string', enum: ['done', 'retry', 'fail'] })
  assert.deepEqual(Object.keys(value ?? {}), ['description'], 'any JSON')
  const ended = await says(second?.id as string, { answer: 'done', value: { id: 'r-2' } })
  assert.deepEqual((ended.at(-1) as { result: unknown }).result, ['given', { id: 'r-1' }, { id: 'r-2' }])
})

test('who goes away stops the run', async () => {
  const { server, kernel } = await opened()
  const gone = new AbortController()
  const response = await ask(server, 'worker', { said: 'sleep', signal: gone.signal })
  await response.body?.getReader().read()
  assert.equal(kernel.ps()[0]?.state, 'running')
  gone.abort()
  for (let turn = 0; turn < 200 && kernel.ps()[0]?.state === 'running'; turn++)
    await new Promise((resolve) => void setTimeout(resolve, 10))
  assert.equal(kernel.ps()[0]?.state, 'killed')
})

test('what is no input is refused with what was expected', async () => {
  const { server } = await opened()
  const refused = async (asked: Asked, program = 'greeter') => {
    const response = await ask(server, program, asked)
    return [response.status, ((await response.json()) as { error: { message: string } }).error.message] as const
  }
  assert.match((await refused({ said: null }))[1], /at least one of the role "user"/)
  assert.match((await refused({ said: 5 }))[1], /not a RunAgentInput: messages/)
  assert.match((await refused({ resume: [{ interruptId: 'x', status: 'resolved' }] }))[1], /interruptId takes/)
  assert.equal((await refused({}, 'nobody'))[0], 404)
})
