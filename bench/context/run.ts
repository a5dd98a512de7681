/**
 * A scripted agent that lives a trajectory in a window: what is sent then is what a real model would be sent.
 *
 *     const { prompts, summaries } = await live(trajectory(7, { steps: 30, every: 5 }), subgoals)
 */
import type { LanguageModelV4CallOptions, LanguageModelV4Prompt } from '@ai-sdk/provider'
import { encode } from 'gpt-tokenizer/encoding/o200k_base'
import type { Subgoals } from '../../src/agents/subgoals.ts'
import { observe } from '../../src/agents/react.ts'
import { scripted } from '../../src/drivers/llm/scripted.ts'
import { memoryStore } from '../../src/drivers/store/memory.ts'
import type { CachedPrefix } from '../../src/kernel/cached-prefix.ts'
import { cachedPrefix } from '../../src/kernel/cached-prefix.ts'
import type { Compaction } from '../../src/kernel/context.ts'
import { openContext } from '../../src/kernel/context.ts'
import { createKernel } from '../../src/kernel/kernel.ts'
import { defineTool } from '../../src/kernel/tools.ts'
import type { Sys } from '../../src/kernel/types.ts'
import { z } from 'zod'
import type { Trajectory } from './alfworld.ts'

export interface Lived {
  /** Tokens of each prompt of the agent, in order. */
  readonly prompts: readonly number[]
  /** Tokens of the prompts of calls that summarize. */
  readonly summaries: readonly number[]
  readonly prefix: CachedPrefix
}

/** Lives it; `compaction` as for `openContext`, made for the process. */
export async function live(
  { question, steps, summaries }: Trajectory,
  compaction: ((sys: Sys) => Compaction | Subgoals) | undefined,
  tokensMax = 1_000_000,
): Promise<Lived> {
  const prompts: number[] = []
  const summaryPrompts: number[] = []
  let step = 0
  const model = scripted((call: LanguageModelV4CallOptions) => {
    const inputTokens = tokensOf(call.prompt)
    if ((call.tools ?? []).length === 0) {
      summaryPrompts.push(inputTokens)
      const text = summaries[Math.min(summaries.length, summaryPrompts.length) - 1] ?? 'Nothing.'
      return { text, usage: { inputTokens, outputTokens: count(text) } }
    }
    prompts.push(inputTokens)
    const { subgoal, thought, action } = steps[step++] as Trajectory['steps'][number]
    const text = `${subgoal === undefined ? '' : `Subgoal: ${subgoal}\n`}${thought}`
    return {
      text,
      toolCalls: [{ name: 'act', input: { action } }],
      usage: { inputTokens, outputTokens: count(text) + count(JSON.stringify({ action })) + 1 },
    }
  })
  let acted = 0
  const act = defineTool({
    name: 'act',
    description: 'Act in the household',
    effect: 'read',
    inputSchema: z.object({ action: z.string() }),
    execute: () => (steps[acted++] as Trajectory['steps'][number]).observation,
  })
  const kernel = createKernel({ store: memoryStore(), models: { model }, model: 'model', tools: [act] })
  const run = kernel.spawn(async (sys) => {
    const made = compaction?.(sys)
    const context = openContext({
      tokensMax,
      ...(made === undefined ? {} : { compaction: 'compaction' in made ? made.compaction : made }),
    })
    await context.append({ role: 'user', content: question })
    for (let i = 0; i < steps.length; i++) {
      const answer = await sys.generate({ messages: context.messages, tools: ['act'] })
      await context.append(answer)
      await context.append(await observe(sys, answer.toolCalls))
    }
    return context.epoch
  }, null)
  await run.result
  const prefix = cachedPrefix(await kernel.events(run.pid))
  await kernel.close()
  return { prompts, summaries: summaryPrompts, prefix }
}

/** Tokens of a prompt by a published vocabulary (o200k), with 4 for the frame of each message. */
export function tokensOf(prompt: LanguageModelV4Prompt): number {
  let tokens = 0
  for (const { content } of prompt) {
    tokens += 4
    if (typeof content === 'string') tokens += count(content)
    else
      for (const part of content) {
        if (part.type === 'text' || part.type === 'reasoning') tokens += count(part.text)
        else if (part.type === 'tool-call') tokens += count(part.toolName) + count(JSON.stringify(part.input))
        else if (part.type === 'tool-result')
          tokens += count('value' in part.output ? String(part.output.value) : JSON.stringify(part.output))
      }
  }
  return tokens
}

/** Tokens of a text by that vocabulary. */
export function count(text: string): number {
  return encode(text, { disallowedSpecial: new Set() }).length
}
