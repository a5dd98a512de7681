/**
 * The work every contestant does, so that all rows do the same thing.
 *
 * One run: the user asks for a sum, the model asks for the tool `add`, the tool runs on input checked
 * by Zod, and the model answers with what the tool returned. A contestant brings the loop; the
 * question, the tool and both turns of the mock model come from here.
 *
 * The answer is built from the tool's result and `toolCalls` counts its executions, so a framework
 * that skips the tool cannot pass for a fast one.
 */
import { readFileSync } from 'node:fs'
import { z } from 'zod'

export interface Contestant {
  /** The row's label in the table. */
  readonly name: string
  /** The installed version, or `-` where there is no package. */
  readonly version: string
  /** Builds the agent once. The function it returns does run `i` and resolves to the final text. */
  prepare(): Promise<(i: number) => Promise<string>>
}

export const instructions = 'You add numbers with the tool.'
export const addDescription = 'Adds two numbers.'
export const addInput = z.object({ a: z.number(), b: z.number() })
export type AddInput = z.infer<typeof addInput>

/** What the measuring process sets and reads. */
export const bench = { toolCalls: 0, modelLatencyMs: 0 }

export function add({ a, b }: AddInput): string {
  bench.toolCalls++
  return String(a + b)
}

export function question(i: number): string {
  return `What is ${i} plus ${2 * i}?`
}

export function answer(i: number): string {
  return sentence(String(3 * i))
}

/** Turn 1 of the mock model: the arguments, as JSON, of the call that the question deserves. */
export function toolArguments(question: string): string {
  const [, a, b] = /(\d+) plus (\d+)/.exec(question)!
  return `{"a":${a},"b":${b}}`
}

/** Turn 2 of the mock model: the final text, from the text the tool returned. */
export function sentence(toolResult: string): string {
  return `The sum is ${toolResult}.`
}

/** How long the mock model takes: nothing to wait for at zero latency, otherwise a timer. */
export function think(): Promise<void> | undefined {
  return bench.modelLatencyMs > 0 ? new Promise((resolve) => setTimeout(resolve, bench.modelLatencyMs)) : undefined
}

/** The version of an installed package; throws a plain sentence when it is not there. */
export function versionOf(packageName: string): string {
  try {
    const manifest = readFileSync(new URL(`./node_modules/${packageName}/package.json`, import.meta.url), 'utf8')
    return JSON.parse(manifest).version
  } catch (cause) {
    throw new Error(`${packageName} is not installed: run npm install in bench/peers`, { cause })
  }
}
