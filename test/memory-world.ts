/**
 * What the tests of the memory programs share: a process with a scripted model, whose replay has to be the same run.
 */
import assert from 'node:assert/strict'
import type { Script } from '../src/drivers/llm/scripted.ts'
import { scripted } from '../src/drivers/llm/scripted.ts'
import { simulatedClock } from '../src/kernel/clock.ts'
import { defineProgram } from '../src/kernel/program.ts'
import type { Program, Sys } from '../src/kernel/types.ts'
import { createWorld, endOf } from './world.ts'

export const LONG = process.env['POLITY_LONG'] === '1'
export const DAY = 86_400_000
/** Says nothing that any program could use. */
export const nonsense: Script = () => 'I would rather not say.'

/** Runs `work` as a process with that model; its replay has to be the same run. */
export async function inProcess<Output>(
  work: (sys: Sys) => Promise<Output>,
  {
    model = nonsense,
    replays = true,
    contextTokens,
  }: { model?: Script; replays?: boolean; contextTokens?: number } = {},
): Promise<Output> {
  return runProgram(
    defineProgram('test', (sys) => work(sys)),
    undefined,
    { model, replays, ...(contextTokens === undefined ? {} : { contextTokens }) },
  )
}

export async function runProgram<Input, Output>(
  program: Program<Input, Output>,
  input: Input,
  {
    model = nonsense,
    replays = true,
    contextTokens,
  }: { model?: Script; replays?: boolean; contextTokens?: number } = {},
): Promise<Output> {
  const main = scripted(model, contextTokens === undefined ? {} : { capabilities: { contextTokens } })
  const w = createWorld({ models: { main }, clock: simulatedClock({ seed: 1, startMs: 1_000 * DAY }) })
  const run = w.kernel.spawn(program, input)
  const end = await w.settled(endOf(run.result))
  assert.ok('value' in end, JSON.stringify(end))
  if (replays) assert.equal((await w.settled(w.kernel.replay(run.pid))).same, true)
  await w.kernel.close()
  return end.value as Output
}
