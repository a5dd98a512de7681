/**
 * Staged pipelines: the runner on stages without a model, and its configurations through the kernel with a scripted model. What they build is real:
 * repositories run in the sandbox and again with Node itself, C++ is compiled, tables are queried.
 */
import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import fc from 'fast-check'
import { metaGpt } from '../src/agents/meta-gpt.ts'
import { inventedIn, paperCoder, type PaperCoded } from '../src/agents/paper-coder.ts'
import { faultOfFiles, inOrder, type BuiltRepository } from '../src/agents/pieces/repository-stages.ts'
import { benchOf, lackOf, runBench, unsynthesisable } from '../src/agents/pieces/function-levels.ts'
import { spec2rtl, type Spec2Rtl } from '../src/agents/spec2rtl.ts'
import { inventedNumbers, knownNumbers } from '../src/agents/pieces/stated-numbers.ts'
import { publicAgent, type PublicAnswer } from '../src/agents/public-agent.ts'
import { answering, type Says } from '../src/drivers/llm/answering.ts'
import { analysts, plantTables, publicSources } from '../bench/experiments/planted-tables.ts'
import { tableTools } from '../src/drivers/tables.ts'
import type { ToolContext } from '../src/kernel/types.ts'
import { hardwareTeam, plantedSpec, sources } from '../bench/experiments/planted-spec.ts'
import { carryOutStages, type Stage } from '../src/agents/staged.ts'
import { sandboxSupport } from '../src/drivers/sandbox/support.ts'
import { codeTools } from '../src/drivers/sandbox/tools.ts'
import { boot, defineProgram, type Json, type Kernel, type Tool } from '../src/index.ts'

const hardwareTools = codeTools({ languages: ['python', 'shell'] })
const wall = (await sandboxSupport()).find(({ language, isAvailable }) => language !== 'javascript' && !isAvailable)
const hasCompiler = spawnSync('g++', ['--version']).status === 0
/** Why no hardware is built here; false where it is. */
const lack = wall?.reason ?? (hasCompiler ? false : 'there is no g++')

let kernel: Kernel
let says: Says = () => ''
let prompts: string[] = []
before(async () => {
  const model = answering((prompt) => (prompts.push(prompt), says(prompt)))
  kernel = await boot({ model })
})
after(() => kernel.close())

/** Runs a program that holds these tools, and gives its output and the files under a folder. */
async function run<Output>(
  program: { readonly name: string },
  input: Json,
  script: Says,
  {
    tools = codeTools(),
    folder = 'repository/',
    budget = {},
  }: { tools?: readonly Tool[]; folder?: string; budget?: object } = {},
): Promise<{ output: Output; files: { [path: string]: string } }> {
  says = script
  prompts = []
  const holder = defineProgram<Json, Json>(
    `${program.name}-test`,
    async (sys, given) => {
      const output = await sys.wait<Json>(await sys.spawn(program as never, given as never))
      const files: { [path: string]: string } = {}
      for (const { path } of await sys.list(folder)) files[path.slice(folder.length)] = await sys.read(path)
      return { output, files }
    },
    { tools },
  )
  return (await kernel.spawn(holder, input, budget).result) as unknown as {
    output: Output
    files: { [path: string]: string }
  }
}

/** Whether `npm test` passes in a repository, with Node itself and outside of any sandbox of ours. */
function testsPass(files: { [path: string]: string }): boolean {
  const folder = mkdtempSync(join(tmpdir(), 'polity-staged-'))
  try {
    for (const [name, text] of Object.entries(files)) {
      mkdirSync(dirname(join(folder, name)), { recursive: true })
      writeFileSync(join(folder, name), text)
    }
    execFileSync('npm', ['test'], { cwd: folder, stdio: 'pipe', timeout: 60_000 })
    return true
  } catch {
    return false
  } finally {
    rmSync(folder, { recursive: true })
  }
}

const code = (text: string): string => `\`\`\`js\n${text}\n\`\`\``
/** The part of a prompt that is a document. */
const documentsIn = (prompt: string): string[] =>
  [...prompt.matchAll(/^(?:user: )?# (.+)$/gm)].map(([, name]) => name as string)

describe('a staged pipeline', () => {
  /** Stages that write down what they see, and gates that send back as told. */
  const drawn = (edges: readonly (readonly number[])[], backs: Map<number, number[]>, seen: string[]): Stage[] =>
    edges.map((sees, i) => ({
      name: `s${i}`,
      sees: ['given', ...sees.map((one) => `s${one}`)],
      async make({ documents }) {
        seen.push(`s${i} ${Object.keys(documents).join(' ')}`)
        return Object.values(documents).join('') + i
      },
      check: () => {
        const to = backs.get(i)?.shift()
        return to === undefined ? undefined : { to: `s${to}`, why: 'again' }
      },
    }))

  test('makes anew what was made from a document that is sent back, and nothing else; stages see what they may', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.array(fc.nat(20), { maxLength: 3 }), { minLength: 1, maxLength: 8 }),
        fc.nat(7),
        fc.nat(7),
        async (raw, gate, to) => {
          const edges = raw.map((sees, i) => [...new Set(sees.map((one) => one % Math.max(1, i)))].slice(0, i))
          const [from, back] = [gate % edges.length, to % ((gate % edges.length) + 1)]
          const seen: string[] = []
          const { made, backs } = await carryOutStages({ given: 'g' }, drawn(edges, new Map([[from, [back]]]), seen))
          // By hand: the stage that was sent back to, and everything that reaches it over what was made by then.
          const stale = new Set([back, from])
          for (let i = 0; i < from; i++) if (edges[i]?.some((one) => stale.has(one) && one !== from)) stale.add(i)
          const again = [...stale].filter((one) => one <= from).toSorted((a, b) => a - b)
          const first = edges.slice(0, from + 1).map((_, i) => i)
          const rest = edges.map((_, i) => i).slice(from + 1)
          assert.deepEqual(
            made,
            [...first, ...again, ...rest].map((i) => `s${i}`),
          )
          assert.deepEqual(backs, [{ from: `s${from}`, to: `s${back}`, why: 'again' }])
          for (const line of seen) {
            const [name = '', ...documents] = line.split(' ')
            assert.deepEqual(documents, ['given', ...(edges[Number(name.slice(1))] ?? []).map((one) => `s${one}`)])
          }
        },
      ),
    )
  })

  test('by the gate alone, only what it sends back is made anew', async () => {
    const seen: string[] = []
    const stages = drawn([[], [0], [1], [2]], new Map([[3, [0]]]), seen)
    const { made } = await carryOutStages({ given: '' }, stages, { remake: 'gate' })
    assert.deepEqual(made, ['s0', 's1', 's2', 's3', 's0', 's3'])
  })

  test('stages that a document opens go with it, and come anew', async () => {
    let parts = ['a', 'b']
    const leaf = (name: string): Stage => ({ name, sees: ['plan'], make: async () => name })
    let sent = 0
    const { made, documents } = await carryOutStages({ goal: '' }, [
      { name: 'plan', sees: ['goal'], make: async () => parts, opens: (names) => (names as string[]).map(leaf) },
      {
        name: 'end',
        sees: ['plan'],
        make: async () => 1,
        check: () => {
          parts = ['b', 'c']
          return sent++ === 0 ? { to: 'plan', why: 'no a' } : undefined
        },
      },
    ])
    assert.deepEqual(made, ['plan', 'a', 'b', 'end', 'plan', 'b', 'c', 'end'])
    assert.deepEqual(Object.keys(documents).toSorted(), ['b', 'c', 'end', 'goal', 'plan'])
  })

  test('a stage is told why it was sent back and what it had made, once; what its gate needs it waits for, and does not see', async () => {
    const given: { name: string; sees: string[]; why: string; before: Json }[] = []
    const sent: { [gate: string]: string[] } = { end: ['b', 'a'] }
    const stage = (name: string, sees: string[], needs: string[] = []): Stage => ({
      name,
      sees,
      needs,
      async make({ documents, why, before = null }) {
        given.push({ name, sees: Object.keys(documents), why, before })
        return `${name}${given.length}`
      },
      check(_, documents) {
        assert.ok(needs.every((one) => one in documents))
        const to = sent[name]?.shift()
        return to === undefined ? undefined : { to, why: `mend ${to}` }
      },
    })
    // `b` stands before `a` in the list and waits for it.
    await carryOutStages({}, [stage('b', [], ['a']), stage('a', []), stage('end', ['b'])])
    assert.deepEqual(
      given.map(({ name, why, before }) => [name, why, before]),
      [
        ['a', '', null],
        ['b', '', null],
        ['end', '', null],
        ['b', 'mend b', 'b2'],
        ['end', '', null],
        ['a', 'mend a', 'a1'],
        ['b', '', 'b4'],
        ['end', '', null],
      ],
    )
    assert.ok(given.filter(({ name }) => name === 'b').every(({ sees }) => sees.length === 0))
  })

  test('ends at the gate that is not passed, with what it looked at; a mistaken list of stages says what is wrong', async () => {
    const never: Stage = { name: 'draft', sees: [], make: async () => 'x', check: () => ({ why: 'no' }) }
    const { failed, made } = await carryOutStages({}, [never], { backsMax: 2 })
    assert.deepEqual([failed, made.length], [{ stage: 'draft', why: 'no', document: 'x' }, 3])
    const formless: Stage = { name: 'draft', sees: [], make: async () => undefined }
    assert.equal((await carryOutStages({}, [formless], { backsMax: 1 })).failed?.stage, 'draft')
    // A gate's own bound goes before the pipeline's, which holds for the others.
    let drafts = 0
    const mended: Stage = {
      name: 'first',
      sees: [],
      make: async () => ++drafts,
      check: () => (drafts < 4 ? never.check?.('', {}) : undefined),
    }
    const own = await carryOutStages({}, [mended, { ...never, backsMax: 0 }], { backsMax: 3 })
    assert.deepEqual(own.made, ['first', 'first', 'first', 'first', 'draft'])
    const of = (sees: string[], check?: Stage['check']): Stage => ({
      name: 'a',
      sees,
      make: async () => 1,
      ...(check === undefined ? {} : { check }),
    })
    const refused = { code: 'CONFIG_INVALID' }
    await assert.rejects(carryOutStages({}, [of(['nothing'])]), {
      ...refused,
      message: /"a" sees nothing, which no stage/,
    })
    await assert.rejects(carryOutStages({}, [of(['a'])]), refused)
    await assert.rejects(carryOutStages({}, [of([]), of([])]), { ...refused, message: /two stages are called "a"/ })
    const opening: Stage = { name: 'b', sees: [], make: async () => 1, opens: () => [of([])] }
    for (const stages of [[of([])], [opening]])
      await assert.rejects(carryOutStages({ a: 'given' }, stages), {
        ...refused,
        message: /"a" is called as a document that is given/,
      })
    await assert.rejects(carryOutStages({}, [of([], () => ({ to: 'b', why: '' }))]), { ...refused, message: /"b"/ })
  })
})

describe('a list of files', () => {
  const task = (path: string, ...after: string[]) => ({ path, does: '', after })
  test('is refused with what is wrong, and put into the order of its dependencies', () => {
    assert.match(faultOfFiles([task('../x.js')]) ?? '', /no path/)
    assert.match(faultOfFiles([task('test/x.js')]) ?? '', /no path/)
    assert.match(faultOfFiles([task('a.js', 'b.js'), task('b.js', 'a.js')]) ?? '', /wait for each other/)
    assert.match(faultOfFiles([task('a.js', 'c.js')]) ?? '', /"c.js", which there is not/)
    assert.match(
      faultOfFiles([task('src/a-b.js'), task('src/a/b.js')]) ?? '',
      /"src\/a-b.js" and "src\/a\/b.js" would both be test\/src-a-b.js/,
    )
    assert.match(faultOfFiles([task('a.js'), task('a.js')]) ?? '', /a\.js/)
    const tasks = [task('c.js', 'b.js'), task('a.js'), task('b.js', 'a.js')]
    assert.equal(faultOfFiles(tasks), undefined)
    assert.deepEqual(
      inOrder(tasks).map(({ path }) => path),
      ['a.js', 'b.js', 'c.js'],
    )
  })
})

/** A model for MetaGPT: two files, of which the second is wrong at first; its test wrong too, if so wanted. */
function company({ wrongTest = false, mends = true } = {}): Says {
  let [drafts, tests] = [0, 0]
  return (prompt) => {
    if (prompt.includes('You are a product manager'))
      return { goals: ['sums'], stories: [], requirements: ['mean([1, 3]) is 2'] }
    if (prompt.includes('You are an architect'))
      return {
        approach: 'two files',
        files: ['src/sum.js', 'src/mean.js'],
        structures: 'sum(list), mean(list)',
        calls: 'mean calls sum',
      }
    if (prompt.includes('You are a project manager'))
      return {
        files: [
          { path: 'src/mean.js', does: 'mean(list)', after: ['src/sum.js'] },
          { path: 'src/sum.js', does: 'sum(list)', after: [] },
        ],
      }
    if (prompt.includes('Write a test of the file src/sum.js'))
      return code(`if (require('../src/sum').sum([1, 2]) !== 3) throw new Error('sum')`)
    if (prompt.includes('Write a test of the file src/mean.js')) {
      const asked = wrongTest && tests++ === 0 ? 3 : 2
      return code(
        `const { mean } = require('../src/mean')\nif (mean([1, 3]) !== ${asked}) throw new Error('mean is ' + mean([1, 3]))`,
      )
    }
    if (prompt.includes('Write the file src/sum.js'))
      return code('exports.sum = (list) => list.reduce((all, one) => all + one, 0)')
    if (prompt.includes('Write the file src/mean.js')) {
      const body = !mends || (drafts++ === 0 && !wrongTest) ? 'sum(list)' : 'sum(list) / list.length'
      return code(`const { sum } = require('./sum')\nexports.mean = (list) => ${body}`)
    }
    if (prompt.includes('has to be mended'))
      return wrongTest
        ? { mend: 'test/src-mean.js', why: 'the mean of 1 and 3 is 2' }
        : { mend: 'src/mean.js', why: 'divide' }
    if (prompt.includes('Review the file')) return { pass: false, why: 'say more' }
    throw new Error(`nobody asked: ${prompt.slice(0, 200)}`)
  }
}

describe('MetaGPT', () => {
  const requirement = 'A library of sums and means.'

  test('builds a repository that runs, mends what its tests find, and Node runs it too', async () => {
    const { output, files } = await run<BuiltRepository>(metaGpt, { requirement }, company())
    assert.equal(output.passed, true)
    assert.deepEqual(
      output.backs.map(({ from, to }) => [from, to]),
      [['run', 'code src/mean.js']],
    )
    assert.match(output.backs[0]?.why ?? '', /divide\n.*mean is 4/)
    assert.deepEqual(output.made, [
      'requirements',
      'design',
      'tasks',
      'code src/sum.js',
      'code src/mean.js',
      'test src/sum.js',
      'test src/mean.js',
      'run',
      'code src/mean.js',
      'run',
    ])
    assert.deepEqual(output.files.toSorted(), [
      'package.json',
      'src/mean.js',
      'src/sum.js',
      'test/src-mean.js',
      'test/src-sum.js',
    ])
    assert.ok(testsPass(files))
    assert.ok(!testsPass({ ...files, 'src/mean.js': 'exports.mean = () => 0' }), 'they can fail')
    // A call for each document but the two runs, and one to say whose fault it was.
    assert.equal(prompts.length, 9)
  })

  test('shows each role what it watches and nothing else', async () => {
    await run<BuiltRepository>(metaGpt, { requirement }, company())
    const seenBy = (words: string): string[] => documentsIn(prompts.find((prompt) => prompt.includes(words)) ?? '')
    assert.deepEqual(seenBy('You are a product manager'), ['requirement'])
    assert.deepEqual(seenBy('You are an architect'), ['requirements'])
    assert.deepEqual(seenBy('You are a project manager'), ['design'])
    assert.deepEqual(seenBy('Write the file src/sum.js'), ['design', 'tasks'])
    assert.deepEqual(seenBy('Write the file src/mean.js'), ['design', 'tasks', 'code src/sum.js'])
    assert.deepEqual(seenBy('Write a test of the file src/mean.js'), ['tasks', 'code src/mean.js'])
    const again = prompts.findLast((prompt) => prompt.includes('Write the file src/mean.js')) ?? ''
    assert.deepEqual(documentsIn(again).slice(-2), ['Your last version', 'Why it was sent back'])
  })

  test('sends a test that demands what nobody asked for to the tester', async () => {
    const { output } = await run<BuiltRepository>(metaGpt, { requirement }, company({ wrongTest: true }))
    assert.deepEqual([output.passed, output.backs.map(({ to }) => to)], [true, ['test src/mean.js']])
  })

  test('gives up after its rounds with what failed; reviews send back as often as they may', async () => {
    const { output } = await run<BuiltRepository>(metaGpt, { requirement, testRounds: 2 }, company({ mends: false }))
    assert.deepEqual([output.passed, output.failed?.stage, output.backs.length], [false, 'run', 2])
    assert.match(output.results['test/src-mean.js']?.output ?? '', /mean is 4/)
    const reviewed = await run<BuiltRepository>(metaGpt, { requirement, reviews: 1 }, company())
    assert.deepEqual(reviewed.output.backs.map(({ from, to }) => [from, to]).slice(0, 2), [
      ['code src/sum.js', 'code src/sum.js'],
      ['code src/mean.js', 'code src/mean.js'],
    ])
  })

  test('the rounds of its tests bound its tests alone: a review is heard as often as it may, and a form asked for again', async () => {
    const reviewed = await run<BuiltRepository>(metaGpt, { requirement, reviews: 2, testRounds: 1 }, company())
    const tries = (name: string) => reviewed.output.made.filter((one) => one === name).length
    assert.deepEqual(
      [reviewed.output.failed, tries('code src/sum.js'), tries('code src/mean.js')],
      [undefined, 3, 3],
      'the first draft of the mean goes back in review',
    )
    let asked = 0
    const said = company({ wrongTest: true })
    const formless: Says = (prompt) => (prompt.includes('an architect') && asked++ < 2 ? 'a design' : said(prompt))
    const { output } = await run<BuiltRepository>(metaGpt, { requirement, testRounds: 0 }, formless)
    assert.deepEqual(
      [output.backs.map(({ from }) => from), output.failed?.stage, output.made.includes('run')],
      [['design'], 'run', true],
    )
  })

  test('says what it wrote, not what lay there, and how it last ran where it ends elsewhere', async () => {
    const [said, shown]: [Says, string[]] = [company(), []]
    const stubborn: Says = (prompt) =>
      prompt.includes('Write the file src/mean.js') && prompt.includes('# Why it was sent back') ? 'no' : said(prompt)
    const owner = defineProgram<Json, Json>('owner', async (sys, input) => {
      for (const path of ['old.js', 'src/sum.js']) await sys.write(`repository/${path}`, 'old')
      const output = (await metaGpt.run(sys as never, input as never)) as unknown as Json
      shown.push(...(await sys.list('repository/')).map(({ path }) => path))
      return output
    })
    const { output } = await run<BuiltRepository>(owner, { requirement }, stubborn)
    assert.ok(shown.includes('repository/old.js'))
    assert.deepEqual(output.files, ['package.json', 'src/mean.js', 'src/sum.js', 'test/src-mean.js', 'test/src-sum.js'])
    assert.equal(output.failed?.stage, 'code src/mean.js')
    assert.match(output.results['test/src-mean.js']?.output ?? '', /mean is 4/)
    const none = await run<BuiltRepository>(owner, { requirement }, () => 'no')
    assert.deepEqual([none.output.failed?.stage, none.output.files, none.output.results], ['requirements', [], {}])
  })

  test('ends where the money does', async () => {
    await assert.rejects(run(metaGpt, { requirement }, company(), { budget: { budget: { steps: 4 } } }), {
      code: 'BUDGET_EXCEEDED',
    })
  })
})

describe('PaperCoder', () => {
  const paper = 'We fit a line by gradient descent with a learning rate of 0.1 for 1,000 steps on y = 3 x.'
  const main = { path: 'src/main.js', does: 'runs', after: ['src/fit.js'] }
  const fit = { path: 'src/fit.js', does: 'fit(xs, ys, rate, steps)', after: [] }
  /** Lists of files: three that are wrong, and the right one. */
  const lists = [[main], [{ ...main, after: [] }], [main, fit, { ...fit, path: 'src/more.js' }], [main, fit]]

  function author({ rate = 0.1, bug = false } = {}): Says {
    let [configs, fits, logics] = [0, 0, 0]
    return (prompt) => {
      if (prompt.includes('Write a plan to reproduce')) return 'Fit the line.'
      if (prompt.includes('Design the repository'))
        return { files: ['src/main.js', 'src/fit.js'], classes: 'none', sequence: 'main calls fit' }
      if (prompt.includes('For every file of the architecture'))
        return { files: lists[bug ? Math.min(logics++, 3) : 3] }
      if (prompt.includes('Write the configuration'))
        return { values: { rate: configs++ === 0 ? rate : 0.1, steps: 1_000 } }
      if (prompt.includes('Analyse the file')) return 'It is plain.'
      if (prompt.includes('Write the file src/fit.js'))
        return code(`exports.fit = (xs, ys, rate, steps) => {
  let w = 0
  for (let i = 0; i < steps; i++) w ${bug && fits++ === 0 ? '+' : '-'}= rate * xs.reduce((sum, x, j) => sum + (w * x - ys[j]) * x, 0) / xs.length
  return w
}`)
      if (prompt.includes('Write the file src/main.js'))
        return code(`const { rate, steps } = require('../config.json')
const { fit } = require('./fit')
const w = fit([1, 2], [3, 6], rate, steps)
console.log('w', w)
if (!(Math.abs(w - 3) < 0.01)) throw new Error('w is ' + w)`)
      if (prompt.includes('has to be mended')) return { mend: 'src/fit.js', why: 'down the gradient' }
      throw new Error(`nobody asked: ${prompt.slice(0, 200)}`)
    }
  }

  test('is 4 + 2F calls, each file sees those before it, and the repository runs in Node too', async () => {
    const { output, files: written } = await run<PaperCoded>(paperCoder, { paper }, author())
    assert.equal(prompts.length, 4 + 2 * 2)
    assert.deepEqual(output.made, [
      'plan',
      'architecture',
      'logic',
      'config.json',
      'analysis src/fit.js',
      'analysis src/main.js',
      'code src/fit.js',
      'code src/main.js',
      'run',
    ])
    const seen = prompts.slice(-2).map((prompt) => documentsIn(prompt).filter((one) => /^code|^analysis/.test(one)))
    assert.deepEqual(seen, [['analysis src/fit.js'], ['analysis src/main.js', 'code src/fit.js']])
    assert.deepEqual(output.config, { rate: 0.1, steps: 1_000 })
    assert.match(output.results['src/main.js']?.output ?? '', /^w 2\.99|^w 3/)
    assert.ok(testsPass(written))
  })

  test('takes no value that the paper does not give, no plan that leaves a file out, and mends what does not run', async () => {
    const { output } = await run<PaperCoded>(paperCoder, { paper }, author({ rate: 0.2, bug: true }))
    assert.deepEqual(
      output.backs.map(({ to, why }) => [to, why.split('\n')[0]]),
      [
        ['logic', '"src/main.js" waits for "src/fit.js", which there is not'],
        ['logic', 'The file "src/fit.js" of the architecture is missing.'],
        ['logic', 'The architecture has no file "src/more.js".'],
        ['config.json', 'The paper does not say: rate = 0.2.'],
        ['code src/fit.js', 'down the gradient'],
      ],
    )
    assert.equal(output.passed, true)
    assert.deepEqual(inventedIn({ a: 0.1, b: 1_000, c: -3, d: 4, e: 'text', f: 1e-3 }, `${paper} 1e-3`), ['d = 4'])
    const layers = 'Layers of 32,64,128 and (256,512) units on 1,234 images, 0.1,0.2 dropped, .5 kept.'
    const given = { a: 32, b: 64, c: 128, d: 256, e: 512, f: 1_234, g: 0.1, h: 0.2, i: 0.5 }
    assert.deepEqual(inventedIn(given, layers), [])
    assert.deepEqual(inventedIn({ a: 3_264_128, b: 64_128, c: 234, d: 1 }, layers).length, 4)
  })

  test('the rounds of its debugging bound the run alone', async () => {
    const { output } = await run<PaperCoded>(paperCoder, { paper, debugRounds: 0 }, author({ rate: 0.2, bug: true }))
    assert.deepEqual(
      [output.backs.map(({ to }) => to), output.failed?.stage],
      [['logic', 'logic', 'logic', 'config.json'], 'run'],
    )
    assert.match(output.results['src/main.js']?.output ?? '', /w is/)
    assert.deepEqual(output.files, ['config.json', 'package.json', 'src/fit.js', 'src/main.js'])
  })
})

describe('Spec2RTL', { skip: lack }, () => {
  async function built(source: Parameters<typeof plantedSpec>[1], answer?: string) {
    const spec = plantedSpec(1, source)
    const [verdicts, asked]: [string[], string[]] = [[], []]
    const timer = setInterval(() => {
      for (const { id, text } of kernel.questions) {
        asked.push(text)
        kernel.answer(id, answer ?? '')
      }
    }, 20)
    try {
      const says = hardwareTeam(spec, { onVerdict: (fault) => verdicts.push(fault) })
      const found = await run<Spec2Rtl>(spec2rtl, { specification: spec.text }, says, {
        tools: hardwareTools,
        folder: 'hls/',
      })
      return { ...found, verdicts, asked }
    } finally {
      clearInterval(timer)
    }
  }

  test('compiles what it wrote and runs a bench of it, with the same vectors as Python had', async () => {
    const { output, files, verdicts } = await built('none')
    assert.deepEqual(
      [output.passed, output.functions, output.backs, verdicts],
      [true, ['scale', 'blend', 'check'], [], []],
    )
    // An example and twenty drawn vectors for each, with the machine's own compiler too.
    assert.equal(output.bench.trim().split('\n').length, 3 * 21)
    const folder = mkdtempSync(join(tmpdir(), 'polity-hls-'))
    try {
      for (const [path, text] of Object.entries(files)) writeFileSync(join(folder, path), text)
      execFileSync('g++', ['-std=c++17', '-Wall', '-Werror', '-o', 'bench', 'bench.cpp'], { cwd: folder })
      assert.equal(execFileSync(join(folder, 'bench'), { encoding: 'utf8' }), output.bench)
    } finally {
      rmSync(folder, { recursive: true })
    }
  })

  test('who writes code sees the information and the interfaces, not the specification', async () => {
    await built('none')
    const seenBy = (words: string): string[] => documentsIn(prompts.find((prompt) => prompt.includes(words)) ?? '')
    const interfaces = ['interface scale', 'interface blend']
    assert.deepEqual(seenBy('function blend in Python'), ['information blend', 'pseudocode blend', ...interfaces])
    assert.deepEqual(seenBy('function blend in C++'), ['information blend', 'python blend', ...interfaces])
  })

  // One way back is tried each time, all of them with the long tests: each compiles anew.
  for (const source of process.env['POLITY_LONG'] === '1' ? sources : sources.slice(-1))
    test(`a fault that is planted in "${source}" goes back there, and what stands on it is made anew`, async () => {
      const { output, verdicts, asked } = await built(source, 'leave the example out')
      assert.deepEqual([output.passed, verdicts], [true, [source]])
      const [back] = output.backs
      const to = {
        information: 'information blend',
        earlier: 'python scale',
        code: 'check',
        person: 'information blend',
      }[source]
      assert.ok(back?.to.endsWith(to), back?.to)
      assert.equal(asked.length, source === 'person' ? 1 : 0)
      const again = output.made.filter((name, i) => output.made.indexOf(name) !== i)
      const stale = {
        information: ['information blend', 'interface blend', 'pseudocode blend', 'python blend'],
        earlier: ['scale', 'blend', 'check']
          .flatMap((id) => [`python ${id}`, `vectors ${id}`, `c++ ${id}`])
          .slice(0, 7),
        code: [back?.from],
        person: ['information blend', 'interface blend', 'pseudocode blend', 'python blend'],
      }[source]
      assert.deepEqual(again, stale)
    })

  test('a bench passes only by what it prints and by how it ends', async () => {
    const add = {
      name: 'add',
      information: { inputs: [], outputs: [] },
      code: '',
      vectors: [{ inputs: [1], outputs: [2] }],
    }
    const benched = async (main: string) => {
      const program = defineProgram<Json, Json>('bench', async (sys) => ({
        ...(await runBench(sys, { 'bench.cpp': `#include <cstdio>\nint main() { ${main} }` }, [add])),
      }))
      return (await run<{ passed: boolean; output: string }>(program, null, () => '', { tools: hardwareTools })).output
    }
    assert.equal((await benched('std::puts("add 2");')).passed, true)
    assert.equal((await benched('std::puts("add 2"); return 1;')).passed, false)
    assert.equal((await benched('return 0;')).passed, false)
    const { passed, output } = await benched('std::puts("add 3");')
    assert.deepEqual([passed, output], [false, 'inputs 1: expected 2, got 3'])
    assert.match((await benched('nothing();')).output, /'nothing' was not declared/)
  })

  test('a sandbox without a compiler is refused, and so is one without the shell', async () => {
    const missing = codeTools({ languages: ['python'] })
    await assert.rejects(
      run(spec2rtl, { specification: 'x' }, () => '', { tools: missing }),
      /runs no shell here/,
    )
    const bare = codeTools({ languages: ['shell'] }).map((tool) =>
      tool.name === 'code.start'
        ? { ...tool, execute: async () => ({ state: 'done', output: 'g++\n', isCut: false }) }
        : tool,
    ) as readonly Tool[]
    const refused = run(spec2rtl, { specification: 'x' }, () => '', { tools: bare })
    await assert.rejects(refused, {
      code: 'CONFIG_INVALID',
      message: /spec2rtl needs g\+\+ in the sandbox; install it/,
    })
  })
})

describe('PublicAgent', () => {
  const folder = mkdtempSync(join(tmpdir(), 'polity-tables-'))
  after(() => rmSync(folder, { recursive: true }))
  const data = plantTables(join(folder, 'open.db'), 5)
  const tools = tableTools({ path: join(folder, 'open.db'), datasets: data.datasets, queryMs: 20_000 })
  const asked = (source: Parameters<typeof analysts>[0], input: object = {}, options = {}) =>
    run<PublicAnswer>(publicAgent, { question: data.question, ...input } as Json, analysts(source, options), { tools })

  test('computes on the real tables, and shows each agent its own stage', async () => {
    const { output } = await asked('none')
    assert.deepEqual(output.made, ['intent', 'discovery', 'analysis', 'result', 'report'])
    assert.ok(Math.abs((output.rows[0]?.[0] as number) - data.mean) < 1e-9)
    assert.equal(output.report, `In ${data.city} it rained ${data.mean.toFixed(1)} mm in ${data.year}.`)
    assert.deepEqual([output.datasets, output.columns], [['rainfall'], ['mm']])
    assert.deepEqual(prompts.map(documentsIn), [
      ['question'],
      ['intent', 'data sets'],
      ['intent', 'discovery'],
      ['intent', 'discovery', 'result'],
    ])
  })

  for (const source of publicSources)
    test(`a fault of "${source}" goes back there and is mended`, async () => {
      const { output } = await asked(source)
      assert.deepEqual(
        output.backs.map(({ to }) => to),
        [source],
      )
      assert.equal(output.report, `In ${data.city} it rained ${data.mean.toFixed(1)} mm in ${data.year}.`)
    })

  test('without discovery or analysis it fails and says where; without intent or report it comes to less', async () => {
    const blind = (await asked('none', { without: ['discovery'] })).output
    assert.deepEqual([blind.failed?.stage, blind.report, blind.backs.length], ['result', null, 3])
    assert.match(blind.failed?.why ?? '', /no such table: rainfall_data/)
    const empty = (await asked('none', { without: ['analysis'] })).output
    assert.deepEqual(
      [empty.failed?.stage, empty.failed?.why, empty.report],
      ['report', 'There is no result to report.', null],
    )
    const vague = (await asked('none', { without: ['intent'] })).output
    assert.ok(vague.report !== null && Math.abs((vague.rows[0]?.[0] as number) - data.sum) < 1e-6)
    const bare = (await asked('none', { without: ['report'] })).output
    assert.deepEqual([bare.report, bare.failed, bare.rows.length], [null, undefined, 1])
  })

  test('data sets, columns and sources that there are not are sent back; a stage that was left out is blamed for nothing', async () => {
    const [chosen, cited] = [
      ['moon.mm', 'rainfall.moon', 'rainfall.mm'],
      ['museums', 'rainfall'],
    ]
    const script: Says = (prompt) => {
      if (prompt.includes('cannot be right')) return { stage: 'intent', why: 'who knows' }
      const said = analysts('none')(prompt) as { [key: string]: Json }
      if (prompt.includes('Choose the data sets')) {
        const [dataset = '', column = ''] = (chosen.shift() ?? '').split('.')
        return { datasets: [dataset], columns: [{ dataset, column, means: 'rain' }] }
      }
      if (prompt.includes('Write the plan') && !prompt.includes('# Why'))
        return { plan: '', sql: "select mm from rain where city = 'Atlantis'" }
      return prompt.includes('Write the findings') ? { ...said, datasets: [cited.shift() ?? ''] } : said
    }
    const question = { question: data.question, without: ['intent'] } as Json
    const { output } = await run<PublicAnswer>(publicAgent, question, script, { tools })
    assert.deepEqual(
      output.backs.map(({ to, why }) => [to, why]),
      [
        ['discovery', 'No data set that was found is called "moon".'],
        ['discovery', 'The data set "rainfall" has no column "moon".'],
        ['analysis', 'The result holds no value. who knows'],
        ['report', 'The result is not drawn from "museums".'],
      ],
    )
    assert.deepEqual([output.failed, output.datasets], [undefined, ['rainfall']])
  })

  /** A model that always writes this statement and, where it is computed, this report. */
  const writes =
    (statement: string, report = 'none'): Says =>
    (prompt) => {
      const said = analysts('none')(prompt) as { [key: string]: Json }
      if (prompt.includes('Write the plan and one SELECT')) return { plan: '', sql: statement }
      return prompt.includes('Write the findings') ? { ...said, text: report } : said
    }
  const question = { question: data.question, backsMax: 1 } as Json

  test('numbers of a row stand for themselves: two never make a third', async () => {
    const rows = 'select 2021 as year, 820 as mm union all select 2004, 2005 union all select 100, 200'
    const reported = async (text: string) =>
      (await run<PublicAnswer>(publicAgent, question, writes(rows, text), { tools })).output
    const honest = await reported('In 2021 it was 820 mm, in 2004 it was 2,005 mm, or 100 to 200.')
    assert.deepEqual([honest.failed, honest.backs], [undefined, []])
    const false_ = await reported('It was 2,021,820 mm, or 2021820, or 2004200, or 100,200.')
    assert.equal(false_.failed?.why, 'Not in the result: 2,021,820, 2021820, 2004200, 100,200.')
    assert.equal(false_.report, null)
  })

  test('a statement that asks for too much is sent back; a tool that fails ends the run at its stage, without a round more', async () => {
    const endless = 'with recursive c(x) as (select 1 union all select x + 1 from c) select count(*) from c'
    const path = join(folder, 'open.db')
    const ends = async (statement: string, more: readonly Tool[]) => {
      const { output } = await run<PublicAnswer>(publicAgent, question, writes(statement), { tools: more })
      return [output.failed?.stage, output.backs.map(({ to }) => to), output.failed?.why ?? ''] as const
    }
    const hasty = [
      ...tools.filter(({ name }) => name !== 'tables.query'),
      ...tableTools({ path, datasets: [], queryMs: 300 }).filter(({ name }) => name === 'tables.query'),
    ]
    const late = await ends(endless, hasty)
    assert.deepEqual(late.slice(0, 2), ['result', ['analysis']])
    assert.match(late[2], /longer than 300 ms; ask for less/)
    const wrong = await ends('select nope', tools)
    assert.deepEqual(wrong.slice(0, 2), ['result', ['analysis']])
    assert.match(wrong[2], /no such column: nope/)

    const instead = (name: string, execute: () => unknown) =>
      tools.map((tool) => (tool.name === name ? { ...tool, execute } : tool)) as readonly Tool[]
    const dies = (): never => {
      throw new Error('out of order')
    }
    for (const [name, stage] of [
      ['tables.search', 'discovery'],
      ['tables.describe', 'discovery'],
      ['tables.query', 'result'],
    ] as const) {
      const broken = await ends('select 1', instead(name, dies))
      assert.deepEqual([...broken.slice(0, 2), /out of order/.test(broken[2])], [stage, [], true], name)
      const odd = await ends(
        'select 1',
        instead(name, () => ({ rows: 'none' })),
      )
      assert.deepEqual(odd.slice(0, 2), [stage, []], name)
      assert.match(odd[2], new RegExp(`${name} gave something of another form`))
    }
    // What is no tool's error is nobody's stage.
    const lacking = run(publicAgent, question, writes('select 1'), { tools: tools.slice(1) })
    await assert.rejects(lacking, { code: 'NO_SUCH_TOOL' })
  })

  test('a report may round, and may not invent', () => {
    assert.deepEqual(
      inventedNumbers('In 2005 it was 81.7 mm, about 82, of 1,000.', 'rain in 2005? [[81.6833], [1000]]'),
      [],
    )
    assert.deepEqual(inventedNumbers('81.6 mm or 1e3', '81.6833'), ['81.6', '1e3'])
    assert.deepEqual(inventedNumbers('12,34 and 1,234 and 0,500', [12, 34, 0]), ['1,234', '500'])
    assert.deepEqual(
      knownNumbers({ 'pm2.5': [[2021, -820, '1,000', null, true], 'sec.3 (64,128)'] }),
      [2.5, 2021, 820, 1000, 3, 64_128, 64, 128],
    )
    fc.assert(
      fc.property(fc.array(fc.array(fc.nat(9_999), { minLength: 1 }), { minLength: 1 }), (rows) => {
        assert.deepEqual(knownNumbers(rows), rows.flat())
        assert.deepEqual(inventedNumbers(rows.flat().join(' and '), rows), [])
      }),
    )
  })
})

describe('tables as tools', () => {
  const folder = mkdtempSync(join(tmpdir(), 'polity-tables-'))
  after(() => rmSync(folder, { recursive: true }))
  const path = join(folder, 'open.db')
  const data = plantTables(path, 1)
  const options = { path, datasets: data.datasets, rowsMax: 3 }
  const call = async (
    name: string,
    input: Json,
    more: object = {},
    signal = new AbortController().signal,
  ): Promise<Json> => {
    const tool = tableTools({ queryMs: 20_000, ...options, ...more }).find((one) => one.name === name) as Tool
    return (await tool.execute(input as never, { signal } as ToolContext)) as Json
  }
  const sql = (text: string, more: object = {}) => call('tables.query', { sql: text }, more)

  test('are found by what they are about, described by what they hold, and queried', async () => {
    const found = (await call('tables.search', { query: 'when did it rain most' })) as { id: string }[]
    assert.deepEqual(
      found.map(({ id }) => id),
      ['rainfall', 'rainfall-archive', 'museums'],
    )
    assert.deepEqual(await call('tables.search', { query: 'volcanoes' }), [])
    const { sample, ...described } = (await call('tables.describe', { id: 'rainfall' })) as { sample: Json[] }
    const columns = [
      ['city', 'TEXT'],
      ['year', 'INTEGER'],
      ['month', 'INTEGER'],
      ['mm', 'REAL'],
    ]
    assert.deepEqual(described, {
      id: 'rainfall',
      table: 'rain',
      columns: columns.map(([name, type]) => ({ name, type })),
      rows: 5 * 30 * 12,
    })
    assert.equal(sample.length, 3)
    const cut = { columns: ['city'], types: ['TEXT'], rows: [['Oslo'], ['Rome'], ['Lima']], isCut: true }
    assert.deepEqual(await sql('select city from museums order by rowid'), cut)
    assert.deepEqual((await sql('select null, 9007199254740993, 1e999')) as object, {
      columns: ['null', '9007199254740993', '1e999'],
      types: [null, null, null],
      rows: [[null, 9007199254740992, null]],
      isCut: false,
    })
    await assert.rejects(call('tables.describe', { id: 'moon' }), {
      code: 'TOOL_FAILED',
      message: /no data set "moon"/,
    })
  })

  test('are never written, nor is anything beside them reached', async () => {
    const before = readFileSync(path)
    for (const text of [
      'delete from rain',
      'drop table rain',
      `attach '${folder}/x.db' as b`,
      'pragma writable_schema = 1',
      'create temp table t (a)',
      `vacuum into '${folder}/y.db'`,
      "select load_extension('z')",
    ])
      await assert.rejects(sql(text), { code: 'INVALID_ARGUMENT' }, text)
    const missing = { path: join(folder, 'none.db') }
    await assert.rejects(sql('select 1', missing), { code: 'TOOL_FAILED', message: /unable to open/ })
    assert.deepEqual(readFileSync(path), before)
    assert.deepEqual(readdirSync(folder), ['open.db'])
  })

  test('a query ends by its time, with its call, and by its size; what SQLite says is told', async () => {
    const endless = 'with recursive c(x) as (select 1 union all select x + 1 from c) select count(*) from c'
    const started = performance.now()
    await assert.rejects(sql(endless, { queryMs: 300 }), { code: 'TOOL_TIMEOUT', message: /longer than 300 ms/ })
    const stopped = AbortSignal.timeout(100)
    await assert.rejects(call('tables.query', { sql: endless }, {}, stopped), {
      code: 'TOOL_FAILED',
      message: 'tables.query: its call ended',
    })
    assert.ok(performance.now() - started < 10_000)
    const long = { code: 'TOO_LARGE', message: /larger than 1000000 characters; ask for less/ }
    await assert.rejects(sql("select printf('%.*c', 2000000, 'x')"), long)
    await assert.rejects(sql("select replace(printf('%.*c', 900000, 'x'), 'x', char(1))"), long, 'by its JSON')
    assert.equal(
      ((await sql("select printf('%.*c', 300000, 'x') from museums", { rowsMax: 3 })) as { rows: Json[] }).rows.length,
      3,
    )
    const refused = 'INVALID_ARGUMENT'
    await assert.rejects(sql('select nope from rain'), { code: refused, message: /no such column: nope/ })
    await assert.rejects(sql(''), { code: refused })
    for (const second of [
      'select 2',
      '; -- no end\nselect 2',
      '/* a */ select 2 -- b',
      'x',
      'delete from museums',
      "'",
    ])
      await assert.rejects(sql(`select 1; ${second}`), { code: refused, message: /more than one statement/ }, second)
    for (const nothing of [
      '',
      ';',
      ' ;\n; ',
      '; -- select 2',
      ' -- select 2\n;',
      '; /* select 2; */ -- x',
      '; /* select 2',
    ])
      assert.deepEqual(((await sql(`select 'ä;b'${nothing}`)) as { rows: Json }).rows, [['ä;b']], nothing)
    const other = join(folder, 'other.db')
    writeFileSync(other, 'no tables here, and none to be read as some. '.repeat(50))
    await assert.rejects(sql('select * from a', { path: other }), { code: 'TOOL_FAILED', message: /not a database/ })
    rmSync(other)
    assert.throws(() => tableTools({ ...options, rowsMax: 0 }), { code: 'CONFIG_INVALID' })
    assert.throws(() => tableTools({ ...options, memoryBytes: 1 }), { message: /memoryBytes .* from 67108864, not 1/ })
    const twice = [...data.datasets, ...data.datasets]
    assert.throws(() => tableTools({ path, datasets: twice }), {
      code: 'CONFIG_INVALID',
      message: /two data sets are called "rainfall"/,
    })
  })
})

describe('the memory of a query', () => {
  const folder = mkdtempSync(join(tmpdir(), 'polity-tables-'))
  after(() => rmSync(folder, { recursive: true }))
  const path = join(folder, 'open.db')
  const { datasets } = plantTables(path, 1)
  /** What the process of a query held at most while it ran, MiB, and how it ended. */
  const held = async (statement: string, memoryBytes?: number) => {
    const tool = tableTools({
      path,
      datasets,
      queryMs: 60_000,
      ...(memoryBytes === undefined ? {} : { memoryBytes }),
    })[2]
    let most = 0
    const timer = setInterval(() => {
      for (const pid of readFileSync('/proc/thread-self/children', 'utf8').trim().split(' '))
        try {
          const [, kib = 0] = /VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? []
          most = Math.max(most, Number(kib) / 1_024)
        } catch {
          // It has gone.
        }
    }, 5)
    try {
      const ended = tool?.execute({ sql: statement } as never, { signal: new AbortController().signal } as ToolContext)
      const error = await Promise.resolve(ended).then(
        () => undefined,
        (one: Error & { code: string }) => one,
      )
      return { most, code: error?.code, message: error?.message ?? '' }
    } finally {
      clearInterval(timer)
    }
  }
  const skip = existsSync('/proc/thread-self/children') ? false : 'no /proc lists processes here'

  test('is not filled by rows that may not be answered', { skip }, async () => {
    const rows = await held('select hex(zeroblob(4000000)) from rain')
    assert.deepEqual([rows.code, /larger than 1000000 characters/.test(rows.message)], ['TOO_LARGE', true])
    assert.ok(rows.most > 10 && rows.most < 250, `${rows.most} MiB`)
    // Blobs are not answered, and not kept.
    assert.equal((await held('select zeroblob(4000000) from rain')).code, undefined)
  })

  test('is bounded while SQLite computes, by value and in all', { skip }, async () => {
    const value = await held('select hex(zeroblob(100000000)) from rain')
    assert.deepEqual([value.code, /too big/.test(value.message)], ['TOO_LARGE', true])
    assert.ok(value.most < 250, `${value.most} MiB`)
    const columns = Array.from({ length: 400 }, () => 'zeroblob(30000000)').join(', ')
    const all = await held(`select ${columns}`)
    assert.deepEqual([all.code, /more than 268435456 bytes of memory/.test(all.message)], ['TOO_LARGE', true])
    assert.ok(all.most < 1_500, `${all.most} MiB`)
  })
})

describe('a function for synthesis', () => {
  const port = (name: string, bits = 8) => ({ name, bits })
  const information = {
    description: 'adds',
    inputs: [port('a')],
    outputs: [port('sum')],
    references: ['It adds.'],
    examples: [{ inputs: [1], outputs: [2] }],
  }

  test('whose dictionary lacks something is told of it', () => {
    assert.deepEqual(lackOf(information, 'It\nadds.'), [])
    const bad = {
      ...information,
      description: ' ',
      references: ['It takes.'],
      inputs: [port('sum')],
      examples: [{ inputs: [300], outputs: [] }],
    }
    assert.deepEqual(lackOf(bad, 'It adds.'), [
      'The description is missing.',
      '"sum" is no name of a port of its own: a-z, 0-9 and _.',
      'The specification does not say: "It takes.".',
      'Example 1 does not fit the ports.',
    ])
  })

  test('has no dynamic memory, no library and no number without a width', () => {
    assert.equal(unsynthesisable('// new int\n#include <cstdint>\nvoid f(uint8_t a, uint8_t &b) { b = a; }'), undefined)
    for (const code of [
      'uint8_t *p = new uint8_t[2];',
      'std::vector<uint8_t> v;',
      'for (int i = 0;;) {}',
      '#include <cstdio>',
      '#define f g',
      '__asm__("")',
    ])
      assert.ok(unsynthesisable(code) !== undefined, code)
  })

  test('has a bench that knows what each vector expects', () => {
    const files = benchOf([{ name: 'add', information, code: 'CODE', vectors: [{ inputs: [1], outputs: [2] }] }])
    assert.match(files['bench.cpp'] ?? '', /add\(\(uint8_t\)1u, o0\).*o0 != 2u/)
    assert.match(files['design.cpp'] ?? '', /CODE/)
  })
})
