/**
 * The serving bench, smaller, on a local model in real time: the same agents and contestants, on llama.cpp.
 *
 *     node bench/serving/local.ts [--agents 24] [--workload ReAct] [--rounds 2] [--sequences 8] [--contestants 'agents;Polity']
 *
 * The model is a GGUF file with random weights, generated here (test/tiny-gguf.ts); a token of it is a character, so texts
 * and answers are cut to an eighth, and pauses to a tenth. The driver queues what it has no room for, so there is nothing to
 * refuse. Each contestant gets a model of its own, that nothing was read by before. Run it where nothing else runs.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import type { LanguageModelV4Prompt } from '@ai-sdk/provider'
import { llama } from '../../src/drivers/llm/llama.ts'
import { realClock } from '../../src/kernel/clock.ts'
import type { LanguageModel } from '../../src/kernel/drivers.ts'
import { tinyGguf } from '../../test/tiny-gguf.ts'
import { median, spread } from '../figures.ts'
import { contestants } from './contestants.ts'
import type { Agent } from './workloads.ts'
import { answerTokens, workloads } from './workloads.ts'

const { values } = parseArgs({
  options: {
    agents: { type: 'string', default: '24' },
    workload: { type: 'string', default: 'ReAct' },
    rounds: { type: 'string', default: '2' },
    sequences: { type: 'string', default: '8' },
    contestants: { type: 'string', default: 'serial;queue;agents;AIOS-like, 6;Polity' },
  },
})
const SHORTER = 8
const FASTER = 10
/** Calls at once. There are twice as many places for prefixes, so that an agent finds its own again after a pause. */
const SLOTS = 4
const sequences = Number(values.sequences)
const workload = workloads.find(({ name }) => name === values.workload)
if (workload === undefined) throw new Error(`--workload takes ${workloads.map(({ name }) => name).join(', ')}`)

const cut = (text: string): string => text.slice(0, Math.ceil(text.length / SHORTER))

function shorter(prompt: LanguageModelV4Prompt): LanguageModelV4Prompt {
  return prompt.map((message) =>
    message.role === 'system'
      ? { ...message, content: cut(message.content) }
      : {
          ...message,
          content: (message.content as { type: 'text'; text: string }[]).map((part) => ({
            ...part,
            text: cut(part.text),
          })),
        },
  ) as LanguageModelV4Prompt
}

const faster = (agent: Agent): Agent => ({
  ...agent,
  at: agent.at / FASTER,
  run: (io) => agent.run({ ...io, pause: (ms) => io.pause(ms / FASTER) }),
})

interface Ran {
  readonly makespanMs: number
  readonly agentMs: number
  readonly reusedShare: number
}

async function run(contestant: (typeof contestants)[0], path: string): Promise<Ran> {
  const clock = realClock({ seed: 1 })
  const local = await llama(path, { sequences, contextTokens: 2_048, gpu: false })
  // An answer counts as what its workload says, so that all write the same: whatever the model wrote is cut off there.
  const model: LanguageModel = {
    specificationVersion: 'v4',
    provider: local.provider,
    modelId: local.modelId,
    supportedUrls: {},
    capabilities: { slots: SLOTS, contextTokens: 100_000 },
    async doGenerate(call) {
      const most = Math.ceil(answerTokens(call.seed as number, call.maxOutputTokens as number) / SHORTER)
      const result = await local.doGenerate({
        ...call,
        prompt: shorter(call.prompt),
        maxOutputTokens: most,
        temperature: 0,
      })
      const written = 'word '.repeat(most * SHORTER).slice(0, most * SHORTER * 4)
      return { ...result, content: [{ type: 'text', text: written }] }
    },
    doStream: (call) => local.doStream(call),
  }
  const agents = (workload as (typeof workloads)[0]).agents(Number(values.agents)).map(faster)
  const took: number[] = []
  const started = clock.now()
  try {
    await contestant.run({
      clock,
      model,
      agents,
      slots: SLOTS,
      asked: () => {},
      answered: () => {},
      began: () => {},
      ended: (i) => void took.push(clock.now() - started - (agents[i] as Agent).at),
    })
    const { reusedTokens, prefilledTokens } = local.stats()
    return {
      makespanMs: clock.now() - started,
      agentMs: took.reduce((sum, one) => sum + one, 0) / took.length,
      reusedShare: reusedTokens / (reusedTokens + prefilledTokens),
    }
  } finally {
    await local.close()
  }
}

const folder = mkdtempSync(join(tmpdir(), 'polity-local-'))
try {
  const path = tinyGguf(folder, { width: 128, layers: 4, contextTokens: 2_048 })
  const names = values.contestants.split(';')
  const chosen = contestants.filter(({ name }) => names.includes(name))
  const ran = new Map(chosen.map((one) => [one.name, [] as Ran[]]))
  for (let round = 0; round < Number(values.rounds); round++)
    for (const one of chosen) ran.get(one.name)?.push(await run(one, path))
  const polity = median((ran.get('Polity') as Ran[]).map(({ makespanMs }) => makespanMs))
  console.log(
    `${cpus().length} cores, ${values.agents} agents, ${workload.name}, ${SLOTS} calls at once, ${sequences} sequences`,
  )
  console.table(
    [...ran].map(([name, of]) => ({
      contestant: name,
      'makespan ms': spread(of.map(({ makespanMs }) => makespanMs)),
      'to Polity': Math.round((median(of.map(({ makespanMs }) => makespanMs)) / polity) * 100) / 100,
      'an agent ms, mean': median(of.map(({ agentMs }) => agentMs)),
      'prompts reused': median(of.map(({ reusedShare }) => reusedShare)),
    })),
  )
} finally {
  rmSync(folder, { recursive: true })
}
