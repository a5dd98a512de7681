/**
 * One agent that plans for others: the loop and its counters by hand, then the programs that are made of it, run by the real kernel on real
 * files, tools and code in the sandbox; a scripted model says what a model would.
 */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import fc from 'fast-check'
import { z } from 'zod'
import { agentOrchestra, type AgentOrchestraOutput } from '../src/agents/agent-orchestra.ts'
import type { Worker } from '../src/agents/pieces/workers.ts'
import { agentS2, type AgentS2Output } from '../src/agents/agent-s2.ts'
import { kwaiAgents, type KwaiAnswer } from '../src/agents/kwai-agents.ts'
import { magenticOne, type MagenticOneInput, type MagenticOneOutput } from '../src/agents/magentic-one.ts'
import { lastCodeOf, magenticTeam } from '../src/agents/magentic-team.ts'
import { mobileAgentE, type MobileAgentEInput, type MobileAgentEOutput } from '../src/agents/mobile-agent-e.ts'
import { mobileAgent, type MobileAgentInput, type MobileAgentOutput } from '../src/agents/mobile-agent.ts'
import { orchestrate } from '../src/agents/orchestrate.ts'
import { researchCodeAgent, type ResearchCodeOutput } from '../src/agents/research-code-agent.ts'
import { inARow, stallCounter } from '../src/agents/pieces/stall-counter.ts'
import { applyToDo, noLists, toDoText, type ToDoOp } from '../src/agents/pieces/to-do.ts'
import { useAgent, type UseAgentOutput } from '../src/agents/use-agent.ts'
import { answering } from '../src/drivers/llm/answering.ts'
import { threeInARow } from '../bench/experiments/c15-orchestrators.ts'
import { codeTools } from '../src/drivers/sandbox/tools.ts'
import { craft } from '../src/environments/craft.ts'
import { spawnEpisode } from '../src/evaluation/episode.ts'
import { worldOf } from '../src/evaluation/world.ts'
import {
  boot,
  defineProgram,
  defineTool,
  PolityError,
  type Json,
  type Kernel,
  type Program,
  type Tool,
} from '../src/index.ts'

type Says = (prompt: string, n: number) => string | object

let kernel: Kernel
let says: Says = () => ''
let prompts: string[] = []
const code = [...codeTools()] as Tool[]
const looked: string[] = []
const lookup = defineTool({
  name: 'lookup',
  description: 'Looks a word up.',
  effect: 'read',
  inputSchema: z.object({ word: z.string() }),
  execute: ({ word }) => (looked.push(word), `${word} means ${word.toUpperCase()}`),
}) as Tool
/** A device of four screens: which tap leads where. */
const screens: { readonly [screen: string]: { readonly [tap: string]: string } } = {
  home: { mail: 'inbox', shop: 'advert' },
  inbox: { first: 'letter' },
  letter: {},
  advert: {},
}
let screen = 'home'
let pressed: string[] = []
const tap = defineTool({
  name: 'tap',
  description: 'Taps.',
  effect: 'idempotent',
  inputSchema: z.object({ on: z.string() }),
  execute: ({ on }) => (pressed.push(on), (screen = screens[screen]?.[on] ?? screen), `screen ${screen}`),
}) as Tool
const back = defineTool({
  name: 'back',
  description: 'Goes back.',
  effect: 'idempotent',
  inputSchema: z.object({}),
  execute: () => (pressed.push('back'), (screen = 'home'), 'screen home'),
}) as Tool

before(async () => {
  const model = answering((prompt) => says(prompt, prompts.push(prompt)))
  kernel = await boot({ model, embedder: 'hashing', tools: code })
})
after(() => kernel.close())

/** Runs a program in a tree of processes that has these files and tools; the model says this. */
async function run<Input, Output>(
  program: Program<Input, Output>,
  input: Input,
  script: Says,
  { files = {}, tools = [] }: { files?: { readonly [path: string]: string }; tools?: readonly Tool[] } = {},
): Promise<Output> {
  says = script
  prompts = []
  const holder = defineProgram(
    `${program.name}-test`,
    async (sys, given: Json) => {
      for (const [path, text] of Object.entries(files)) await sys.write(path, text)
      return sys.wait<Json>(await sys.spawn(program as never, given as never))
    },
    { tools: [...tools, ...program.tools] },
  )
  return (await kernel.spawn(holder, input as Json).result) as Output
}

const block = (source: string): string => `\`\`\`js\n${source}\n\`\`\``

describe('stalls', () => {
  /** The steps, from 1, at which it has stalled. */
  const trace = (steps: string, options = {}): number[] => {
    const stalls = stallCounter(options)
    return [...steps].flatMap((step, i) => (stalls.note(step === 'T') ? [i + 1] : []))
  }

  test('are counted as Magentic-One counts them, with and without the reset of the paper', () => {
    assert.deepEqual(trace('FFF'), [3])
    assert.deepEqual(trace('FT'.repeat(6)), [])
    assert.deepEqual(trace('FFT'.repeat(4)), [5, 11])
    assert.deepEqual(trace('FFFTF'), [3])
    assert.deepEqual(trace('FFFTF', { resets: false }), [3, 5])
    assert.deepEqual(trace('FFTFFTFFF', { relief: 'all' }), [9])
    assert.throws(() => stallCounter({ stallsMax: 0 }), { code: 'INVALID_ARGUMENT' })
  })

  test('the count is never below 0 and never above its limit; runs are counted from the end', () => {
    fc.assert(
      fc.property(fc.array(fc.boolean()), fc.integer({ min: 1, max: 4 }), fc.boolean(), (steps, stallsMax, resets) => {
        const stalls = stallCounter({ stallsMax, resets })
        for (const step of steps) {
          stalls.note(step)
          assert.ok(stalls.count >= 0 && stalls.count <= stallsMax)
        }
      }),
    )
    assert.deepEqual([[], ['a'], ['a', 'b'], ['b', 'a', 'a', 'a']].map(inARow), [0, 1, 1, 3])
  })
})

describe('the loop', () => {
  const rules = (progress: string, ends = Infinity) => {
    let [plans, asked, concluded] = [0, 0, 0]
    const shown: number[] = []
    return {
      shown,
      counts: () => ({ plans, asked, concluded }),
      plan: () => `plan ${++plans}`,
      decide: ({ steps }: { readonly steps: readonly unknown[] }) => {
        shown.push(steps.length)
        const isProgress = progress[asked++] === 'T'
        return asked > ends ? { end: 'done' as const } : { move: asked, isProgress }
      },
      dispatch: async (move: number) => move,
      conclude: () => (concluded++, 'sum'),
    }
  }

  test('a stall takes the place of a step, the steps behind a new plan begin anew, and the conclusion is asked once', async () => {
    const stalled = rules('FFTFFT', 6)
    const found = await orchestrate(stalled)
    assert.deepEqual([found.stalledAt, found.replans, found.plan, found.why], [[5], 1, 'plan 2', 'done'])
    assert.deepEqual([found.all.length, found.steps.length, found.answer], [5, 1, 'sum'])
    assert.deepEqual(stalled.shown, [0, 1, 2, 3, 4, 0, 1])
    assert.deepEqual(stalled.counts(), { plans: 2, asked: 7, concluded: 1 })
  })

  test('it ends after its steps, or at a stall behind its last plan', async () => {
    const long = await orchestrate(rules('T'.repeat(50)), { stepsMax: 7 })
    assert.deepEqual([long.why, long.all.length, long.answer], ['steps', 7, 'sum'])
    const stalled = await orchestrate(rules('F'.repeat(50)), { replansMax: 1 })
    assert.deepEqual([stalled.why, stalled.stalledAt, stalled.all.length], ['stalled', [3], 4])
    await assert.rejects(orchestrate(rules('T'), { stepsMax: 0 }), { code: 'INVALID_ARGUMENT' })
  })

  test('behind the last decision nothing is planned: what was done is what it concludes from', async () => {
    const stalled = rules('F'.repeat(50))
    const found = await orchestrate(stalled, { stepsMax: 3 })
    assert.deepEqual([found.why, found.plan, found.replans, found.stalledAt], ['steps', 'plan 1', 0, []])
    assert.deepEqual([found.steps.length, found.answer], [2, 'sum'])
    assert.equal(stalled.counts().plans, 1)
    // One decision more, and the plan is made for it.
    const more = rules('F'.repeat(50))
    const again = await orchestrate(more, { stepsMax: 4 })
    assert.deepEqual([again.plan, again.stalledAt, again.steps.length], ['plan 2', [3], 1])
    const each = rules('T'.repeat(50))
    const renewed = await orchestrate(each, { stepsMax: 2, renew: 'step' })
    assert.deepEqual([renewed.plan, renewed.why, renewed.steps.length], ['plan 2', 'steps', 1])
    assert.equal(each.counts().plans, 2)
    const last = await orchestrate(rules('F'.repeat(50)), { stepsMax: 3, replansMax: 0 })
    assert.equal(last.why, 'stalled')
  })

  test('with a new plan after every step it is planned once more than there were steps, and a stall ends it', async () => {
    const each = rules('', 0)
    const found = await orchestrate(
      {
        ...each,
        decide: ({ all }) => (all.length === 4 ? { end: 'done', answer: 'x' } : { move: all.length }),
        isProgress: () => true,
      },
      { renew: 'step' },
    )
    assert.deepEqual([found.plan, found.answer, found.steps.length], ['plan 5', 'x', 0])
    assert.equal(each.counts().concluded, 0)
    const failing = await orchestrate(
      { ...rules(''), decide: () => ({ move: 1 }), isProgress: () => false },
      { renew: 'step' },
    )
    assert.deepEqual([failing.why, failing.all.length], ['stalled', 3])
  })
})

describe('a budget that is used up', () => {
  const spent = new PolityError('BUDGET_EXCEEDED', 'nothing is left')
  const raise = (): never => {
    throw spent
  }
  /** Three moves, then an end; what costs something costs one, of so much. */
  const costly = (budget: number, more: object = {}) => {
    let left = budget
    const pay = <T>(value: T): T => (left-- > 0 ? value : raise())
    return orchestrate<string, number, string>({
      plan: () => pay('plan'),
      decide: ({ all }) => pay(all.length === 3 ? { end: 'done' as const } : { move: all.length }),
      dispatch: async (move) => pay(`report ${move}`),
      conclude: () => pay('sum'),
      ...more,
    })
  }
  const soFar = ({ all }: { readonly all: readonly { readonly outcome: string }[] }) => all.at(-1)?.outcome ?? 'none'

  test('is an end wherever it comes behind the first plan: what was done is told, with the last that came of it', async () => {
    await assert.rejects(costly(0, { soFar }), { code: 'BUDGET_EXCEEDED' }, 'there is nothing to be told yet')
    for (let budget = 1; budget < 9; budget++) {
      const { why, answer, all } = await costly(budget, { soFar })
      // A plan, then a decision and what it costs three times, the end, and the sum.
      const done = Math.min(3, Math.floor((budget - 1) / 2))
      assert.deepEqual([why, all.length, answer], ['budget', done, done === 0 ? 'none' : `report ${done - 1}`])
    }
    assert.deepEqual(await costly(9, { soFar }).then(({ why, answer }) => [why, answer]), ['done', 'sum'])
    // What costs nothing is asked all the same, once; what is wrong otherwise is an error as before.
    let asked = 0
    const free = await costly(4, { soFar, conclude: () => `sum ${++asked}` })
    assert.deepEqual([free.why, free.answer], ['budget', 'sum 1'])
    assert.equal((await costly(4)).answer, null)
    // Where nobody concludes there is what came last, of a budget alone.
    const bare = { soFar, conclude: undefined }
    assert.deepEqual(await costly(4, bare).then(({ why, answer }) => [why, answer]), ['budget', 'report 0'])
    assert.deepEqual(await costly(9, bare).then(({ why, answer }) => [why, answer]), ['done', null])
    const broken = { dispatch: () => Promise.reject(new PolityError('KILLED', 'it is over')) }
    await assert.rejects(costly(9, broken), { code: 'KILLED' })
  })

  test('ends each of the programs with what it has, under the budget of the kernel', async () => {
    const worker = (name: string): Worker => ({
      name,
      description: name,
      program: defineProgram(name, async () => `${name} was here`) as Worker['program'],
    })
    const plan = {
      given: [],
      look_up: [],
      derive: [],
      guesses: [],
      plan: ['go on'],
      is_request_satisfied: { reason: '', answer: false },
      is_in_loop: { reason: '', answer: false },
      is_progress_being_made: { reason: '', answer: true },
      next_speaker: { reason: '', answer: 'Ann' },
      instruction_or_question: { reason: '', answer: 'go on' },
    }
    const call = {
      action: { name: 'Ann', args: { task: 'go on' } },
      task_name: 'look',
      command: { name: 'lookup', args: { word: 'x' } },
    }
    says = () => ({ ...plan, ...call })
    const spend = async <Output>(
      program: Program<never, Output>,
      input: Json,
      steps: number,
      tools: readonly Tool[] = [],
    ) => {
      const holder = defineProgram(
        `${program.name}-spends`,
        async (sys, given: Json) => sys.wait<Json>(await sys.spawn(program as never, given as never)),
        { tools },
      )
      return (await kernel.spawn(holder, input, { budget: { steps } }).result) as Output
    }
    for (let steps = 3; steps < 8; steps++) {
      const led = await spend(magenticOne({ team: [worker('Ann')] }), { task: 'x' }, steps)
      assert.deepEqual([led.why, led.answer], ['budget', 'Ann was here'])
      const conducted = await spend(agentOrchestra({ agents: [worker('Ann')] }), { task: 'x' }, steps)
      assert.deepEqual([conducted.why, conducted.answer, conducted.calls.length], ['budget', 'Ann was here', steps])
      const looks = await spend(kwaiAgents, { question: 'x', learn: false }, steps, [lookup])
      assert.deepEqual([looks.stop, looks.answer, looks.tasks.length], ['budget', 'x means X', steps])
    }
  })
})

describe('magentic-one', () => {
  const answers = (values: object) =>
    Object.fromEntries(Object.entries(values).map(([name, answer]) => [name, { reason: 'so', answer }]))
  const next = (speaker: string, instruction: string, { satisfied = false, progress = true, loop = false } = {}) =>
    answers({
      is_request_satisfied: satisfied,
      is_in_loop: loop,
      is_progress_being_made: progress,
      next_speaker: speaker,
      instruction_or_question: instruction,
    })
  const facts = (guess: string) => ({
    given: ['a file of numbers'],
    look_up: ['the file'],
    derive: ['the sum'],
    guesses: [guess],
  })
  const isFacts = (prompt: string): boolean => prompt.includes('"look_up": […]') || prompt.includes('"look_up": ["…"]')
  const isPlan = (prompt: string): boolean => prompt.includes('"plan": ["…"]')
  const isProgress = (prompt: string): boolean => prompt.includes('"is_request_satisfied"')
  const isFinal = (prompt: string): boolean => prompt.includes('Answer the request from what was said')
  /** What every script says of ledgers and of the end, and a script for the rest. */
  const leading =
    (lead: (prompt: string) => object, work: Says): Says =>
    (prompt, n) => {
      if (isFacts(prompt)) return facts(prompt.includes('stalled') ? 'it is in old.txt' : 'it is in new.txt')
      if (isPlan(prompt))
        return { plan: [prompt.includes('root cause') ? 'the file was not the one' : 'read, then sum'] }
      if (isProgress(prompt)) return lead(prompt)
      if (isFinal(prompt)) return `final: ${/^ComputerTerminal:\nOutput:\n(\d+)/m.exec(prompt)?.[1] ?? 'unknown'}`
      return work(prompt, n)
    }
  const ask = (input: MagenticOneInput, script: Says, files = {}, team: readonly Worker[] = magenticTeam()) =>
    run(magenticOne({ team }), input, script, { files, tools: code }) as Promise<MagenticOneOutput>

  /** Reads a file, has code written for what is in it, and has it run. */
  const lead = (path: string) => (prompt: string) => {
    if (/^ComputerTerminal:\nOutput:\n\d/m.test(prompt)) return next('Coder', '', { satisfied: true })
    if (prompt.includes('Coder:\n```')) return next('ComputerTerminal', 'run it')
    if (/^FileSurfer:\n.*\d+ \d+/m.test(prompt)) return next('Coder', 'sum what FileSurfer found')
    return next('FileSurfer', `read ${prompt.includes('it is in old.txt') ? 'old.txt' : path}`, {
      progress: !/^FileSurfer:$/m.test(prompt),
    })
  }
  const work: Says = (prompt) => {
    if (prompt.includes('You work with files')) {
      const path = /FileSurfer, read (\S+)/.exec(prompt.split('Orchestrator:').at(-1) ?? '')?.[1] ?? ''
      const [, text] = /"action":"view".*:\n(.*)$/m.exec(prompt) ?? []
      return text === undefined ? { action: 'view', path } : { action: 'done', text: `it says ${text}` }
    }
    const numbers = /FileSurfer:\nit says ([\d ]+)/.exec(prompt)?.[1] ?? ''
    return block(`console.log([${numbers.trim().split(' ').join(', ')}].reduce((a, b) => a + b))`)
  }

  test('reads a file, writes code for it and runs it, and answers from what came out', async () => {
    const found = await ask({ task: 'Sum the numbers.' }, leading(lead('numbers.txt'), work), {
      'numbers.txt': '10 20 31',
    })
    assert.deepEqual([found.answer, found.why, found.replans], ['final: 61', 'done', 0])
    assert.deepEqual(
      found.thread.map(({ from }) => from),
      ['Orchestrator', ...['FileSurfer', 'Coder', 'ComputerTerminal'].flatMap((name) => ['Orchestrator', name])],
    )
    assert.equal(found.thread.at(-1)?.text, 'Output:\n61')
    assert.deepEqual(found.ledger, {
      facts: { given: ['a file of numbers'], lookUp: ['the file'], derive: ['the sum'], guesses: ['it is in new.txt'] },
      plan: ['read, then sum'],
    })
    // The terminal is no model: two calls of FileSurfer, one of Coder, two for the ledger, four of progress, one final.
    assert.equal(prompts.length, 10)
  })

  test('where it stalls, facts and plan are written anew, nobody is told the old talk, and the other way is found', async () => {
    const found = await ask({ task: 'Sum the numbers.' }, leading(lead('new.txt'), work), { 'old.txt': '1 2' })
    assert.deepEqual([found.answer, found.why, found.replans], ['final: 3', 'done', 1])
    assert.deepEqual(found.ledger.facts.guesses, ['it is in old.txt'])
    assert.deepEqual(found.ledger.plan, ['the file was not the one'])
    const anew = prompts.findIndex((prompt) => prompt.includes('The work has stalled'))
    assert.match(prompts[anew] ?? '', /FileSurfer:\nit says Error/)
    assert.ok(prompts.slice(anew + 2).every((prompt) => !prompt.includes('it says Error')))
    assert.deepEqual(
      found.progress.map((one) => one.isProgress && !one.isInLoop),
      [true, false, false, false, true, true, true, true],
    )
    const without = await ask({ task: 'Sum the numbers.', replansMax: 0 }, leading(lead('new.txt'), work), {
      'old.txt': '1 2',
    })
    assert.deepEqual([without.answer, without.why, without.replans], ['final: unknown', 'stalled', 0])
  })

  test('a stall at its last step takes nothing from the final answer, and no ledger is written that nobody uses', async () => {
    const base = leading(
      () => next('FileSurfer', 'look', { progress: false }),
      () => ({ action: 'done', text: 'the sum is 61' }),
    )
    const script: Says = (prompt, n) =>
      isFinal(prompt) ? `final: ${/the sum is (\d+)/.exec(prompt)?.[1] ?? 'unknown'}` : base(prompt, n)
    const found = await ask({ task: 't', stepsMax: 3 }, script)
    assert.deepEqual([found.answer, found.why, found.replans], ['final: 61', 'steps', 0])
    assert.deepEqual([prompts.filter(isFacts).length, prompts.filter(isPlan).length], [1, 1])
    assert.deepEqual(found.ledger.plan, ['read, then sum'])
  })

  test('a loop counts as no progress', async () => {
    const found = await ask(
      { task: 't', stepsMax: 4 },
      leading(
        () => next('FileSurfer', 'look', { loop: true }),
        () => ({ action: 'done', text: 'nothing' }),
      ),
    )
    assert.deepEqual([found.replans, found.why, found.progress.length], [1, 'steps', 4])
  })

  test('a ledger whose speaker is nobody is asked for again; one that is never of the form is an error', async () => {
    let wrong = 0
    const found = await ask(
      { task: 't' },
      leading(
        (prompt) => {
          if (prompt.includes('FileSurfer:\nhere')) return next('Coder', '', { satisfied: true })
          return prompt.includes('not of the shape') ? next('FileSurfer', 'look') : (wrong++, next('Nobody', 'look'))
        },
        () => ({ action: 'done', text: 'here' }),
      ),
    )
    assert.deepEqual(
      [found.why, wrong, found.progress.map(({ speaker }) => speaker)],
      ['done', 1, ['FileSurfer', 'Coder']],
    )
    await assert.rejects(
      ask({ task: 't' }, (prompt) =>
        isProgress(prompt)
          ? 'no JSON'
          : leading(
              () => ({}),
              () => '',
            )(prompt, 0),
      ),
      { code: 'PROGRAM_FAILED', message: /10 answers/ },
    )
    assert.equal(prompts.filter(isProgress).length, 10)
  })

  test('a guess has to change behind a stall; where the model knows no other, the old facts stay', async () => {
    let asked = 0
    const script = leading(
      () => next('FileSurfer', 'look', { progress: false }),
      () => ({ action: 'done', text: 'nothing' }),
    )
    const found = await ask({ task: 't', stepsMax: 4, triesMax: 2 }, (prompt, n) => {
      if (!isFacts(prompt)) return script(prompt, n)
      asked++
      return facts('the same')
    })
    assert.deepEqual(
      [asked, found.ledger.facts.guesses, found.ledger.plan],
      [3, ['the same'], ['the file was not the one']],
    )
  })

  test('who fails is a message, and holds no tool of another; two of one name are refused', async () => {
    const held: string[][] = []
    const team: Worker[] = [
      {
        name: 'Broken',
        description: 'Breaks.',
        program: defineProgram<Json, Json>('team/broken', async (sys) => {
          held.push(sys.tools.map(({ name }) => name))
          throw new Error('out of order')
        }),
      },
      ...magenticTeam(),
    ]
    const found = await ask(
      { task: 't' },
      leading(
        (prompt) => (prompt.includes('out of order') ? next('Coder', '', { satisfied: true }) : next('Broken', 'go')),
        () => '',
      ),
      {},
      team,
    )
    assert.match(found.thread.at(-1)?.text ?? '', /^It failed: .*out of order/)
    assert.deepEqual(held, [[]])
    assert.throws(() => magenticOne({ team: [...team, ...team] }), {
      code: 'CONFIG_INVALID',
      message: /name of its own/,
    })
    assert.throws(() => magenticOne({ team: [] }), { code: 'CONFIG_INVALID' })
  })

  test('the last whole block of a talk is what is run', () => {
    assert.equal(lastCodeOf(`${block('1')}\nthen\n${block('2')}\n\`\`\`js\n3`), '2\n')
    assert.equal(lastCodeOf('no code'), undefined)
  })
})

describe('a list of things to do', () => {
  test('keeps marks through an update, goes on with another list, and refuses what there is not', () => {
    let lists = noLists
    const apply = (op: ToDoOp): string => {
      const { lists: next, said } = applyToDo(lists, op)
      lists = next
      return said
    }
    apply({ op: 'create', id: 'trip', title: 'Trip', steps: ['find', 'book'] })
    assert.equal(
      apply({ op: 'mark', step: 0, status: 'completed', notes: 'the 9:15' }),
      'Trip (trip): 1 not started, 0 in progress, 1 completed, 0 blocked\n0. [completed] find (the 9:15)\n1. [not started] book',
    )
    apply({ op: 'update', steps: ['find', 'ask', 'book'] })
    assert.deepEqual(
      lists.lists[0]?.steps.map(({ status }) => status),
      ['completed', 'not started', 'not started'],
    )
    const before = lists
    assert.match(apply({ op: 'mark', step: 3, status: 'blocked' }), /has 3 steps, counted from 0/)
    assert.match(apply({ op: 'create', id: 'trip', title: 'again', steps: ['x'] }), /already/)
    assert.match(apply({ op: 'get', id: 'none' }), /no list "none"; there are trip/)
    assert.equal(lists, before)
    apply({ op: 'create', id: 'home', title: 'Home', steps: ['rest'] })
    assert.equal(apply({ op: 'list' }), 'trip: Trip, 1 of 3 completed\nhome (active): Home, 0 of 1 completed')
    apply({ op: 'delete', id: 'home' })
    assert.equal(lists.active, 'trip')
    apply({ op: 'delete', id: 'trip' })
    assert.deepEqual(lists, noLists)
  })

  test('whatever is done, the active list is one that there is, and counts are those of the steps', () => {
    const id = fc.constantFrom('a', 'b')
    const steps = fc.array(fc.constantFrom('x', 'y', 'z'), { minLength: 1, maxLength: 5 })
    const op: fc.Arbitrary<ToDoOp> = fc.oneof(
      fc.record({ op: fc.constant('create' as const), id, title: fc.constant('t'), steps }),
      fc.record({ op: fc.constant('update' as const), id, steps }),
      fc.record({ op: fc.constant('set_active' as const), id }),
      fc.record({
        op: fc.constant('mark' as const),
        step: fc.nat(6),
        status: fc.constantFrom('completed' as const, 'blocked' as const),
      }),
      fc.record({ op: fc.constant('delete' as const), id }),
    )
    fc.assert(
      fc.property(fc.array(op, { maxLength: 30 }), (ops) => {
        let lists = noLists
        for (const one of ops) {
          const { lists: next, ok } = applyToDo(lists, one)
          assert.ok(ok || next === lists)
          lists = next
          assert.equal(lists.active !== undefined, lists.lists.length > 0)
          assert.ok(lists.active === undefined || lists.lists.some((list) => list.id === lists.active))
          for (const list of lists.lists) {
            const completed = list.steps.filter(({ status }) => status === 'completed').length
            assert.match(toDoText(list), new RegExp(`, ${completed} completed,`))
          }
        }
      }),
    )
  })
})

describe('agent-orchestra', () => {
  const workers: Worker[] = [
    ...magenticTeam({ folder: 'in/' }),
    {
      name: 'talker',
      description: 'Talks.',
      program: defineProgram<Json, Json>('orchestra/talker', async () => `begin ${'secret '.repeat(2_000)} end`),
    },
    {
      name: 'broken',
      description: 'Breaks.',
      program: defineProgram<Json, Json>('orchestra/broken', async () => {
        throw new Error('out of order')
      }),
    },
    {
      name: 'hung',
      description: 'Hangs, until somebody ends it.',
      program: defineProgram<Json, Json>('orchestra/hung', async (sys) => {
        setImmediate(() => kernel.kill(sys.pid, 'it hung'))
        await sys.sleep(3_600_000)
        return 'woke'
      }),
    },
  ]
  const conduct = (actions: readonly { name: string; args: object }[], work: Says = () => ''): Says => {
    let at = 0
    return (prompt, n) => (prompt.includes('You conduct agents') ? { action: actions[at++] } : work(prompt, n))
  }
  const ask = (script: Says, input: object = {}, files = {}) =>
    run(agentOrchestra({ agents: workers }), { task: 'Sum in/a.txt.', ...input }, script, {
      files,
      tools: code,
    }) as Promise<AgentOrchestraOutput>

  test('plans, has files read and code run by agents, marks what is done, and answers', async () => {
    const found = await ask(
      conduct(
        [
          { name: 'plan', args: { op: 'create', id: 'p', title: 'Sum', steps: ['read', 'reckon'] } },
          { name: 'FileSurfer', args: { task: 'read it', files: ['a.txt'] } },
          { name: 'plan', args: { op: 'mark', step: 0, status: 'completed', notes: '4 5' } },
          { name: 'ComputerTerminal', args: { task: block('console.log(4 + 5)') } },
          { name: 'plan', args: { op: 'mark', step: 1, status: 'completed' } },
          { name: 'final_answer', args: { answer: '9' } },
        ],
        (prompt) => (prompt.includes('4 5') ? { action: 'done', text: '4 5' } : { action: 'view', path: 'a.txt' }),
      ),
      {},
      { 'in/a.txt': '4 5' },
    )
    assert.deepEqual([found.answer, found.why], ['9', 'done'])
    assert.deepEqual(
      found.calls.filter(({ name }) => name !== 'plan').map(({ report }) => report),
      ['4 5', 'Output:\n9'],
    )
    assert.match(found.plan, /2 completed, 0 blocked\n0\. \[completed\] read \(4 5\)/)
  })

  test('what goes wrong is a report: a failure, a worker that was killed, a stranger, wrong arguments, a plan of six steps', async () => {
    const found = await ask(
      conduct([
        { name: 'broken', args: { task: 'go' } },
        { name: 'hung', args: { task: 'go' } },
        { name: 'nobody', args: { task: 'go' } },
        { name: 'talker', args: { question: 'go' } },
        { name: 'plan', args: { op: 'create', id: 'p', title: 't', steps: ['1', '2', '3', '4', '5', '6'] } },
        { name: 'final_answer', args: { answer: 'none' } },
      ]),
    )
    assert.equal(found.plan, 'There is no plan yet.')
    for (const [i, expected] of [
      /It failed: .*out of order/,
      /It failed: .*it hung/,
      /no function "nobody"; the agents are/,
      /talker takes/,
      /no operation/,
    ].entries())
      assert.match(found.calls[i]?.report ?? '', expected)
  })

  test('reports are short, and the planner reads nothing else of an agent; after its steps it sums up', async () => {
    const found = await ask(
      (prompt) =>
        prompt.includes('You conduct agents')
          ? { action: { name: 'talker', args: { task: 'talk' } } }
          : 'what is known',
      { stepsMax: 3, reportChars: 100 },
    )
    assert.deepEqual([found.answer, found.why, found.calls.length], ['what is known', 'steps', 3])
    assert.ok(
      found.calls.every(({ report }) => report.startsWith('begin') && report.endsWith('end') && report.length < 150),
    )
    assert.equal(prompts.length, 4)
    assert.throws(() => agentOrchestra({ agents: [{ ...(workers[3] as Worker), name: 'plan' }] }), {
      code: 'CONFIG_INVALID',
    })
  })
})

describe('kwai-agents', () => {
  const ask = (script: Says, input: object = {}) =>
    run(kwaiAgents, { question: 'What does tea mean?', ...input } as never, script, {
      tools: [lookup],
    }) as Promise<KwaiAnswer>
  const isConclusion = (prompt: string): boolean => prompt.includes('Answer the question from what was observed')
  const planning = (commands: readonly (object | null | string)[]): Says => {
    let at = 0
    return (prompt) => {
      if (isConclusion(prompt)) return `concluded: ${/lookup\{.*\}: (.*)/.exec(prompt)?.[1] ?? 'nothing'}`
      const command = commands[Math.min(at++, commands.length - 1)]
      return typeof command === 'string' ? command : { task_name: `thought ${at}`, command }
    }
  }
  const find = (word: string) => ({ name: 'lookup', args: { word } })

  test('ends by each of its ways, and concludes once, whatever was done', async () => {
    for (const [stop, commands, tasks] of [
      ['finish', [find('tea'), { name: 'finish' }], 1],
      ['no command', [null], 0],
      ['no such tool', [find('tea'), { name: 'search' }], 1],
      ['no form', [find('tea'), 'I would look it up.'], 1],
      ['steps', [find('tea')], 3],
    ] as const) {
      const found = await ask(planning(commands), { stepsMax: 3, learn: false })
      assert.deepEqual([found.stop, found.tasks.length], [stop, tasks])
      assert.equal(prompts.filter(isConclusion).length, 1, stop)
      assert.equal(found.answer, tasks === 0 ? 'concluded: nothing' : 'concluded: tea means TEA')
      assert.ok(!prompts.some((prompt) => isConclusion(prompt) && prompt.includes('thought')))
    }
  })

  test('what is trimmed keeps the newest, of a conversation the last three turns, and what was answered is remembered', async () => {
    const words = Array.from({ length: 12 }, (_, i) => `word${i}`)
    const conversation = ['turn-one', 'turn-two', 'turn-three', 'turn-four']
    await ask(planning([...words.map(find), { name: 'finish' }]), { stepsMax: 20, taskTokens: 60, conversation })
    const last = prompts.findLast((prompt) => !isConclusion(prompt)) ?? ''
    assert.ok(last.includes('word11') && !last.includes('word1 '), last)
    assert.ok(last.includes('turn-two') && !last.includes('turn-one'))
    await ask(planning([{ name: 'finish' }]))
    assert.match(prompts[0] ?? '', /Remembered:\n- Question: What does tea mean\?\nAnswer: concluded/)
    await ask(planning([{ name: 'finish' }]), { memoryTokens: 0 })
    assert.ok(!prompts[0]?.includes('Remembered'))
  })
})

describe('mobile-agent', () => {
  const device = <Input, Output>(program: Program<Input, Output>, input: object, script: Says): Promise<Output> => {
    screen = 'home'
    pressed = []
    return run(program, { question: 'Read the letter.', back: 'back', ...input } as Input, script, {
      tools: [tap, back],
    })
  }
  const second = (script: Says, input: Partial<MobileAgentInput> = {}): Promise<MobileAgentOutput> =>
    device(mobileAgent, input, script)
  const evolving = (script: Says, input: Partial<MobileAgentEInput> = {}): Promise<MobileAgentEOutput> =>
    device(mobileAgentE, input, script)
  const isDecision = (prompt: string): boolean => prompt.includes('You operate a screen')
  /** Takes these taps in order, then ends; judges by the device. */
  const operating = (
    taps: readonly string[],
    more: (prompt: string) => string | object | undefined = () => undefined,
  ): Says => {
    let at = 0
    return (prompt) => {
      const other = more(prompt)
      if (other !== undefined) return other
      if (isDecision(prompt)) {
        const on = taps[at++]
        return on === undefined
          ? { action: { name: 'finish', args: {} } }
          : { action: { name: 'tap', args: { on } }, summary: `tap ${on}` }
      }
      if (prompt.includes('Compare the screens')) {
        const [was, is] = [/Before:\n(.*)/.exec(prompt)?.[1], /After:\n(.*)/.exec(prompt)?.[1]]
        const isSame = is === (was === 'nothing was seen yet' ? 'screen home' : was)
        return { verdict: isSame ? 'C' : is?.includes('advert') === true ? 'B' : 'A' }
      }
      if (prompt.includes('Write down what of the task'))
        return `completed: ${/Operations:\n([\s\S]*?)\n\n/.exec(prompt)?.[1] ?? ''}`
      if (prompt.includes('You manage an operator')) return { plan: 'open, read', subgoal: 'open' }
      if (prompt.includes('general tips')) return 'mail first'
      if (prompt.includes('sequence of actions that worked')) return { shortcuts: [] }
      return 'None'
    }
  }

  test('v2: only what was as expected is in the history and the progress; a wrong screen is gone back from', async () => {
    const found = await second(operating(['mail', 'nowhere', 'first']))
    assert.deepEqual(
      found.steps.map(({ verdict }) => verdict),
      ['A', 'C', 'A'],
    )
    assert.equal(found.progress, 'completed: 1. tap mail: tap{"on":"mail"}\n2. tap first: tap{"on":"first"}')
    assert.deepEqual([screen, found.why], ['letter', 'done'])
    // Four calls for each A, three for each other, and the decision that ends it.
    assert.equal(prompts.length, 4 + 3 + 4 + 1)
    const wrong = await second(operating(['mail', 'first', 'nowhere', 'shop', 'mail']))
    assert.deepEqual(pressed, ['mail', 'first', 'nowhere', 'shop', 'mail'])
    assert.equal(wrong.steps.filter(({ verdict }) => verdict === 'A').length, 2)
    const lost = await second(operating(['shop', 'mail', 'first']))
    assert.deepEqual(pressed, ['shop', 'back', 'mail', 'first'])
    assert.equal(lost.progress, 'completed: 1. tap mail: tap{"on":"mail"}\n2. tap first: tap{"on":"first"}')
  })

  test('a verdict that is none is a C, however many capital letters it has', async () => {
    for (const said of ['A', 'B: App closed', 'Answer: it did As expected', { verdict: 'AB' }, { verdict: 'a' }]) {
      const found = await second(operating(['mail'], (prompt) => (prompt.includes('Compare') ? said : undefined)))
      assert.deepEqual([found.steps[0]?.verdict, pressed], ['C', ['mail']], JSON.stringify(said))
    }
  })

  test('e: ends after three failures in a row, or three equal actions that are not exempt; its manager sees two errors', async () => {
    const stuck = await evolving(operating(['x', 'y', 'z', 'mail']))
    assert.deepEqual([stuck.why, stuck.steps.length], ['stalled', 3])
    const managed = prompts.filter((prompt) => prompt.includes('You manage an operator'))
    assert.deepEqual(
      managed.map((prompt) => prompt.includes('Errors, one after another')),
      [false, false, true],
    )
    const going = await evolving(operating(['x', 'y', 'mail', 'x', 'y', 'first']))
    assert.deepEqual([going.why, going.steps.length, screen], ['done', 6, 'letter'])
    assert.deepEqual(
      prompts
        .filter((prompt) => prompt.includes('You manage an operator'))
        .map((prompt) => prompt.includes('Errors, one after another')),
      [false, false, true, false, false, true, false],
    )
    assert.equal(prompts.filter((prompt) => prompt.includes('needed later')).length, 2, 'notes are taken after an A')
    const always = (prompt: string) => (prompt.includes('Compare') ? { verdict: 'A' } : undefined)
    const equal = await evolving(operating(['x', 'x', 'x', 'x'], always))
    assert.deepEqual([equal.why, equal.steps.length], ['gave up', 3])
    const exempt = await evolving(operating(['x', 'x', 'x', 'x'], always), { exempt: ['tap'] })
    assert.deepEqual([exempt.why, exempt.steps.length], ['done', 4])
  })

  test('e: a shortcut is learned, offered where its precondition stands on the screen, and saves the calls of all but one', async () => {
    const shortcut = {
      name: 'open_letter',
      description: 'Opens a letter.',
      precondition: 'home',
      actions: [
        { name: 'tap', args: { on: 'mail' } },
        { name: 'tap', args: { on: '$which' } },
      ],
    }
    const learned = await evolving(
      operating(['mail', 'first'], (prompt) =>
        prompt.includes('sequence of actions that worked') ? { shortcuts: [shortcut] } : undefined,
      ),
    )
    assert.deepEqual([learned.shortcuts, learned.tips], [[shortcut], 'mail first'])
    const decisions = prompts.filter(isDecision).length
    const { shortcuts, tips } = learned
    const take = (prompt: string) => {
      if (!isDecision(prompt)) return prompt.includes('Compare') ? { verdict: 'A' } : undefined
      if (prompt.includes('screen letter')) return { action: { name: 'finish' } }
      return prompt.includes('- open_letter:')
        ? { action: { name: 'open_letter', args: { which: 'first' } } }
        : { action: { name: 'back' } }
    }
    const again = await evolving(operating([], take), { shortcuts, tips, learn: false })
    assert.deepEqual(pressed, ['back', 'mail', 'first'])
    assert.deepEqual([screen, again.steps.at(-1)?.taken, again.shortcuts], ['letter', 2, shortcuts])
    assert.match(prompts[0] ?? '', /Tips:\nmail first/)
    // Without a shortcut a decision for each tap and one to end; with it one less, and one for the way to its screen.
    assert.equal(prompts.filter(isDecision).length, decisions - 1 + 1)

    const broken = { ...shortcut, actions: [{ name: 'back' }, { name: 'tap', args: { at: 1 } }, shortcut.actions[0]] }
    const stopped = await evolving(operating([], take), {
      shortcuts: [broken as typeof shortcut],
      learn: false,
      stepsMax: 2,
    })
    assert.deepEqual(
      [stopped.steps.map(({ taken }) => taken), pressed],
      [
        [1, 2],
        ['back', 'back'],
      ],
    )
  })

  test('plays an episode of a real world to its end', async () => {
    const world = worldOf(craft)
    const task = { params: craft.task(7, 1), seed: 7 }
    const way: object[] = []
    let state = craft.start(task.params, () => 0)
    while (craft.toAct(state).length > 0) {
      const [action] = craft.oracle(state) as [{ agent: string; name: string; args: Json }]
      way.push({ action: { name: action.name, args: action.args }, summary: action.name })
      state = craft.step(state, [action as never], () => 0).state
    }
    let at = 0
    says = operating([], (prompt) => (isDecision(prompt) ? way[at++] : undefined))
    prompts = []
    const played = await spawnEpisode(kernel, world, task, { program: mobileAgentE })
    const { score, players } = await played.result
    const output = (players['crafter'] as { output: unknown }).output as MobileAgentEOutput
    assert.deepEqual([score, output.why, output.steps.length], [1, 'done', way.length])
  })
})

describe('agent-s2', () => {
  const ask = (script: Says, tools: readonly Tool[] = [], input: object = {}) =>
    run(agentS2, { question: 'Make tea.', ...input } as never, script, { tools }) as Promise<AgentS2Output>
  const graph = (...tasks: readonly [id: string, ...after: string[]][]) => ({
    tasks: tasks.map(([id, ...after]) => ({ id, goal: `do ${id}`, after })),
  })
  /** Says the graphs in turn; a worker fails what is named. */
  const managing = (graphs: readonly object[], fails: readonly string[] = []): Says => {
    let at = 0
    return (prompt) => {
      if (prompt.includes('Put the plan into a graph')) return graphs[Math.min(at++, graphs.length - 1)] as object
      if (prompt.includes('You do one subtask')) {
        const goal = /Subtask: do (\w+)/.exec(prompt)?.[1] ?? ''
        if (!prompt.includes('Observation 1')) return { action: { name: 'lookup', args: { word: goal } } }
        return { action: { name: 'finish', args: { answer: fails.includes(goal) ? 'FAIL' : 'DONE' } } }
      }
      return prompt.includes('how this was done') ? 'by hand' : 'words'
    }
  }
  const goals = ({ subtasks }: AgentS2Output) => subtasks.map(({ goal, isDone }) => `${goal}${isDone ? '' : ' failed'}`)

  test('plans once more than subtasks end, two calls each, in an order that keeps to the graph', async () => {
    const found = await ask(
      managing([graph(['c', 'b'], ['a'], ['b', 'a']), graph(['c', 'b'], ['b']), graph(['c']), graph()]),
      [lookup],
    )
    assert.deepEqual([goals(found), found.plans, found.why], [['do a', 'do b', 'do c'], 4, 'done'])
    assert.equal(prompts.filter((prompt) => prompt.includes('Write the plan for the task')).length, 4)
    assert.equal(prompts.filter((prompt) => prompt.includes('Put the plan into a graph')).length, 4)
    assert.ok(
      prompts.some((prompt) =>
        /Completed:\n- a: do a\n- b: do b\n\nLeft:\n- c: do c\n\nSubtask "do b" is done/.test(prompt),
      ),
    )
  })

  test('a circle, or what is done already, is asked for again with what is wrong', async () => {
    const found = await ask(managing([graph(['a', 'b'], ['b', 'a']), graph(['a']), graph(['a']), graph()]), [lookup])
    assert.deepEqual([goals(found), found.plans], [['do a'], 2])
    assert.ok(prompts.some((prompt) => prompt.includes('a, b wait for each other')))
    assert.ok(prompts.some((prompt) => prompt.includes('two tasks are called "a"')))
  })

  test('after a failure the rest is planned in another way, with how it went; nothing is searched twice', async () => {
    const queries: string[] = []
    const search = defineTool({
      name: 'search',
      description: 'Searches.',
      effect: 'read',
      inputSchema: z.object({ query: z.string() }),
      execute: ({ query }) => (queries.push(query), 'boil water first'),
    }) as Tool
    const found = await ask(managing([graph(['a'], ['b']), graph(['b']), graph()], ['a']), [lookup, search], {
      subtasksMax: 5,
    })
    assert.deepEqual(goals(found), ['do a failed', 'do b'])
    const lessons = prompts.filter((prompt) => prompt.includes('how this was done'))
    assert.deepEqual([lessons.length, lessons.some((prompt) => prompt.includes('do a'))], [2, false])
    assert.ok(
      prompts.some((prompt) => prompt.includes('"do a" cannot be done as it is') && prompt.includes('a means A')),
    )
    assert.deepEqual(queries, ['words'])
    assert.ok(prompts.some((prompt) => prompt.includes('Found:\nboil water first')))
    const again = await ask(managing([graph(['b']), graph()]), [lookup], { learn: false })
    assert.deepEqual(goals(again), ['do b'])
    assert.ok(prompts.some((prompt) => prompt.includes('Known of such a task: Make tea.: by hand')))
    assert.ok(prompts.some((prompt) => prompt.includes('Known of such a subtask: do b: by hand')))
  })
})

describe('use-agent', () => {
  const files = {
    'repo/src/add.js': 'exports.add = (a, b) => a - b\n',
    'repo/test/one.js': "if (require('../src/add').add(1, 1) !== 2) throw new Error('one')\n",
    'repo/test/zero.js': "if (require('../src/add').add(0, 0) !== 0) throw new Error('zero')\n",
  }
  const tests = ['repo/test/one.js', 'repo/test/zero.js']
  const patch = (from: string, to: string) =>
    `### repo/src/add.js\n<<<<<<< SEARCH\n${from}\n=======\n${to}\n>>>>>>> REPLACE`
  const meta = (actions: readonly { name: string; args?: object }[], edits: readonly string[] = []): Says => {
    let [at, edited] = [0, 0]
    return (prompt) => {
      if (prompt.includes('You lead the work on a repository'))
        return { action: actions[Math.min(at++, actions.length - 1)] }
      if (prompt.includes('Name the files that matter'))
        return { files: ['repo/src/add.js', 'repo/none.js'], note: 'the sum' }
      if (prompt.includes('Change the files')) return edits[edited++] as string
      return 'it does what was asked'
    }
  }
  const ask = async (script: Says): Promise<UseAgentOutput & { text: string }> => {
    const reading = defineProgram<Json, Json>('use-agent-reading', async (sys, given) => {
      const found = await sys.wait<{ [key: string]: Json }>(await sys.spawn(useAgent, given as never))
      return { ...found, text: await sys.read('repo/src/add.js') }
    })
    return (await run(reading, { task: 'add(1, 1) is 0.', folder: 'repo/' } as Json, script, {
      files,
      tools: code,
    })) as never
  }

  test('finds, patches, tests in the sandbox, patches the patch, and writes the diff that is chosen', async () => {
    const found = await ask(
      meta(
        [
          { name: 'search', args: { question: 'where is the sum' } },
          { name: 'edit', args: { instruction: 'add' } },
          { name: 'test', args: { tests, diff: 'd1' } },
          { name: 'edit', args: { instruction: 'add, do not multiply', base: 'd1' } },
          { name: 'test', args: { tests, diff: 'd2' } },
          { name: 'review', args: { diff: 'd2' } },
          { name: 'finish', args: { diff: 'd2' } },
        ],
        [patch('a - b', 'a * b'), patch('a * b', 'a + b')],
      ),
    )
    const mended = 'exports.add = (a, b) => a + b\n'
    assert.deepEqual(
      [found.diff, found.why, found.text, found.patch],
      ['d2', 'done', mended, { 'repo/src/add.js': mended }],
    )
    assert.deepEqual(found.state, {
      locations: ['repo/src/add.js'],
      diffs: { d1: { 'repo/src/add.js': 'exports.add = (a, b) => a * b\n' }, d2: { 'repo/src/add.js': mended } },
      runs: [
        { diff: 'd1', passed: ['repo/test/zero.js'], failed: ['repo/test/one.js'] },
        { diff: 'd2', passed: tests, failed: [] },
      ],
      notes: ['the sum', 'Review of d2: it does what was asked'],
    })
    assert.match(found.actions[2]?.said ?? '', /one\.js fails: Error: one/)
    assert.ok(prompts.some((prompt) => prompt.includes('- d1: 1 passed, 1 failed (repo/test/one.js)')))
  })

  test('a diff over another holds what both change', async () => {
    const other = '### repo/test/zero.js\n<<<<<<< SEARCH\nzero\n=======\nnone\n>>>>>>> REPLACE'
    const found = await ask(
      meta(
        [
          { name: 'edit', args: { instruction: 'add' } },
          { name: 'edit', args: { instruction: 'rename', base: 'd1' } },
          { name: 'finish', args: { diff: 'd2' } },
        ],
        [patch('a - b', 'a + b'), other.replace('zero\n=', "zero')\n=").replace('none\n>', "none')\n>")],
      ),
    )
    assert.deepEqual(Object.keys(found.patch ?? {}), ['repo/src/add.js', 'repo/test/zero.js'])
  })

  test('what cannot be done changes nothing, and the third of an action in a row is refused', async () => {
    const search = { name: 'search', args: { question: 'where' } }
    const found = await ask(
      meta(
        [
          { name: 'edit', args: { instruction: 'x', base: 'd9' } },
          { name: 'edit', args: { instruction: 'x' } },
          { name: 'fly' },
          { name: 'finish', args: { diff: 'd1' } },
          search,
          search,
          search,
          search,
        ],
        [patch('not there', 'x')],
      ),
    )
    assert.deepEqual([found.diff, found.why, found.text], [null, 'gave up', files['repo/src/add.js']])
    assert.deepEqual(
      found.actions.map(({ action }) => action.name),
      ['edit', 'edit', 'fly', 'search', 'search'],
    )
    assert.deepEqual(found.state.diffs, {})
    for (const [i, expected] of [/no diff "d9"/, /did not apply/, /cannot be done/].entries())
      assert.match(found.actions[i]?.said ?? '', expected)
    assert.ok(prompts.some((prompt) => prompt.includes('There is no diff "d1"; there are none')))
    assert.ok(prompts.some((prompt) => prompt.includes('was done 2 times')))
    await assert.rejects(
      run(useAgent, { task: 't', folder: 'none/' }, () => ''),
      { code: 'INVALID_ARGUMENT' },
    )
  })
})

describe('research-code-agent', () => {
  const files = { 'work/method.md': 'Take the mean.', 'work/data.js': 'module.exports = [1, 2, 6]\n' }
  const right = "const data = require('./data')\nconsole.log(data.reduce((a, b) => a + b) / data.length)\n"
  const wrong = "const data = require('./data')\nconsole.log(data.mean())\n"
  const ask = async (
    choices: readonly { name: string; args?: object }[],
    edits: readonly string[],
    input: object = {},
  ) => {
    let [at, edited] = [0, 0]
    const reading = defineProgram<Json, Json>('research-code-reading', async (sys, given) => {
      const found = await sys.wait<{ [key: string]: Json }>(await sys.spawn(researchCodeAgent, given as never))
      return {
        ...found,
        paths: (await sys.list('work/')).map((one) => one.path),
        code: await sys.read('work/main.js').catch(() => null),
      }
    })
    const script: Says = (prompt) => {
      if (prompt.includes('Plan the work')) return { plan: [prompt.includes('Error') ? 'another way' : 'write', 'run'] }
      if (prompt.includes('Choose the next action')) return { action: choices[Math.min(at++, choices.length - 1)] }
      return prompt.includes('Write the file anew')
        ? block((edits[edited++] as string).trimEnd())
        : 'the mean of the data'
    }
    return (await run(reading, { task: 'Do what method.md says.', folder: 'work/', ...input } as Json, script, {
      files,
      tools: code,
    })) as unknown as ResearchCodeOutput & { paths: string[]; code: string | null }
  }
  const edit = (instruction: string) => ({ name: 'edit', args: { path: 'main.js', instruction } })
  const act = (name: string) => ({ name, args: { path: 'main.js' } })

  test('reads, writes, runs in the sandbox, plans anew after an error, and ends with what came out', async () => {
    const found = await ask(
      [
        { name: 'understand', args: { path: 'method.md', question: 'What is the method?' } },
        edit('write it'),
        act('run'),
        edit('mend it'),
        act('run'),
        { name: 'final', args: { answer: '3' } },
      ],
      [wrong, right],
    )
    assert.deepEqual([found.answer, found.why, found.plans, found.code], ['3', 'done', 2, right])
    assert.deepEqual(
      found.steps.map(({ isError }) => isError),
      [false, false, true, false, false],
    )
    assert.match(found.steps[2]?.said ?? '', /^TOOL_FAILED: TypeError/)
    assert.equal(found.steps[4]?.said, '3\n')
    assert.ok(prompts.some((prompt) => prompt.includes('1. another way')))
  })

  test('undo gives back the bytes before each edit in turn, and diff shows what an edit did', async () => {
    const found = await ask(
      [
        edit('one'),
        edit('two'),
        act('diff'),
        act('undo'),
        act('diff'),
        { name: 'list' },
        act('undo'),
        act('undo'),
        { name: 'final' },
      ],
      [right, wrong],
    )
    assert.deepEqual(
      found.steps.map(({ action, isError }) => `${action.name}${isError ? ' failed' : ''}`),
      ['edit', 'edit', 'diff', 'undo', 'diff', 'list', 'undo'],
    )
    assert.ok(prompts.some((prompt) => prompt.includes('undo{"path":"main.js"} was just done')))
    assert.match(found.steps[1]?.said ?? '', /\n-console\.log\(data\.reduce[^\n]*\n\+console\.log\(data\.mean/)
    assert.match(found.steps[2]?.said ?? '', /\+console\.log\(data\.mean/)
    assert.doesNotMatch(found.steps[2]?.said ?? '', /reduce/)
    assert.match(found.steps[4]?.said ?? '', /\+console\.log\(data\.reduce/)
    assert.deepEqual(found.steps[5]?.said, 'data.js\nmain.js\nmethod.md')
    assert.deepEqual([found.code, found.paths], [null, ['work/data.js', 'work/method.md']])
  })

  test('arguments of another form are told with their place', async () => {
    const found = await ask([{ name: 'view', args: { path: '', from: 0 } }, { name: 'final' }], [])
    assert.match(
      found.steps[0]?.said ?? '',
      /^INVALID_ARGUMENT: view: path: Too small: [^\n]*; from: Too small: [^\n]*$/,
    )
  })

  test('the same error twice forces another kind of action; what is read of earlier steps is bounded', async () => {
    const view = (from: number) => ({ name: 'view', args: { path: 'none.js', from } })
    const found = await ask(
      [view(1), view(2), view(3), { name: 'list' }, { name: 'final', args: { answer: 'no' } }],
      [],
    )
    assert.deepEqual([found.answer, found.plans], ['no', 3])
    assert.deepEqual(
      found.steps.map(({ action }) => action.name),
      ['view', 'view', 'list'],
    )
    assert.ok(prompts.some((prompt) => prompt.includes('"view" gave the same error twice')))
    const other = { name: 'view', args: { path: 'data.js', from: 0 } }
    const differing = await ask([view(1), other, view(3), { name: 'list' }, { name: 'final' }], [])
    assert.deepEqual(
      differing.steps.map(({ action, isError }) => `${action.name}${isError ? ' failed' : ''}`),
      ['view failed', 'view failed', 'view failed', 'list'],
    )
    const many = Array.from({ length: 30 }, (_, i) => ({ name: 'view', args: { path: 'data.js', from: i + 1 } }))
    await ask([...many, { name: 'final' }], [], { recent: 2, logChars: 200 })
    const sizes = prompts.filter((prompt) => prompt.includes('Choose the next action')).map(({ length }) => length)
    assert.ok(Math.max(...sizes) < Math.min(...sizes) + 500, sizes.join(' '))
  })
})

test('the chance of three failures in a row among forty steps is that of the published check', () => {
  assert.deepEqual(
    [0.1, 0.2, 0.3, 0.5].map((failure) => threeInARow(failure).toFixed(3)),
    ['0.034', '0.221', '0.540', '0.960'],
  )
})
