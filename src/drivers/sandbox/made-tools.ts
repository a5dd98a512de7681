/**
 * Tools that agents built, as tools of a kernel: each call runs their code in a sandbox of its own, with nothing but its input.
 *
 *     const tools = madeTools(manifests)
 *     const kernel = await boot({ tools, law: './law.json' })
 *     mcpDoor({ kernel, tools })                          // the same over MCP, for whoever speaks it
 *
 * A manifest is `{ name, description, inputSchema, code }`, where the code declares `run(input)`: what agents/alita.ts keeps. The tool is named
 * `made.<name>`, so that a rule can speak of all of them, and nobody mistakes one for a tool that a person wrote.
 *
 * Invariants
 *   MT1. The code reaches no tool, no network and no file; its effect is `read`.
 *   MT2. Input is checked against the manifest's schema before the code is run; what the code throws is the tool's error.
 */
import { PolityError } from '../../kernel/errors.ts'
import { defineTool } from '../../kernel/tools.ts'
import type { Json, Tool, ToolSchema } from '../../kernel/types.ts'
import { z } from 'zod'
import type { GuestLimits } from './guest.ts'
import { javaScriptGuests } from './javascript.ts'
import { javaScriptSupport } from './support.ts'
import { guestLimits } from './tools.ts'

export interface MadeTool {
  readonly name: string
  readonly description: string
  readonly inputSchema: { readonly [key: string]: Json }
  readonly code: string
}

/** Of the virtual machine, bytes. */
const VM_BYTES = 67_108_864

export function madeTools(manifests: readonly MadeTool[], limits: Partial<GuestLimits> = {}): readonly Tool[] {
  const guests = javaScriptGuests()
  return manifests.map(({ name, description, inputSchema, code }) =>
    defineTool({
      name: `made.${name}`,
      description,
      effect: 'read',
      inputSchema: z.fromJSONSchema(
        inputSchema as Parameters<typeof z.fromJSONSchema>[0],
      ) as unknown as ToolSchema<Json>,
      async execute(input, { signal }) {
        const { isAvailable, reason } = javaScriptSupport()
        if (!isAvailable) throw new PolityError('CONFIG_INVALID', `made.${name} cannot run here: ${reason}`)
        const guest = guests.open({
          code: `${code}\n;await run(${JSON.stringify(input)})`,
          tools: [],
          now: 0,
          seed: 1,
          limits: { ...guestLimits, memoryBytes: VM_BYTES, ...limits },
        })
        const stop = (): void => guest.stop()
        signal.addEventListener('abort', stop, { once: true })
        try {
          const { end } = await guest.next()
          if (end === undefined)
            throw new PolityError('TOOL_FAILED', `made.${name} asked for a tool, and there is none`)
          if (end.error !== undefined) throw new PolityError('TOOL_FAILED', `made.${name}: ${end.error.message}`)
          return end.value ?? null
        } finally {
          signal.removeEventListener('abort', stop)
          guest.stop()
        }
      },
    }),
  ) as unknown as readonly Tool[]
}
