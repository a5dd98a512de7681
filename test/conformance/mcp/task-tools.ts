/**
 * What the official suite needs to try tasks (SEP-2663): tools that end at once, late, with an error or with their process,
 * and programs that ask on their way.
 *
 *     const { tools, programs, taskSupport } = taskFixtures(() => kernel)
 */
import { setTimeout as pause } from 'node:timers/promises'
import { z } from 'zod'
import type { Json, Kernel, Program, Tool } from '../../../src/index.ts'
import { defineProgram, defineTool } from '../../../src/index.ts'
import type { OffersOptions } from '../../../src/server/mcp/offers.ts'

/** After this a call of the fixture becomes a task, ms. */
export const TASK_AFTER_MS = 100
/** What is to become one takes so long before it does anything, ms. */
const LATER_MS = 400

const none = z.object({})

export function taskFixtures(
  kernel: () => Kernel,
): Required<Pick<OffersOptions, 'tools' | 'programs' | 'taskSupport'>> {
  const tools = [
    defineTool({
      name: 'greet',
      description: 'Greets.',
      effect: 'read',
      inputSchema: z.object({ name: z.string() }),
      execute: ({ name }) => `Hello, ${name}!`,
    }),
    defineTool({
      name: 'slow_compute',
      description: 'Takes so many seconds.',
      effect: 'read',
      inputSchema: z.object({ seconds: z.number(), label: z.string().optional() }),
      async execute({ seconds, label }, { signal }) {
        await pause(seconds * 1_000, undefined, { signal })
        return `computed ${label ?? ''}`
      },
    }),
    defineTool({
      name: 'failing_job',
      description: 'Fails.',
      effect: 'read',
      inputSchema: none,
      async execute() {
        await pause(LATER_MS)
        throw new Error('the job failed')
      },
    }),
    defineTool({
      name: 'protocol_error_job',
      description: 'Ends with its process.',
      effect: 'read',
      inputSchema: none,
      async execute(_, { pid, signal }) {
        await pause(LATER_MS)
        kernel().kill(pid, 'panic')
        await pause(60_000, undefined, { signal })
      },
    }),
  ] as readonly Tool[]
  const asking = (as: string, inputSchema: z.ZodObject, run: Parameters<typeof defineProgram<Json, Json>>[1]) => ({
    as,
    description: `Does ${as}.`,
    inputSchema,
    program: defineProgram(as, run) as Program,
  })
  const programs = [
    asking('confirm_delete', z.object({ filename: z.string() }), async (sys, input) => {
      await sys.sleep(LATER_MS)
      const { filename } = input as { readonly filename: string }
      return `deleted ${filename}: ${await sys.ask(`Delete ${filename}?`)}`
    }),
    asking('multi_input', none, async (sys) => {
      await sys.sleep(LATER_MS)
      return (await Promise.all([sys.ask('Your name?'), sys.ask('Are you sure?')])).join(' ')
    }),
    asking('test_tool_with_task', none, async (sys) => {
      const said = await sys.ask('What is your name?')
      await sys.sleep(LATER_MS)
      return `Hello, ${said}`
    }),
  ]
  return {
    tools,
    programs,
    taskSupport: { greet: 'forbidden', failing_job: 'required', test_tool_with_task: 'required' },
  }
}
