/**
 * Approvals, the audit and `polity policy`, as real processes: one kernel waits for a person, others try to be that person.
 */
import assert from 'node:assert/strict'
import type { ChildProcess } from 'node:child_process'
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { after, before, describe, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { boot } from '../src/boot.ts'
import type { Context } from '../src/cli/command.ts'
import { proofOf } from '../src/cli/commands/approve.ts'
import { forgedOf } from '../src/cli/commands/inbox.ts'
import { waitingQuestions } from '../src/cli/questions.ts'
import { readSqliteStore, sendCommand } from '../src/drivers/store/sqlite-reader.ts'
import { hashOf, sign } from '../src/kernel/approvals.ts'
import { defineProgram } from '../src/kernel/program.ts'
import type { Question } from '../src/kernel/types.ts'

const bin = resolve(import.meta.dirname, '../bin/polity.js')
const front = resolve(import.meta.dirname, '../src/index.ts')
const zod = resolve(import.meta.dirname, '../node_modules/zod/index.js')

let folder = ''
const at = (name: string): string => join(folder, name)
const children = new Set<ChildProcess>()

before(() => {
  folder = mkdtempSync(join(tmpdir(), 'polity-policy-'))
  writeFileSync(
    at('pay.ts'),
    `import { appendFileSync } from 'node:fs'
import { z } from ${JSON.stringify(zod)}
import { defineProgram, defineTool } from ${JSON.stringify(front)}
const pay = defineTool({ name: 'pay', description: 'Pays.', effect: 'idempotent', inputSchema: z.object({ to: z.string(), amount: z.number() }), execute: ({ to, amount }) => { appendFileSync(${JSON.stringify(at('paid.txt'))}, to + ' ' + amount + '\\n'); return 'paid' } })
export default defineProgram('payer', async (sys, payments) => { const said = []; for (const one of payments) said.push(await sys.call('pay', one).catch((error) => error.code)); return said }, { tools: [pay] })
`,
  )
  writeFileSync(
    at('law.json'),
    JSON.stringify({
      rules: [
        { id: 'large', effect: 'ask', tool: 'pay', args: { amount: { minimum: 100 } }, reason: 'large amounts' },
        { id: 'small', effect: 'allow', tool: 'pay' },
      ],
    }),
  )
})

after(() => {
  for (const child of children) child.kill('SIGKILL')
  rmSync(folder, { recursive: true, force: true })
})

function polity(store: string, ...args: string[]): { code: number | null; out: string; err: string } {
  const { status, stdout, stderr } = spawnSync(process.execPath, [bin, ...args, '--store', at(store)], {
    cwd: folder,
    encoding: 'utf8',
  })
  return { code: status, out: stdout.trim(), err: stderr }
}

interface Running {
  readonly child: ChildProcess
  readonly done: Promise<{ code: number | null; out: string; err: string }>
}

function running(store: string, ...args: string[]): Running {
  const child = spawn(process.execPath, [bin, ...args, '--store', at(store)], { cwd: folder })
  children.add(child)
  let out = ''
  let err = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => (out += text))
  child.stderr.setEncoding('utf8').on('data', (text: string) => (err += text))
  return {
    child,
    done: new Promise((resolve) => {
      child.on('close', (code) => {
        children.delete(child)
        resolve({ code, out: out.trim(), err })
      })
    }),
  }
}

const pays = (store: string, ...payments: { to: string; amount: number }[]): Running =>
  running(store, 'run', 'pay.ts', JSON.stringify(payments), '--law', 'law.json', '--json')
const paid = (): string => (existsSync(at('paid.txt')) ? readFileSync(at('paid.txt'), 'utf8') : '')

async function questionsIn(path: string): Promise<readonly Question[] | undefined> {
  const reader = readSqliteStore(path)
  try {
    return await waitingQuestions(path, reader)
  } finally {
    reader.close()
  }
}

async function asked(store: string): Promise<Question> {
  for (let tries = 0; tries < 100; tries++) {
    if (existsSync(at(store))) {
      // It may be there and not be a store yet.
      const questions = await questionsIn(at(store)).catch(() => undefined)
      if (questions?.[0] !== undefined) return questions[0]
    }
    await pause(50)
  }
  throw new Error('no question came')
}

describe('an approval', () => {
  test('cannot be made by who can write the store, only by who has the key; it is bound to what was shown', async () => {
    const run = pays('a.db', { to: 'ann', amount: 500 }, { to: 'bob', amount: 5 })
    const question = await asked('a.db')
    const { binding } = question
    assert.ok(binding !== undefined)
    assert.equal(binding.argsHash, hashOf(question.detail))
    assert.equal(statSync(at('a.db-key')).mode & 0o777, 0o600)
    const key = readFileSync(at('a.db-key'), 'utf8').trim()
    const claim = { ...binding, scope: 'once' as const, approver: 'eve', at: Date.now(), until: Date.now() + 60_000 }
    const proofs = [
      undefined,
      '{}',
      'no json',
      JSON.stringify(sign(claim, 'another key')),
      JSON.stringify(sign({ ...claim, argsHash: hashOf({ tool: 'pay', input: { to: 'eve', amount: 500 } }) }, key)),
      JSON.stringify(sign({ ...claim, pid: binding.pid + 1 }, key)),
      JSON.stringify(sign({ ...claim, until: Date.now() - 1 }, key)),
      JSON.stringify({ ...sign(claim, key), approver: 'ann' }),
      JSON.stringify({ ...sign(claim, key), scope: 'principal' }),
    ]
    // What a person is shown is the kernel's own words: a row of the store that says something else is not signed.
    const context = { storePath: at('a.db'), clock: { now: () => Date.now() } } as unknown as Context
    assert.match(proofOf(context, question, 'once', 1), /"mac"/)
    assert.deepEqual([...forgedOf(at('a.db'), [question])], [])
    assert.deepEqual([...forgedOf(at('a.db'), [{ ...question, text: 'Allow tool look?' }])], [question.id])
    for (const forged of [
      { ...question, text: 'Allow tool look? (rule harmless)' },
      { ...question, detail: { tool: 'pay', input: { to: 'ann', amount: 5 } } },
      { ...question, binding: { ...binding, rule: 'small' } },
      { ...question, binding: { ...binding, root: binding.root + 1 } },
      { ...question, binding: { ...binding, principal: 'eve' } },
      { ...question, id: question.id + 1 },
      { ...question, seal: undefined },
      { ...question, seal: '0'.repeat(64) },
    ])
      assert.throws(() => proofOf(context, forged as Question, 'run', 1), /is not as the kernel of this store asked it/)

    for (const proof of proofs)
      sendCommand(at('a.db'), {
        command: 'answer',
        id: question.id,
        text: 'allow',
        ...(proof === undefined ? {} : { proof }),
      })
    await pause(600)
    assert.equal(paid(), '', 'nothing was paid')
    assert.deepEqual((await asked('a.db')).id, question.id, 'the question still waits')

    const approved = polity('a.db', 'approve', String(question.id))
    assert.equal(approved.code, 0, approved.err)
    assert.match(approved.out, /approved .*tool pay .*"amount":500.*once/)
    const { code, out, err } = await run.done
    assert.equal(code, 0, err)
    assert.deepEqual((JSON.parse(out) as { value?: unknown; output?: unknown }).value ?? JSON.parse(out).output, [
      'paid',
      'paid',
    ])
    assert.equal(paid(), 'ann 500\nbob 5\n')

    // The audit has it all, with who approved.
    const entries = JSON.parse(polity('a.db', 'audit', '--json').out) as {
      effect: string
      rule: string
      by: string | null
    }[]
    assert.deepEqual(
      entries.map(({ effect, rule }) => `${effect} ${rule}`),
      ['ask large', 'allow large', 'allow small'],
    )
    assert.ok(entries[1]?.by)
  })

  test('of a file that the journal has by its hash, or of bytes: what is shown is the content, and nothing else is signed', async () => {
    writeFileSync(
      at('writer.ts'),
      `export default async function writer(sys) {
  await sys.write('report.md', 'x'.repeat(3_000))
  await sys.write('small.bin', new Uint8Array([0xff, 0, 0xfe]))
  await sys.write('large.bin', new Uint8Array(3_000).fill(0xff))
  return (await sys.list('')).map(({ path }) => path)
}
`,
    )
    writeFileSync(at('writes.json'), JSON.stringify({ rules: [{ id: 'writes', effect: 'ask', call: 'write' }] }))
    const run = running('w.db', 'run', 'writer.ts', '--law', 'writes.json', '--json')
    const context = { storePath: at('w.db'), clock: { now: () => Date.now() } } as unknown as Context
    for (const [path, chars, words] of [
      ['report.md', 3_000, ['approve']],
      ['small.bin', 3, ['answer', 'allow']],
      ['large.bin', 3_000, ['approve']],
    ] as const) {
      const question = await asked('w.db')
      const detail = question.detail as { path: string; content: string }
      assert.deepEqual([detail.path, detail.content.length], [path, chars])
      assert.notEqual(question.binding?.argsHash, hashOf(detail))
      for (const forged of [
        { ...question, detail: { ...detail, content: 'harmless' } },
        { ...question, binding: { ...question.binding, argsHash: hashOf({ path, content: 'evil' }) } },
      ])
        assert.throws(() => proofOf(context, forged as Question, 'once', 1), /is not as the kernel of this store/)
      const [command, ...more] = words
      const said = polity('w.db', command, String(question.id), ...more)
      assert.equal(said.code, 0, said.err)
    }
    const { code, out, err } = await run.done
    assert.equal(code, 0, err)
    assert.deepEqual(JSON.parse(out).output, ['large.bin', 'report.md', 'small.bin'])
  })

  test('for a rule in a run: what it asks later is let through, in that run only, until its time is over', async () => {
    rmSync(at('paid.txt'), { force: true })
    const run = pays('b.db', { to: 'ann', amount: 500 }, { to: 'bob', amount: 600 })
    const question = await asked('b.db')
    assert.equal(polity('b.db', 'approve', String(question.id), '--scope', 'run', '--for', '1h').code, 0)
    assert.equal((await run.done).code, 0)
    assert.equal(paid(), 'ann 500\nbob 600\n')
    const other = pays('b.db', { to: 'eve', amount: 700 })
    const again = await asked('b.db')
    assert.equal(polity('b.db', 'answer', String(again.id), 'deny').code, 0)
    assert.match((await other.done).out, /ACCESS_DENIED/)
    assert.equal(paid(), 'ann 500\nbob 600\n')
  })

  test('survives kill -9 between the approval and the end of the call', async () => {
    rmSync(at('paid.txt'), { force: true })
    const run = pays('c.db', { to: 'ann', amount: 500 }, { to: 'bob', amount: 900 })
    const first = await asked('c.db')
    assert.equal(polity('c.db', 'approve', String(first.id)).code, 0)
    const second = await asked('c.db')
    assert.notEqual(second.id, first.id)
    run.child.kill('SIGKILL')
    await run.done
    const resumed = running('c.db', 'resume', '--json')
    const question = await asked('c.db')
    assert.equal((question.detail as { input: { to: string } }).input.to, 'bob', 'the first is not asked again')
    assert.equal(polity('c.db', 'approve', String(question.id)).code, 0)
    const { code, err } = await resumed.done
    assert.equal(code, 0, err)
    assert.match(paid(), /^(?:ann 500\n)+bob 900\n$/)
  })

  test('says what is wrong: no such question, not an approval, a bad scope or time, a key that others may read', async () => {
    assert.equal(polity('a.db', 'approve', '999').code, 2)
    assert.match(polity('a.db', 'approve', '1', '--scope', 'all').err, /--scope takes once, run or principal/)
    assert.match(polity('a.db', 'approve', '1', '--for', 'ever').err, /--for takes a time such as/)
    spawnSync('chmod', ['644', at('a.db-key')])
    const refused = polity('a.db', 'run', 'pay.ts', '[]', '--law', 'law.json')
    assert.equal(refused.code, 2)
    assert.match(refused.err, /others may read .*a\.db-key/)
    spawnSync('chmod', ['600', at('a.db-key')])
  })
})

describe('the audit', () => {
  test('is whole until somebody changes, drops or adds an entry, or cuts its end off', () => {
    const whole = polity('b.db', 'audit', 'verify', '--json')
    assert.equal(whole.code, 0, whole.err)
    const { head, entries } = JSON.parse(whole.out) as { head: string; entries: number }
    assert.ok(entries >= 5, `${entries}`)
    const change = (sql: string): void => {
      const database = new DatabaseSync(at('b.db'))
      database.exec(sql)
      database.close()
    }
    const kept = (): { key: string; value: string }[] => {
      const database = new DatabaseSync(at('b.db'))
      const rows = database.prepare("SELECT key, value FROM meta WHERE key LIKE 'audit %' ORDER BY key").all()
      database.close()
      return rows as unknown as { key: string; value: string }[]
    }
    const restore = (rows: readonly { key: string; value: string }[]): void => {
      change("DELETE FROM meta WHERE key LIKE 'audit %'")
      for (const { key, value } of rows) change(`INSERT INTO meta VALUES('${key}', '${value}')`)
    }
    const rows = kept()
    assert.equal(rows.length, entries)
    const [second, third] = [rows[1], rows[2]] as [{ key: string; value: string }, { key: string; value: string }]
    for (const [sql, why] of [
      [
        `UPDATE meta SET value = replace(value, '"allow"', '"deny"') WHERE key = '${second.key}'`,
        /entry 2: it was changed/,
      ],
      [`DELETE FROM meta WHERE key = '${second.key}'`, /entry 2 is missing/],
      [`UPDATE meta SET value = '${third.value}' WHERE key = '${second.key}'`, /entry 2 is missing/],
      [`UPDATE meta SET value = 'x' WHERE key = '${second.key}'`, /cannot be read/],
      [`INSERT INTO meta VALUES('${second.key}5', '${second.value}')`, /entry 3 is missing/],
    ] as const) {
      change(sql)
      const broken = polity('b.db', 'audit', 'verify')
      assert.equal(broken.code, 1, broken.out)
      assert.match(broken.out, why, sql)
      restore(rows)
    }
    assert.equal(polity('b.db', 'audit', 'verify', '--head', head).code, 0)
    restore(rows.slice(0, -1))
    assert.equal(polity('b.db', 'audit', 'verify').code, 0, 'an end that was cut off is seen only with a head')
    const cut = polity('b.db', 'audit', 'verify', '--head', head)
    assert.equal(cut.code, 1)
    assert.match(cut.out, /does not hold the head/)
  })

  test('says whose the calls were where they were not all of one principal', async () => {
    const program = defineProgram('writes', async (sys) => sys.write('a.md', 'a'))
    const rules = [{ id: 'writes', effect: 'allow', call: 'write' } as const]
    const kernel = await boot({ store: at('whose.db'), law: { rules }, programs: [program], models: {} })
    const table = (): string[] =>
      polity('whose.db', 'audit')
        .out.split('\n')
        .map((line) => line.replace(/^\S+ +/, '').trimEnd())
    try {
      await kernel.spawn(program, null, { principal: 'ada' }).result
      assert.equal(table()[0], 'PID  CALL  EFFECT  WHAT   RULE    BY')
      await kernel.spawn(program, null, { principal: 'bob' }).result
      const [titles, ...rows] = table()
      assert.equal(titles, 'PID  PRINCIPAL  CALL  EFFECT  WHAT   RULE    BY')
      assert.deepEqual(
        rows.map((row) => row.replace(/^\d+ +/, '')),
        ['ada        0     allow   write  writes', 'bob        0     allow   write  writes'],
      )
    } finally {
      await kernel.close()
    }
  })
})

describe('polity policy', () => {
  const law = (name: string, rules: unknown): string => {
    writeFileSync(at(name), JSON.stringify({ rules }))
    return name
  }

  test('diff proves a narrowing, and shows a call that a widening lets through', () => {
    const loose = law('loose.json', [
      { id: 'mail', effect: 'allow', tool: 'send', args: { to: { pattern: '@acme\\.com' } } },
    ])
    const tight = law('tight.json', [
      { id: 'mail', effect: 'allow', tool: 'send', args: { to: { matches: '[a-z]+@acme\\.com' } } },
    ])
    assert.equal(polity('a.db', 'policy', 'diff', loose, tight).code, 0)
    const widened = polity('a.db', 'policy', 'diff', tight, loose, '--json')
    assert.equal(widened.code, 1)
    const { witness } = JSON.parse(widened.out) as { witness: { args: { to: string } } }
    // A proposal is adopted only where it is proved to narrow, or where a person says so.
    const before = readFileSync(at(tight), 'utf8')
    assert.equal(polity('a.db', 'policy', 'adopt', tight, loose).code, 1)
    assert.equal(readFileSync(at(tight), 'utf8'), before)
    writeFileSync(at('law-of-today.json'), readFileSync(at(loose)))
    assert.equal(polity('a.db', 'policy', 'adopt', 'law-of-today.json', tight).code, 0)
    assert.deepEqual(JSON.parse(readFileSync(at('law-of-today.json'), 'utf8')), JSON.parse(before))
    assert.equal(polity('a.db', 'policy', 'adopt', 'law-of-today.json', loose, '--widen').code, 0)
    const explained = (name: string): string =>
      polity('a.db', 'policy', 'explain', name, JSON.stringify({ tool: 'send', args: witness.args })).out
    assert.match(explained(loose), /^allow: rule mail/m)
    assert.match(explained(tight), /mail \(allow\) does not match: args\.to\ndeny: no rule allows it/)
  })

  test('test, learn and progent; and one sentence for what cannot be read', () => {
    writeFileSync(
      at('cases.json'),
      JSON.stringify([
        { call: { tool: 'pay', args: { amount: 5 } }, expect: 'allow' },
        { call: { tool: 'pay', args: {} }, expect: 'ask' },
      ]),
    )
    assert.equal(polity('a.db', 'policy', 'test', 'law.json', 'cases.json').code, 0)
    writeFileSync(at('cases.json'), JSON.stringify([{ call: { tool: 'pay', args: { amount: 500 } }, expect: 'allow' }]))
    const failed = polity('a.db', 'policy', 'test', 'law.json', 'cases.json')
    assert.equal(failed.code, 1)
    assert.match(failed.out, /expected allow, got ask/)
    writeFileSync(at('learned.json'), polity('a.db', 'policy', 'learn', '1').out)
    const explain = (args: object): string =>
      polity('a.db', 'policy', 'explain', 'learned.json', JSON.stringify({ tool: 'pay', args })).out
    assert.match(explain({ to: 'ann', amount: 500 }), /^allow/m)
    assert.match(explain({ to: 'eve', amount: 500 }), /^deny/m)
    writeFileSync(at('progent.json'), JSON.stringify({ pay: [[1, 0, { to: { enum: ['ann'] } }, 0]] }))
    writeFileSync(at('imported.json'), polity('a.db', 'policy', 'progent', 'progent.json').out)
    assert.match(
      polity('a.db', 'policy', 'explain', 'imported.json', '{"tool":"pay","args":{"to":"ann"}}').out,
      /^allow/m,
    )
    for (const args of [
      ['diff', 'law.json', 'missing.json'],
      ['diff', 'law.json', 'cases.json'],
      ['explain', 'law.json', 'no json'],
      ['explain', 'law.json', '{"tol":"x"}'],
      ['explain', 'law.json', '{"tool":"x","seen":"private"}'],
      ['explain', 'law.json', '{"tool":"x","asked":5}'],
      ['learn', 'x'],
      ['frobnicate', 'x'],
    ]) {
      const { code, err } = polity('a.db', 'policy', ...args)
      assert.equal(code, 2, args.join(' '))
      assert.match(err, /^polity: [^\n]+\n$/, args.join(' '))
    }
  })
})

describe('a file that something is decided by', () => {
  const twice = '{"rules":[{"id":"no","effect":"deny","tool":"pay","effec\\u0074":"allow"}]}'
  const payment = JSON.stringify([{ to: 'zoe', amount: 5 }])

  test('is refused with the place of a key that stands there twice, by all that read one', () => {
    writeFileSync(at('twice.json'), twice)
    writeFileSync(at('rules-twice.json'), '{"rules":[],"rules":[{"id":"all","effect":"allow","tool":"*"}]}')
    writeFileSync(at('tools-twice.json'), '{"send_*":{"outbound":true},"send_*":{"outbound":false}}')
    const place = /the key rules\[0\]\.effect stands there twice/
    const reads: readonly (readonly [words: readonly string[], says: RegExp])[] = [
      [['run', 'pay.ts', payment, '--law', 'twice.json'], place],
      [['run', 'pay.ts', payment, '--law', 'rules-twice.json'], /the key rules stands there twice/],
      [['lint', '--law', 'twice.json'], place],
      [['policy', 'diff', 'law.json', 'twice.json'], place],
      [['serve', '--law', 'twice.json'], place],
      [['serve', '--client-tools', 'tools-twice.json'], /the key send_\* stands there twice/],
    ]
    for (const [words, says] of reads) {
      const { code, err } = polity('twice.db', ...words)
      assert.equal(code, 2, `${words.join(' ')}: ${err}`)
      assert.match(err, says)
    }
    assert.doesNotMatch(paid(), /zoe/)
  })

  test('may begin with a byte order mark', () => {
    writeFileSync(at('mark.json'), `\uFEFF${readFileSync(at('law.json'), 'utf8')}`)
    const { code, out, err } = polity('mark.db', 'run', 'pay.ts', '[{"to":"mark","amount":5}]', '--law', 'mark.json')
    assert.equal(code, 0, err)
    assert.equal(out, '["paid"]')
    assert.equal(polity('mark.db', 'lint', '--law', 'mark.json').code, 0)
  })
})
