/**
 * The programs that are killed: several agents that use every call whose end somebody may rely on.
 *
 * What they return says nothing of pids, times or tries, so that a run that was killed forty times has to return what an
 * undisturbed one does. Their tools check nothing: zod would cost the victim a third of its start.
 */
import { appendFileSync, readFileSync } from 'node:fs'
import { anything } from '../../src/kernel/anything.ts'
import { defineProgram } from '../../src/kernel/program.ts'
import { defineTool } from '../../src/kernel/tools.ts'
import type { Json, Program, Sys, Tool } from '../../src/kernel/types.ts'

/** One effect on the world, as it stands in the effects file. */
export interface Effect {
  readonly key: string
  readonly what: string
  readonly result: number
}

/** The world outside the kernel: lines of a file, which no crash of the kernel takes back. */
export function readEffects(path: string): Effect[] {
  let text = ''
  try {
    text = readFileSync(path, 'utf8')
  } catch {
    // Nothing happened yet.
  }
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Effect)
}

export interface Hooks {
  /** Runs before and after each effect: where the victim may kill itself. */
  readonly at: (place: 'before-effect' | 'after-effect') => void
}

export function createTools(effectsPath: string, hooks: Hooks): Tool<never, unknown>[] {
  const effect = (what: string, key: string): number => {
    hooks.at('before-effect')
    const result = what.length
    // O_APPEND, one write: a line is there whole or not at all.
    appendFileSync(effectsPath, `${JSON.stringify({ key, what, result } satisfies Effect)}\n`)
    hooks.at('after-effect')
    return result
  }
  const pay = defineTool({
    name: 'pay',
    description: 'Happens once',
    effect: 'once',
    inputSchema: anything<{ what: string }>(),
    execute: async ({ what }, { idempotencyKey }) => {
      await pause(1)
      return effect(`pay ${what}`, idempotencyKey)
    },
  })
  const set = defineTool({
    name: 'set',
    description: 'May happen again with the same key',
    effect: 'idempotent',
    inputSchema: anything<{ what: string }>(),
    execute: ({ what }, { idempotencyKey }) => effect(`set ${what}`, idempotencyKey),
  })
  return [pay as unknown as Tool<never, unknown>, set as unknown as Tool<never, unknown>]
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}

interface Job {
  readonly name: string
  readonly steps: number
}

/** A loop of model calls and payments; it writes down each step in a file and a note. */
export const clerk = defineProgram('clerk', async (sys: Sys, { name, steps }: Job) => {
  const said: string[] = []
  for (let i = 0; i < steps; i++) {
    const { text } = await sys.generate(`${name} ${i}`)
    const [paid, set] = await Promise.all([
      sys.call<number>('pay', { what: `${name} ${i}` }),
      sys.call<number>('set', { what: `${name} ${i}` }),
    ])
    await sys.write(`${name}.log`, `${said.join('\n')}\n${text}`)
    if (i % 3 === 0) await sys.remember(`${name} paid ${i}`)
    said.push(`${text} ${paid} ${set}`)
  }
  return said
})

/** Two children that pass a token to and fro. */
export const pair = defineProgram('pair', async (sys: Sys, { name, steps }: Job) => {
  const pong = await sys.spawn(echo, { steps })
  const heard: Json[] = []
  for (let i = 0; i < steps; i++) {
    await sys.send(pong, { from: sys.pid, i })
    heard.push((await sys.receive({ from: pong })).body)
    if (i % 4 === 0) await sys.sleep(2)
  }
  await sys.call('pay', { what: `${name} end` })
  return [heard, await sys.wait<Json>(pong)]
})

const echo = defineProgram('echo', async (sys: Sys, { steps }: { steps: number }) => {
  for (let i = 0; i < steps; i++) {
    const { body } = await sys.receive()
    const { from } = body as { from: number }
    await sys.send(from, `echo ${(body as { i: number }).i}`)
  }
  return steps
})

/** A tree: children side by side, each a clerk of few steps, and a fork. */
export const family = defineProgram('family', async (sys: Sys, { name, steps }: Job) => {
  const pids = []
  for (let i = 0; i < steps; i++) pids.push(await sys.spawn(clerk, { name: `${name}-${i}`, steps: 2 }))
  const answers = await Promise.all(pids.map((pid) => sys.wait<Json>(pid)))
  const child = await sys.fork()
  if (child === 0) return (await sys.call<number>('pay', { what: `${name} fork` })) as Json
  return [answers, await sys.wait<Json>(child)]
})

export const programs = [clerk, pair, echo, family] as unknown as Program[]
