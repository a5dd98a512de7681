/**
 * Evaluations: what is scored, what it costs, how sure that is, and that an interrupted one goes on. Real worlds, a real
 * sandbox and a real browser where there is one; the model is scripted.
 */
// oxlint-disable unicorn/consistent-function-scoping -- a test reads best with its parts beside it
import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { sandboxSupport } from '../src/drivers/sandbox/support.ts'
import { codeTools } from '../src/drivers/sandbox/tools.ts'
import { boot } from '../src/boot.ts'
import { troubleOf } from '../src/cli/evaluation-text.ts'
import { scripted } from '../src/drivers/llm/scripted.ts'
import { craft } from '../src/environments/craft.ts'
import { replayActions } from '../src/evaluation/actions.ts'
import { compare } from '../src/evaluation/compare.ts'
import { taskFrom } from '../src/evaluation/dataset.ts'
import { evaluate, type EvaluateOptions } from '../src/evaluation/evaluate.ts'
import { VIEW, type Seen, type Told } from '../src/evaluation/episode.ts'
import { chosen, type Candidate } from '../src/evaluation/hybrid.ts'
import { findChromium } from '../src/evaluation/kiosk.ts'
import { parseLog, type Log, type Trial } from '../src/evaluation/log.ts'
import { reduce } from '../src/evaluation/metrics.ts'
import {
  codeIn,
  constraints,
  exact,
  finalNumber,
  includes,
  judge,
  numeric,
  stateHash,
  unitTests,
} from '../src/evaluation/scorers.ts'
import {
  estimate,
  holm,
  pairedDifference,
  paretoFront,
  passAtK,
  passHatK,
  studentQuantile,
  wilson,
} from '../src/evaluation/statistics.ts'
import { defineScorer, worldTask, type Score, type Solver, type Task } from '../src/evaluation/task.ts'
import { verify } from '../src/evaluation/verify.ts'
import type { Turn } from '../src/environments/environment.ts'
import { worlds } from '../src/environments/worlds.ts'
import { viewerHtml } from '../src/evaluation/viewer.ts'
import { openStage, worldOf, type World } from '../src/evaluation/world.ts'
import { wrapWorld } from '../src/evaluation/wrapped-world.ts'
import { randomAt } from '../src/kernel/clock.ts'
import { defineProgram } from '../src/kernel/program.ts'
import type { Json, Program, Sys } from '../src/kernel/types.ts'
import { answer, createWorld, cutStore, rawModel, tool } from './world.ts'

const isLong = process.env['POLITY_LONG'] === '1'
const near = (value: number | null | undefined, wanted: number, by = 1e-9): void =>
  assert.ok(typeof value === 'number' && Math.abs(value - wanted) <= by, `${value} is not ${wanted}`)

describe('statistics', () => {
  test('Student’s t has the quantiles of the tables', () => {
    for (const [degrees, wanted] of [
      [1, 12.7062],
      [2, 4.30265],
      [10, 2.22814],
      [30, 2.04227],
      [120, 1.97993],
    ] as const)
      near(studentQuantile(0.975, degrees), wanted, 1e-5)
    near(studentQuantile(0.995, 5), 4.03214, 1e-5)
    const [low, high] = wilson(8, 10) as readonly [number, number]
    near(low, 0.4901625, 1e-5)
    near(high, 0.9433178, 1e-5)
  })

  test('pass@k and pass^k are what counting all choices of k tries gives, and nothing where there are fewer', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 9 }), fc.nat(9), fc.integer({ min: 1, max: 9 }), (n, c, k) => {
        fc.pre(c <= n)
        const tries = Array.from({ length: n }, (_, i) => i < c)
        let [all, some, every] = [0, 0, 0]
        for (let mask = 0; mask < 1 << n; mask++) {
          const taken = tries.filter((_, i) => ((mask >> i) & 1) === 1)
          if (taken.length !== k) continue
          all++
          some += Number(taken.includes(true))
          every += Number(!taken.includes(false))
        }
        if (n < k) assert.deepEqual([passAtK(n, c, k), passHatK(n, c, k)], [null, null])
        else {
          near(passAtK(n, c, k), some / all)
          near(passHatK(n, c, k), every / all)
        }
      }),
      { numRuns: 100 },
    )
  })

  test('an error is clustered: copies of a sample make nobody surer', () => {
    const values = [1, 0, 1, 1, 0, 0, 1]
    const alone = estimate(values)
    const doubled = estimate(
      values.flatMap((value) => [value, value]),
      { clusters: values.flatMap((_, i) => [`${i}`, `${i}`]) },
    )
    near(doubled.stderr, alone.stderr as number)
    // The sample's standard deviation over the root of n.
    near(alone.stderr, Math.sqrt(values.reduce((sum, one) => sum + (one - 4 / 7) ** 2, 0) / 6 / 7))
    assert.deepEqual([estimate([]).mean, estimate([1]).stderr], [null, null])
  })

  test('its interval holds the true mean about as often as it says', () => {
    let held = 0
    const rounds = isLong ? 600 : 200
    for (let round = 0; round < rounds; round++) {
      const values = Array.from({ length: 40 }, (_, i) => Number(randomAt(7, round, i) < 0.4))
      const [low, high] = estimate(values).interval as readonly [number, number]
      if (low <= 0.4 && 0.4 <= high) held++
    }
    assert.ok(held / rounds > 0.91 && held / rounds < 0.99, `${held} of ${rounds}`)
  })

  test('pairs take out what the samples differ in; signs are flipped exactly where there are few', () => {
    const { mean, p, better, worse, equal } = pairedDifference([1, 1, 1, 0, 1, 1], [0, 1, 0, 0, 0, 1])
    assert.deepEqual([mean, p, better, worse, equal], [0.5, 0.25, 3, 0, 3])
    const hard = Array.from({ length: 40 }, (_, i) => randomAt(1, 0, i))
    const paired = pairedDifference(
      hard.map((one) => one + 0.01),
      hard,
    )
    assert.ok((paired.p as number) < 0.001)
    assert.ok((paired.stderr as number) < (estimate(hard).stderr as number) / 1_000)
    assert.deepEqual(
      holm([0.01, 0.04, 0.03]).map((one) => Math.round(one * 100)),
      [3, 6, 6],
    )
  })

  test('lists that do not vary have no correlation, whatever their mean is rounded to', () => {
    for (const [a, b] of [
      [
        [0.1, 0.1, 0.1],
        [0.7, 0.7, 0.7],
      ],
      [
        [0.1, 0.1, 0.1],
        [0.2, 0.5, 0.9],
      ],
    ] as const)
      assert.equal(pairedDifference(a, b).correlation, null)
    near(pairedDifference([0, 1, 0], [0.2, 0.4, 0.2]).correlation, 1)
  })

  test('a front has nobody that another beats for less, a hull nobody that a mixture beats', () => {
    const front = paretoFront([
      { cost: 1, score: 0.2 },
      { cost: 2, score: 0.3 },
      { cost: 3, score: 0.8 },
      { cost: 4, score: 0.7 },
    ])
    assert.deepEqual(
      front.map(({ cost, isOnHull }) => [cost, isOnHull]),
      [
        [1, true],
        [2, false],
        [3, true],
      ],
    )
  })

  test('reducers', () => {
    const values = [1, 0, 0, 0.5]
    assert.deepEqual(
      (['mean', 'median', 'max', 'min', 'mode', 'at least 1', 'at least 2', 'pass@2', 'pass^2', 'pass@5'] as const).map(
        (one) => reduce(values, one),
      ),
      [0.375, 0.25, 1, 0, 0, 1, 0, 0.5, 0, null],
    )
  })
})

// ---------------------------------------------------------------------------------------------------------------- scorers

/** What a scorer says of an output, in a kernel. */
async function scored(
  scorer: Task['scorers'][number],
  output: Json,
  sample: Partial<Task['samples'][number]>,
  model = scripted([]),
): Promise<Json> {
  const world = createWorld({ models: { m: model } })
  const program = scorer.program as unknown as Program<Json, Json>
  return world.settled(
    world.kernel.spawn(program, { sample: { id: 's', ...sample }, output } as unknown as Json, {
      budget: scorer.budget ?? {},
    }).result,
  )
}
const valueOf = (score: Json): Json | undefined => (score as { readonly [key: string]: Json })['value']

describe('scorers', () => {
  test('a number is found as GSM8K’s graders find it', () => {
    for (const [text, wanted] of [
      ['She has 3 + 4 = 7 apples.', 7],
      ['so it is $1,234.50.', 1234.5],
      ['12 and 13\n#### 42', 42],
      ['\\boxed{-3.5} of 9', -3.5],
      ['1e3 grams', 1000],
      ['nothing', null],
      ['It costs 5.', 5],
      ['The answer is 1,234', 1234],
      ['#### 70,000', 70_000],
      ['Total: $70,000.', 70_000],
      ['12,345,678', 12_345_678],
      ['half of it is .5', 0.5],
      ['1,2345', 2345],
      ['-1,000 and 7e-3', 0.007],
      ['from 2020-21', -21],
      ['he lost money: -$500', -500],
      ['\\boxed{-\\$5}', -5],
      ['from $3-$5', 5],
      ['it is −5', -5],
      ['#### **$1,200**', 1200],
      // A heading is no mark.
      ['#### Step 2\n6 * 7 = 42', 42],
      ['#### Answer\n\\boxed{7} of 9', 7],
    ] as const)
      assert.equal(finalNumber(text), wanted, text)
  })

  test('exact, includes and numeric', async () => {
    assert.equal(valueOf(await scored(exact(), ' Paris. ', { target: 'paris' })), 1)
    assert.equal(valueOf(await scored(exact(), { answer: 'Rome' }, { target: ['paris', 'rome'] })), 1)
    assert.equal(valueOf(await scored(exact(), null, { target: 'x' })), 0)
    assert.equal(valueOf(await scored(includes(), 'It is Paris!', { target: 'paris' })), 1)
    assert.equal(valueOf(await scored(numeric(), '…so 18 dollars', { target: '9 * 2 = 18\n#### 18' })), 1)
    assert.equal(valueOf(await scored(numeric(), '19', { target: 18 })), 0)
    assert.equal(valueOf(await scored(numeric(), '19', { target: 'none' })), null)
    // A target that every answer has, or that who fails gives, is none.
    for (const scorer of [exact(), includes()])
      for (const target of [null, '', ' ', [], ['x', '']])
        await assert.rejects(scored(scorer, null, { target }), /no target/)
  })

  test('constraints say which is broken', async () => {
    const rules = [
      {
        name: 'short',
        check: ({ output }: { output: Json }) => (String(output).length < 5 ? undefined : 'it is long'),
      },
      { name: 'polite', isHard: true, check: () => 'no please' },
    ]
    assert.deepEqual(await scored(constraints(rules), 'hi', {}), { value: 0, explanation: 'polite (hard): no please' })
    assert.equal(valueOf(await scored(constraints(rules, { micro: true }), 'hi', {})), 0.5)
  })

  test('a judge is a model, marked, and what is no score is none', async () => {
    const good = judge({ rubric: 'Is it kind?' })
    assert.equal(good.isJudge, true)
    const model = scripted(['{"reason":"It is.","score":0.75}', 'no idea', 'still none'])
    assert.deepEqual(await scored(good, 'Dear friend', {}, model), { value: 0.75, explanation: 'It is.' })
    assert.equal(valueOf(await scored(good, 'Dear friend', {}, model)), null)
  })

  test('code is the last fenced block', () => {
    assert.equal(codeIn('first\n```py\na\n```\nthen\n```python\nb\n```'), 'b\n')
    assert.equal(codeIn('    return 1'), '    return 1')
  })
})

test('unit tests pass the right code and no other', async (t) => {
  const python = (await sandboxSupport()).find(({ language }) => language === 'python')
  if (python?.isAvailable !== true) return t.skip(python?.reason)
  const text = readFileSync(new URL('data/humaneval/three.jsonl', import.meta.url), 'utf8')
  const task = taskFrom(text, 'three.jsonl', { python: codeTools({ languages: ['python'] }) })
  // The sandbox takes real time.
  const kernel = await boot({ model: scripted([]) })
  const right = new Map(task.samples.map(({ input, target }) => [input, String(target)]))
  const whole = (question: string): string =>
    `Here:\n\`\`\`python\n${question.slice(question.indexOf('\n\n') + 2)}${right.get(question)}\n\`\`\``
  const solvers = Object.entries({
    completion: (question: string) => right.get(question) ?? '',
    wrong: () => '    return 17\n',
    ...(isLong ? { whole, nothing: () => '' } : {}),
  }).map(([name, say]): Solver => ({
    name,
    program: defineProgram(name, async (_, { question }: { question: string }) => say(question)),
  }))
  const log = await evaluate(kernel, { tasks: [task], solvers })
  await kernel.close()
  const isRight = ['completion', 'whole']
  for (const { solver, mean } of log.results) assert.equal(mean, Number(isRight.includes(solver)), solver)
})

test('unit tests are passed by no answer that ends early, says it is equal, or reads what it can', async (t) => {
  const python = (await sandboxSupport()).find(({ language }) => language === 'python')
  if (python?.isAvailable !== true) return t.skip(python?.reason)
  const prompt = 'def helper(x):\n    return len(x)\n\ndef pairs(of, by):\n    """Pairs."""\n'
  const tests =
    'def check(candidate):\n    assert candidate([1, 2.5], by=2) == {1: (2, 5.0)}\n    assert helper(candidate([], by=1)) == 0\n'
  const right = '    print("x" * 100_000)\n    return {x: (x * by, of[1] * by) for x in of[:1]}\n'
  const slower = {
    'SystemExit when called': '    raise SystemExit(0)\n',
    thread: `    return 1
import os, threading, time
def later():
    time.sleep(0.05)
    os._exit(0)
threading.Thread(target=later).start()
time.sleep(1)
`,
  }
  const answers = {
    right,
    'SystemExit at once': `${right}raise SystemExit(0)\n`,
    'os._exit': '    pass\nimport os\nos._exit(0)\n',
    equal: `    return Any()
class Any(dict):
    def __eq__(self, _): return True
    def __len__(self): return 0
`,
    reader: `    return 1
import gc, glob, os, re, sys
frame = sys._getframe()
seen = []
while frame is not None:
    seen += [repr(frame.f_locals), repr(frame.f_globals), repr(frame.f_code.co_consts)]
    frame = frame.f_back
seen += [repr(one) for one in gc.get_objects() if isinstance(one, (dict, list, tuple))]
for folder in glob.glob('/proc/[0-9]*'):
    if folder == '/proc/' + str(os.getpid()): continue
    for name in 'cmdline', 'environ':
        try: seen.append(open(folder + '/' + name, errors='replace').read())
        except OSError: pass
    try:
        ranges = [line.split()[0].split('-') for line in open(folder + '/maps') if ' rw-p ' in line]
        with open(folder + '/mem', 'rb', 0) as memory:
            for low, high in ranges:
                memory.seek(int(low, 16))
                seen.append(memory.read(min(int(high, 16) - int(low, 16), 4000000)).decode('latin1'))
    except OSError: pass
found = re.findall(r'(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])', ' '.join(seen))
for one in found: print(repr(one))
print('found', len(found))
sys.stdout.flush()
os._exit(0)
`,
    ...(isLong ? slower : {}),
  }
  const scorer = unitTests({ tools: codeTools({ languages: ['python'] }) })
  const data = { prompt, test: tests, entry_point: 'pairs' }
  const samples = Object.keys(answers).map((id) => ({ id, input: id, data }))
  const program = defineProgram(
    'given',
    async (_, { question }: { question: keyof typeof answers }) => answers[question],
  )
  const kernel = await boot({ model: scripted([]) })
  const log = await evaluate(kernel, {
    tasks: [{ name: 'answers', samples, scorers: [scorer] }],
    solvers: [{ name: 'given', program }],
  })
  await kernel.close()
  const said = log.trials.map(({ sample, scores }) => ({ sample, ...(scores['unit tests'] as Score) }))
  assert.deepEqual(
    said.flatMap(({ sample, value }) => (value === 0 ? [] : [[sample, value]])),
    [['right', 1]],
    JSON.stringify(said, null, 1),
  )
  assert.match(said.find(({ sample }) => sample === 'reader')?.explanation ?? '', /found 0\n/)
})

test('a hybrid of tests and a reading verifier beats both (R2E-Gym)', () => {
  // Six right of 26 (each kept right by its own); regression tests and tests pass by chance too, the verifier is noisy.
  const rounds = isLong ? 1_500 : 600
  const sums = { 'execution-based': 0, 'execution-free': 0, hybrid: 0 }
  for (let round = 0; round < rounds; round++) {
    let drawn = 0
    const draw = (): number => randomAt(11, round, drawn++)
    const share = draw() * 0.6
    const right: boolean[] = []
    const candidates = Array.from({ length: 26 }, (): Candidate => {
      const isRight = draw() < share
      right.push(isRight)
      return {
        regression: isRight || draw() < 0.5 ? 10 : 9,
        tests: isRight ? (draw() < 0.7 ? 5 : 4) : draw() < 0.25 ? 5 : 4,
        verifier: Math.min(1, Math.max(0, (isRight ? 0.6 : 0.4) + (draw() + draw() + draw() - 1.5) * 0.45)),
      }
    })
    for (const by of ['execution-based', 'execution-free', 'hybrid'] as const) {
      const places = chosen(candidates, by)
      sums[by] += places.filter((i) => right[i]).length / places.length / rounds
    }
  }
  assert.ok(sums.hybrid >= Math.max(sums['execution-based'], sums['execution-free']) + 0.03, JSON.stringify(sums))
  assert.deepEqual(chosen([]), [])
})

// ------------------------------------------------------------------------------------------------------------ evaluations

const sums: Task = {
  name: 'sums',
  samples: Array.from({ length: 6 }, (_, i) => ({
    id: `${i}`,
    input: `${i} + ${i}`,
    target: i + i,
    cluster: `pair ${i >> 1}`,
  })),
  scorers: [numeric()],
}
/** Right on even tries of the sample. */
const sometimes = (name: string, isRight: (n: number) => boolean): Solver => ({
  name,
  program: defineProgram(name, async (sys: Sys, { question }: { question: string }) => {
    const { text } = await sys.generate(question)
    await sys.remember(`note of ${question}`)
    await sys.write('scratch', question)
    const [notes, files] = [await sys.recall('note'), await sys.list()]
    assert.deepEqual([notes.length, files.length], [1, 1], 'tries see each other')
    const n = Number(question.split(' ')[0])
    return isRight(n) ? `${text}: ${n + n}` : 'no idea'
  }),
})
const model = () => scripted(() => 'It is')

describe('an evaluation', () => {
  test('has every try once, apart from the others, with its score beside its cost', async () => {
    const world = createWorld({ models: { m: model() } })
    const solvers = [sometimes('even', (n) => n % 2 === 0), sometimes('all', () => true)]
    const log = await world.settled(evaluate(world.kernel, { tasks: [sums], solvers, epochs: 2, concurrency: 3 }))
    assert.equal(log.trials.length, 24)
    assert.deepEqual(parseLog(JSON.stringify(log)), log)
    const [even, all] = log.results
    assert.deepEqual([even?.mean, all?.mean, even?.clusters, even?.samples], [0.5, 1, 3, 6])
    assert.deepEqual(even?.passAt, { 1: 0.5, 2: 0.5 })
    assert.equal(even?.cost.steps, 1)
    assert.ok((even?.cost.tokens ?? 0) > 0)
    assert.deepEqual([even?.isOnFront, all?.isOnFront], [false, true])
    assert.equal(log.trials[0]?.calls.find(({ call }) => call === 'generate')?.end?.includes('It is'), true)
    const [row] = compare(log, log)
    assert.deepEqual([row?.mean, row?.better, row?.worse, row?.first.solver], [0.5, 3, 0, 'even'])
  })

  test('a solver beyond its budget has failed its try, not the evaluation', async () => {
    const world = createWorld({ models: { m: model() } })
    const log = await world.settled(
      evaluate(world.kernel, { tasks: [sums], solvers: [sometimes('all', () => true)], budget: { steps: 0 } }),
    )
    assert.equal(log.results[0]?.mean, 0)
    assert.ok(log.trials.every(({ error, usage }) => error?.code === 'BUDGET_EXCEEDED' && usage.steps === 0))
  })

  test('a solver that returns more than can be scored has failed its try, not the evaluation, and not without a score', async () => {
    const world = createWorld()
    const wordy = (chars: number): Solver => ({
      name: `${chars}`,
      program: defineProgram('wordy', async (_: Sys, _input: Json) => 'x'.repeat(chars), { version: `${chars}` }),
    })
    const solvers = [wordy(1_000), wordy(600_000), wordy(1_048_560)]
    const tasks = [{ ...sums, samples: sums.samples.slice(0, 1) }, episodes(1)]
    const log = await world.settled(evaluate(world.kernel, { tasks, solvers }))
    assert.deepEqual(
      log.trials.map(({ task, solver, error, scores }) => [task, solver, error?.code, Object.values(scores)[0]?.value]),
      tasks.flatMap(({ name }) => [
        [name, '1000', undefined, 0],
        [name, '600000', 'TOO_LARGE', 0],
        [name, '1048560', 'TOO_LARGE', 0],
      ]),
    )
  })

  test('what cannot be scored is not 0', async () => {
    const world = createWorld({ models: { m: model() } })
    const broken = defineScorer('broken', (_, { sample }) => {
      if (sample.id === '0') throw new Error('no way')
      return { value: 1 }
    })
    const log = await world.settled(
      evaluate(world.kernel, { tasks: [{ ...sums, scorers: [broken] }], solvers: [sometimes('all', () => true)] }),
    )
    assert.deepEqual([log.results[0]?.mean, log.results[0]?.unscored], [1, 1])
    assert.match(log.trials[0]?.scores['broken']?.explanation ?? '', /no way/)
  })

  test('a score is from 0 to 1: what is none leaves a log that can be read', async () => {
    const world = createWorld({ models: { m: model() } })
    for (const value of [5, -1, '1', true, undefined]) {
      const scorer = defineScorer('odd', () => ({ value: value as number }))
      const task = { ...sums, samples: sums.samples.slice(0, 2), scorers: [scorer] }
      const solvers = [sometimes('all', () => true)]
      const log = await world.settled(evaluate(world.kernel, { tasks: [task], solvers, id: `odd ${value}` }))
      assert.deepEqual([log.results[0]?.mean, log.results[0]?.unscored], [null, 2])
      assert.match(log.trials[0]?.scores['odd']?.explanation ?? '', /is no score/)
      assert.deepEqual(parseLog(JSON.stringify(log)), log)
    }
  })

  test('is of the same questions where two are compared', async () => {
    const world = createWorld({ models: { m: model() } })
    const run = (samples: Task['samples']) =>
      world.settled(evaluate(world.kernel, { tasks: [{ ...sums, samples }], solvers: [sometimes('all', () => true)] }))
    const log = await run(sums.samples)
    assert.equal(compare(log, await run(sums.samples.slice(0, 4)))[0]?.unpaired, 2)
    // Lines of another file, under the same numbers.
    const moved = sums.samples.map((sample, i) => ({ ...sample, id: String((i + 1) % 6) }))
    const other = await run(moved)
    assert.throws(() => compare(log, other), /ask different things as sample 0 of sums/)
  })

  test('behind another interface is another evaluation', async () => {
    const world = createWorld()
    const run = (say: string) => {
      const face = { rules: '', repairs: [{ action: '*', seen: 'nobody has heard', say }] }
      const task = { ...episodes(1), world: wrapWorld(worldOf(craft), face) }
      const program = defineProgram(
        'once',
        async (sys: Sys) => (await sys.call<Told>('get', { item: 'x', count: 1 })).text,
      )
      return world.settled(evaluate(world.kernel, { tasks: [task], solvers: [{ name: 'once', program }] }))
    }
    for (const say of ['Look at the recipes.', 'There is no such thing.'])
      assert.ok(String((await run(say)).trials[0]?.output).endsWith(say))
  })

  test('wherever it is cut off, it goes on and comes to the same log; no try that ended is done again', async () => {
    const options = {
      tasks: [sums, episodes(2)],
      solvers: [sometimes('even', (n) => n % 2 === 0)],
      epochs: 2,
      concurrency: 2,
    }
    const first = createWorld({ models: { m: model() } })
    const whole = await first.settled(evaluate(first.kernel, options))
    const withoutTimes = (log: typeof whole): Json =>
      log.trials.map(({ ms: _, calls, pid: _pid, ...one }) => ({ ...one, calls: calls.length })) as unknown as Json
    const { batches } = first.store
    for (const share of isLong ? [0, 0.1, 0.2, 0.3, 0.5, 0.7, 0.9, 1] : [0.3, 0.8, 1]) {
      let asked = 0
      const counting = scripted(() => (asked++, 'It is'))
      const again = createWorld({
        models: { m: counting },
        store: cutStore(batches, Math.round(share * batches.length)),
        clock: first.clock,
      })
      const log = await again.settled(evaluate(again.kernel, options))
      assert.deepEqual(withoutTimes(log), withoutTimes(whole))
      if (share === 1) assert.equal(asked, 0)
    }
  })

  test('a try that a crash interrupted says how much of its cost is not known; the log, the page and the notes say so too', async () => {
    const options = { tasks: [{ ...sums, samples: sums.samples.slice(0, 1) }], solvers: [sometimes('all', () => true)] }
    const first = createWorld({ models: { m: model() } })
    const whole = await first.settled(evaluate(first.kernel, options))
    const { batches } = first.store
    const sent = batches.findIndex(({ events }) =>
      events.some((event) => event.type === 'call-start' && event.call === 'generate'),
    )
    const again = createWorld({ models: { m: model() }, store: cutStore(batches, sent + 1), clock: first.clock })
    const log = await again.settled(evaluate(again.kernel, options))
    const [known, resumed] = [whole.trials[0] as Trial, log.trials[0] as Trial]
    assert.deepEqual([known.unsettled, troubleOf(whole)], [undefined, []])
    const tokensOf = ({ usage }: Trial): number => usage.inputTokens + usage.outputTokens
    assert.ok((resumed.unsettled?.tokens ?? 0) > 0)
    assert.equal(resumed.unsettled?.tokens, tokensOf(resumed) - tokensOf(known), 'all of it is what is not known')
    assert.deepEqual(parseLog(JSON.stringify(log)), log)
    assert.match(
      troubleOf(log).join(),
      /^1 of 1 tries of all at sums count \d+ tokens that were set aside for calls of which/,
    )
  })

  test('is another with another model, search or tools, and the same with more epochs', async () => {
    const models = { a: scripted(() => 'I am a'), b: scripted(() => 'I am b') }
    let before = createWorld({ models })
    let asked = 0
    const said = async (model: keyof typeof models, more: Partial<EvaluateOptions> = {}): Promise<Log> => {
      const { batches } = before.store
      const world = createWorld({ models, model, store: cutStore(batches, batches.length), clock: before.clock })
      before = world
      const log = await world.settled(
        evaluate(world.kernel, {
          tasks: [{ ...sums, samples: sums.samples.slice(0, 2) }],
          solvers: [speaker],
          ...more,
        }),
      )
      return log
    }
    const speaker: Solver = {
      name: 'speaker',
      program: defineProgram('speaker', async (sys: Sys, { question }: { question: string }) => {
        const { text } = await sys.generate(question)
        asked++
        return text
      }),
    }
    const [first, second] = [await said('a'), await said('b')]
    assert.deepEqual([first.trials[0]?.output, second.trials[0]?.output], ['I am a', 'I am b'])
    assert.notEqual(first.id, second.id)
    await said('a', { id: 'mine' })
    await assert.rejects(said('b', { id: 'mine' }), { code: 'KEY_REUSED' })
    asked = 0
    const more = await said('a', { epochs: 2 })
    assert.deepEqual([more.id, more.trials.length, asked], [first.id, 4, 2])
    const ids = [first.id, second.id]
    for (const solver of [
      { ...speaker, search: true },
      { ...speaker, tools: [tool('look', () => 'seen')] },
    ])
      ids.push((await said('a', { solvers: [solver] })).id)
    ids.push((await said('a', { tasks: [{ ...sums, tools: [tool('look', () => 'seen')] }] })).id)
    ids.push((await said('a', { tasks: [{ ...sums, tellScore: true }] })).id)
    assert.equal(new Set(ids).size, ids.length)
  })

  test('takes names of any length and letters, and a failure of its own waits for the tries that are under way', async () => {
    const world = createWorld({ models: { m: model() } })
    const long = (letter: string): string => `${letter.repeat(199)}\n`
    const tasks = ['x', 'y'].map((letter) => ({
      ...sums,
      name: long(letter),
      samples: [{ id: long(letter), input: '1 + 1', target: 2 }],
    }))
    const solvers = [{ ...sometimes('all', () => true), name: long('s') }]
    const log = await world.settled(evaluate(world.kernel, { tasks, solvers, epochs: 2 }))
    assert.deepEqual(
      log.trials.map(({ scores }) => scores['numeric']?.value),
      [1, 1, 1, 1],
    )
    await assert.rejects(evaluate(world.kernel, { tasks, solvers, id: 'x'.repeat(101) }), /1 to 100/)

    let isClosed = false
    let actedAfter = 0
    let ends = 0
    const inner = worldOf(craft)
    const watched: World = {
      ...inner,
      open() {
        const opened = openCraft()
        return {
          ...opened,
          step: (actions) => ((actedAfter += Number(isClosed)), opened.step(actions)),
          close: () => void (isClosed = true),
        }
      },
    }
    const slow = defineProgram('slow', async (sys: Sys, _: Json) => {
      const { actions } = await sys.call<Seen>(VIEW, {})
      await sys.sleep(sys.pid % 2 === 0 ? 1_000 : 5_000)
      const [action] = actions
      await sys.call(action?.name ?? '', { item: 'none', count: 1 }).catch(() => null)
      ends++
      return null
    })
    const failing = evaluate(world.kernel, {
      tasks: [{ ...episodes(6), world: watched }],
      solvers: [{ name: 'slow', program: slow }],
      concurrency: 2,
      onTrial() {
        throw new Error('the listener broke')
      },
    })
    await assert.rejects(world.settled(failing), /the listener broke/)
    assert.deepEqual([isClosed, actedAfter, ends], [true, 0, 2])
  })

  test('knows which models answered, however long the answers and however many the calls', async () => {
    const long = 'word "model" '.repeat(400)
    const world = createWorld({ models: { early: scripted(() => long), late: scripted(() => 'short') } })
    const program = defineProgram('two', async (sys: Sys, _: Json) => {
      await sys.generate({ prompt: 'one', model: 'early' })
      for (let i = 0; i < 210; i++) await sys.write('scratch', `${i}`)
      return (await sys.generate({ prompt: 'two', model: 'late' })).text
    })
    const tasks = [{ ...sums, samples: sums.samples.slice(0, 1) }]
    const log = await world.settled(evaluate(world.kernel, { tasks, solvers: [{ name: 'two', program }] }))
    assert.equal(log.solvers[0]?.model, 'early, late')
    assert.ok((log.trials[0]?.callsCut ?? 0) > 0)
  })

  test('names what cannot be evaluated', async () => {
    const world = createWorld()
    const solver = sometimes('all', () => true)
    await assert.rejects(evaluate(world.kernel, { tasks: [], solvers: [solver] }), /at least one task/)
    await assert.rejects(evaluate(world.kernel, { tasks: [sums], solvers: [solver, solver] }), /named "all"/)
    await assert.rejects(evaluate(world.kernel, { tasks: [sums], solvers: [solver], epochs: 0 }), /epochs/)
    const named = (value: number) => defineScorer('quality', () => ({ value }))
    const twice = { ...sums, scorers: [named(1), named(0)] }
    await assert.rejects(
      evaluate(world.kernel, { tasks: [twice], solvers: [solver] }),
      /two scorers .* named "quality"/,
    )
    assert.throws(() => taskFrom('{"input": 3}', 'x.jsonl'), /line 1/)
    // Questions of another kind are not GSM8K's: a number in their answer is not the answer.
    assert.throws(
      () => taskFrom('{"question": "Which flew first?", "answer": "Apollo 11"}', 'x.jsonl'),
      /line 1.*GSM8K/s,
    )
    assert.equal(taskFrom('{"question": "1 + 1?", "answer": "2\\n#### 2"}', 'x.jsonl').description, 'GSM8K')
    assert.throws(() => parseLog('{}'), /no log of an evaluation/)
  })
})

function episodes(seeds: number): Task {
  return worldTask(worldOf(craft), { seeds, level: 1, params: (seed, level) => craft.task(seed, level) as Json })
}

describe('anchors', () => {
  test('of craft.dag are sound: oracle full, nobody and the oracle without its last write not', async () => {
    const world = createWorld()
    const report = await verify(world.kernel, episodes(20))
    assert.equal(report.isSound, true)
    assert.deepEqual(report.samples[0]?.scores, { oracle: 1, 'no-op': 0, 'oracle minus last write': 0 })
  })

  test('find a world that rewards nothing, one that cannot be won, and answers that score by themselves', async () => {
    const world = createWorld()
    const inner = worldOf(craft)
    const scoring = (score: number): World => ({
      ...inner,
      open: () => ({ ...(inner.open() as ReturnType<typeof openCraft>), score: () => score }),
    })
    const faults = async (of: World): Promise<string> =>
      (await verify(world.kernel, { ...episodes(1), world: of })).samples[0]?.faults.join('; ') ?? ''
    assert.match(await faults(scoring(1)), /doing nothing scores 1/)
    assert.match(await faults(scoring(0)), /the oracle scores 0/)
    const generous = defineScorer('generous', () => ({ value: 1 }))
    const answers = await world.settled(verify(world.kernel, { ...sums, scorers: [generous] }))
    assert.match(answers.samples[0]?.faults.join() ?? '', /no answer scores full/)
    assert.equal((await world.settled(verify(world.kernel, sums))).isSound, true)
  })

  test('leave nobody where it stands after as many turns as our longest episode has, and say how far they are', async () => {
    const { kernel, settled } = createWorld()
    let steps = 0
    const turn: Turn = {
      toAct: ['a'],
      views: { a: { text: '', actions: [] } },
      reward: {},
      done: false,
      errors: [],
      steps,
    }
    const endless: World = {
      id: 'endless',
      version: '1',
      description: 'Nothing happens by itself.',
      actions: () => [],
      open: () => ({
        reset: () => turn,
        step: () => ({ ...turn, steps: ++steps }),
        state: () => ({ steps }),
        restore: () => turn,
        score: () => 0,
        metrics: () => ({}),
      }),
    }
    const heard: string[] = []
    const onSample = (sample: string, done: number, all: number): void =>
      void heard.push(`${sample}, ${done} of ${all}`)
    const { samples } = await verify(kernel, worldTask(endless, { seeds: 2, params: () => ({}) }), { onSample })
    assert.deepEqual([samples[0]?.scores['no-op'], samples[0]?.faults], [0, []])
    assert.equal(steps / samples.length, Math.max(...[...worlds.values()].map(({ stepsMax }) => stepsMax)))
    assert.deepEqual(heard.splice(0), ['seed 1, 0 of 2', 'seed 2, 1 of 2'])
    const { samples: answered } = await settled(verify(kernel, sums, { onSample }))
    assert.match(heard.at(-1) ?? '', new RegExp(`, ${answered.length} of ${answered.length}$`))
  })

  test('a task of no episodes is refused', () => {
    for (const seeds of [0, -1, 1.5, NaN])
      assert.throws(() => episodes(seeds), {
        code: 'INVALID_ARGUMENT',
        message: `worldTask: seeds takes a whole number from 1, not ${seeds}`,
      })
  })
})

function openCraft() {
  return worldOf(craft).open() as Exclude<ReturnType<World['open']>, Promise<unknown>>
}

test('recorded actions are replayed and scored', async () => {
  const world = worldOf(craft)
  const stage = openStage(world)
  const params = (seed: number, level?: number): Json => craft.task(seed, level) as Json
  let { state, turn } = await stage.begin({ params: params(3, 2), seed: 3 })
  const actions: Json[] = []
  while (!turn.done) {
    const next = (await world.oracle?.(state)) ?? []
    actions.push(next[0] as unknown as Json)
    ;({ state, turn } = await stage.step(state, next))
  }
  const lines = [
    { id: 'all', seed: 3, level: 2, actions },
    { seed: 3, level: 2, actions: [...actions.slice(0, -1), { agent: 'crafter', name: 'fly' }] },
  ]
  const [all, less] = await replayActions(
    world,
    lines.map((line) => JSON.stringify(line)).join('\n'),
    'played.jsonl',
    params,
  )
  assert.deepEqual([all?.id, all?.score, all?.done, all?.errors.length], ['all', 1, true, 0])
  assert.deepEqual([less?.score, less?.errors[0]?.code, less?.errors[0]?.turn], [0, 'UNKNOWN_ACTION', actions.length])
  await assert.rejects(replayActions(world, '{"seed":1}', 'x.jsonl', params), /x.jsonl, line 1/)
})

test('a world’s end state is told apart by its hash', async () => {
  const world = createWorld()
  const noOp = defineProgram('no-op', async (sys: Sys, _: Json) => (await sys.call<Seen>(VIEW, {})).steps)
  const task = episodes(1)
  const log = await world.settled(
    evaluate(world.kernel, { tasks: [task], solvers: [{ name: 'no-op', program: noOp }] }),
  )
  const hash = log.trials[0]?.episode?.stateHash as string
  const checked: Task = {
    ...task,
    samples: task.samples.map((one) => ({ ...one, target: hash })),
    scorers: [stateHash()],
  }
  const again = await world.settled(
    evaluate(world.kernel, { tasks: [checked], solvers: [{ name: 'no-op', program: noOp }] }),
  )
  assert.equal(again.results[0]?.mean, 1)
})

// ----------------------------------------------------------------------------------------------------------------- viewer

const chromium = findChromium()

test('the viewer is one page that loads nothing, shows every try, and runs nothing that a model wrote', async (t) => {
  const evil = '<img src=x onerror="document.title=1"></script><script>document.title=2</script>'
  const world = createWorld({ models: { m: rawModel(async () => answer(evil)) } })
  const echo: Solver = {
    name: 'echo',
    program: defineProgram(
      'echo',
      async (sys: Sys, { question }: { question: string }) => (await sys.generate(question)).text,
    ),
  }
  const log = await world.settled(
    evaluate(world.kernel, { tasks: [sums, episodes(2)], solvers: [echo, sometimes('all', () => true)] }),
  )
  const html = viewerHtml(log)
  assert.ok(!html.includes(evil))
  if (!isLong) return t.skip('a browser takes seconds: POLITY_LONG=1')
  if (chromium === undefined) return t.skip('no Chromium is installed; name one in POLITY_CHROMIUM')
  const file = join(mkdtempSync(join(tmpdir(), 'polity-viewer-')), 'log.html')
  writeFileSync(file, html)
  const { chromium: launcher } = await import('playwright-core')
  const browser = await launcher.launch({
    executablePath: chromium,
    args: ['--no-sandbox', '--disable-gpu', '--disable-background-networking'],
  })
  try {
    const page = await browser.newPage({ viewport: { width: 1_100, height: 900 } })
    const said: string[] = []
    const requests: string[] = []
    page.on('console', (message) => said.push(message.text()))
    page.on('pageerror', (error) => said.push(error.message))
    page.on('request', (request) => requests.push(request.url()))
    await page.goto(`file://${file}`)
    assert.equal(await page.locator('tr.row').count(), log.trials.length)
    await page.locator('tr.row', { hasText: 'echo' }).first().click()
    assert.ok((await page.locator('tr.open pre', { hasText: 'onerror' }).count()) > 0)
    await page.getByLabel('All ends').selectOption('full')
    assert.equal(
      await page.locator('tr.row').count(),
      log.trials.filter(({ scores }) => Object.values(scores)[0]?.value === 1).length,
    )
    assert.match(await page.title(), /^Evaluation/)
    assert.deepEqual([said, requests.length], [[], 1])
    if (process.env['POLITY_SCREENSHOT'] !== undefined)
      await page.screenshot({ path: process.env['POLITY_SCREENSHOT'], fullPage: true })
  } finally {
    await browser.close()
  }
})
