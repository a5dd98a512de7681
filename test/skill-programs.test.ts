/**
 * The programs of tools, skills and interfaces, run by the real kernel with code in the real sandbox; a scripted model says what a model would.
 */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { z } from 'zod'
import { answering } from '../src/drivers/llm/answering.ts'
import { agentK, usefulOf, type AgentKed } from '../src/agents/agent-k.ts'
import { alita, mcpBox, type Alitaed } from '../src/agents/alita.ts'
import { apiMethod } from '../src/agents/api-method.ts'
import { callFaults, parseSignature } from '../src/agents/api-signature.ts'
import { autoManual, type AutoManualed } from '../src/agents/auto-manual.ts'
import { isSupported } from '../src/agents/pieces/citations.ts'
import { functionsIn } from '../src/agents/pieces/code-functions.ts'
import { deepResearch } from '../src/agents/deep-research.ts'
import { dynasaur } from '../src/agents/dynasaur.ts'
import { mmAgent, rankedMethods } from '../src/agents/mm-agent.ts'
import { occam, pivotalNodes, type Occamed } from '../src/agents/occam.ts'
import { applyRuleOp, arrangeRules, emptyBook, mergeRules } from '../src/agents/pieces/rule-book.ts'
import { skillLibrary, type SkillLibraried } from '../src/agents/skill-library.ts'
import { keepSkill, skillNamed, withNeeded, type Skill } from '../src/agents/pieces/skills.ts'
import { repairOf } from '../src/agents/pieces/step-interface.ts'
import { packTools, schemaTokens, toolText, wordsOfName } from '../src/agents/pieces/tool-search.ts'
import { promptText, scripted } from '../src/drivers/llm/scripted.ts'
import { openMcp } from '../src/drivers/mcp.ts'
import { madeTools } from '../src/drivers/sandbox/made-tools.ts'
import { codeTools } from '../src/drivers/sandbox/tools.ts'
import { craft } from '../src/environments/craft.ts'
import { spawnEpisode } from '../src/evaluation/episode.ts'
import { worldOf } from '../src/evaluation/world.ts'
import type { Scope } from '../src/server/caller.ts'
import { startServer } from '../src/server/http.ts'
import { mcpDoor } from '../src/server/mcp/door.ts'
import { boot, defineProgram, defineTool, type Json, type Kernel, type Program, type Tool } from '../src/index.ts'

type Says = (prompt: string, n: number) => string | object

let kernel: Kernel
let says: Says = () => ''
let prompts: string[] = []
const code = [...codeTools()] as Tool[]
const lookup = defineTool({
  name: 'lookup',
  description: 'Looks a word up.',
  effect: 'read',
  inputSchema: z.object({ word: z.string() }),
  execute: ({ word }) => `${word} means ${word.toUpperCase()}`,
}) as Tool

before(async () => {
  const model = answering((prompt) => says(prompt, prompts.push(prompt)))
  kernel = await boot({ model, tools: [...code, lookup] })
})
after(() => kernel.close())

/** Runs a program; the model says this. */
async function run<Input, Output>(program: Program<Input, Output>, input: Input, script: Says): Promise<Output> {
  says = script
  prompts = []
  return (await kernel.spawn(program, input).result) as Output
}

const block = (source: string): string => `\`\`\`js\n${source}\n\`\`\``

describe('functions in code', () => {
  test('declarations at the top level are found as they are written, others are not', () => {
    const found = functionsIn(
      `// Adds two.\nfunction add(a, b = { x: '}' }) { return a + b }\nconst text = \`function no() {}\`\nif (text) { function inner() {} }\n/** Goes on. */\nasync function go(x) { return add(await x, /[}]/) }\nconst arrow = () => 1`,
    )
    assert.deepEqual(
      found.map(({ name, signature, description, calls }) => ({ name, signature, description, calls })),
      [
        { name: 'add', signature: "add(a, b = { x: '}' })", description: 'Adds two.', calls: [] },
        { name: 'go', signature: 'async go(x)', description: 'Goes on.', calls: ['add'] },
      ],
    )
    assert.deepEqual(functionsIn('function broken( {'), [])
  })
})

describe('skills', () => {
  test('one skill of a name: the same code changes nothing, other code is the next version; what it calls is loaded first', async () => {
    const made = (source: string) => functionsIn(source)[0]!
    const keeper = defineProgram('keeper', async (sys) => {
      const box = { box: 'versions' }
      await keepSkill(sys, made('function low(x) { return x }'), box)
      await keepSkill(sys, made('function mid(x) { return low(x) }'), box)
      await keepSkill(sys, made('function top(x) { return mid(x) + low(x) }'), box)
      await keepSkill(sys, made('function low(x) { return x }'), box)
      await keepSkill(sys, made('function low(x) { return x + 1 }'), box)
      return {
        low: await skillNamed(sys, 'low', box),
        all: await withNeeded(sys, ['top', 'none'], box),
      } as unknown as Json
    })
    const { low, all } = (await kernel.spawn(keeper, null).result) as unknown as { low: Skill; all: Skill[] }
    assert.equal(low.version, 2)
    assert.deepEqual(low.history, ['function low(x) { return x }'])
    assert.deepEqual(
      all.map(({ name }) => name),
      ['low', 'mid', 'top'],
    )
  })

  test('dynasaur keeps what worked, nothing of a step that failed, and uses it in the next task', async () => {
    const box = 'dino'
    const first = await run(dynasaur, { question: 'Double 21.', box }, (_, n) =>
      n === 1
        ? block('function lost(x) { return x }\nthrow new Error("slip")')
        : n === 2
          ? block('// Doubles a number.\nfunction double(x) { return 2 * x }\nconsole.log(double(21))')
          : 'It is 42.',
    )
    assert.deepEqual([first.answer, first.made, first.failed], ['It is 42.', ['double'], 1])
    assert.match(prompts[1]!, /Try a different approach/)
    const second = await run(dynasaur, { question: 'Double 4.', box, learn: false }, (prompt, n) => {
      assert.match(prompt, /- double\(x\): Doubles a number\./)
      assert.doesNotMatch(prompt, /lost/)
      return n === 1 ? block('function other() { return double(4) }\nconsole.log(other())') : 'It is 8.'
    })
    assert.deepEqual([second.answer, second.made, second.reused], ['It is 8.', [], ['double']])
    const other = defineProgram('other', async (sys) => (await skillNamed(sys, 'other', { box })) === undefined)
    assert.equal(await kernel.spawn(other, null).result, true)
  })

  test('a skill library acts on a world by code, and a task that failed adds nothing', async () => {
    const world = worldOf(craft)
    const task = { params: craft.task(7, 1), seed: 7 }
    const way: string[] = []
    let state = craft.start(task.params, () => 0)
    while (craft.toAct(state).length > 0) {
      const [action] = craft.oracle(state) as [{ agent: string; name: string; args: Json }]
      way.push(`await tools.${action.name}(${JSON.stringify(action.args)})`)
      state = craft.step(state, [action as never], () => 0).state
    }
    says = (prompt) => {
      if (prompt.includes('Propose the next task'))
        return { task: prompt.includes('Failed: nothing') ? 'fly' : 'make it' }
      if (prompt.includes('Did the code')) return { success: prompt.includes('Task: make it'), critique: 'no wings' }
      return prompt.includes('Task: fly')
        ? block('// Flies.\nasync function fly() {}\nawait fly()')
        : block(`// Makes the thing.\nasync function makeIt() {\n${way.join('\n')}\n}\nawait makeIt()`)
    }
    prompts = []
    const played = await spawnEpisode(kernel, world, task, {
      program: skillLibrary,
      input: { triesMax: 2, box: 'voyage' },
      tools: code,
    })
    const { score, players } = await played.result
    const player = players['crafter'] as { output: unknown }
    const { completed, failed, added, tries } = player.output as SkillLibraried
    assert.deepEqual(
      { score, completed, failed, added, tries },
      { score: 1, completed: ['make it'], failed: ['fly'], added: ['makeIt'], tries: 3 },
    )
    assert.ok(prompts.some((prompt) => prompt.includes('Critique: no wings')))
  })
})

describe('built tools', () => {
  const spec = {
    name: 'add_up',
    description: 'Adds numbers up.',
    inputSchema: {
      type: 'object',
      properties: { numbers: { type: 'array', items: { type: 'number' } } },
      required: ['numbers'],
    },
    example: { input: { numbers: [1, 2] }, output: 3 },
  }
  test('alita builds a tool, repairs it once, uses it; others take it from the box, under the law', async () => {
    const script: Says = (prompt) => {
      if (prompt.includes('Are the tools listed enough')) {
        if (prompt.includes('add_up')) return { enough: true }
        return { enough: false, tool: spec }
      }
      if (prompt.includes('Write the tool in JavaScript'))
        return block(
          `function run({ numbers }) { return numbers.reduce((a, b) => a + b, ${prompt.includes('did not work') ? 0 : 1}) }`,
        )
      if (prompt.includes('Does the answer follow')) return { ok: true }
      return {
        action: prompt.includes(': 60')
          ? { name: 'finish', args: { answer: '60' } }
          : { name: 'add_up', args: { numbers: [10, 20, 30] } },
      }
    }
    const found: Alitaed = await run(alita, { question: 'Add up 10, 20 and 30.' }, script)
    assert.deepEqual(found, { answer: '60', built: ['add_up'], dropped: [], used: ['add_up'] })
    const again: Alitaed = await run(alita, { question: 'Add up 10, 20 and 30 again.' }, script)
    assert.deepEqual([again.answer, again.built, again.used], ['60', [], ['add_up']])

    const box = await kernel.spawn(mcpBox, null).result
    const sum = defineProgram('sum', async (sys, numbers: Json) => sys.call('made.add_up', { numbers }))
    const tools = madeTools(box)
    const open = await boot({ model: scripted([]), tools })
    assert.equal(await open.spawn(sum, [4, 5]).result, 9)
    await assert.rejects(open.spawn(sum, ['x']).result, /made\.add_up: numbers/)
    const server = await startServer({
      doors: [mcpDoor({ kernel: open, tools })],
      port: 0,
      authenticate: () => ({ principal: 'ada', scopes: new Set<Scope>(['runs']), key: null }),
    })
    const mcp = await openMcp({ servers: { box: { url: `${server.url}/mcp` } } })
    const elsewhere = await boot({ model: scripted([]), tools: mcp.tools })
    const name = mcp.tools.map((tool) => tool.name).find((one) => one.endsWith('add_up')) as string
    const far = defineProgram('far', async (sys, numbers: Json) => sys.call(name, { numbers }))
    const over = JSON.stringify(await elsewhere.spawn(far, [6, 7]).result)
    await elsewhere.close()
    await mcp.close()
    await server.close()
    await open.close()
    assert.match(over, /\b13\b/)
    const law = {
      rules: [
        { id: 'not-made', effect: 'deny', tool: 'made.*' },
        { id: 'rest', effect: 'allow' },
      ],
    }
    const shut = await boot({ model: scripted([]), tools, law: law as never })
    await assert.rejects(shut.spawn(sum, [4, 5]).result, { code: 'ACCESS_DENIED' })
    await shut.close()
  })

  test('a tool that cannot be repaired is dropped', async () => {
    const found: Alitaed = await run(alita, { question: 'Tell the future.', buildsMax: 1 }, (prompt) => {
      if (prompt.includes('Are the tools listed enough')) return { enough: false, tool: { ...spec, name: 'future' } }
      if (prompt.includes('Write the tool')) return block('function run() { throw new Error("no") }')
      return prompt.includes('Does the answer')
        ? { ok: true }
        : { action: { name: 'finish', args: { answer: 'unknown' } } }
    })
    assert.deepEqual([found.built, found.dropped, found.answer], [[], ['future'], 'unknown'])
  })
})

describe('rules', () => {
  test('a reference names its rule after merging and renumbering, and one that is gone says so', () => {
    let book = emptyBook()
    const write = (type: 'Special Mechanism' | 'Success Process' | 'Corrected Error', rule: string) =>
      (book = applyRuleOp(book, { op: 'write', type, rule }, 'direct success').book)
    write('Success Process', 'After rule_2 do it.')
    write('Corrected Error', 'Not so.')
    write('Special Mechanism', 'It turns; see rule_1 and rule_0.')
    book = mergeRules(book, ['rule_2', 'rule_1'], { rule: 'It turns; see rule_0.' })
    book = arrangeRules(book)
    assert.deepEqual(
      book.rules.map(({ id, rule }) => `${id}: ${rule}`),
      ['rule_0: It turns; see rule_1.', 'rule_1: After rule_0 do it.'],
    )
    book = applyRuleOp(book, { op: 'delete', id: 'rule_0' }, 'failure').book
    assert.equal(book.rules[0]?.rule, 'After a rule that was taken away do it.')
  })

  test('auto-manual mends the manual by how it went, and shows it with the way in the next task', async () => {
    const world = worldOf(craft)
    const task = { params: craft.task(7, 1), seed: 7 }
    const play = async (script: Says): Promise<AutoManualed> => {
      says = script
      prompts = []
      const { players } = await (
        await spawnEpisode(kernel, world, task, { program: autoManual, input: { type: 'make', stepsMax: 2 } })
      ).result
      return (players['crafter'] as { output: unknown }).output as AutoManualed
    }
    const ops = [
      { op: 'write', type: 'Success Process', rule: 'Just do it.' },
      { op: 'write', type: 'Unresolved Error', rule: 'Nothing was made.' },
    ]
    let asked = 0
    const failed = await play((prompt) => {
      if (prompt.includes('Were the rules at fault')) return { fault: 'rules' }
      if (prompt.includes('"ops"')) return { ops: asked++ === 0 ? ops : [] }
      return { action: { name: 'finish', args: { answer: 'no' } } }
    })
    assert.deepEqual([failed.outcome, failed.fault, failed.refused], ['failure', 'rules', 1])
    assert.match(failed.manual, /rule_0: Nothing was made/)
    assert.doesNotMatch(failed.manual, /Just do it/)
    await play((prompt) => {
      if (prompt.includes('"ops"')) return { ops: [] }
      if (!prompt.includes('fault')) assert.match(prompt, /rule_0: Nothing was made/)
      return { action: { name: 'finish', args: { answer: 'no' } }, fault: 'agent' }
    })
  })
})

describe('repairs of an interface', () => {
  const found = (seen: string, text: string): boolean =>
    repairOf({ rules: '', repairs: [{ action: '*', seen }] }, { name: 'take' }, text) !== undefined

  test('are found by a pattern without regard to case, or by a text where it is none', () => {
    assert.ok(found('^Nothing\\s+HAPPENS', 'nothing happens.'))
    assert.ok(!found('^\\S+$', 'nothing happens.'), 'an escape is not its lower case')
    assert.ok(found('(what', 'So (What?'))
    assert.ok(!found('nothing', 'You have it.'))
  })

  test('are found in time, whatever pattern a model writes', () => {
    const started = performance.now()
    assert.ok(!found('^(a+)+$', `${'a'.repeat(1_999)}!`))
    assert.ok(performance.now() - started < 5_000)
  })
})

describe('what is shown', () => {
  const page =
    "RootWebArea 'Shop'\n\t[1] link 'Home'\n\tlist 'Things'\n\t\t[2] link 'Lamp'\n\t\t\t[3] button 'Buy'\n\t\t[4] link 'Pot'\n\t[5] link 'End'"

  test('pivotal nodes come with ancestors, siblings and what is below them', () => {
    assert.equal(
      pivotalNodes(page, ['2']),
      "RootWebArea 'Shop'\n\tlist 'Things'\n\t\t[2] link 'Lamp'\n\t\t\t[3] button 'Buy'\n\t\t[4] link 'Pot'",
    )
    assert.equal(pivotalNodes(page, ['none']), '')
  })

  test('occam shows the steps of its plan, hides what it pruned and goes back there', async () => {
    const task = { params: craft.task(7, 1), seed: 7 }
    const [recipe] = task.params.recipes
    const item = Object.keys(recipe?.ingredients ?? {})[0] as string
    const moves = [
      { name: 'branch', args: { parent: 0, intent: 'gather' } },
      { name: 'get', args: { item, count: 1 } },
      { name: 'note', args: { text: 'took one' } },
      { name: 'note', args: { text: 'took one' } },
      { name: 'prune', args: { resume: 0, reason: 'wrong way' } },
      { name: 'finish', args: { answer: 'enough' } },
    ]
    says = (_, n) => ({ thought: `thought ${n}`, action: moves[n - 1] })
    prompts = []
    const run = await spawnEpisode(kernel, worldOf(craft), task, { program: occam, search: true, input: {} })
    const { players, steps } = await run.result
    const { plans, notes, answer } = (players['crafter'] as { output: unknown }).output as Occamed
    assert.equal(answer, 'enough')
    assert.deepEqual(notes, ['took one'])
    assert.deepEqual(
      plans.map(({ pruned }) => pruned),
      [false, true],
    )
    assert.match(prompts[2]!, /Did: get/)
    assert.match(prompts[4]!, /noted already/)
    assert.doesNotMatch(prompts[5]!, /Did: get/)
    // The world stands where the plan was opened: no step was taken there.
    assert.equal(steps, 0)
  })

  test('of tools as many are shown as their schemas have room, and names are read as words', () => {
    const tool = (name: string) => ({
      name,
      description: 'does it',
      inputSchema: { type: 'object', properties: { userId: { type: 'string', description: 'whose' } } },
    })
    const tools = [tool('getUserIDs_v2'), tool('b'), tool('c')]
    assert.equal(wordsOfName('getUserID_v2'), 'get User ID v2')
    assert.match(toolText(tools[0]!), /user Id: whose/)
    assert.doesNotMatch(toolText(tools[0]!, false), /whose/)
    assert.equal(packTools(tools, schemaTokens(tools[0]!) + schemaTokens(tools[1]!)).length, 2)
  })

  test('a signature in the form of ShortcutsBench is read, and a call held against it', () => {
    const api = parseSignature(
      `lamp.set(Mode: Enum = "Low", Names: List(Object) = ['One', 'Two'], Level: Integer = 3) -> Lamp: NSObject(Object)\nParameters:\n    Mode:  Mode. The value of this Enum must be one of the following values (The text in parentheses describes the value): "Low", "High".\n    Level:  Level. This parameter is only valid when the value of "Mode" is "High".\nDescription:\n    Set Lamp: Sets it.\nParameterSummary: Set to \${Mode}\n`,
    )
    assert.deepEqual(
      api.parameters.map(({ name }) => name),
      ['Mode', 'Names', 'Level'],
    )
    assert.deepEqual(callFaults(api, { Mode: 'High', Level: 4 }), [])
    assert.deepEqual(callFaults(api, { Mode: 'Off' }), ['Mode takes one of "Low", "High", not "Off"'])
    assert.deepEqual(callFaults(api, { Level: 4 }), ['Level is only valid where Mode is "High"'])
    assert.throws(() => parseSignature('lamp.set(Mode: Enum'), { code: 'INVALID_ARGUMENT' })
  })
})

describe('pipelines', () => {
  test('api-method makes no call whose arguments do not fit, and repairs them', async () => {
    const found = await run(apiMethod, { question: 'What does sun mean?' }, (prompt) => {
      if (prompt.includes('Take the task apart')) return { subtasks: ['look the word sun up'] }
      if (prompt.includes('Choose the API')) return { name: 'lookup' }
      if (prompt.includes('Write the arguments'))
        return { args: prompt.includes('were wrong') ? { word: 'sun' } : { word: 7 } }
      return 'SUN'
    })
    assert.equal(found.answer, 'SUN')
    assert.deepEqual(
      found.calls.map(({ tool, repaired, ok, result }) => [tool, repaired, ok, result]),
      [['lookup', 1, true, 'sun means SUN']],
    )
    const second = await run(apiMethod, { question: 'What does sun mean?' }, (prompt) => {
      if (prompt.includes('Take the task apart')) return { subtasks: ['look the word sun up'] }
      if (prompt.includes('Choose the API')) return { name: 'lookup' }
      if (prompt.includes('Write the arguments')) {
        assert.match(prompt, /Calls that worked/)
        return { args: { word: 7 } }
      }
      return ''
    })
    assert.deepEqual(
      second.calls.map(({ repaired, ok }) => [repaired, ok]),
      [[2, false]],
    )
  })

  test('agent-k writes a case only where its reward is above what is known', async () => {
    const stages = [{ name: 'one', goal: 'count the letters', test: 'count("abcd") === 4 ? 1 : count("abcd") / 10' }]
    const first: AgentKed = await run(agentK, { question: 'Count.', stages }, (_, n) =>
      block(`function count(text) { return ${['1', '1', 'text.length'][n - 1]} }`),
    )
    assert.deepEqual(first.stages, [{ name: 'one', reward: 1, tries: 3, recalled: 1 }])
    assert.equal(first.written, 2)
    const second: AgentKed = await run(agentK, { question: 'Count again.', stages }, (prompt) => {
      const best = /Case, reward 1\.00[\s\S]*?\n(function.*)/.exec(prompt)?.[1]
      return block(best ?? 'function count() { return 0 }')
    })
    assert.deepEqual([second.stages[0]?.tries, second.written], [1, 0])
    const cases = [
      { goal: 'count letters', code: '', reward: 0.2 },
      { goal: 'paint walls', code: '', reward: 1 },
      { goal: 'count words', code: '', reward: 0.9 },
    ]
    assert.equal(usefulOf(cases, 'count letters')[0]?.goal, 'count words')
  })

  test('mm-agent tells a task what it waits for and nothing else, and ranks methods by their classes too', async () => {
    const found = await run(mmAgent, { question: 'How many?' }, (prompt) => {
      if (prompt.includes('Split the problem'))
        return {
          tasks: [
            { id: 'a', goal: 'alpha', after: [] },
            { id: 'b', goal: 'beta', after: ['a'] },
            { id: 'c', goal: 'gamma', after: ['b'] },
          ],
        }
      if (prompt.includes('Write JavaScript'))
        return block(
          prompt.includes('failed')
            ? 'console.log("fine")'
            : prompt.includes('Task: alpha')
              ? 'throw new Error("no")'
              : 'console.log("got")',
        )
      return prompt.includes('Write the mathematical') ? 'a model' : 'words'
    })
    assert.deepEqual(
      found.tasks.map(({ status, result }) => [status, result]),
      [
        ['done', 'fine'],
        ['done', 'got'],
        ['done', 'got'],
      ],
    )
    const gamma = prompts.find((prompt) => prompt.includes('Write the mathematical') && prompt.includes('Task: gamma'))
    assert.match(gamma ?? '', /Before: beta/)
    assert.doesNotMatch(gamma ?? '', /Before: alpha/)
    const worth: { readonly [text: string]: number } = { 'top t': 0.8, 'mid m': 0.4, 'leaf l': 1, 'alone a': 0.7 }
    const tree = [
      {
        name: 'top',
        description: 't',
        below: [{ name: 'mid', description: 'm', below: [{ name: 'leaf', description: 'l' }] }],
      },
      { name: 'alone', description: 'a' },
    ]
    // .5 × mean(.8, .4) + .5 × 1, and half of .7 where nothing stands above.
    assert.deepEqual(
      rankedMethods(tree, (text) => worth[text] ?? 0).map(({ name, score }) => [name, Math.round(score * 100)]),
      [
        ['leaf', 80],
        ['alone', 35],
      ],
    )
  })

  test('deep research keeps no claim that its lines do not bear, and says what it did not find', async () => {
    const lines = ['The mill of Olden was opened in 1790.', 'The tower of Olden stands 40 metres high.']
    const search = defineTool({
      name: 'search',
      description: 'Searches.',
      effect: 'read',
      inputSchema: z.object({ query: z.string(), limit: z.number().optional() }),
      execute: () => [{ path: 'a.txt', line: 1, text: lines.join('\n') }],
    })
    const read = defineTool({
      name: 'read',
      description: 'Reads.',
      effect: 'read',
      inputSchema: z.object({ path: z.string(), from: z.number(), to: z.number() }),
      execute: ({ from, to }) => ({ lines: lines.slice(from - 1, to) }),
    })
    const script = scripted((call) => {
      const prompt = promptText(call.prompt)
      if (prompt.includes('Outline'))
        return JSON.stringify({
          sections: [{ title: 'Olden', points: ['When was the mill opened?', 'How high is the tower?'] }],
        })
      if (prompt.includes('search queries')) return JSON.stringify({ queries: ['Olden'] })
      if (prompt.includes('Find facts'))
        return JSON.stringify({
          claims: [
            { point: 1, text: lines[0], path: 'a.txt', line: 1 },
            { point: 2, text: 'The tower of Olden stands 41 metres high.', path: 'a.txt', line: 2 },
          ],
        })
      return 'The mill of Olden was opened in 1791. [a.txt:1]'
    })
    const own = await boot({ model: script, tools: [search, read] as unknown as Tool[] })
    const found = await own.spawn(deepResearch, { question: 'Tell of Olden.', rounds: 2 }).result
    await own.close()
    assert.deepEqual(
      found.claims.map(({ text, line }) => [text, line]),
      [[lines[0], 1]],
    )
    assert.deepEqual([found.gaps, found.coverage, found.rounds, found.dropped], [['How high is the tower?'], 0.5, 2, 4])
    assert.ok(
      isSupported('Olden: 40 metres high.', lines[1]!, 0.6) &&
        !isSupported('Halden stands 40 metres high.', lines[1]!, 0.6) === false,
    )
  })
})
