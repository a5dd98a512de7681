/**
 * The lints: what they find among seeded defects and what they say wrongly (lint/measure.ts), that they find nothing grave in
 * our own house, and that the command and the page say what the table says.
 */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { globSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { codeAct } from '../src/agents/code-act.ts'
import { direct } from '../src/agents/direct.ts'
import { defineAgent, react } from '../src/agents/react.ts'
import * as research from '../src/agents/research.ts'
import { factsOfProgram, factsOfTool, packagesAbove, readManifest } from '../src/cli/lint-facts.ts'
import { programsOf } from '../src/cli/program-file.ts'
import { calculator } from '../src/drivers/calculator.ts'
import { codeTools } from '../src/drivers/sandbox/tools.ts'
import type { Program, Tool } from '../src/kernel/types.ts'
import type { Finding, LintInput } from '../src/lint/facts.ts'
import { lint } from '../src/lint/lint.ts'
import { readSource } from '../src/lint/source.ts'
import { lintTable } from '../src/lint/table.ts'
import { isWithin } from '../src/lint/version.ts'
import { isEffectful, ownSuites, suiteNames } from './agentdojo.ts'
import { bases } from './lint/bases.ts'
import { measure, mutantsOf, tableOf } from './lint/measure.ts'
import { mutators } from './lint/mutators.ts'

const root = resolve(import.meta.dirname, '..')
const read = (path: string): string => readFileSync(join(root, path), 'utf8')
const idsOf = (findings: readonly Finding[]): string[] => findings.map(({ id }) => id)
const gravest = (input: LintInput): string[] =>
  lint(input).flatMap(({ severity, id, where, message }) =>
    severity === 'error' ? [`${where}: ${id}: ${message}`] : [],
  )

describe('seeded defects', () => {
  const measured = measure()

  test('there are at least 20 mutants of each type, on at least eight good definitions', () => {
    assert.ok(bases.length >= 8)
    for (const type of ['ADAL', 'IETI', 'LOPE', 'TRE', 'ALS', 'MNFT', 'LARD', 'EPDD']) assert.ok(mutators[type], type)
    for (const type of Object.keys(mutators)) assert.ok(mutantsOf(type).length >= 20, type)
  })

  test('of each type at least 91 % are found, and at least 89 % of what is said is right', () => {
    assert.ok(measured.recall >= 0.91, tableOf(measured))
    assert.ok(measured.precision >= 0.89, tableOf(measured))
    assert.ok(measured.heldOutRecall >= 0.91, tableOf(measured))
    for (const { type, found, mutants, wrong } of measured.rows) {
      assert.ok(found / mutants >= 0.91, `${type}\n${tableOf(measured)}`)
      assert.ok(found / (found + wrong) >= 0.89, `${type}\n${tableOf(measured)}`)
    }
  })

  test('nothing is said of good definitions, and next to nothing of harmless changes to them', () => {
    for (const base of bases) assert.deepEqual(lint(base), [], base.name)
    assert.ok(measured.harmless + measured.heldOutHarmless >= 200)
    assert.ok(measured.heldOutHarmlessWrong / measured.heldOutHarmless <= 0.1, measured.misses.join('\n'))
    assert.ok(measured.harmlessWrong / measured.harmless <= 0.05, measured.misses.join('\n'))
  })

  test('docs/lint.md has the figures', () => {
    assert.ok(
      read('docs/lint.md').includes(tableOf(measured)),
      `node test/lint/measure.ts prints:\n${tableOf(measured)}`,
    )
  })
})

describe('our own house', () => {
  test('agents and their tools have no grave defect', () => {
    const programs = [codeAct, direct, react, ...programsOf(research)] as unknown as Program[]
    const tools = [...codeTools(), calculator()] as Tool[]
    assert.deepEqual(gravest({ agents: programs.map(factsOfProgram), tools: tools.map(factsOfTool) }), [])
  })

  test('neither do the sources of agents and examples', () => {
    const paths = globSync(['src/agents/**/*.ts', 'src/kernel/*.ts', 'examples/*.ts'], { cwd: root })
    assert.ok(paths.length > 40)
    const packages = packagesAbove(join(root, 'src/index.ts'))
    assert.ok(packages?.lock?.['zod'])
    assert.deepEqual(gravest({ packages, sources: paths.map((path) => ({ path, text: read(path) })) }), [])
  })

  test('neither do the example policies, with the tools they are for', () => {
    for (const name of suiteNames) {
      const tools = ownSuites()[name].tools.map((tool) => ({
        ...tool,
        effect: isEffectful(tool.name) ? 'once' : 'read',
        outbound: isEffectful(tool.name),
      }))
      const law: unknown = JSON.parse(read(`examples/policies/agentdojo-${name}.json`))
      assert.deepEqual(gravest({ tools: readManifest(tools, name), law }), [], name)
      assert.ok(!idsOf(lint({ law })).includes('rule-once'), name)
    }
  })
})

describe('what a lint reads', () => {
  test('comments, strings, templates and regular expressions are told apart', () => {
    const text =
      "const a = 'it\\'s' // fetch(x)\n/* fetch(y) */ const b = `one ${two(`${3}`)} four`\nconst c = x / 2 / y, d = /[/'\"]+/g.test(b)"
    const { tokens, pair } = readSource({ path: 'a.ts', text })
    const of = (kind: string): string[] => tokens.flatMap((token) => (token.kind === kind ? [token.text] : []))
    assert.deepEqual(of('string'), ["it\\'s"])
    assert.deepEqual(of('template'), ['one … four', '…'])
    assert.deepEqual(of('regex'), ['/[/\'"]+/g'])
    assert.equal(of('word').includes('fetch'), false)
    for (const [i, { text: mark, kind }] of tokens.entries())
      if (kind === 'mark' && '([{'.includes(mark)) assert.notEqual(pair[i], -1)
  })

  test('a source that is cut off or no TypeScript at all does no harm', () => {
    const whole = bases.map(({ sources }) => sources[0]?.text).join('\n')
    for (let end = 0; end < whole.length; end += 97)
      lint({ sources: [{ path: 'a.ts', text: whole.slice(0, end) }], tools: [{ name: 'x', code: whole.slice(end) }] })
    lint({ sources: [{ path: 'a.ts', text: ')]}`${`${}}} /(/ \u0000 catch ( for while ( async => .catch(' }] })
  })

  test('ranges of versions are read as npm reads them', () => {
    for (const [version, range] of [
      ['1.2.3', '^1.2.0'],
      ['0.2.5', '^0.2.1'],
      ['2.0.0', '>=1 <3'],
      ['4.1.0', '^3.20.0 || ^4.0.0'],
      ['1.2.9', '~1.2.3'],
      ['1.9.9', '1.x'],
      ['1.5.0', '1.2.3 - 2.0.0'],
      ['1.0.0', 'workspace:*'],
    ] as const)
      assert.ok(isWithin(version, range), `${version} in ${range}`)
    for (const [version, range] of [
      ['2.0.0', '^1.2.0'],
      ['0.3.0', '^0.2.1'],
      ['0.0.4', '^0.0.3'],
      ['1.3.0', '~1.2.3'],
      ['3.0.0', '>=1 <3'],
      ['1.2.4', '1.2.3'],
    ] as const)
      assert.ok(!isWithin(version, range), `${version} not in ${range}`)
  })

  test('an agent says what it was made of', () => {
    const agent = defineAgent({ name: 'clerk', instructions: 'Answer as JSON.', stepsMax: 9_999, temperature: 5 })
    const findings = lint({ agents: [factsOfProgram(agent as unknown as Program)] })
    assert.deepEqual(idsOf(findings).toSorted(), ['model-option', 'no-bound', 'output-unasked'])
  })

  test('nothing known is nothing said', () => {
    assert.deepEqual(lint({}), [])
    assert.deepEqual(lint({ agents: [{ name: 'a' }], sources: [], law: { rules: [] } }), [])
  })

  test('a law that cannot be read is one finding that says where', () => {
    const [finding, ...more] = lint({ law: { rules: [{ id: 'x', effect: 'perhaps' }] } })
    assert.equal(finding?.id, 'law-unreadable')
    assert.match(finding?.message ?? '', /rules\[0\]/)
    assert.deepEqual(more, [])
  })
})

describe('a temporal rule and what the rules allow', () => {
  const allow = (tool: string) => ({ id: tool, effect: 'allow', tool })
  const said = (formula: string, rules: readonly object[], events?: object): string[] =>
    lint({ law: { rules, temporal: [{ id: 'order', formula }], ...(events === undefined ? {} : { events }) } })
      .filter(({ id }) => id === 'temporal-denied')
      .map(({ where, message }) => `${where}: ${message}`)

  test('one that needs a tool which nothing allows is told', () => {
    assert.deepEqual(said('precedence(confirm, transfer)', [allow('transfer')]), [
      'temporal order: it never permits transfer: no rule allows confirm',
    ])
    assert.deepEqual(said('response(lock, unlock)', [allow('lock')]), [
      'temporal order: it never permits lock: no rule allows unlock',
    ])
    assert.deepEqual(said('existence(confirm)', [allow('read_*'), { id: 'no', effect: 'deny', tool: 'confirm' }]), [
      'temporal order: no run meets it: no rule allows confirm',
    ])
    // A question about all tools stands before what is allowed.
    const leak = { id: 'leak', effect: 'ask', tool: '*', outbound: true, seen: ['private'] }
    assert.equal(said('precedence(confirm, transfer)', [leak, allow('transfer')]).length, 1)
  })

  test('one that can be met is not', () => {
    const ways: readonly (readonly object[])[] = [
      [allow('confirm'), allow('transfer')],
      [allow('conf*'), allow('transfer')],
      [{ id: 'person', effect: 'ask', tool: 'confirm' }, allow('transfer')],
      [{ id: 'all', effect: 'ask' }, allow('transfer')],
      [{ ...allow('begin'), then: { add: [allow('confirm')] } }, allow('transfer')],
      [allow('*')],
    ]
    for (const rules of ways) assert.deepEqual(said('precedence(confirm, transfer)', rules), [], JSON.stringify(rules))
    assert.deepEqual(said('precedence(confirm, transfer)', [allow('read')]), [], 'neither is allowed')
    assert.deepEqual(said('absence(delete)', [allow('read')]), [], 'it means to forbid')
    assert.deepEqual(said('G(read -> (!send W approve))', [allow('read'), allow('send')]), [], 'send may come first')
    const events = { confirm: { tool: 'ask_*' } }
    assert.deepEqual(said('precedence(confirm, transfer)', [allow('transfer')], events), [], 'no name of a tool')
  })

  test('a tool that is not there is said once', () => {
    const tools = [{ name: 'transfer' }]
    const law = { rules: [allow('transfer')], temporal: [{ id: 'order', formula: 'precedence(confirm, transfer)' }] }
    const ids = idsOf(lint({ law, tools }))
    assert.ok(ids.includes('tool-unknown') && !ids.includes('temporal-denied'), ids.join())
  })
})

describe('polity lint', () => {
  let folder = ''
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'polity-lint-'))
    const front = JSON.stringify(join(root, 'src/index.ts'))
    const zod = JSON.stringify(join(root, 'node_modules/zod/index.js'))
    const pay = `defineTool({ name: 'pay', description: 'Orders the bank to pay an amount to a payee.', effect: 'once', outbound: true, labels: [], control: ['payee'], inputSchema: z.object({ payee: z.string(), amount: z.number() }), execute: ({ payee }) => ({ paid: payee }) })`
    writeFileSync(
      join(folder, 'clerk.ts'),
      `import { z } from ${zod}\nimport { defineAgent, defineTool } from ${front}\nexport default defineAgent({ name: 'clerk', instructions: 'Pay what is due.', tools: [${pay}] })\n`,
    )
    writeFileSync(
      join(folder, 'good.json'),
      JSON.stringify({ rules: [{ id: 'ann', effect: 'allow', tool: 'pay', args: { payee: { const: 'ann' } } }] }),
    )
    writeFileSync(
      join(folder, 'bad.json'),
      JSON.stringify({ rules: [{ id: 'ann', effect: 'allow', tool: 'pay', args: { payees: { const: 'ann' } } }] }),
    )
  })
  after(() => rmSync(folder, { recursive: true, force: true }))
  const polity = (...words: string[]): { status: number | null; stdout: string } =>
    spawnSync(process.execPath, [join(root, 'bin/polity.js'), 'lint', ...words], {
      cwd: folder,
      encoding: 'utf8',
      timeout: 30_000,
    })

  test('says nothing of what is good, and ends with 0', () => {
    const { status, stdout } = polity('clerk.ts', '--law', 'good.json')
    assert.equal(stdout, '')
    assert.equal(status, 0)
  })

  test('takes a package.json and a lock file with a key twice, as npm does', () => {
    const place = mkdtempSync(join(tmpdir(), 'polity-lint-twice-'))
    try {
      writeFileSync(join(place, 'mine.ts'), 'export default async function mine() {}\n')
      writeFileSync(join(place, 'package.json'), '{"type":"module","name":"a","name":"mine"}')
      writeFileSync(
        join(place, 'package-lock.json'),
        '{"packages":{},"packages":{"node_modules/zod":{"version":"4.0.0"}}}',
      )
      const { status, stdout } = polity(join(place, 'mine.ts'))
      assert.deepEqual([status, stdout], [0, ''])
      const { name, lock } = packagesAbove(join(place, 'mine.ts')) ?? {}
      assert.deepEqual([name, lock], ['mine', { zod: { version: '4.0.0' } }])
    } finally {
      rmSync(place, { recursive: true, force: true })
    }
  })

  test('says a line a finding with its place, and ends with 1', () => {
    const { status, stdout } = polity('clerk.ts', '--law', 'bad.json', '--json')
    assert.equal(status, 1)
    const findings = JSON.parse(stdout) as Finding[]
    assert.deepEqual(
      findings.map(({ where, severity, id }) => [where, severity, id]),
      [
        ['rule ann', 'error', 'argument-unknown'],
        ['rule ann', 'warning', 'allow-open'],
      ],
    )
  })
})

test('docs/lint.md is the table of lints', () => {
  const rows = [...read('docs/lint.md').matchAll(/^\| `([a-z-]+)` \| (\w+) \| (\w+) \| (.*) \| (.*) \|$/gm)].map(
    ([, id, family, severity, means, todo]) => ({ id, family, severity, means, todo }),
  )
  assert.deepEqual(
    rows,
    Object.entries(lintTable).map(([id, { family, severity, means, todo }]) => ({ id, family, severity, means, todo })),
  )
})
