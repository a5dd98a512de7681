/** Following a run (src/server/follow.ts), where the order in which its steps and its questions come matters. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Kernel } from '../src/kernel/kernel.ts'
import type { Question, RunEvent } from '../src/kernel/types.ts'
import { createFollowing } from '../src/server/follow.ts'

test('a question is told, after the call that asks, while another process of the run never falls silent', async () => {
  const steps: RunEvent[] = []
  let more = (): void => {}
  const say = (step: object): void => {
    steps.push(step as RunEvent)
    more()
  }
  const questions: Question[] = []
  /** Whoever waits for the store finds that more was said meanwhile. */
  const kernel = {
    questions,
    info: () => ({ parent: null }),
    run: () => ({
      events: (async function* () {
        for (;;) {
          const next = steps.shift()
          if (next !== undefined) yield next
          else await new Promise<void>((resolve) => (more = resolve))
        }
      })(),
    }),
    async flush() {
      say({ type: 'call-start', pid: 1, call: said++ === 0 ? 'ask' : 'sleep' })
    },
  } as unknown as Kernel
  let said = 0
  const over = new AbortController()
  const told: string[] = []
  for await (const step of createFollowing(kernel).follow(1, over.signal)) {
    told.push(step.type === 'call-start' ? step.call : step.type)
    if (told.length === 1) questions.push({ id: 7, pid: 1 } as Question)
    if (told.length >= 20 || (step.type === 'questions' && step.questions.length > 0)) over.abort()
  }
  assert.deepEqual(told, ['questions', 'ask', 'questions'])
})
