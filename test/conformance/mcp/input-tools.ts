/**
 * Tools and a prompt that need something of the client before they can answer, as revision 2026-07-28 has it: they return
 * what they need, and are called again with it.
 *
 *     addInputTools(server, mintState)
 */
import type { InputRequiredResult, McpServer, ServerContext } from '@modelcontextprotocol/server'
import { inputRequired, inputResponse } from '@modelcontextprotocol/server'
import { z } from 'zod'
import type { Json } from '../../../src/index.ts'
import type { MintState } from '../../../src/server/mcp/request-state.ts'

type Need = NonNullable<InputRequiredResult['inputRequests']>[string]

const form = (message: string, field: string, type: 'string' | 'boolean' = 'string'): Need =>
  inputRequired.elicit({
    mode: 'form',
    message,
    requestedSchema: { type: 'object', properties: { [field]: { type } as { type: 'string' } }, required: [field] },
  })
const sample = (text: string): Need =>
  inputRequired.createMessage({ messages: [{ role: 'user', content: { type: 'text', text } }], maxTokens: 100 })
const none = z.object({})
const name = { user_name: form('What is your name?', 'name') }

/** Whether the client has sent something of the right kind for each of the needs. */
function isAnswered(needs: { readonly [key: string]: Need }, { mcpReq }: ServerContext): boolean {
  return Object.keys(needs).every((key) => inputResponse(mcpReq.inputResponses, key).kind !== 'missing')
}

export function addInputTools(server: McpServer, mintState: MintState): void {
  const add = (tool: string, run: (context: ServerContext) => Promise<unknown>): void => {
    const handle = (_: unknown, context: ServerContext) => run(context) as never
    server.registerTool(tool, { description: `Does ${tool}.`, inputSchema: none }, handle)
  }
  const done = (text: string) => ({ content: [{ type: 'text' as const, text }] })

  /** Asks until it has what it needs; with `state` it keeps that with the client meanwhile. */
  const needing = (tool: string, needs: { readonly [key: string]: Need }, state?: Json): void =>
    add(tool, async (context) => {
      if (isAnswered(needs, context)) return done(state === undefined ? 'done' : 'done, state-ok')
      return inputRequired({
        inputRequests: needs,
        ...(state === undefined ? {} : { requestState: await mintState(state) }),
      })
    })
  needing('test_input_required_result_elicitation', name)
  needing('test_streaming_elicitation', name)
  needing('test_missing_capability', { answer: sample('Hello?') })
  needing('test_input_required_result_sampling', { capital_question: sample('What is the capital of France?') })
  needing('test_input_required_result_list_roots', { client_roots: inputRequired.listRoots() })
  needing('test_input_required_result_request_state', { confirm: form('Please confirm', 'ok', 'boolean') }, 'asked')
  needing('test_input_required_result_tampered_state', { confirm: form('Please confirm', 'ok', 'boolean') }, 'asked')
  needing(
    'test_input_required_result_multiple_inputs',
    { ...name, greeting: sample('Generate a greeting'), client_roots: inputRequired.listRoots() },
    'asked',
  )
  add('test_input_required_result_multi_round', async (context) => {
    const steps = [form('Step 1: What is your name?', 'name'), form('Step 2: What is your favorite color?', 'color')]
    const asked = context.mcpReq.requestState<number>() ?? 0
    const isNext = asked > 0 && isAnswered({ [`step${asked}`]: steps[asked - 1] as Need }, context)
    const step = isNext ? asked + 1 : Math.max(asked, 1)
    const need = steps[step - 1]
    if (need === undefined) return done('done')
    return inputRequired({ inputRequests: { [`step${step}`]: need }, requestState: await mintState(step) })
  })
  add('test_input_required_result_capabilities', async ({ mcpReq }) => {
    const envelope = mcpReq.envelope as { readonly [key: string]: object } | undefined
    const can = envelope?.['io.modelcontextprotocol/clientCapabilities'] ?? {}
    return inputRequired({
      inputRequests: {
        ...('elicitation' in can ? name : {}),
        ...('sampling' in can ? { greeting: sample('Generate a greeting') } : {}),
      },
    })
  })
  add('test_logging_tool', async ({ mcpReq }) => {
    await mcpReq.log('info', 'logged')
    return done('done')
  })

  const needs = { user_context: form('What context should the prompt use?', 'context') }
  server.registerPrompt('test_input_required_result_prompt', { description: 'Needs a context.' }, ((
    context: ServerContext,
  ) =>
    isAnswered(needs, context)
      ? { messages: [{ role: 'user', content: { type: 'text', text: 'With that context.' } }] }
      : inputRequired({ inputRequests: needs })) as never)
}
