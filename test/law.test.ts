/**
 * The law: what a rule matches, who wins, what doubt does; what it keeps of a run (rules that change it, temporal rules,
 * labels), also through children, mail, memory, files, a crash and a fork. Through the kernel wherever there is one.
 */
import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { z } from 'zod'
import { scripted } from '../src/drivers/llm/scripted.ts'
import { defineProgram } from '../src/kernel/program.ts'
import { simulatedClock } from '../src/kernel/clock.ts'
import { PolityError } from '../src/kernel/errors.ts'
import type { Json, Program, Sys, Tool } from '../src/kernel/types.ts'
import type { Decision, Law, Request, Rule } from '../src/policy/law.ts'
import { decide, judge, parseLaw } from '../src/policy/law.ts'
import { lint } from '../src/lint/lint.ts'
import { parseCases, runCases } from '../src/policy/cases.ts'
import { parseJson } from '../src/policy/json.ts'
import { callNames } from '../src/policy/match.ts'
import {
  allow,
  ask,
  atLeast,
  deny,
  fromProgent,
  lawOf,
  lawSchema,
  matching,
  oneOf,
  startsWith,
  temporal,
} from '../src/policy.ts'
import type { World } from './world.ts'
import { codeOf, createWorld, cutStore, endOf, tool as plainTool } from './world.ts'

const tool = (name: string, args: Json = {}, more: Partial<Request> = {}): Request => ({
  call: 'call',
  tool: name,
  args,
  principal: 'ada',
  program: 'clerk',
  ...more,
})
const said = (law: unknown, request: Request): string => {
  const { effect, rule } = decide(parseLaw(law), request)
  return rule === null ? effect : `${effect} ${rule}`
}

describe('who decides', () => {
  test('the first rule that matches; what none matches is denied', () => {
    const law = {
      rules: [
        { id: 'no-root', effect: 'deny', tool: 'delete', args: { path: { pattern: '^/' } } },
        { id: 'files', effect: 'allow', tool: 'delete' },
        { id: 'never', effect: 'deny', tool: 'delete' },
        { id: 'reads', effect: 'allow', tool: 'read_*', principal: 'ada', program: 'cl*' },
      ],
    }
    assert.equal(said(law, tool('delete', { path: '/etc' })), 'deny no-root')
    assert.equal(said(law, tool('delete', { path: 'etc' })), 'allow files')
    assert.equal(said(law, tool('read_mail')), 'allow reads')
    assert.equal(said(law, tool('read_mail', {}, { principal: 'eve' })), 'deny')
    assert.equal(said(law, tool('read_mail', {}, { program: 'spy' })), 'deny')
    assert.equal(said(law, tool('write')), 'deny')
    assert.equal(said(law, { ...tool('x'), call: 'send', args: {} }), 'allow', 'its own mail: no rule speaks of it')
  })

  test('the programs above, what was asked for, what is outbound, what was seen', () => {
    const law = {
      rules: [
        { id: 'leak', effect: 'ask', tool: '*', outbound: true, seen: ['private', 'untrusted'] },
        { id: 'guest', effect: 'deny', tool: 'pay', under: 'visitor' },
        { id: 'asked', effect: 'allow', tool: 'pay', asked: { pattern: '\\bpay\\b' } },
        { id: 'mail', effect: 'allow', tool: 'mail' },
      ],
    }
    const pay = (more: Partial<Request>): string => said(law, tool('pay', {}, { outbound: false, ...more }))
    assert.equal(pay({ asked: 'Please PAY the bill' }), 'allow asked')
    assert.equal(pay({ asked: 'What did I repay?' }), 'deny')
    assert.equal(pay({}), 'deny', 'nobody knows what was asked for')
    assert.equal(pay({ asked: 'pay', ancestors: ['desk', 'visitor'] }), 'deny guest')
    const seen = new Set(['private', 'untrusted', 'other'])
    assert.equal(said(law, tool('mail', {}, { seen, outbound: true })), 'ask leak')
    assert.equal(said(law, tool('mail', {}, { seen, outbound: false })), 'allow mail')
    assert.equal(said(law, tool('mail', {}, { seen: new Set(['private']), outbound: true })), 'allow mail')
    assert.equal(said(law, tool('mail', {}, { seen })), 'ask leak', 'in doubt, it is outbound')
    assert.equal(said(law, tool('mail', {}, { outbound: true })), 'ask leak', 'in doubt, it has seen all')
  })
})

describe('doubt never widens', () => {
  const condition = { to: { pattern: '@acme\\.com$' } }
  const forms: readonly (readonly [what: string, args: Json])[] = [
    ['absent', {}],
    ['null', { to: null }],
    ['a list', { to: ['eve@evil.com'] }],
    ['a list of what would pass', { to: ['ann@acme.com'] }],
    ['an object', { to: { toString: 'ann@acme.com' } }],
    ['a number', { to: 7 }],
  ]
  for (const [what, args] of forms) {
    test(`an argument that is ${what}`, () => {
      const allow = { rules: [{ id: 'a', effect: 'allow', tool: 'mail', args: condition }] }
      const deny = {
        rules: [
          { id: 'd', effect: 'deny', tool: 'mail', args: condition },
          { id: 'a', effect: 'allow' },
        ],
      }
      const ask = {
        rules: [
          { id: 'q', effect: 'ask', tool: 'mail', args: condition },
          { id: 'a', effect: 'allow' },
        ],
      }
      const askOnly = { rules: [{ id: 'q', effect: 'ask', tool: 'mail', args: condition }] }
      assert.equal(said(allow, tool('mail', args)), 'deny')
      assert.equal(said(deny, tool('mail', args)), 'deny d')
      assert.equal(said(ask, tool('mail', args)), 'ask q')
      assert.equal(said(askOnly, tool('mail', args)), 'deny', 'a doubtful question opens nothing')
    })
  }

  test('origins: every value counts, also in lists, objects and their keys; nothing said is nothing to doubt', () => {
    const law = { rules: [{ id: 'a', effect: 'allow', tool: 'mail', origins: { to: 'request' } }] }
    const denies = {
      rules: [
        { id: 'd', effect: 'deny', tool: 'mail', origins: { to: 'trusted' } },
        { id: 'a', effect: 'allow' },
      ],
    }
    const originOf = (value: unknown) => (value === 'ann' ? 'request' : value === 'bob' ? 'trusted' : 'untrusted')
    for (const [args, allowed, denied] of [
      [{ to: 'ann' }, 'allow a', 'allow a'],
      [{ to: ['ann', ''] }, 'allow a', 'allow a'],
      [{ to: null }, 'allow a', 'allow a'],
      [{}, 'allow a', 'allow a'],
      [{ to: 'bob' }, 'deny', 'allow a'],
      [{ to: ['ann', 'eve'] }, 'deny', 'deny d'],
      [{ to: { ann: 'eve' } }, 'deny', 'deny d'],
      [{ to: { eve: 'ann' } }, 'deny', 'deny d'],
      [{ to: 3 }, 'deny', 'deny d'],
    ] as const) {
      assert.equal(said(law, tool('mail', args, { originOf })), allowed, JSON.stringify(args))
      assert.equal(said(denies, tool('mail', args, { originOf })), denied, JSON.stringify(args))
      assert.equal(
        said(law, tool('mail', args)),
        allowed === 'allow a' && !('to' in args && args.to !== null) ? 'allow a' : 'deny',
      )
    }
  })
})

describe('a law that cannot be read whole is not read', () => {
  for (const [law, expected] of [
    [[], /a law is an object/],
    [{ rules: [], version: 2 }, /unknown key "version"/],
    [{ rules: [{ id: 'x', effect: 'allow', tools: 'a' }] }, /rules\[0\] has an unknown key "tools"/],
    [{ rules: [{ id: 'x', effect: 'permit' }] }, /rules\[0\]\.effect/],
    [{ rules: [{ id: '', effect: 'deny' }] }, /rules\[0\]\.id/],
    [
      {
        rules: [
          { id: 'x', effect: 'deny' },
          { id: 'x', effect: 'deny' },
        ],
      },
      /"x" is used twice/,
    ],
    [{ rules: [{ id: 'x', effect: 'allow', ends: true }] }, /ends/],
    [{ rules: [{ id: 'x', effect: 'allow', args: { a: { patern: 'x' } } }] }, /rules\[0\]\.args\.a.*patern/],
    [{ rules: [{ id: 'x', effect: 'allow', args: { a: { pattern: '(?=x)' } } }] }, /rules\[0\]\.args\.a/],
    [{ rules: [{ id: 'x', effect: 'allow', origins: { a: 'user' } }] }, /origins\.a/],
    [{ rules: [{ id: 'x', effect: 'allow', then: { add: [{ id: 'x', effect: 'deny' }] } }] }, /"x" is used twice/],
    [{ rules: [], temporal: [{ id: 't', formula: 'precedence(a' }] }, /temporal rule "t"/],
    [{ rules: [{ id: 't', effect: 'deny' }], temporal: [{ id: 't', formula: 'G a' }] }, /"t" is used twice/],
    [{ rules: [{ id: 'a', effect: 'allow', then: { drop: ['onec'] } }] }, /names "onec", which is no rule/],
    [{ rules: [{ id: 'a', effect: 'deny', asked: { pattern: 'Do not' } }] }, /lower case/],
    [{ rules: [{ id: 'process/x', effect: 'allow' }] }, /must not begin/],
    [{ rules: [{ id: 'x', effect: 'deny', call: 'wrte' }] }, /there is no system call "wrte"/],
    [{ rules: [], events: { up: { call: 'up*' } } }, /events\.up\.call: there is no system call/],
    [{ rules: [], events: { a: { effect: 'deny' } } }, /events\.a has an unknown key "effect"/],
  ] as const) {
    test(JSON.stringify(law), () => {
      assert.throws(
        () => parseLaw(law),
        (error: Error) => error instanceof TypeError && expected.test(error.message),
      )
    })
  }
})

test('JSON that a person wrote is what JSON.parse makes of it, and refused where an object has a key twice', () => {
  const same = [
    '{"a":{"a":[{"a":1},{"a":2}]},"b":{"a":"}"}}',
    ' [ {"x" : "{\\"x\\":1,\\"x\\":2}" , "y\\\\" : [ ] , "y": {} } , 1e3 , "" , null ] ',
    '{"":1,"__proto__":2,"constructor":[[],{},[{}]],"\\ud83d\\ude00":"\\u0022,"}',
    '"a"',
    '7',
  ]
  for (const text of same) {
    assert.deepEqual(parseJson(text), JSON.parse(text))
    assert.deepEqual(parseJson(`\uFEFF${text}`), JSON.parse(text))
  }
  const refused: readonly (readonly [text: string, path: string])[] = [
    ['{"rules":[],"rules":[]}', 'rules'],
    ['{"rules":[{"id":"a"},{"id":"b","then":{"add":[1,{"x":[],"x":{}}]}}]}', 'rules[1].then.add[1].x'],
    ['{"a":"\\"","effec\\u0074":1,"b":{"effect":2},"effect":3}', 'effect'],
    ['[[],[{"a b":{"__proto__":1,"__proto__":2}}]]', '[1][0]["a b"].__proto__'],
    ['{"events":{"a":{"tool":"x"},"b":{},"a":{}}}', 'events.a'],
    ['{"":1,"":1}', '[""]'],
  ]
  for (const [text, path] of refused)
    assert.throws(() => parseJson(text), {
      name: 'SyntaxError',
      message: `the key ${path} stands there twice; one of them has to go`,
    })
  for (const text of ['', '{', '{"a":1,}', '\uFEFF\uFEFF1', ' \uFEFF1'])
    assert.throws(() => parseJson(text), SyntaxError)
  // No text of a law makes it slow or ends in an error of its own.
  const long = JSON.stringify({ a: '\\"{['.repeat(500_000), b: Array.from({ length: 100_000 }, (_, at) => ({ at })) })
  assert.deepEqual(parseJson(long), JSON.parse(long))
})

test('the law knows every system call by name', async () => {
  const w = createWorld()
  const names = new Set<string>()
  const run = w.kernel.spawn(async (sys: Sys) => {
    for (const name of Object.getOwnPropertyNames(Object.getPrototypeOf(sys)))
      if (name !== 'constructor' && typeof sys[name as 'now'] === 'function') names.add(name)
  }, null)
  await w.settled(run.result)
  // Computed from the journal, and never asked about.
  for (const name of ['now', 'random']) assert.ok(names.delete(name))
  assert.deepEqual([...names].toSorted(), callNames.toSorted())
})

describe('writing a law', () => {
  const transfer = { name: 'transfer', execute: (_input: { to: string; amount: number }) => 'moved' }
  const law = lawOf(
    deny('no-root', 'delete_*', { args: { path: startsWith('/etc.d') }, reason: 'not the machine' }),
    ask('large', transfer, { args: { amount: atLeast(100) } }),
    allow('small', transfer, { args: { to: oneOf('ann', 'bob') } }),
    allow('sites', 'fetch', { args: { url: matching(/https:\/\/[a-z]+\.acme\.com\/.*/) } }),
    temporal('confirmed', 'precedence(confirm, transfer)'),
    { description: 'a clerk' },
  )
  // @ts-expect-error -- the tool has no such argument
  void (() => allow('x', transfer, { args: { amout: atLeast(1) } }))

  test('by functions is the same as by data', () => {
    const text = JSON.stringify(law)
    assert.deepEqual(parseLaw(JSON.parse(text)), law)
    const state = judge(law).after(tool('confirm'), decide(law, tool('confirm')))
    assert.equal(decide(law, tool('delete_page', { path: '/etc.d/x' })).rule, 'no-root')
    assert.equal(decide(law, tool('delete_page', { path: '/etcXd/x' })).rule, null)
    assert.equal(decide(law, tool('transfer', { to: 'ann', amount: 5 })).rule, 'confirmed')
    assert.equal(decide(law, tool('transfer', { to: 'ann', amount: 5 }), state).rule, 'small')
    assert.equal(decide(law, tool('transfer', { to: 'ann', amount: 500 }), state).rule, 'large')
    assert.equal(decide(law, tool('fetch', { url: 'https://shop.acme.com/a' })).rule, 'sites')
    assert.equal(decide(law, tool('fetch', { url: 'https://evil.org/?https://shop.acme.com/a' })).rule, null)
  })

  test('refuses a pattern whose flags would be lost, and so what it is to deny', () => {
    assert.throws(() => matching(/.*rm.*/i), /no flags, and \/\.\*rm\.\*\/i has "i"/)
    for (const flag of ['m', 's', 'v']) assert.throws(() => matching(new RegExp('a', flag)), TypeError)
    assert.deepEqual(matching(/a/dguy), { type: 'string', matches: 'a' })
  })

  test('its JSON Schema takes what the parser takes, and refuses what is misspelt', () => {
    const schema = z.fromJSONSchema(lawSchema as never)
    const policies = globSync(join(import.meta.dirname, '../examples/policies/*.json'))
    assert.ok(policies.length >= 4)
    for (const taken of [
      law,
      fromProgent({ a: [[1, 0, { x: 'y' }, 1, { b: [] }]] }),
      { rules: [{ id: 'x', effect: 'ask', control: { answerOf: 'a*', without: ['b'] }, origins: { a: 'trusted' } }] },
      ...policies.map((path) => JSON.parse(readFileSync(path, 'utf8')) as unknown),
    ]) {
      parseLaw(taken)
      assert.equal(schema.safeParse(taken).success, true, JSON.stringify(schema.safeParse(taken).error?.issues))
    }
    for (const refused of [
      {},
      { rules: [{ id: 'x' }] },
      { rules: [{ id: 'x', effect: 'permit' }] },
      { rules: [{ id: 'x', effect: 'deny', tols: 'x' }] },
      { rules: [{ id: 'x', effect: 'deny', args: { a: { patern: 'x' } } }] },
      { rules: [{ id: 'x', effect: 'deny', origins: { a: 'anybody' } }] },
      { rules: [{ id: 'x', effect: 'deny', origins: { a: {} } }] },
      { rules: [{ id: 'x', effect: 'deny', control: { anserOf: 'x' } }] },
      { rules: [{ id: 'x', effect: 'deny', control: { without: 'untrusted' } }] },
      { rules: [], runaway: { identical: 0 } },
      { rules: [], runaway: { spawns: 1.5 } },
      { rules: [], runaway: { burst: 5 } },
      { rules: [], runaway: { burst: { tokens: 5, ms: 1, s: 1 } } },
      { rules: [], temporal: [{ id: 'x' }] },
    ]) {
      assert.throws(() => parseLaw(refused))
      assert.equal(schema.safeParse(refused).success, false, JSON.stringify(refused))
    }
  })
})

test('the law at the top of docs/policy.md decides the cases of the page as they stand there, and can be kept', () => {
  const page = readFileSync(join(import.meta.dirname, '../docs/policy.md'), 'utf8')
  const blocks = [...page.matchAll(/^```json\n([^]*?)^```$/gm)].map(([, json]) => parseJson(json ?? '') as Json)
  const [law] = blocks
  const cases = parseCases(blocks.find(Array.isArray))
  assert.deepEqual([...new Set(cases.map(({ expect }) => expect))].toSorted(), ['allow', 'ask', 'deny'])
  for (const { case: one, decision, isAsExpected } of runCases(parseLaw(law), cases))
    assert.ok(isAsExpected, `${JSON.stringify(one)}: got ${decision.effect} by ${decision.rule}`)
  assert.deepEqual(lint({ law }), [])
  // Its tools are let through one after another, as its description says.
  const due = [{ tool: 'confirm' }, { tool: 'address_book' }, { tool: 'read_mail' }].map((call) => ({
    call: { ...call, outbound: false },
    expect: 'allow',
  }))
  assert.ok(runCases(parseLaw(law), parseCases(due)).every(({ isAsExpected }) => isAsExpected))
})

describe('Progent’s policies', () => {
  const policy = {
    send_money: [
      [2, 0, { recipient: { type: 'string', enum: ['UK1', 'UK2'] }, amount: { maximum: 100 } }, 0],
      [1, 1, { recipient: { type: 'string', pattern: '^XX' } }, 0],
      [2, 1, { amount: { const: 13 } }, 0],
    ],
    read_file: [[1, 0, { path: 'docs/' }, 2]],
    wipe: [[1, 1, {}, 1]],
    unlock: [[1, 0, {}, 0, { send_money: [[1, 0, {}, 0]] }]],
    nothing: [],
  }
  const law = fromProgent(policy)
  const effect = (name: string, args: Json): Decision => decide(law, tool(name, args))

  test('smaller priorities first, forbid before allow, patterns from the start, fallbacks', () => {
    assert.equal(effect('send_money', { recipient: 'UK1', amount: 5 }).effect, 'allow')
    assert.equal(effect('send_money', { recipient: 'UK1', amount: 13 }).effect, 'deny')
    assert.equal(effect('send_money', { recipient: 'UK3', amount: 5 }).effect, 'deny')
    assert.equal(effect('send_money', { recipient: 'XX1', amount: 5 }).effect, 'deny')
    assert.equal(effect('read_file', { path: 'docs/a' }).effect, 'allow')
    assert.equal(effect('read_file', { path: 'my/docs/a' }).effect, 'ask')
    assert.deepEqual([effect('wipe', {}).effect, effect('wipe', {}).ends], ['deny', true])
    assert.equal(effect('nothing', {}).effect, 'deny')
    assert.equal(effect('unheard-of', {}).effect, 'deny')
  })

  test('strict where its code is lax: absent arguments, other types, what it cannot understand', () => {
    assert.equal(effect('send_money', { recipient: 'UK1' }).effect, 'deny')
    assert.equal(effect('send_money', { recipient: ['XX1'], amount: 5 }).effect, 'deny')
    assert.equal(effect('read_file', {}).effect, 'ask')
    assert.throws(() => fromProgent({ a: [[1, 0, { x: { pattern: '(?<!a)b' } }, 0]] }), TypeError)
    assert.throws(() => fromProgent({ a: [[1, 0, { x: { format: 'email' } }, 0]] }), TypeError)
    assert.throws(() => fromProgent({ a: [[1, 0, 'x', 0]] }), /progent\.a\[0\] must be/)
    // It would be `^(?:a)|(?:.*)`, which is found in every text.
    assert.throws(() => fromProgent({ a: [[1, 0, { x: 'a)|(?:.*' }, 0]] }), /progent\.a\[0\]\[2\]\.x .*closes no group/)
    assert.throws(() => fromProgent({ a: [[1, 1, {}, 0, { b: [] }]] }), /forbids cannot change/)
    assert.equal(decide(fromProgent({}), tool('a')).effect, 'deny')
  })

  test('an update replaces the rules of its tools once the call was let through', () => {
    const { decide: ask, after } = judge(law)
    const pay = tool('send_money', { recipient: 'UK3', amount: 5 })
    const unlock = tool('unlock')
    const state = after(unlock, ask(unlock))
    assert.equal(ask(pay).effect, 'deny')
    assert.equal(ask(pay, state).effect, 'allow')
    assert.equal(ask(tool('read_file', { path: 'x' }), state).effect, 'ask', 'other tools keep theirs')
  })
})

// ------------------------------------------------------------------------------------------------------ in the kernel

const done: string[] = []
const named = (name: string, more: Partial<Tool> = {}): Tool => ({
  ...plainTool(name, (input) => {
    done.push(name)
    return more.description === 'echoes' ? input : `${name} done`
  }),
  effect: 'read',
  ...more,
})
const tools: readonly Tool[] = [
  named('read_private', { labels: ['private'] }),
  named('read_web', { labels: ['untrusted'] }),
  named('lookup', { trusted: true, description: 'echoes' }),
  named('send', { outbound: true }),
  named('approve'),
  named('lock'),
  named('unlock'),
  named('grant'),
]

function world(law: unknown, more: Parameters<typeof createWorld>[0] = {}): World {
  done.length = 0
  return createWorld({ tools, law: parseLaw(law), ...more })
}
const tries = async (call: Promise<unknown>): Promise<string> => codeOf(await endOf(call))
const all = { id: 'all', effect: 'allow' }

describe('temporal rules', () => {
  test('an event that speaks of the request sees it in lower case, before a call and after it', () => {
    const law = judge(
      parseLaw({
        rules: [{ id: 'all', effect: 'allow', call: '*' }],
        events: { hurried: { tool: 'send', asked: { pattern: '\\burgent\\b' } } },
        temporal: [{ id: 'once', formula: 'absence2(hurried)' }],
      }),
    )
    for (const asked of ['urgent', 'URGENT, please', '\uff35rgent']) {
      const request = tool('send', {}, { asked })
      const first = law.decide(request)
      assert.equal(first.effect, 'allow')
      assert.equal(law.decide(request, law.after(request, first)).rule, 'once', asked)
    }
  })

  const law: Law = {
    rules: [{ id: 'all', effect: 'allow' }],
    temporal: [{ id: 'no-leak', formula: 'G(read_private -> (!send W approve))', reason: 'approve first' }],
  } as Law

  test('a call after which the rule could no longer be kept does not run; the agent is told which rule, and can go on', async () => {
    const w = world(law)
    const run = w.kernel.spawn(async (sys: Sys) => {
      const seen = [await tries(sys.call('send', {})), await tries(sys.call('read_private', {}))]
      const refused = await endOf(sys.call('send', {}))
      seen.push('code' in refused ? `${refused.code} ${refused.message}` : 'sent')
      await sys.call('approve', {})
      return [...seen, await tries(sys.call('send', {}))]
    }, null)
    assert.deepEqual(await w.settled(run.result), [
      'ok',
      'ok',
      'ACCESS_DENIED tool send is denied: rule no-leak: approve first',
      'ok',
    ])
    assert.deepEqual(done, ['send', 'read_private', 'approve', 'send'])
  })

  test('a child begins where its parent stands, so a delegate may no more than who sent it', async () => {
    const w = world(law)
    const child = defineProgram('child', async (sys) => tries(sys.call('send', {})))
    const run = w.kernel.spawn(async (sys: Sys) => {
      const before = await sys.wait(await sys.spawn(child, null))
      await sys.call('read_private', {})
      return [before, await sys.wait(await sys.spawn(child, null))]
    }, null)
    assert.deepEqual(await w.settled(run.result), ['ok', 'ACCESS_DENIED'])
  })

  test('it stands where it stood after a kernel was closed and its run resumed', async () => {
    const program = defineProgram('clerk', async (sys) => {
      await sys.call('read_private', {})
      await sys.receive()
      return tries(sys.call('send', {}))
    })
    const first = world(law)
    const { pid, result } = first.kernel.spawn(program, null)
    void result.catch(() => {})
    await first.settled(first.kernel.spawn(async (sys: Sys) => sys.sleep(5), null).result)
    await first.kernel.close()
    const second = world(law, { programs: [program], store: cutStore(first.store.batches, Infinity) })
    const [run] = second.kernel.resume(pid)
    second.kernel.send(pid, 'go')
    assert.equal(await second.settled(run!.result), 'ACCESS_DENIED')
    assert.deepEqual(done, [])
  })

  test('a run that returns before it has met a rule has failed, and says which', async () => {
    const w = world({ rules: [all], temporal: [{ id: 'unlocks', formula: 'response(lock, unlock)' }] })
    const locks = defineProgram('locks', async (sys) => sys.call('lock', {}))
    const open = w.kernel.spawn(locks, null)
    const end = await w.settled(endOf(open.result))
    assert.ok('code' in end && end.code === 'ACCESS_DENIED' && /unlocks/.test(end.message), JSON.stringify(end))
    const kept = w.kernel.spawn(async (sys: Sys) => [await sys.call('lock', {}), await sys.call('unlock', {})], null)
    assert.equal(codeOf(await w.settled(endOf(kept.result))), 'ok')
    assert.deepEqual(await w.settled(w.kernel.replay(open.pid)), { same: true, calls: 1 })
  })

  test('tools that could only break a rule are not offered to a model', async () => {
    const offered: string[][] = []
    const model = scripted((call) => {
      offered.push((call.tools ?? []).map((one) => one.name))
      return 'ok'
    })
    const w = world(law, { models: { model } })
    const ask = { prompt: 'hi', tools: ['send', 'approve'] }
    const run = w.kernel.spawn(async (sys: Sys) => {
      await sys.generate(ask)
      await sys.call('read_private', {})
      await sys.generate(ask)
    }, null)
    await w.settled(run.result)
    assert.deepEqual(offered, [['approve', 'send'], ['approve']])
  })

  test('a state that does not belong to the rules lets nothing through', () => {
    const other = parseLaw({
      rules: [all],
      temporal: [
        { id: 'a', formula: 'precedence(a, b)' },
        { id: 'c', formula: 'absence(c)' },
      ],
    })
    const mine = parseLaw(law)
    const fresh = decide(mine, tool('lock'))
    assert.equal(fresh.effect, 'allow')
    const foreign = judge(other).after(tool('a'), decide(other, tool('a')))
    for (const trace of [foreign.trace, [999], ['G('], [null as never]])
      assert.equal(decide(mine, tool('lock'), { fired: [], trace }).effect, 'deny', JSON.stringify(trace))
  })

  test('effect ask: a person may allow the exception, and the rule stands as before it', async () => {
    const w = world({ rules: [all], temporal: [{ ...law.temporal?.[0], effect: 'ask' }] })
    const run = w.kernel.spawn(async (sys: Sys) => {
      await sys.call('read_private', {})
      return [await tries(sys.call('send', {})), await tries(sys.call('send', {})), await tries(sys.call('lock', {}))]
    }, null)
    const answered: string[] = []
    const result = run.result
    for (const text of ['allow', 'deny']) {
      await w.settled(w.kernel.spawn(async (sys: Sys) => sys.sleep(1), null).result)
      const [question] = w.kernel.questions
      answered.push(question?.text ?? 'none')
      w.kernel.answer(question!.id, text)
    }
    assert.deepEqual(await w.settled(result), ['ok', 'ACCESS_DENIED', 'ok'])
    assert.match(answered[0] ?? '', /no-leak/)
  })
})

describe('a rule that asks hides none that denies', () => {
  const events = { big: { tool: 'send', args: { amount: { minimum: 100 } } } }
  const saidUnder = (temporal: readonly unknown[], request: Request): string =>
    said({ rules: [all], events, temporal }, request)

  test('an argument that is left out, or of another type, turns no denial into a question', () => {
    const asking = { id: 'ask-big', formula: 'G(!big)', effect: 'ask' }
    const denying = { id: 'never', formula: 'precedence(confirm, send)' }
    for (const args of [{ amount: 5 }, { amount: 500 }, {}, { amount: '500' }]) {
      assert.equal(saidUnder([asking, denying], tool('send', args)), 'deny never', JSON.stringify(args))
      assert.equal(saidUnder([denying, asking], tool('send', args)), 'deny never', JSON.stringify(args))
    }
    assert.equal(saidUnder([asking], tool('send')), 'ask ask-big')
    // Nor where a denial needs both rules, and the event to hold.
    const joint = [
      { id: 'checked', formula: 'response(big, check)', effect: 'ask' },
      { id: 'unchecked', formula: 'absence(check)' },
    ]
    for (const args of [{ amount: 500 }, {}, { amount: '500' }])
      assert.equal(saidUnder(joint, tool('send', args)), 'deny unchecked', JSON.stringify(args))
    assert.equal(saidUnder(joint, tool('send', { amount: 5 })), 'allow all')
  })

  test('what rules forbid only together is asked also where one forbids it by itself, or others ask together', () => {
    const clash = [
      { id: 'checked', formula: 'response(send, check)' },
      { id: 'unchecked', formula: 'absence(check)' },
    ]
    assert.equal(
      saidUnder([{ id: 'no-send', formula: 'G(!send)', effect: 'ask' }, ...clash], tool('send')),
      'deny checked',
    )
    const asking = [
      { id: 'told', formula: 'response(send, tell)', effect: 'ask' },
      { id: 'silent', formula: 'absence(tell)', effect: 'ask' },
    ]
    assert.equal(saidUnder(asking, tool('send')), 'ask told and silent')
    assert.equal(saidUnder([...asking, ...clash], tool('send')), 'deny checked')
    // The denial may need one of those that ask.
    const three = [
      ...asking,
      { id: 'logged', formula: 'response(send, log)' },
      { id: 'first', formula: 'response(send, tell) -> absence(log)' },
    ]
    assert.equal(saidUnder(three.slice(2), tool('send')), 'allow all')
    assert.equal(
      saidUnder(
        three.filter(({ id }) => id !== 'silent'),
        tool('send'),
      ),
      'deny logged',
    )
    assert.equal(saidUnder(three, tool('send')), 'deny logged')
  })

  test('in small laws drawn at random: what is denied without the rules that ask, or some of them, is denied with them', () => {
    const formulas = [
      'G(!big)',
      'response(send, check)',
      'absence(check)',
      'precedence(confirm, send)',
      'response(big, confirm)',
      'absence(confirm)',
      'response(big, check) | absence(confirm)',
    ]
    let draws = 7
    const draw = (below: number): number => (draws = (draws * 48_271) % 2_147_483_647) % below
    const hidden: string[] = []
    let denied = 0
    for (let n = 0; n < 150; n++) {
      const temporal = Array.from({ length: 4 }, (_, i) => {
        const formula = formulas[draw(formulas.length)] as string
        return { id: `r${i}`, formula, effect: draw(3) === 0 ? 'deny' : 'ask' }
      })
      const effectOf = (some: readonly object[], args: Json): string => saidUnder(some, tool('send', args)).slice(0, 4)
      for (const args of [{ amount: 5 }, { amount: 500 }, {}]) {
        const isDenied = effectOf(temporal, args) === 'deny'
        for (const { id, effect } of temporal) {
          if (effect !== 'ask') continue
          const without = effectOf(
            temporal.filter((one) => one.id !== id),
            args,
          )
          if (without !== 'deny') continue
          denied++
          if (!isDenied) hidden.push(JSON.stringify([temporal, args, id]))
        }
      }
    }
    assert.ok(denied > 50, `${denied}`)
    assert.deepEqual(hidden, [])
  })

  test('the limit of a runaway denies, and ends the process, also where a temporal rule asks or denies', () => {
    for (const effect of ['ask', 'deny'] as const) {
      const temporal = [{ id: 't', formula: 'precedence(confirm, send)', effect }]
      const law = parseLaw({ rules: [all], temporal, runaway: { calls: 1, ends: true } })
      const one = judge(law).after(tool('look'), decide(law, tool('look')))
      assert.equal(decide(law, tool('send')).effect, effect)
      const { rule, ends } = decide(law, tool('send'), one)
      assert.deepEqual([rule, ends], ['kernel/runaway', true])
    }
  })

  test('where all ask, one question names all', () => {
    const law = parseLaw({
      rules: [{ id: 'large', effect: 'ask', tool: 'send' }, all],
      temporal: [
        { id: 'a', formula: 'G(!send)', effect: 'ask' },
        { id: 'b', formula: 'precedence(confirm, send)', effect: 'ask', reason: 'confirm first' },
      ],
      runaway: { calls: 1, effect: 'ask' },
    })
    const one = judge(law).after(tool('look'), decide(law, tool('look')))
    const { effect, rule, reason, isTemporal } = decide(law, tool('send'), one)
    assert.deepEqual([effect, rule, isTemporal], ['ask', 'large and a and b and kernel/runaway', true])
    assert.match(reason, /^rule large; rule a; rule b: confirm first; the process made 1 tool calls/)
  })
})

/** Answers what is asked, as it is asked, until a promise ends. */
async function answering<T>(w: World, promise: Promise<T>, say: (text: string) => string | undefined): Promise<T> {
  let isOver = false
  void promise.finally(() => (isOver = true)).catch(() => {})
  const answers = async (): Promise<void> => {
    while (!isOver) {
      for (const { id, text } of w.kernel.questions) {
        const said = say(text)
        if (said !== undefined) w.kernel.answer(id, said)
      }
      await new Promise((resolve) => void setImmediate(resolve))
    }
  }
  void answers()
  return promise
}

describe('after a person said yes', () => {
  test('the law is asked again: calls that waited together do not all pass where one may', async () => {
    const ask = { id: 'q', effect: 'ask', tool: 'send' }
    for (const more of [{ temporal: [{ id: 'one', formula: 'absence2(send)' }] }, { runaway: { calls: 1 } }]) {
      const w = world({ rules: [ask, all], ...more })
      const run = w.kernel.spawn(
        async (sys: Sys) => Promise.all([1, 2, 3].map((to) => tries(sys.call('send', { to })))),
        null,
      )
      const codes = (await answering(w, run.result, () => 'allow')) as string[]
      assert.deepEqual(codes.toSorted(), ['ACCESS_DENIED', 'ACCESS_DENIED', 'ok'], JSON.stringify(more))
      assert.deepEqual(done, ['send'])
    }
  })

  test('one question names both rules that ask, and a batch for one is none for both', async () => {
    const law = parseLaw({
      rules: [{ id: 'large', effect: 'ask', tool: 'send' }, all],
      temporal: [{ id: 'no-leak', formula: 'G(read_private -> G !send)', effect: 'ask' }],
    })
    const first = decide(law, tool('send'))
    const read = judge(law).after(tool('read_private'), decide(law, tool('read_private')))
    assert.equal(first.rule, 'large')
    assert.equal(decide(law, tool('send'), read).rule, 'large and no-leak')
  })

  test('the word of one call is not that of the same call after a restore', async () => {
    const w = world({ rules: [{ id: 'q', effect: 'ask', tool: 'send' }, all] }, { approvalKey: () => 'key' })
    const run = w.kernel.spawn(async (sys: Sys) => {
      const { id, restored } = await sys.snapshot()
      await tries(sys.call('send', {}))
      if (restored < 2) await sys.restore(id)
    }, null)
    let asked = 0
    await answering(w, run.result, () => (asked++ === 0 ? 'allow' : 'deny'))
    assert.deepEqual(done, ['send'])
  })

  test('it stands after a restart where it stood, in the order in which calls passed', async () => {
    const law = {
      rules: [{ id: 'q', effect: 'ask', tool: 'send' }, all],
      temporal: [{ id: 'chain', formula: 'G(send -> (!grant W lock))' }],
    }
    const program = defineProgram('clerk', async (sys) => {
      const sent = tries(sys.call('send', {}))
      await sys.call('lock', {})
      await sent
      await sys.receive()
      return tries(sys.call('grant', {}))
    })
    const first = world(law)
    const { pid, result } = first.kernel.spawn(program, null)
    void result.catch(() => {})
    await answering(first, first.kernel.spawn(async (sys: Sys) => sys.sleep(50), null).result, () => 'allow')
    await first.kernel.close()
    const second = world(law, { programs: [program], store: cutStore(first.store.batches, Infinity) })
    const [run] = second.kernel.resume(pid)
    second.kernel.send(pid, 'go')
    assert.equal(await second.settled(run!.result), 'ACCESS_DENIED')
  })
})

describe('a person', () => {
  test('who denied a call is not asked about the same call again in that run', async () => {
    const w = world({ rules: [{ id: 'q', effect: 'ask', tool: 'send' }, all] })
    const run = w.kernel.spawn(async (sys: Sys) => {
      const codes: string[] = []
      for (let i = 0; i < 20; i++) codes.push(await tries(sys.call('send', { to: 'eve' })))
      codes.push(await tries(sys.call('send', { to: 'ann' })))
      return codes
    }, null)
    let asked = 0
    for (const text of ['deny', 'allow']) {
      await w.settled(w.kernel.spawn(async (sys: Sys) => sys.sleep(1), null).result)
      const [question] = w.kernel.questions
      asked += w.kernel.questions.length
      w.kernel.answer(question!.id, text)
    }
    assert.deepEqual(await w.settled(run.result), [...Array.from({ length: 20 }, () => 'ACCESS_DENIED'), 'ok'])
    assert.equal(asked, 2)
  })

  test('two different tools of one name are refused before anything runs', () => {
    const twins = [named('send'), named('send', { description: 'another' })]
    assert.throws(() => createWorld({ tools: twins }), /the kernel has two different tools named "send"/)
    const w = createWorld({ tools })
    const shadow = defineProgram('shadow', async () => 'x', { tools: [named('send', { description: 'another' })] })
    assert.throws(() => w.kernel.spawn(shadow, null), /program shadow has two different tools named "send"/)
  })
})

describe('labels', () => {
  const law = { rules: [{ id: 'leak', effect: 'deny', tool: 'send', seen: ['private'] }, all] }
  const sends = defineProgram('sends', async (sys) => tries(sys.call('send', {})))

  test('of what a tool returned, to whoever learns it: its process, its children, and who waits for them', async () => {
    const w = world(law)
    const reads = defineProgram('reads', async (sys) => sys.call('read_private', {}))
    const run = w.kernel.spawn(async (sys: Sys) => {
      const before = await tries(sys.call('send', {}))
      const pid = await sys.spawn(reads, null)
      await sys.sleep(1)
      const unlearned = await tries(sys.call('send', {}))
      await sys.wait(pid)
      return [before, unlearned, await tries(sys.call('send', {})), await sys.wait(await sys.spawn(sends, null))]
    }, null)
    assert.deepEqual(await w.settled(run.result), ['ok', 'ok', 'ACCESS_DENIED', 'ACCESS_DENIED'])
  })

  for (const [way, give, take] of [
    ['mail', (sys: Sys, to: number) => sys.send(to, 'x'), (sys: Sys) => sys.receive()],
    [
      'mail that was waited for',
      async (sys: Sys, to: number) => (await sys.sleep(5), sys.send(to, 'x')),
      (sys: Sys) => sys.receive(),
    ],
    ['a note', (sys: Sys) => sys.remember('the number is 7'), (sys: Sys) => sys.recall('number')],
    ['a file', (sys: Sys) => sys.write('a.txt', '7'), async (sys: Sys) => (await sys.sleep(2), sys.read('a.txt'))],
  ] as const) {
    test(`through ${way}`, async () => {
      const w = world(law)
      const giver = defineProgram('giver', async (sys, to: number) => {
        await sys.call('read_private', {})
        await give(sys, to)
        await sys.sleep(50)
      })
      const run = w.kernel.spawn(async (sys: Sys) => {
        await sys.spawn(giver, sys.pid)
        await sys.sleep(1)
        const before = await tries(sys.call('send', {}))
        await take(sys)
        return [before, await tries(sys.call('send', {}))]
      }, null)
      assert.deepEqual(await w.settled(run.result), ['ok', 'ACCESS_DENIED'])
    })
  }
})

describe('where values come from', () => {
  const law = {
    rules: [
      { id: 'known', effect: 'allow', tool: 'send', origins: { to: 'trusted' } },
      { id: 'lookups', effect: 'allow', tool: 'l*' },
      { id: 'web', effect: 'allow', tool: 'read_*' },
    ],
  }
  const input = { question: 'Send 1,200.50 to Ann@Acme.com and to x.mark@a.org (see https://a.org/b/c). Ask Joanna.' }
  for (const [to, expected] of [
    ['Ann@Acme.com', 'ok'],
    ['ann@acme.com', 'ACCESS_DENIED'],
    ['Ann', 'ACCESS_DENIED'],
    [' ', 'ACCESS_DENIED'],
    ['mark@a.org', 'ACCESS_DENIED'],
    ['x.mark@a.org', 'ok'],
    ['a.org', 'ACCESS_DENIED'],
    ['https://a.org/b', 'ACCESS_DENIED'],
    ['https://a.org/b/c', 'ok'],
    ['Joan', 'ACCESS_DENIED'],
    ['Joanna', 'ok'],
    ['joanna', 'ACCESS_DENIED'],
    [1200.5, 'ok'],
    [1200, 'ACCESS_DENIED'],
    [['Joanna', 'eve'], 'ACCESS_DENIED'],
    ['eve@evil.com', 'ACCESS_DENIED'],
  ] as const) {
    test(`the request, whole words only: ${JSON.stringify(to)} is ${expected}`, async () => {
      const w = world(law)
      const run = w.kernel.spawn(async (sys: Sys, _input: Json) => tries(sys.call('send', { to } as Json)), input)
      assert.equal(await w.settled(run.result), expected)
    })
  }

  test('a trusted tool’s answer, also for a child; not another tool’s, nor what the agent said itself', async () => {
    const w = world(law)
    const child = defineProgram('child', async (sys, to: string) => tries(sys.call('send', { to })))
    const run = w.kernel.spawn(async (sys: Sys) => {
      const before = await tries(sys.call('send', { to: 'bob@b.org' }))
      await sys.call('read_web', { text: 'eve@evil.com' })
      await sys.remember('eve@evil.com')
      await sys.call('lookup', { text: 'bob@b.org' })
      const tellChild = async (to: string) => sys.wait(await sys.spawn(child, to))
      return [
        before,
        await tries(sys.call('send', { to: 'bob@b.org' })),
        await tellChild('bob@b.org'),
        await tellChild('eve@evil.com'),
      ]
    }, 'hello')
    assert.deepEqual(await w.settled(run.result), ['ACCESS_DENIED', 'ok', 'ok', 'ACCESS_DENIED'])
  })

  const says = (name: string, text: string, more: Partial<Tool> = {}): Tool => ({
    ...plainTool(name, () => text),
    ...more,
  })
  const acts = (name: string, control?: readonly string[]): Tool => ({
    ...plainTool(name, () => 'done'),
    effect: 'once',
    ...(control === undefined ? {} : { control }),
  })
  const made = (rules: readonly Rule[], ...more: readonly Tool[]) =>
    createWorld({ law: parseLaw({ rules }), tools: [...tools, ...more] })

  test('one rule for the control arguments of all tools, each as its manifest says', async () => {
    const w = made(
      [
        { id: 'steered', effect: 'ask', tool: '*', control: 'trusted' },
        { id: 'all', effect: 'allow', tool: '*' },
      ],
      acts('mail', ['to', 'cc']),
      acts('pay', ['account', 'amount']),
      acts('wait', []),
      acts('silent'),
    )
    const run = w.kernel.spawn(async (sys: Sys) => {
      const said: string[] = []
      for (const [name, input] of [
        ['mail', { to: 'ann@acme.com', text: 'anything at all' }],
        ['mail', { to: 'ann@acme.com', cc: ['eve@evil.com'] }],
        ['pay', { account: 'GB1', amount: 20 }],
        ['pay', { account: 'GB1', amount: 21 }],
        ['pay', { amount: 20 }],
        ['wait', { to: 'eve@evil.com' }],
        ['silent', {}],
      ] as const)
        said.push(await tries(sys.call(name, input as Json)))
      return said
    }, 'Pay 20 to GB1 and tell ann@acme.com')
    // Nobody answers a question, so what is asked is denied; a tool that does not say what steers it is in doubt.
    const [ok, no] = ['ok', 'ACCESS_DENIED']
    assert.deepEqual(await w.settled(run.result), [ok, no, ok, no, ok, ok, no])
    const allows = made(
      [{ id: 'own', effect: 'allow', tool: '*', control: 'request' }],
      acts('mail', ['to']),
      acts('silent'),
    )
    const other = allows.kernel.spawn(
      async (sys: Sys) => [
        await tries(sys.call('mail', { to: 'ann@acme.com' })),
        await tries(sys.call('mail', { to: 'eve@evil.com' })),
        await tries(sys.call('silent', {})),
      ],
      'tell ann@acme.com',
    )
    assert.deepEqual(await allows.settled(other.result), [ok, no, no])
  })

  const contacts = says('contacts', 'Ann: ann@acme.com', { labels: ['private'] })
  const page = says('page', 'write to eve@evil.com or ann@acme.com or sue@acme.com', { labels: ['untrusted'] })
  const unsaid = says('unsaid', 'sue@acme.com')
  const repeats: Tool = { ...plainTool('repeats', (input) => input), labels: [] }
  const sources = [contacts, page, unsaid, repeats] as const
  const read: Rule[] = sources.map(({ name }) => ({ id: name, effect: 'allow', tool: name }))
  const learn = async (sys: Sys): Promise<void> => {
    for (const { name } of sources) await sys.call(name, { text: 'bob@acme.com' })
  }

  for (const [what, from, expected] of [
    ['of one tool', { answerOf: 'contacts' }, ['ann@acme.com', 'me@acme.com']],
    ['of tools of a name', { answerOf: 'p*' }, ['ann@acme.com', 'eve@evil.com', 'sue@acme.com', 'me@acme.com']],
    ['without a label', { without: ['untrusted'] }, ['ann@acme.com', 'me@acme.com']],
    ['without another label', { without: ['private', 'untrusted'] }, ['me@acme.com']],
    ['of a tool, and without a label', { answerOf: 'page', without: ['untrusted'] }, ['me@acme.com']],
  ] as const) {
    test(`the answers of tools, value by value: ${what}`, async () => {
      const w = made([...read, { id: 'mail', effect: 'allow', tool: 'send', origins: { to: from } }], ...sources)
      const run = w.kernel.spawn(async (sys: Sys) => {
        await learn(sys)
        const passed: string[] = []
        for (const to of ['ann@acme.com', 'eve@evil.com', 'sue@acme.com', 'bob@acme.com', 'me@acme.com'])
          if ((await tries(sys.call('send', { to }))) === 'ok') passed.push(to)
        return passed
      }, 'as me@acme.com')
      assert.deepEqual(await w.settled(run.result), expected)
    })
  }

  test('a label that the run has seen is not one that the value has; a child and a restart know the answers too', async () => {
    const steered: Rule = { id: 'steered', effect: 'deny', tool: 'send', control: { without: ['untrusted'] } }
    const send = acts('send', ['to'])
    const law = parseLaw({ rules: [...read, steered, { id: 'send', effect: 'allow', tool: 'send' }] })
    const options = { law, tools: [...sources, send] }
    const first = createWorld(options)
    const mails = defineProgram('mails', async (sys: Sys, to: string) => tries(sys.call('send', { to })))
    const agent = defineProgram('agent', async (sys: Sys) => {
      await learn(sys)
      await sys.receive()
      return [
        await tries(sys.call('send', { to: 'ann@acme.com' })),
        await tries(sys.call('send', { to: 'eve@evil.com' })),
        await sys.wait(await sys.spawn(mails, 'ann@acme.com')),
        await sys.wait(await sys.spawn(mails, 'eve@evil.com')),
      ]
    })
    const { pid, result } = first.kernel.spawn(agent, null)
    void result.catch(() => {})
    await first.settled(first.kernel.spawn(async (sys: Sys) => sys.sleep(5), null).result)
    await first.kernel.close()
    const store = cutStore(first.store.batches, Infinity)
    const second = createWorld({ ...options, store, programs: [agent, mails] })
    const [run] = second.kernel.resume(pid)
    second.kernel.send(pid, 'go')
    assert.deepEqual(await second.settled(run!.result), ['ok', 'ACCESS_DENIED', 'ok', 'ACCESS_DENIED'])
  })

  test('an answer carries what its tool read of a state too, also after a restart; and is not trusted then', async () => {
    const box = { state: 'box', labels: [] }
    const mail = says('mail', 'kept', { ...box, labels: ['untrusted'] })
    const keeps: Tool = { ...mail, execute: (_, context) => (context.keep('eve@evil.com'), 'kept') }
    const board: Tool = { ...says('board', '', box), execute: (_, { state }) => state ?? 'ann@acme.com' }
    const directory: Tool = { ...board, name: 'directory', trusted: true }
    const tools = [keeps, board, directory]
    for (const control of [{ without: ['untrusted'] }, 'trusted'] as const) {
      const reads: Rule[] = tools.map(({ name }) => ({ id: name, effect: 'allow', tool: name }))
      const law = parseLaw({
        rules: [...reads, { id: 'steered', effect: 'allow', tool: 'send', control }],
      })
      const options = { law, tools: [...tools, acts('send', ['to'])] }
      const first = createWorld(options)
      const agent = defineProgram('agent', async (sys: Sys) => {
        for (const name of ['board', 'directory', 'mail', 'board', 'directory']) await sys.call(name, {})
        const codes = [
          await tries(sys.call('send', { to: 'ann@acme.com' })),
          await tries(sys.call('send', { to: 'eve@evil.com' })),
        ]
        await sys.receive()
        return [...codes, await tries(sys.call('send', { to: 'eve@evil.com', again: true }))]
      })
      const { pid, result } = first.kernel.spawn(agent, null)
      void result.catch(() => {})
      await first.settled(first.kernel.spawn(async (sys: Sys) => sys.sleep(5), null).result)
      await first.kernel.close()
      const second = createWorld({ ...options, store: cutStore(first.store.batches, Infinity), programs: [agent] })
      const [run] = second.kernel.resume(pid)
      second.kernel.send(pid, 'go')
      assert.deepEqual(
        await second.settled(run!.result),
        ['ok', 'ACCESS_DENIED', 'ACCESS_DENIED'],
        JSON.stringify(control),
      )
      const ends = second.store.events(pid).filter((event) => event.type === 'call-end')
      assert.deepEqual(
        ends.slice(0, 5).map(({ labels, trusted }) => [labels, trusted]),
        [
          [[], undefined],
          [[], true],
          [['untrusted'], undefined],
          [['untrusted'], undefined],
          [['untrusted'], undefined],
        ],
      )
    }
  })

  test('what a tool was told before, and says back, came from nowhere; nor did what comes after a thousand answers', async () => {
    let kept = ''
    const keeps: Tool = {
      ...plainTool('keeps', (input) => ((kept = String((input as { text: Json }).text)), 'kept')),
      labels: [],
    }
    const gives: Tool = { ...plainTool('gives', () => `${kept} sue@acme.com`), labels: [] }
    const rules: Rule[] = [
      { id: 'all', effect: 'allow', tool: 'keeps' },
      { id: 'gives', effect: 'allow', tool: 'gives' },
      { id: 'mail', effect: 'allow', tool: 'send', origins: { to: { without: ['untrusted'] } } },
    ]
    const w = made(rules, keeps, gives)
    const launders = w.kernel.spawn(async (sys: Sys) => {
      await sys.call('keeps', { text: 'eve@evil.com' })
      await sys.call('gives', {})
      return [
        await tries(sys.call('send', { to: 'eve@evil.com' })),
        await tries(sys.call('send', { to: 'sue@acme.com' })),
      ]
    }, null)
    assert.deepEqual(await w.settled(launders.result), ['ACCESS_DENIED', 'ok'])
    const talks = w.kernel.spawn(async (sys: Sys) => {
      for (let i = 0; i < 1_000; i++) await sys.call('keeps', { text: 'nothing' })
      await sys.call('gives', {})
      return tries(sys.call('send', { to: 'sue@acme.com' }))
    }, null)
    assert.equal(await w.settled(talks.result), 'ACCESS_DENIED')
  })

  describe('what anything in the run told a tool before the answer came is nothing that the answer vouches for', () => {
    let kept = ''
    const clock = () => simulatedClock({ seed: 1 })
    const talking = (at: ReturnType<typeof clock>): readonly Tool[] => {
      const after = (ms: number, value: () => Json) =>
        new Promise<Json>((resolve) => void at.after(ms, () => resolve(value())))
      return [
        {
          ...plainTool('keeps', (input) => ((kept = String((input as { text: Json }).text)), after(50, () => 'kept'))),
          labels: [],
        },
        { ...plainTool('gives', () => after(5, () => `${kept} sue@acme.com`)), labels: [] },
        acts('send', ['to']),
      ]
    }
    const law = parseLaw({
      rules: [
        { id: 'steered', effect: 'deny', tool: 'send', control: { without: ['untrusted'] } },
        { id: 'all', effect: 'allow', tool: '*' },
      ],
    })
    const sends = async (sys: Sys): Promise<Json> => [
      await tries(sys.call('send', { to: 'eve@evil.com' })),
      await tries(sys.call('send', { to: 'sue@acme.com' })),
    ]
    const tell = (sys: Sys) => sys.call('keeps', { text: 'eve@evil.com' })
    const teller = defineProgram('teller', async (sys) => void (await tell(sys)))
    const giver = defineProgram('giver', async (sys) => {
      await sys.call('gives', {})
      return sends(sys)
    })
    const ways: { readonly [way: string]: (sys: Sys) => Promise<unknown> } = {
      'at the same time': async (sys) => {
        const told = tell(sys)
        await sys.call('gives', {})
        const sent = await sends(sys)
        await told
        return sent
      },
      'by its child': async (sys) => {
        await sys.wait(await sys.spawn(teller, null))
        await sys.call('gives', {})
        return sends(sys)
      },
      'by its parent': async (sys) => {
        await tell(sys)
        return sys.wait(await sys.spawn(giver, null))
      },
      'by a sibling that is still at it': async (sys) => {
        await sys.spawn(teller, null)
        return sys.wait(await sys.spawn(giver, null))
      },
    }
    for (const [way, program] of Object.entries(ways)) {
      test(way, async () => {
        const at = clock()
        const w = createWorld({ law, tools: talking(at), clock: at })
        const run = w.kernel.spawn(program, null)
        assert.deepEqual(await w.settled(run.result), ['ACCESS_DENIED', 'ok'])
        assert.deepEqual((await w.settled(w.kernel.replay(run.pid))).same, true)
      })
    }

    test('by a child that ended before a restart, or before a fork', async () => {
      const agent = defineProgram('agent', async (sys: Sys) => {
        await sys.wait(await sys.spawn(teller, null))
        await sys.receive()
        await sys.call('gives', {})
        return sends(sys)
      })
      const at = clock()
      const first = createWorld({ law, tools: talking(at), clock: at })
      const { pid, result } = first.kernel.spawn(agent, null)
      void result.catch(() => {})
      await first.settled(first.kernel.spawn(async (sys: Sys) => sys.sleep(200), null).result)
      await first.kernel.close()
      const store = cutStore(first.store.batches, Infinity)
      const again = clock()
      const second = createWorld({ law, tools: talking(again), clock: again, store, programs: [agent, teller] })
      const [run] = second.kernel.resume(pid)
      const fork = await second.settled(second.kernel.fork(pid))
      for (const one of [run!, fork]) {
        second.kernel.send(one.pid, 'go')
        assert.deepEqual(await second.settled(one.result), ['ACCESS_DENIED', 'ok'])
      }
    })

    test('what a law refused was not told; with the law of one process it is the same', async () => {
      const at = clock()
      const w = createWorld({ law: parseLaw({ rules: [all] }), tools: talking(at), clock: at })
      const strict = { rules: [...law.rules] }
      const child = defineProgram('child', async (sys) => {
        const before = await tries(sys.call('send', { to: 'sue@acme.com' }))
        await sys.call('gives', {})
        return [before, await sends(sys)] as Json
      })
      const run = w.kernel.spawn(async (sys: Sys) => {
        await tell(sys)
        return sys.wait(await sys.spawn(child, null, { law: strict }))
      }, null)
      assert.deepEqual(await w.settled(run.result), ['ACCESS_DENIED', ['ACCESS_DENIED', 'ok']])
    })

    test('answers beyond what is kept of them are no sources', async () => {
      const at = clock()
      const large: Tool = { ...plainTool('large', () => 'x'.repeat(1_000_000)), labels: [] }
      const w = createWorld({ law, tools: [...talking(at), large], clock: at })
      kept = ''
      const run = w.kernel.spawn(async (sys: Sys) => {
        for (let i = 0; i < 17; i++) await sys.call('large', {})
        await sys.call('gives', {})
        return tries(sys.call('send', { to: 'sue@acme.com' }))
      }, null)
      assert.equal(await w.settled(run.result), 'ACCESS_DENIED')
    })
  })

  test('in a law of one process, of what it learned itself', async () => {
    const w = made([{ id: 'all', effect: 'allow', tool: '*' }], ...sources)
    const only = {
      rules: [
        ...read,
        { id: 'mail', effect: 'allow' as const, tool: 'send', origins: { to: { answerOf: 'contacts' } } },
      ],
    }
    const child = defineProgram('child', async (sys: Sys) => {
      await learn(sys)
      return [
        await tries(sys.call('send', { to: 'ann@acme.com' })),
        await tries(sys.call('send', { to: 'eve@evil.com' })),
      ]
    })
    const run = w.kernel.spawn(async (sys: Sys) => sys.wait(await sys.spawn(child, null, { law: only })), null)
    assert.deepEqual(await w.settled(run.result), ['ok', 'ACCESS_DENIED'])
  })
})

describe('a law of one process', () => {
  const tries3 = defineProgram('tries', async (sys) => [
    await tries(sys.call('send', {})),
    await tries(sys.call('lock', {})),
    await tries(sys.write('a', 'b')),
  ])
  const only = (...names: string[]) => ({
    rules: names.map((name) => ({ id: name, effect: 'allow' as const, tool: name })),
  })
  const denied = 'ACCESS_DENIED'

  test('narrows, never widens, for it and all below it, whatever the kernel’s law says', async () => {
    const below = defineProgram('below', async (sys) =>
      sys.wait(await sys.spawn(tries3, null, { law: only('send', 'lock') })),
    )
    const kernelLaw = { rules: [{ id: 'no-lock', effect: 'deny', tool: 'lock' }, all] }
    for (const [law, own, expected] of [
      [undefined, only('send'), ['ok', denied, 'ok']],
      [undefined, undefined, ['ok', 'ok', 'ok']],
      [kernelLaw, only('send', 'lock'), ['ok', denied, 'ok']],
      [kernelLaw, only('lock'), [denied, denied, 'ok']],
      [undefined, { rules: [{ id: 'w', effect: 'deny', call: 'write' } as const] }, [denied, denied, denied]],
    ] as const) {
      const w = createWorld({ tools, ...(law === undefined ? {} : { law: parseLaw(law) }) })
      for (const program of [tries3, below])
        assert.deepEqual(
          await w.settled(w.kernel.spawn(program, null, own === undefined ? {} : { law: own }).result),
          expected,
        )
    }
  })

  test('binds also after a restart and in a fork; an answer names its rule', async () => {
    const waits = defineProgram('waits', async (sys) => {
      await sys.receive()
      const end = await endOf(sys.call('send', {}))
      return 'code' in end ? end.message : 'sent'
    })
    const first = createWorld({ tools })
    const { pid, result } = first.kernel.spawn(waits, null, {
      law: {
        rules: [
          { id: 'mute', effect: 'deny', tool: 'send' },
          { id: 'rest', effect: 'allow' },
        ],
      },
    })
    void result.catch(() => {})
    await first.settled(first.kernel.spawn(async (sys: Sys) => sys.sleep(5), null).result)
    await first.kernel.close()
    const second = createWorld({ tools, programs: [waits], store: cutStore(first.store.batches, Infinity) })
    const [run] = second.kernel.resume(pid)
    const fork = await second.settled(second.kernel.fork(pid))
    for (const each of [run!, fork]) {
      second.kernel.send(each.pid, 'go')
      assert.match((await second.settled(each.result)) as string, /rule mute, by a law of the process/)
    }
  })

  test('takes rules that stand by themselves', async () => {
    const w = createWorld({ tools })
    for (const [law, expected] of [
      [{ rules: [{ id: 'x', effect: 'permit' }] }, /spawn: law: rules\[0\]\.effect/],
      [{ rules: [{ id: 'x', effect: 'allow', then: {} }] }, /rules only/],
      [{ rules: [], runaway: {} }, /rules only/],
    ] as const)
      assert.throws(() => w.kernel.spawn(tries3, null, { law: law as never }), expected)
  })
})

describe('what only seems to be outside the law', () => {
  test('temporal rules see calls other than tool calls, also where no rule speaks of them', async () => {
    const law = (formula: string) => ({
      rules: [all],
      events: { mail: { call: 'send' }, up: { call: 'write' } },
      temporal: [{ id: 'c', formula }],
    })
    const w = world(law('precedence(approve, mail)'))
    const early = w.kernel.spawn(async (sys: Sys) => tries(sys.send(sys.pid, 'x')), null)
    assert.equal(await w.settled(early.result), 'ACCESS_DENIED')
    const v = world(law('precedence(up, send)'))
    const late = v.kernel.spawn(
      async (sys: Sys) => [
        await tries(sys.call('send', {})),
        await tries(sys.write('a', 'b')),
        await tries(sys.call('send', {})),
      ],
      null,
    )
    assert.deepEqual(await v.settled(late.result), ['ACCESS_DENIED', 'ok', 'ok'])
  })

  test('an error with the code of a refusal is none: the call was made, and counts', async () => {
    const liar = plainTool('send', () => {
      done.push('send')
      throw new PolityError('ACCESS_DENIED', 'says the tool')
    })
    const law = { rules: [all], temporal: [{ id: 'one', formula: 'absence2(send)' }], runaway: { identical: 2 } }
    const program = defineProgram('liar', async (sys) => {
      await tries(sys.call('send', {}))
      await sys.receive()
      return tries(sys.call('send', {}))
    })
    const first = world(law, { tools: [liar] })
    const { pid, result } = first.kernel.spawn(program, null)
    void result.catch(() => {})
    await first.settled(first.kernel.spawn(async (sys: Sys) => sys.sleep(5), null).result)
    await first.kernel.close()
    const second = world(law, { tools: [liar], programs: [program], store: cutStore(first.store.batches, Infinity) })
    const [run] = second.kernel.resume(pid)
    second.kernel.send(pid, 'go')
    assert.equal(await second.settled(run!.result), 'ACCESS_DENIED')
    assert.deepEqual(done, [])
  })

  test('a fork that takes over an open call takes over the labels of its end', async () => {
    const slow = { ...named('read_private', { labels: ['private'], effect: 'once' as const }) }
    const law = { rules: [{ id: 'p', effect: 'deny', tool: 'send', seen: ['private'] }, all] }
    const clock = simulatedClock({ seed: 1 })
    const w = world(law, {
      clock,
      tools: [
        ...tools.filter(({ name }) => name !== 'read_private'),
        { ...slow, execute: () => new Promise((resolve) => void clock.after(20, () => resolve('x'))) },
      ],
    })
    const run = w.kernel.spawn(async (sys: Sys) => {
      const read = sys.call('read_private', {})
      const pid = await sys.fork()
      await read
      const own = await tries(sys.call('send', {}))
      return pid === 0 ? own : [own, await sys.wait(pid)]
    }, null)
    assert.deepEqual(await w.settled(run.result), ['ACCESS_DENIED', 'ACCESS_DENIED'])
  })

  test('labels go with the reason of a kill, to whoever hears it', async () => {
    const law = { rules: [{ id: 'p', effect: 'deny', tool: 'send', seen: ['private'] }, all] }
    const w = world(law)
    const sleeps = defineProgram('sleeps', async (sys) => sys.sleep(1e6))
    const kills = defineProgram('kills', async (sys, hearer: number) => {
      const victim = await sys.spawn(sleeps, null)
      await sys.send(hearer, victim)
      await sys.sleep(5)
      await sys.kill(victim, await sys.call('read_private', {}))
      await sys.sleep(50)
    })
    const relay = defineProgram('relay', async (sys) => {
      const { body } = await sys.receive()
      await endOf(sys.wait(body as number))
      return tries(sys.call('send', {}))
    })
    const run = w.kernel.spawn(async (sys: Sys) => {
      const hearer = await sys.spawn(relay, null)
      await sys.spawn(kills, hearer)
      return sys.wait(hearer)
    }, null)
    assert.equal(await w.settled(run.result), 'ACCESS_DENIED')
  })

  test('a child that is forked from outside keeps whose run it was in, and under what', async () => {
    const law = {
      rules: [
        { id: 'guest', effect: 'deny', tool: 'lock', under: 'visitor' },
        { id: 'said', effect: 'allow', tool: 'send', origins: { to: 'request' } },
        { id: 'lock', effect: 'allow', tool: 'lock' },
      ],
    }
    const w = world(law)
    let child = 0
    const worker = defineProgram('worker', async (sys, to: string) => [
      await tries(sys.call('send', { to })),
      await tries(sys.call('lock', {})),
    ])
    const visitor = defineProgram('visitor', async (sys) => sys.wait((child = await sys.spawn(worker, 'eve-account'))))
    const both = ['ACCESS_DENIED', 'ACCESS_DENIED']
    assert.deepEqual(await w.settled(w.kernel.spawn(visitor, 'pay ann').result), both)
    const fork = await w.settled(w.kernel.fork(child, { at: 0 }))
    assert.deepEqual(await w.settled(fork.result), both)
    const again = await w.settled(w.kernel.fork(fork.pid, { at: 0 }))
    assert.deepEqual(await w.settled(again.result), both)
  })

  test('the order of keys is no difference to who counts repetitions', async () => {
    const w = world({ rules: [all], runaway: { identical: 2 } })
    const run = w.kernel.spawn(async (sys: Sys) => {
      const codes: string[] = []
      for (const args of [
        { a: 1, b: 2 },
        { b: 2, a: 1 },
        { a: 1, b: 2 },
      ])
        codes.push(await tries(sys.call('lock', args)))
      return codes
    }, null)
    assert.deepEqual(await w.settled(run.result), ['ok', 'ok', 'ACCESS_DENIED'])
  })

  test('an argument of ten thousand values holds nobody up, and was not said', async () => {
    const w = world({ rules: [{ id: 'said', effect: 'allow', tool: 'send', origins: { to: 'request' } }] })
    const to = Array.from({ length: 10_000 }, (_, i) => `x${i}`)
    const from = performance.now()
    const run = w.kernel.spawn(
      async (sys: Sys, _input: Json) => tries(sys.call('send', { to })),
      'word '.repeat(20_000),
    )
    assert.equal(await w.settled(run.result), 'ACCESS_DENIED')
    assert.ok(performance.now() - from < 1_500, `${performance.now() - from} ms`)
  })

  test('a law that comes with a spawn is bounded', () => {
    const w = createWorld({ tools })
    const many = { rules: Array.from({ length: 65 }, (_, i) => ({ id: `r${i}`, effect: 'allow' as const })) }
    const long = { rules: [{ id: 'r', effect: 'allow' as const, reason: 'x'.repeat(20_000) }] }
    for (const law of [many, long]) assert.throws(() => w.kernel.spawn(async () => 'x', null, { law }), /at most/)
  })
})

describe('rules that change the law', () => {
  const law = {
    rules: [
      {
        id: 'granting',
        effect: 'allow',
        tool: 'grant',
        then: { add: [{ id: 'granted', effect: 'allow', tool: 'send' }] },
      },
      { id: 'once', effect: 'allow', tool: 'lock', then: { drop: ['once'] } },
    ],
  }

  test('once their call was let through, for the process and its children, and after a fork', async () => {
    const w = world(law)
    const child = defineProgram('child', async (sys) => tries(sys.call('send', {})))
    const run = w.kernel.spawn(async (sys: Sys) => {
      const codes = [
        await tries(sys.call('send', {})),
        await tries(sys.call('grant', {})),
        await tries(sys.call('send', {})),
      ]
      codes.push(await tries(sys.call('lock', {})), await tries(sys.call('lock', {})))
      codes.push((await sys.wait(await sys.spawn(child, null))) as string)
      const pid = await sys.fork()
      const own = await tries(sys.call('send', {}))
      return pid === 0 ? own : [...codes, own, await sys.wait(pid)]
    }, null)
    assert.deepEqual(await w.settled(run.result), [
      'ACCESS_DENIED',
      'ok',
      'ok',
      'ok',
      'ACCESS_DENIED',
      'ok',
      'ok',
      'ok',
    ])
    assert.equal((await w.settled(w.kernel.replay(run.pid))).same, true)
  })

  test('also where a second question joined, or something else asked: after a yes the rule is used up', async () => {
    const more = [{ id: 'no-more', effect: 'deny', tool: 'send' }]
    const temporal = [{ id: 't', formula: 'precedence(confirm, send)', effect: 'ask' }]
    for (const effect of ['ask', 'allow'])
      for (const also of [{ temporal }, { runaway: { calls: 1, effect: 'ask' } }]) {
        const w = world({ rules: [{ id: 'once', effect, tool: 'send', then: { add: more } }, all], ...also })
        const run = w.kernel.spawn(async (sys: Sys) => {
          await sys.call('lock', {})
          const first = await tries(sys.call('send', { n: 1 }))
          const end = await endOf(sys.call('send', { n: 2 }))
          return [first, 'message' in end ? end.message : 'ok']
        }, null)
        const asked: string[] = []
        const said = await answering(w, run.result, (text) => (asked.push(text), 'allow'))
        const [first, second = ''] = said
        assert.deepEqual([first, asked.length], ['ok', 1], `${effect} ${JSON.stringify(also)}`)
        assert.match(second, /no-more/)
        assert.equal((await w.settled(w.kernel.replay(run.pid))).same, true)
      }
  })

  test('a denial that ends the process, and nothing else', async () => {
    const w = world({ rules: [{ id: 'trap', effect: 'deny', tool: 'send', ends: true }, all] })
    const child = defineProgram('child', async (sys) => [
      await tries(sys.call('send', {})),
      await tries(sys.call('lock', {})),
    ])
    const run = w.kernel.spawn(async (sys: Sys) => endOf(sys.wait(await sys.spawn(child, null))), null)
    const end = (await w.settled(run.result)) as { code?: string; message?: string }
    assert.equal(end.code, 'ACCESS_DENIED')
    assert.match(end.message ?? '', /trap/)
    assert.deepEqual(done, [])
  })
})

describe('runaway agents', () => {
  const law = (runaway: object) => ({ rules: [all], runaway })
  /** Calls until one is refused; the number of those that ran. */
  const until = async (w: World, next: (i: number) => readonly [tool: string, input: Json]): Promise<number> => {
    const run = w.kernel.spawn(async (sys: Sys) => {
      for (let i = 0; i < 60; i++) if ((await tries(sys.call(...next(i)))) !== 'ok') return i
      return 60
    }, null)
    return w.settled(run.result) as Promise<number>
  }

  test('identical calls with identical results', async () => {
    assert.equal(await until(world(law({ identical: 3 })), () => ['lock', { a: 1 }]), 3)
    assert.equal(await until(world(law({})), () => ['lock', {}]), 4)
    assert.equal(await until(world(law({ identical: 3 })), (i) => ['lookup', { text: i }]), 60, 'other arguments')
  })

  test('polling is no loop: a result that changes is new information', async () => {
    let count = 0
    const poll = plainTool('poll', () => Math.floor(count++ / 2))
    assert.equal(await until(world(law({ identical: 3 }), { tools: [poll] }), () => ['poll', {}]), 60)
  })

  test('the same error again and again', async () => {
    const broken = plainTool('broken', () => {
      throw new Error('no')
    })
    const w = world(law({ identical: 3 }), { tools: [broken] })
    const run = w.kernel.spawn(async (sys: Sys) => {
      const codes: string[] = []
      for (let i = 0; i < 5; i++) codes.push(await tries(sys.call('broken', {})))
      return codes
    }, null)
    const failed = 'TOOL_FAILED'
    assert.deepEqual(await w.settled(run.result), [failed, failed, failed, 'ACCESS_DENIED', 'ACCESS_DENIED'])
  })

  test('cycles of up to four calls', async () => {
    for (const length of [2, 3, 4]) {
      const ran = await until(world(law({ identical: 3 })), (i) => ['lookup', { text: i % length }])
      assert.ok(ran <= 3 * length, `a cycle of ${length} ran ${ran} calls`)
      assert.ok(ran >= 2 * length, `a cycle of ${length} was stopped after ${ran} calls`)
    }
  })

  test('one tool in a row, and calls in all', async () => {
    assert.equal(await until(world(law({ streak: 5 })), (i) => ['lookup', { text: i }]), 5)
    assert.equal(await until(world(law({ streak: 5 })), (i) => [i % 5 === 4 ? 'lock' : 'lookup', { text: i }]), 60)
    assert.equal(await until(world(law({ calls: 7 })), (i) => [i % 2 === 0 ? 'lock' : 'lookup', { text: i }]), 7)
  })

  test('tokens within a time: what is older counts no more, what is refused costs nothing, a resumed run stands where it stood', async () => {
    const models = { main: scripted(() => ({ text: 'so', usage: { inputTokens: 6, outputTokens: 4 } })) }
    const spends = defineProgram('spends', async (sys) => {
      const codes: string[] = []
      const spend = async (): Promise<void> => void codes.push(await tries(sys.generate('more')))
      for (let i = 0; i < 4; i++) await spend()
      await sys.sleep(900)
      await spend()
      await sys.sleep(200)
      for (let i = 0; i < 3; i++) await spend()
      await sys.receive()
      await spend()
      return codes
    })
    const rules = law({ burst: { tokens: 30, ms: 1000 } })
    const first = world(rules, { models, programs: [spends] })
    const { pid, result } = first.kernel.spawn(spends, null)
    void result.catch(() => {})
    await first.settled(first.kernel.spawn(async (sys: Sys) => sys.sleep(2000), null).result)
    await first.kernel.close()
    const second = world(rules, { models, programs: [spends], store: cutStore(first.store.batches, Infinity) })
    const [run] = second.kernel.resume(pid)
    second.kernel.send(pid, 'go')
    const no = 'ACCESS_DENIED'
    assert.deepEqual(await second.settled(run!.result), ['ok', 'ok', 'ok', no, no, 'ok', 'ok', 'ok', no])
    assert.deepEqual(await second.settled(second.kernel.replay(pid)), { same: true, calls: 12 })
  })

  test('a chain that spawns itself, and one that spawns many', async () => {
    const limited = law({ spawns: 5 })
    const chain: Program = defineProgram('chain', async (sys, depth) => {
      const child = await endOf(sys.spawn(chain, (depth as number) + 1))
      return 'code' in child ? [depth, child.code, child.message] : sys.wait(child.value as number)
    }) as Program
    const w = world(limited, { programs: [chain] })
    const [depth, code, reason] = (await w.settled(w.kernel.spawn(chain, 0).result)) as [number, string, string]
    assert.deepEqual([depth, code], [5, 'ACCESS_DENIED'])
    assert.match(reason, /spawned 5 children, its limit/)
    const idle = defineProgram('idle', () => Promise.resolve(null))
    const many = w.kernel.spawn(async (sys: Sys) => {
      for (let i = 0; ; i++) if ((await tries(sys.spawn(idle, null))) !== 'ok') return i
    }, null)
    assert.equal(await w.settled(many.result), 5)
  })

  test('the reason is told; it can end the process; a child goes on counting where its parent stood', async () => {
    const w = world(law({ calls: 2, ends: true }))
    const child = defineProgram('child', async (sys) => tries(sys.call('lock', {})))
    const run = w.kernel.spawn(async (sys: Sys) => {
      await sys.call('lock', {})
      return [await sys.wait(await sys.spawn(child, null)), await sys.call('unlock', {}), await sys.call('send', {})]
    }, null)
    const end = await w.settled(endOf(run.result))
    assert.ok('code' in end && end.code === 'ACCESS_DENIED', JSON.stringify(end))
    assert.match(end.message, /made 2 tool calls, its limit/)
    assert.deepEqual(done, ['lock', 'lock', 'unlock'])
  })

  test('it counts on after a restart', async () => {
    const program = defineProgram('looper', async (sys) => {
      await sys.call('lock', {})
      await sys.call('lock', {})
      await sys.receive()
      return [await tries(sys.call('lock', {})), await tries(sys.call('lock', {}))]
    })
    const first = world(law({ identical: 3 }))
    const { pid, result } = first.kernel.spawn(program, null)
    void result.catch(() => {})
    await first.settled(first.kernel.spawn(async (sys: Sys) => sys.sleep(5), null).result)
    await first.kernel.close()
    const second = world(law({ identical: 3 }), { programs: [program], store: cutStore(first.store.batches, Infinity) })
    const [run] = second.kernel.resume(pid)
    second.kernel.send(pid, 'go')
    assert.deepEqual(await second.settled(run!.result), ['ok', 'ACCESS_DENIED'])
  })
})

test('time: a decision among 100 rules, and one on 10 kB of an adversarial argument', () => {
  const rules = Array.from({ length: 100 }, (_, i) => ({
    id: `r${i}`,
    effect: 'allow',
    tool: 'send',
    args: { to: { matches: `[a-z]{1,20}@site${i}\\.example` }, amount: { minimum: i, maximum: i + 100 } },
  }))
  const law = judge(parseLaw({ rules }))
  const hard = judge(parseLaw({ rules: [{ id: 'x', effect: 'allow', args: { to: { pattern: '^(a+)+$' } } }] }))
  const median = (fn: () => unknown, times: number): number => {
    for (let i = 0; i < times; i++) fn()
    const taken = Array.from({ length: times }, () => {
      const from = performance.now()
      fn()
      return performance.now() - from
    })
    return (taken.toSorted((a, b) => a - b)[Math.floor(times / 2)] as number) * 1000
  }
  const usual = median(() => law.decide(tool('send', { to: 'ann@site99.example', amount: 120 })), 2_000)
  const adversarial = median(() => hard.decide(tool('send', { to: `${'a'.repeat(10_000)}!` })), 300)
  // Far more than is expected, for machines that are shared with other tests; bench/law-time.ts has the figures.
  assert.ok(usual < 1_000, `${usual} µs`)
  assert.ok(adversarial < 10_000, `${adversarial} µs`)
})
