/**
 * A world in doubt: a kernel that goes on after a crash in the middle of a call that must happen once.
 *
 *     const { kernel, pid, question } = await doubting({ outputSchema: z.object({ id: z.string() }) as never })
 */
import assert from 'node:assert/strict'
import { z } from 'zod'
import { memoryStore } from '../src/drivers/store/memory.ts'
import type { PolityError } from '../src/kernel/errors.ts'
import type { Kernel } from '../src/kernel/kernel.ts'
import { createKernel } from '../src/kernel/kernel.ts'
import { defineProgram } from '../src/kernel/program.ts'
import { defineTool } from '../src/kernel/tools.ts'
import type { Pid, Program, Question, Tool } from '../src/kernel/types.ts'

/** Lets everything happen that happens without time. */
export async function settle(): Promise<void> {
  for (let i = 0; i < 10; i++) await new Promise((resolve) => setImmediate(resolve))
}

/** A kernel after a crash in the middle of tool pay, whose call is in doubt; with `calls`, so many of them at once. */
export async function doubting(
  pay: Partial<Tool>,
  calls = 1,
): Promise<{ kernel: Kernel; pid: Pid; question: Question }> {
  const disk = memoryStore()
  let isAlive = true
  const mortal = {
    ...disk,
    durability: 'relaxed' as const,
    commit: (batch: Parameters<typeof disk.commit>[0]) => (isAlive ? disk.commit(batch) : new Promise<void>(() => {})),
    close: () => {},
  }
  const tool = defineTool({
    name: 'pay',
    description: '',
    effect: 'once',
    inputSchema: z.unknown() as never,
    execute: () => new Promise<never>(() => {}),
    ...pay,
  }) as unknown as Tool
  const program = defineProgram(
    'pays',
    async (sys) => {
      try {
        return ['given', ...(await Promise.all(Array.from({ length: calls }, () => sys.call('pay', { to: 'ann' }))))]
      } catch (error) {
        const { code, message, todo } = error as PolityError
        return [code, message, todo]
      }
    },
    { tools: [tool] },
  ) as unknown as Program
  const { pid } = createKernel({ store: mortal, programs: [program], limits: { toolMs: 500 } }).spawn(program, null)
  await settle()
  isAlive = false
  const kernel = createKernel({ store: { ...disk, durability: 'relaxed' }, programs: [program] })
  kernel.resume(pid)
  await settle()
  const [question] = kernel.questions
  assert.ok(question !== undefined)
  return { kernel, pid, question }
}
