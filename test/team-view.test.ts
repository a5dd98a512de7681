/**
 * A team as its journal shows it, what is measured of it, and people in its seats: real kernels with a scripted model, whose
 * journals are read back.
 */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { answering } from '../src/drivers/llm/answering.ts'
import { agp } from '../src/agents/agp.ts'
import { turnOf, type Paradigm } from '../src/agents/pieces/channel-visibility.ts'
import { debate } from '../src/agents/debate.ts'
import { dylan } from '../src/agents/dylan.ts'
import { lvAgent } from '../src/agents/lv-agent.ts'
import { magenticOne } from '../src/agents/magentic-one.ts'
import { mallm } from '../src/agents/mallm.ts'
import { mixtureOfAgents } from '../src/agents/mixture-of-agents.ts'
import { person } from '../src/agents/person.ts'
import { askMember, type Member } from '../src/agents/pieces/team.ts'
import { symbolicMoe } from '../src/agents/symbolic-moe.ts'
import { promptText, scripted } from '../src/drivers/llm/scripted.ts'
import { openTeam, teamOf, type Line, type Team } from '../src/evaluation/team.ts'
import { drift, driftOf, monopoly, stalling } from '../src/evaluation/team-measures.ts'
import { boot, defineProgram, PolityError, simulatedClock, type Kernel } from '../src/index.ts'
import { fieldOf } from '../src/kernel/errors.ts'
import type { Sys } from '../src/kernel/types.ts'
import { settled, tool } from './world.ts'

type Says = (prompt: string, n: number) => string | object

interface Lived<Output> {
  readonly output: Output
  readonly team: Team
  readonly prompts: readonly string[]
}

/** A program's life with a model that says what the script says: each answer of ten output tokens, of a prompt of five. */
async function lived<Input, Output>(
  program: (sys: Sys, input: Input) => Promise<Output>,
  input: Input,
  says: Says = () => '',
): Promise<Lived<Output>> {
  const prompts: string[] = []
  const model = scripted((call) => {
    const prompt = promptText(call.prompt)
    prompts.push(prompt)
    assert.ok(!JSON.stringify(call.providerOptions ?? {}).includes('speaker'), 'who speaks is not for the model')
    const said = says(prompt, prompts.length)
    return {
      text: typeof said === 'string' ? said : JSON.stringify(said),
      usage: { inputTokens: 5, outputTokens: 10 },
    }
  })
  const kernel = await boot({ model })
  try {
    const run = kernel.spawn(program, input)
    const output = (await run.result) as Output
    return { output, prompts, team: await teamIn(kernel) }
  } finally {
    await kernel.close()
  }
}

async function teamIn(kernel: Kernel): Promise<Team> {
  const events = await Promise.all(kernel.ps().map(({ pid }) => kernel.events(pid)))
  return teamOf(events.flat().toSorted((a, b) => a.seq - b.seq))
}

const heard = ({ lines }: Pick<Team, 'lines'>, kind: Line['kind']): number =>
  lines.reduce((sum, line) => sum + (line.kind === kind ? line.messages : 0), 0)

const disagree = { agree: false, solution: null, text: 'no' }

describe('who speaks to whom', () => {
  // MALLM's deliveries of a turn: n(n - 1), n, 2(n - 1), (n - 1)(d + 2).
  const deliveries: readonly (readonly [Paradigm, number, number])[] = [
    ['memory', 6, 20],
    ['relay', 3, 5],
    ['report', 4, 8],
    ['debate', 8, 16],
  ]
  for (const [paradigm, three, five] of deliveries)
    test(`${paradigm}: a turn of three delivers ${three} messages and one of five ${five}, as in MALLM`, async () => {
      for (const [count, expected] of [
        [3, three],
        [5, five],
      ] as const) {
        const members = Array.from({ length: count }, (_, i): Member => ({ name: `M${i}` }))
        const input = { question: 'Why?', members, paradigm, turnsMax: 1 }
        const { team } = await lived(mallm.run, input, () => disagree)
        assert.equal(heard(team, 'said'), expected)
        for (const { from, to } of team.lines) assert.notEqual(from, to)
        const spoke = turnOf(paradigm, count).length
        assert.equal(team.said.length, spoke)
        assert.equal(
          team.seats.reduce((sum, { messages }) => sum + messages, 0),
          spoke,
          'each is said once',
        )
        assert.deepEqual(
          team.said.map(({ seat, turn, by, tokens }) => [seat.split(' ')[1], turn, by, tokens]),
          turnOf(paradigm, count).map(({ speaker }) => [`M${speaker}`, 1, 'model', 10]),
        )
      }
    })

  test('a mixture of agents: each proposer to all of the next layer, the last layer to the aggregator', async () => {
    const { team, prompts } = await lived(mixtureOfAgents.run, { question: 'Why?', proposers: 2 }, () => 'So.')
    assert.equal(prompts.length, 5)
    assert.deepEqual(
      team.lines.map(({ from, to, messages, tokens }) => [from, to, messages, tokens]),
      [
        ['1 Agent 1', '1 Agent 1', 1, 10],
        ['1 Agent 1', '1 Agent 2', 1, 10],
        ['1 Agent 2', '1 Agent 1', 1, 10],
        ['1 Agent 2', '1 Agent 2', 1, 10],
        ['1 Agent 1', '1 Aggregator', 1, 10],
        ['1 Agent 2', '1 Aggregator', 1, 10],
      ],
    )
    assert.deepEqual(
      team.seats.map(({ id, kind, parent, messages, tokens, modelTokens }) => [
        id,
        kind,
        parent,
        messages,
        tokens,
        modelTokens,
      ]),
      [
        ['1', 'process', null, 0, 0, 0],
        ['1 Agent 1', 'model', '1', 2, 20, 30],
        ['1 Agent 2', 'model', '1', 2, 20, 30],
        ['1 Aggregator', 'model', '1', 1, 10, 15],
      ],
    )
  })

  /** What each member said in a turn, and who heard it, by name. */
  const hearers = ({ said, seats }: Team): string[] => {
    const nameOf = (id: string): string => seats.find((seat) => seat.id === id)?.name ?? id
    return said
      .map(({ seat, turn, to }) => `${turn ?? ''} ${nameOf(seat)}: ${to.map(nameOf).toSorted().join(' ')}`.trim())
      .toSorted()
  }
  const four = ['A', 'B', 'C', 'D'].map((name): Member => ({ name, instructions: `You are <${name}>.` }))
  const own = (prompt: string): string => /You are <(\w)>/.exec(prompt)?.[1] ?? 'none'

  test('dylan: each layer reads all of the one before; of the second the ranker, and the two that it keeps', async () => {
    const { team } = await lived(dylan.run, { question: 'Why?', members: four }, (prompt, n) => {
      // The place where B and D stand in the ranker's list.
      if (prompt.includes('"best"'))
        return { best: [...prompt.matchAll(/^(\d)\. x Answer: [BD]$/gm)].map(([, place]) => Number(place)) }
      // The sixth is no answer: whoever is asked again reads again, and that counts once.
      return n === 6 ? 'hm' : { reasoning: 'x', answer: own(prompt), ratings: [] }
    })
    const turn = (number: number, to: string): string[] => four.map(({ name }) => `${number} ${name}: ${to}`)
    assert.deepEqual(
      // But for the answer that was none, which nobody read.
      hearers(team).filter((line) => !/^2 \w:$/.test(line)),
      [...turn(1, 'A B C D'), ...turn(2, 'B D Ranker'), '3 B:', '3 D:', 'Ranker: anonymous'].toSorted(),
    )
    assert.equal(heard(team, 'said'), 4 * 4 + 4 * 3 + 1)
    // Whoever is asked when others of its layer have answered reads the words of the layer before.
    const line = (from: string, to: string) =>
      team.lines.find((one) => one.from === `1 ${from}` && one.to === `1 ${to}`)
    assert.deepEqual([line('A', 'B')?.messages, line('A', 'C')?.messages, line('A', 'Ranker')?.messages], [2, 1, 1])
  })

  test('lv-agent: a team that agrees reads nobody; one that is split reads each other, until one is left', async () => {
    const three = { question: 'Why?', members: four.slice(0, 3) }
    const agreed = await lived(lvAgent.run, three, () => ({ answer: 'yes' }))
    assert.equal(heard(agreed.team, 'said'), 0)
    const { team, output } = await lived(lvAgent.run, three, (prompt) =>
      prompt.includes('"scores"')
        ? {
            scores: [...prompt.matchAll(/^\d\. (\w):/gm)].map(([, other]) =>
              other === 'A' ? 2 : other === 'B' ? 9 : 5,
            ),
          }
        : { reasoning: 'x', answer: own(prompt) },
    )
    assert.deepEqual(output.left, [0, 2])
    assert.deepEqual(
      hearers(team).filter((line) => /^\d/.test(line)),
      ['1 A: B C', '1 B: A C', '1 C: A B', '2 B: C', '2 C: B', '3 B:'],
    )
  })

  test('agp: each is heard where its edges lead, and by who decides; symbolic-moe: experts by the aggregator', async () => {
    const { team, output } = await lived(agp.run, { question: 'Why?', members: four }, (prompt) => ({
      answer: own(prompt),
    }))
    assert.equal(output.edges.length, 6)
    const expected = four.map(({ name }) => {
      const next = output.edges.flatMap(([from, to]) => (from === name ? [to] : []))
      return `${name}: ${[...next, 'Decider'].toSorted().join(' ')}`
    })
    assert.deepEqual(hearers(team), [...expected, 'Decider: anonymous'].toSorted())
    const input = {
      questions: ['2 + 2?'],
      experts: four.slice(0, 2),
      profiles: [{ sums: 1 }, { sums: 1 }],
      aggregator: { name: 'Judge' },
    }
    const { team: routed } = await lived(symbolicMoe.run, input, (prompt) =>
      prompt.includes('"skills"') ? { skills: ['sums'] } : { answer: own(prompt) },
    )
    const lines = hearers(routed)
    assert.equal(lines.filter((one) => /^[AB]: Judge$/.test(one)).length, 3)
    assert.deepEqual([lines.length, lines.at(-1)], [4, 'Judge: anonymous'])
  })

  test('processes speak by tasks, answers and mail; who waits is told while it waits; a fork was told nothing', async () => {
    const child = defineProgram('child', async (sys: Sys, task: string) => {
      await sys.send('lead', 'abcdef')
      await sys.send('lead', { said: task })
      await sys.generate('to nobody')
      await sys.receive()
      if (task === 'bad') throw new Error('no')
      return 'xyz'
    })
    const leader = async (sys: Sys): Promise<unknown> => {
      const pids = [await sys.spawn(child, 'good', { name: 'good' }), await sys.spawn(child, 'bad', { name: 'bad' })]
      for (const from of [...pids, ...pids]) await sys.receive({ from })
      for (const pid of pids) await sys.send(pid, 'go on')
      const fork = await sys.fork()
      if (fork === 0) return 'forked'
      await sys.wait(fork)
      await sys.receive({ from: 0 })
      await sys.wait(pids[1] as number).catch(() => {})
      return sys.wait(pids[0] as number)
    }
    const kernel = await boot({ model: scripted(() => ({ text: 'aha', usage: { inputTokens: 3, outputTokens: 4 } })) })
    const run = kernel.spawn(leader, null, { name: 'lead' })
    kernel.send(run.pid, 'hello')
    await run.result
    const team = await teamIn(kernel)
    await kernel.close()
    const nameOf = (id: string | null): string | null => team.seats.find((seat) => seat.id === id)?.name ?? null
    assert.deepEqual(
      team.seats.map(({ name, parent, state }) => [name, nameOf(parent), state]),
      [
        ['lead', null, 'done'],
        ['outside', null, null],
        ['good', 'lead', 'done'],
        ['bad', 'lead', 'failed'],
        ['lead', 'lead', 'done'],
      ],
    )
    const [lead, outside, good, bad, fork] = team.seats.map(({ id }) => id)
    const line = (from: string | undefined, to: string | undefined, kind: Line['kind']) =>
      team.lines.find((one) => one.from === from && one.to === to && one.kind === kind)
    // A token for three bytes: "abcdef" is 2, {"said":"good"} 15 bytes.
    assert.deepEqual([line(good, lead, 'mail')?.messages, line(good, lead, 'mail')?.tokens], [2, 2 + 5])
    assert.deepEqual([line(lead, good, 'mail')?.messages, line(lead, good, 'mail')?.tokens], [1, 2])
    assert.deepEqual([line(outside, lead, 'mail')?.messages, line(outside, lead, 'mail')?.tokens], [1, 2])
    assert.deepEqual([line(lead, good, 'task')?.tokens, line(good, lead, 'answer')?.tokens], [2, 1])
    assert.deepEqual([line(bad, lead, 'answer'), line(lead, fork, 'task')], [undefined, undefined])
    assert.deepEqual(
      team.seats.map(({ modelTokens }) => modelTokens),
      [0, 0, 7, 7, 0],
    )
    assert.deepEqual(team.waits, [])
  })

  test('event by event it is the same at the end, and says on the way who waits for whom', async () => {
    const child = defineProgram('child', async (sys: Sys) => (await sys.sleep(1), 1))
    const lead = async (sys: Sys): Promise<unknown> => {
      await sys.wait(await sys.spawn(child, null))
      return sys.sleep(1)
    }
    const kernel = await boot({ model: scripted([]) })
    const run = kernel.spawn(lead, null)
    await run.result
    const events = (await Promise.all(kernel.ps().map(({ pid }) => kernel.events(pid)))).flat()
    events.sort((a, b) => a.seq - b.seq)
    const reader = openTeam()
    const waits = events.map((event) => {
      reader.hear(event)
      return reader.team().waits.length
    })
    const [first, last] = [waits.indexOf(1), waits.lastIndexOf(1)]
    assert.ok(waits.slice(first, last + 1).every((count) => count === 1))
    assert.equal(events[last + 1]?.type, 'call-end')
    assert.ok(events.length > last + 3, 'it lives on after the wait')
    // Who is killed waits no more.
    const nobody = defineProgram('nobody', async (sys: Sys) => (await sys.receive()).body)
    const waiting = kernel.spawn(async (sys: Sys) => sys.wait(await sys.spawn(nobody, null)), null)
    waiting.result.catch(() => {})
    for await (const event of waiting.events)
      if (event.type === 'call-start' && event.call === 'wait') waiting.kill('enough')
    const killed = teamOf(await kernel.events(waiting.pid))
    assert.deepEqual([killed.waits, killed.seats[0]?.state], [[], 'killed'])
    await kernel.close()
    assert.deepEqual(reader.team(), teamOf(events))
  })

  test('what a restore undid while it was open is waited for no more, and says nothing; what it kept goes on', async () => {
    const speaker = (name: string): object => ({ providerOptions: { polity: { speaker: { name, to: ['Bob'] } } } })
    const clock = simulatedClock({ seed: 1 })
    const echo = tool('echo', () => ({ text: 'of a tool' }))
    const child = defineProgram('child', async (sys: Sys) => (await sys.sleep(500), 'late'))
    const lead = defineProgram(
      'lead',
      async (sys: Sys): Promise<unknown> => {
        const pid = await sys.spawn(child, null, { name: 'kept' })
        const kept = [sys.wait(pid), sys.generate({ prompt: 'kept', ...speaker('Ann') })]
        const { id, restored } = await sys.snapshot()
        if (restored < 2) {
          // Number 4 is a model call and then the tool's; number 6 a wait and then the way back.
          if (restored === 0) void sys.generate({ prompt: 'undone', ...speaker('Eve') })
          else await sys.call('echo', null)
          const other = restored === 0 ? await sys.spawn(child, null, { name: 'undone' }) : undefined
          if (other !== undefined) void sys.wait(other)
          await sys.sleep(100)
          await sys.restore(id)
        }
        await sys.sleep(50)
        return Promise.all(kept)
      },
      { tools: [echo] },
    )
    const model = scripted(() => ({ text: 'words', delayMs: 200 }), { clock })
    const kernel = await boot({ clock, model })
    const run = kernel.spawn(lead, null)
    const [waited] = (await settled(clock, run.result)) as unknown[]
    assert.equal(waited, 'late')
    const events = (await Promise.all(kernel.ps().map(({ pid }) => kernel.events(pid)))).flat()
    await kernel.close()
    const reader = openTeam()
    /** Who is waited for, whenever that changes. */
    const waits: string[] = []
    for (const event of events.toSorted((a, b) => a.seq - b.seq)) {
      reader.hear(event)
      const { waits: present, seats } = reader.team()
      const now = present.map(({ to }) => seats.find(({ id }) => id === to)?.name).join(', ')
      if (now !== (waits.at(-1) ?? '')) waits.push(now)
      if (event.type === 'process-rewind') assert.equal(now, 'kept')
    }
    assert.equal(events.filter(({ type }) => type === 'process-rewind').length, 2)
    assert.deepEqual(waits, ['kept', 'kept, undone', 'kept', ''])
    assert.deepEqual(
      reader.team().said.map(({ seat, text }) => [seat, text]),
      [['1 Ann', 'words']],
    )
  })
})

// ------------------------------------------------------------------------------------------------------------- ledger

const F = { isProgress: false, isInLoop: false }
const T = { isProgress: true, isInLoop: false }
const LOOP = { isProgress: true, isInLoop: true }

function progress({ isProgress, isInLoop }: typeof F, isSatisfied = false, speaker = 'Coder'): object {
  const because = (answer: unknown): object => ({ reason: 'so', answer })
  return {
    is_request_satisfied: because(isSatisfied),
    is_in_loop: because(isInLoop),
    is_progress_being_made: because(isProgress),
    next_speaker: because(speaker),
    instruction_or_question: because('go on'),
  }
}

/** A leader that writes these answers, with a step of work behind each unless it is asked again. */
async function ledgerOf(answers: readonly (object | 'work')[]): Promise<Team> {
  const { team } = await lived(
    async (sys: Sys) => {
      for (const answer of answers)
        if (answer === 'work') await sys.sleep(1)
        else await sys.generate('how does it stand?')
      return null
    },
    null,
    (_prompt, n) => answers.filter((one) => one !== 'work')[n - 1] as object,
  )
  return team
}

const steps = (...flags: readonly (typeof F)[]): (object | 'work')[] =>
  flags.flatMap((flag) => [progress(flag), 'work' as const])

describe('the ledger of a leader', () => {
  const traces: readonly (readonly [string, readonly (typeof F)[], boolean, readonly number[], readonly number[]])[] = [
    ['three bad steps stall at the third', [F, F, F], true, [3], [1, 2, 0]],
    [
      'good and bad in turn never stall',
      [F, T, F, T, F, T, F, T, F, T, F, T],
      true,
      [],
      [1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0],
    ],
    [
      'two bad and a good one stall at 5 and 11',
      [F, F, T, F, F, T, F, F, T, F, F, T],
      true,
      [5, 11],
      [1, 2, 1, 2, 0, 0, 1, 2, 1, 2, 0, 0],
    ],
    ['without a reset one more bad step stalls again', [F, F, F, T, F], false, [3, 5], [1, 2, 3, 2, 3]],
    ['a loop is no progress, whatever else is said', [LOOP, LOOP, LOOP], true, [3], [1, 2, 0]],
  ]
  for (const [what, flags, resets, stalledAt, counts] of traces)
    test(`${what}, as in Magentic-One`, async () => {
      const [found, ...others] = stalling(await ledgerOf(steps(...flags)), { resets })
      assert.deepEqual(others, [])
      assert.deepEqual([found?.stalledAt, found?.counts, found?.count], [stalledAt, counts, counts.at(-1)])
    })

  test('facts and plans are entries; a plan of somebody without facts is none; an answer that was asked for again counts once', async () => {
    const facts = { given: ['a'], look_up: ['b'], derive: [], guesses: ['c'] }
    const team = await ledgerOf([
      { plan: ['of another kind'] },
      facts,
      { plan: ['Coder counts'] },
      progress(F, false, 'Nobody'),
      progress(F),
      'work',
      { plan: ['root cause', 'anew'] },
      progress(T, true),
    ])
    assert.deepEqual(
      team.ledger.map((entry) => [
        entry.kind,
        entry.kind === 'progress' ? entry.speaker : entry.kind === 'plan' ? entry.plan : entry.lookUp,
      ]),
      [
        ['facts', ['b']],
        ['plan', ['Coder counts']],
        ['progress', 'Coder'],
        ['plan', ['root cause', 'anew']],
        ['progress', 'Coder'],
      ],
    )
    const [found] = stalling(team)
    assert.deepEqual(
      [found?.plans, found?.counts, found?.last.isSatisfied],
      [2, [1, 1], true],
      'what is satisfied is no step',
    )
  })

  test('an answer that a restore undid was written all the same, and is none that was asked for again', async () => {
    const facts = { given: ['a'], look_up: [], derive: [], guesses: [] }
    const { team } = await lived(
      async (sys: Sys) => {
        const { id, restored } = await sys.snapshot()
        if (restored === 1) await sys.sleep(1)
        await sys.generate('what is known?')
        if (restored === 0) await sys.restore(id)
        return null
      },
      null,
      () => facts,
    )
    assert.deepEqual(
      team.ledger.map(({ kind }) => kind),
      ['facts', 'facts'],
    )
  })

  test('Magentic-One itself: three steps that lead nowhere, a new plan, and an end; its workers are seats', async () => {
    const facts = (guess: string) => ({ given: ['a note'], look_up: [], derive: [], guesses: [guess] })
    const script = [
      facts('first'),
      { plan: ['Coder counts'] },
      progress(F),
      progress(LOOP),
      progress(F),
      facts('second'),
      { plan: ['it was the wrong note', 'Coder counts again'] },
      progress(T),
      progress(T, true),
      'Seven.',
    ]
    const coder = defineProgram('coder', async (_sys: Sys, _talk: string) => 'I counted.')
    const { run } = magenticOne({ team: [{ name: 'Coder', description: 'counts', program: coder }] })
    const { output, team, prompts } = await lived(run, { task: 'How many?' }, (_prompt, n) => script[n - 1] as object)
    assert.deepEqual([output.answer, output.replans, prompts.length], ['Seven.', 1, script.length])
    const [found] = stalling(team)
    assert.deepEqual([found?.stalledAt, found?.counts, found?.plans], [[3], [1, 2, 0, 0, 0], 2])
    assert.equal(found?.last.isSatisfied, true)
    // Of the five steps the one that stalled and the last one had nobody speak.
    assert.deepEqual([heard(team, 'task'), heard(team, 'answer')], [3, 3])
  })

  test('answers that only look like it are no ledger', async () => {
    const half = { is_request_satisfied: true, is_in_loop: 'no', is_progress_being_made: true }
    assert.deepEqual((await ledgerOf([half, { given: ['a'] }, { plan: 'none' }, [] as object])).ledger, [])
  })
})

// ----------------------------------------------------------------------------------------------------------- measures

describe('measures', () => {
  const seat = (id: string, tokens: number, kind: 'model' | 'outside' = 'model') => ({
    id,
    pid: 1,
    name: id,
    kind,
    parent: null,
    state: null,
    messages: 1,
    tokens,
    modelTokens: 0,
  })

  test('monopoly, by hand: even is 0, alone is 1; who is outside and who was silent do not count', () => {
    assert.deepEqual(monopoly({ seats: [seat('a', 5), seat('b', 5)] }), { seat: 'a', share: 0.5, excess: 0, of: 2 })
    const three = monopoly({
      seats: [seat('a', 1), seat('b', 2), seat('c', 1), seat('d', 0), seat('0', 99, 'outside')],
    })
    assert.deepEqual([three?.seat, three?.share, three?.of], ['b', 0.5, 3])
    assert.ok(Math.abs((three?.excess ?? 0) - 0.25) < 1e-12)
    assert.equal(monopoly({ seats: [seat('a', 7), seat('b', 0)] }), undefined)
    assert.equal(monopoly({ seats: [] }), undefined)
  })

  test('monopoly is within 0 and 1, and only who says more can raise it', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: 1_000 }), { minLength: 2, maxLength: 30, size: 'max' }),
        (tokens) => {
          const seats = tokens.map((count, i) => seat(String(i), count))
          const before = monopoly({ seats })
          assert.ok(
            before !== undefined && before.excess >= -1e-12 && before.excess <= 1 && before.share >= 1 / tokens.length,
          )
          const most = tokens.indexOf(Math.max(...tokens))
          assert.equal(before.seat, String(most))
          const after = monopoly({ seats: seats.with(most, seat(String(most), (tokens[most] as number) + 1)) })
          assert.ok((after?.excess ?? 0) > before.excess)
        },
      ),
    )
  })

  test('drift, by hand', () => {
    assert.deepEqual(driftOf([0.5]), { scores: [0.5], focus: [], isDrifted: false, strength: 0, isRecovered: false })
    assert.deepEqual(driftOf([0, 1, 1]), {
      scores: [0, 1, 1],
      focus: [1, 0],
      isDrifted: false,
      strength: 0,
      isRecovered: false,
    })
    assert.deepEqual(driftOf([1, 0, 1]), {
      scores: [1, 0, 1],
      focus: [-1, 1],
      isDrifted: true,
      strength: 1,
      isRecovered: true,
    })
    const late = driftOf([0.25, 0.75, 0.5, 0.25, 0.5])
    assert.deepEqual(late.focus, [0.5, -0.25, -0.25, 0.25])
    assert.deepEqual([late.isDrifted, late.strength, late.isRecovered], [true, 0.5, false])
  })

  test('the sum of FOCUS is what was won or lost from the first turn to the last', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 8 }), { minLength: 1, maxLength: 40, size: 'max' }), (eighths) => {
        const scores = eighths.map((one) => one / 8)
        const { focus, isDrifted, strength, isRecovered } = driftOf(scores)
        assert.equal(
          focus.reduce((sum, one) => sum + one, 0),
          (scores.at(-1) as number) - (scores[0] as number),
        )
        // The largest loss, by every pair.
        const losses = scores.flatMap((early, i) => scores.slice(i).map((late) => early - late))
        assert.equal(strength, Math.max(...losses))
        assert.equal(isDrifted, strength > 0)
        assert.equal(isRecovered, isDrifted && scores.every((score) => score <= (scores.at(-1) as number)))
      }),
    )
  })

  test('a discussion of MALLM that leaves the right answer and comes back, from its journal', async () => {
    // Four turns of a relay of three; the second proposes nothing, the third is worse, the fourth mends it.
    const proposed: { readonly [n: number]: string } = { 1: '41', 3: '42', 8: '13', 10: '42' }
    const { team } = await lived(
      mallm.run,
      {
        question: '6 x 7?',
        members: [{ name: 'A' }, { name: 'B' }, { name: 'C' }],
        paradigm: 'relay',
        decision: 'unanimity',
        turnsMax: 4,
      },
      (_prompt, n) => ({ agree: false, solution: proposed[n] ?? null, text: 'hm' }),
    )
    assert.equal(team.said.length, 12)
    const found = drift(team, (drafts) => Number(drafts.at(-1) === '42'))
    assert.deepEqual(found, {
      scores: [1, 1, 0, 1],
      focus: [0, -1, 1],
      isDrifted: true,
      strength: 1,
      isRecovered: true,
    })
    assert.equal(
      drift({ said: [] }, () => 1),
      undefined,
    )
    // Another discussion in the same tree is none of its.
    const both = { said: [...team.said, ...team.said.map((one) => ({ ...one, pid: 77, text: '{"solution": "13"}' }))] }
    const right = (drafts: readonly string[]): number => Number(drafts.at(-1) === '42')
    assert.deepEqual(drift(both, right), found)
    assert.deepEqual(drift(both, right, 77)?.scores, [0, 0, 0, 0])
    assert.equal(drift(both, right, 78), undefined)
  })
})

// ------------------------------------------------------------------------------------------------------------- people

describe('a person in a seat', () => {
  /** Answers questions as they come, as a person at a door would. */
  async function seated<Input, Output>(
    program: (sys: Sys, input: Input) => Promise<Output>,
    input: Input,
    answers: (text: string, asked: number) => string,
    says: Says = () => '',
  ): Promise<Lived<Output> & { readonly asked: readonly string[] }> {
    const asked: string[] = []
    const kernel = await boot({
      model: answering((prompt) => says(prompt, 0)),
    })
    const stop = kernel.watch((event) => {
      if (event.type !== 'call-start' || event.call !== 'ask') return
      for (const { id, text, detail } of kernel.questions) {
        asked.push(text)
        assert.equal(fieldOf(fieldOf(detail, 'speaker'), 'name'), 'Ann', 'the person sees which seat is asked')
        kernel.answer(id, answers(text, asked.length))
      }
    })
    try {
      const output = (await kernel.spawn(program, input).result) as Output
      return { output, asked, prompts: [], team: await teamIn(kernel) }
    } finally {
      stop()
      await kernel.close()
    }
  }

  const ann: Member = { name: 'Ann', instructions: 'You know the harbour.', person: {} }

  test('takes part in a debate in plain words, hears the others, and is a seat of the team', async () => {
    const { output, asked, team } = await seated(
      debate.run,
      { question: 'Which pier?', members: [{ name: 'Bob' }, ann], rounds: 2 },
      (_text, n) => (n === 1 ? 'Pier 4.' : '{"reasoning": "Bob is right", "answer": "pier 5"}'),
      () => ({ reasoning: 'I saw it', answer: 'Pier 5' }),
    )
    assert.deepEqual(
      output.said.map((layer) => layer.map(({ reply }) => reply.answer)),
      [
        ['Pier 5', 'Pier 4.'],
        ['Pier 5', 'pier 5'],
      ],
    )
    assert.equal(output.answer.toLowerCase(), 'pier 5')
    assert.match(asked[0] ?? '', /^You know the harbour\.\n\nAnswer with JSON.*\n\nWhich pier\?$/s)
    assert.match(asked[1] ?? '', /I saw it Answer: Pier 5/)
    // Who of the two spoke first, both asked at once, is open.
    assert.deepEqual(team.seats.map(({ id, kind }) => [id, kind]).toSorted(), [
      ['1 Ann', 'person'],
      ['1 Bob', 'model'],
      ['1', 'process'],
    ])
    const said = team.said.filter(({ seat }) => seat === '1 Ann')
    assert.deepEqual(
      said.map(({ turn, to, by, text, tokens }) => [turn, to, by, text, tokens]),
      [
        [1, ['1 Bob'], 'person', 'Pier 4.', 3],
        [2, ['1 Bob'], 'person', '{"reasoning": "Bob is right", "answer": "pier 5"}', 17],
      ],
    )
  })

  test('of a discussion agrees, or proposes, in plain words', async () => {
    const spoken = (answer: string, members: readonly Member[] = [{ name: 'Bob' }, ann]) =>
      seated(
        mallm.run,
        {
          question: 'How many?',
          members,
          paradigm: 'memory',
          decision: 'unanimity',
          turnsMax: 1,
        },
        () => answer,
        () => ({ agree: false, solution: '42', text: 'counted' }),
      )
    const agreed = await spoken('I agree, forty-two.')
    assert.deepEqual([agreed.output.answer, agreed.output.decidedIn], ['42', 1])
    const other = await spoken('43')
    assert.deepEqual([other.output.answer, other.output.decidedIn], ['43', null])
    const nothing = await spoken('Yes', [ann, { name: 'Bob' }])
    assert.equal(nothing.output.messages[0]?.solution, undefined, 'there was nothing to agree with')
  })

  test('is a worker of Magentic-One, as a process that asks', async () => {
    const script = [
      { given: [], look_up: [], derive: [], guesses: ['a'] },
      { plan: ['Ann looks'] },
      progress(T, false, 'Ann'),
      progress(T, true, 'Ann'),
      'Seven boats.',
    ]
    const { run } = magenticOne({ team: [{ name: 'Ann', description: 'sees the harbour', program: person('Ann') }] })
    let n = 0
    const { output, asked, team } = await seated(
      run,
      { task: 'How many boats?' },
      () => 'I see seven.',
      () => script[n++] as object,
    )
    assert.equal(output.answer, 'Seven boats.')
    assert.match(asked[0] ?? '', /How many boats\?[^]*Ann, go on$/)
    assert.deepEqual(
      output.thread.filter(({ from }) => from === 'Ann').map(({ text }) => text),
      ['I see seven.'],
    )
    assert.deepEqual(
      team.seats.slice(1).map(({ name, kind }) => [name, kind]),
      [
        ['person/Ann', 'process'],
        ['Ann', 'person'],
      ],
    )
  })

  test('is asked again where it keeps to no form, with what was wrong, and then is an error', async () => {
    const shapeless = { instructions: 'Give {"scores": [numbers]}.', prompt: 'Judge.' }
    const { z } = await import('zod')
    const scores = z.object({ scores: z.array(z.number()) })
    const judge = async (sys: Sys): Promise<unknown> => askMember(sys, ann, shapeless, scores)
    const mended = await seated(judge, null, (_text, n) => (n === 1 ? 'good' : 'I say {"scores": [3, 4]}'))
    assert.deepEqual(mended.output, { scores: [3, 4] })
    assert.match(mended.asked[1] ?? '', /Your last answer was not of the shape asked for: .*scores/s)
    const [said] = mended.team.lines
    assert.deepEqual([said?.from, said?.to, said?.messages], ['1 Ann', '1', 2], 'words for nobody are for the program')
    let times = 0
    await assert.rejects(
      seated(judge, null, () => `good ${++times}`),
      { code: 'PROGRAM_FAILED' },
    )
    assert.equal(times, 2)
  })

  test('who does not answer in time says the default, and without one is missing from the layer', async () => {
    const clock = simulatedClock({ seed: 1 })
    const kernel = await boot({ clock, model: scripted(() => JSON.stringify({ reasoning: '', answer: 'west' })) })
    const asks = (person: Member['person']) => {
      const members: Member[] = [{ name: 'Bob' }, { name: 'Ann', ...(person === undefined ? {} : { person }) }]
      return settled(clock, kernel.spawn(debate, { question: 'Where?', members, rounds: 1 }).result)
    }
    const start = clock.now()
    const silent = await asks({ timeoutMs: 5_000, default: 'east' })
    assert.deepEqual(
      silent.said[0]?.map(({ reply }) => reply.answer),
      ['west', 'east'],
    )
    assert.equal(clock.now() - start, 5_000, 'no sooner and no later')
    const without = await asks({ timeoutMs: 5_000 })
    assert.deepEqual(
      without.said[0]?.map(({ agent }) => agent),
      [0],
    )
    const { said } = await teamIn(kernel)
    assert.deepEqual(
      said.map(({ seat, by }) => [seat.split(' ')[1], by]),
      [
        ['Bob', 'model'],
        ['Ann', 'default'],
        ['Bob', 'model'],
      ],
    )
    const alone = defineProgram('alone', (sys: Sys) =>
      askMember(sys, { name: 'Ann', person: { timeoutMs: 1 } }, { prompt: '?' }),
    )
    await assert.rejects(
      settled(clock, kernel.spawn(alone, null).result),
      (error) => PolityError.isInstance(error) && error.code === 'NO_ANSWER',
    )
    await kernel.close()
  })
})
