/** Changes that harm nothing: other words, other order, more of what is good, things that only look like a defect. */
import type { ToolFacts } from '../../src/lint/facts.ts'
import { number, object, text } from './bases.ts'
import type { Operator } from './mutators.ts'

const describing =
  (more: string): Operator =>
  (base, i) => ({
    ...base,
    tools: base.tools.map((one, k) =>
      k === i % base.tools.length ? { ...one, description: `${one.description} ${more}` } : one,
    ),
  })
const telling =
  (more: string): Operator =>
  (base) => ({ ...base, agents: base.agents.map((one) => ({ ...one, instructions: `${one.instructions} ${more}` })) })
const source =
  (more: string): Operator =>
  (base) => ({ ...base, sources: base.sources.map(({ path, text: given }) => ({ path, text: `${given}\n${more}\n` })) })
const adding =
  (one: Partial<ToolFacts> & { readonly name: string; readonly description: string }): Operator =>
  (base) => ({
    ...base,
    tools: [...base.tools, { inputSchema: object({}), effect: 'read', labels: [], outbound: false, ...one }],
  })
const coded =
  (code: string): Operator =>
  (base, i) => ({ ...base, tools: base.tools.map((one, k) => (k === i % base.tools.length ? { ...one, code } : one)) })

export const harmless: readonly Operator[] = [
  // The same, told otherwise.
  (base) => ({ ...base, tools: base.tools.toReversed(), agents: base.agents.toReversed() }),
  (base) => ({
    ...base,
    agents: base.agents.map((one, i) => ({
      ...one,
      name: `clean-agent-${['one', 'two', 'three'][i]}-of-${base.name}`,
    })),
    law: { ...base.law, rules: base.law.rules.map(({ program: _, ...rest }) => rest) },
  }),
  (base) => ({
    ...base,
    law: {
      ...base.law,
      rules: base.law.rules.map((one) => ({
        ...one,
        id: `${one['id'] as string}-2026`,
        reason: 'as agreed with the owner',
      })),
    },
  }),
  (base) => ({
    ...base,
    tools: base.tools.map((one) => ({
      ...one,
      inputSchema: { $schema: 'https://json-schema.org/draft/2020-12/schema', title: 'Input', ...one.inputSchema },
    })),
  }),
  (base) => ({
    ...base,
    agents: base.agents.map((one) => ({
      ...one,
      temperature: 0.7,
      topP: 1,
      maxOutputTokens: 1000,
      budget: { steps: 30 },
    })),
  }),
  (base) => ({
    ...base,
    law: { ...base.law, description: 'For the office in Bern.', runaway: { identical: 5, calls: 300 } },
  }),
  // Descriptions that are strict with the model, and about calling the tool.
  describing('You must give either a date or a number, never both.'),
  describing('Always pass dates as ISO 8601. Call it once for each of them.'),
  describing('Returns an empty list if nothing is found; do not call it again with the same words.'),
  describing('Use this instead of guessing. The result is sorted by date.'),
  describing('Needs a session; the system adds the token to the request by itself.'),
  describing('Ignores case and accents. Previous results are replaced.'),
  describing('Works for all users of the firm 👩‍💻 ❤️.'),
  describing('نمی‌دانم is a word that it knows, and so is שלום.'),
  describing('Measures in µm and °C; naïve café Ünal.'),
  describing('Before the first call of a day it may take a second longer.'),
  describing('It does not ask the user anything and shows nothing to them; it only reads.'),
  // Instructions that speak of forms without asking for one.
  telling('Read the JSON files that you are given with care.'),
  telling('Think before you act. Stop when the question is answered.'),
  telling('The user may write in any language; answer in theirs.'),
  telling('Say what you did, and why, in two sentences.'),
  telling('An invoice is a document with a number, a date and a sum.'),
  // Good sources that look like bad ones.
  source(
    `// await nothing: sys.generate(question)\nexport const note = "fetch('https://example.org') and JSON.parse(answer.text)"`,
  ),
  source(`export async function load(path) {\n  return JSON.parse(await readText(path))\n}`),
  source(
    `export async function page(url, options = {}) {\n  const limited = { ...options, signal: AbortSignal.timeout(4000) }\n  return fetch(url, limited)\n}`,
  ),
  source(
    `export const again = defineProgram('again', async (sys, question) => {\n  for (let i = 0; i < 3; i++) {\n    const answer = await sys.generate(question)\n    if (answer.text !== '') return answer.text\n  }\n  return ''\n})`,
  ),
  source(
    `export const both = defineProgram('both', async (sys) => {\n  const one = sys.read('a.txt')\n  const other = sys.read('b.txt')\n  return (await one) + (await other)\n})`,
  ),
  source(
    `export const watch = defineProgram('watch', async (sys, pid) => {\n  sys.wait(pid).catch((error) => report(error))\n  return pid\n})`,
  ),
  source(
    `export const many = defineProgram('many', async (sys, questions) => {\n  const answers = await Promise.all(questions.map((one) => sys.generate(one)))\n  return answers.map(({ text }) => text.split('\\n')[0])\n})`,
  ),
  source(
    `const ratio = total / count / 2 // "/regex/"\nexport const pattern = /['"\`]\\/\\/[^/]*$/g\nexport { ratio }`,
  ),
  source(
    `export const key = process.env.SERVICE_NAME ?? 'shop'\nif (process.env.OPENAI_API_KEY === undefined) throw new Error('set OPENAI_API_KEY')`,
  ),
  source(
    `import { join } from 'node:path'\nimport type { Tool } from 'polity'\nimport { polish } from '#polish'\nexport const at = (name: string): string => join('data', name)`,
  ),
  source(
    `export const reads = defineProgram('reads', async (sys, path) => {\n  let text = ''\n  while (queue.length > 0) text += (await sys.generate(queue.shift())).text\n  return text\n})`,
  ),
  source(
    `export const careful = defineProgram('careful', async (sys, question) => {\n  const answer = await sys.generate(question)\n  const found = answer.text.match(/\\d+/)\n  return found?.[0] ?? null\n})`,
  ),
  source(
    `const hash = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'\nexport const checksum = { hash }`,
  ),
  // More tools, good ones.
  adding({
    name: 'add_numbers',
    description: 'Adds two numbers and returns the sum.',
    inputSchema: object({ a: { type: 'number' }, b: { type: 'number' } }),
    code: '({ a, b }) => a + b',
  }),
  adding({
    name: 'count_messages',
    description: 'Returns how many letters wait in the inbox.',
    labels: ['private'],
    code: '() => mailbox.count()',
  }),
  adding({
    name: 'draft_mail',
    description: 'Writes a draft of a letter and returns its text; nothing is sent.',
    inputSchema: object({ topic: text('What it is about.') }),
    code: 'async ({ topic }) => { const draft = await drafts.make(topic); return { draft } }',
  }),
  adding({
    name: 'convert',
    description: 'Converts an amount from one currency into another by the rate of the day.',
    inputSchema: object({ amount: number('How much.'), from: text('ISO 4217.'), to: text('ISO 4217.') }),
    control: [],
    code: `({ amount, from, to }) => { if (!rates.has(from)) throw new RangeError('no rate for ' + from); return { amount: amount * rates.get(from) / rates.get(to) } }`,
  }),
  adding({
    name: 'get_hotel_prices',
    description: 'Returns the prices of hotels by name.',
    inputSchema: object({ names: { type: 'array', items: { type: 'string' } } }),
    code: '({ names }) => names.slice(0, 9).map((name) => ({ name, price: hotels.price(name) }))',
  }),
  (base) => ({
    ...base,
    tools: [
      ...base.tools,
      ...['restaurant', 'museum'].map((what) => ({
        name: `get_${what}_opening_hours`,
        description: `Returns the opening hours of a ${what} by its name.`,
        inputSchema: object({ name: text('Its name.') }),
        effect: 'read',
        labels: [],
        outbound: false,
        code: `({ name }) => hours.${what}(name)`,
      })),
    ],
  }),
  // Code that is right in an unusual form.
  coded(`async ({ id }) => { for (;;) { const page = await pages.next(id); if (page.isLast) return page.sum } }`),
  coded(
    `({ kind }) => { if (kind === 'a') return 1; if (kind === 'b') return 2; throw new RangeError('kind is a or b, not ' + kind) }`,
  ),
  coded(
    `async ({ id }) => { try { return await find(id) } catch (error) { if (error.code !== 'ENOENT') throw error; return { found: false } } }`,
  ),
  coded(`async ({ id }) => { const all = new Map(await load(id, { limit: 9 })); return Object.fromEntries(all) }`),
  coded(`function run({ n }) { const twice = (x) => { return x * 2 }; return twice(n) }`),
  coded(
    `async ({ n }) => { let sum = 0; for (const one of list(n)) { if (one.skip) continue; sum += one.value } return sum }`,
  ),
  coded(`({ at }) => { if (at > 3) { return 'late' } else if (at > 1) { return 'soon' } else { return 'early' } }`),
  // Laws that are right.
  (base) => ({
    ...base,
    law: {
      ...base.law,
      rules: [...base.law.rules, { id: 'no-notes-of-guests', effect: 'deny', call: 'remember', principal: 'guest' }],
    },
  }),
  (base) => ({
    ...base,
    law: {
      ...base.law,
      rules: base.law.rules.map((one) => (one['effect'] === 'allow' ? { ...one, principal: 'staff-*' } : one)),
    },
  }),
  (base) => ({
    ...base,
    law: {
      ...base.law,
      rules: [
        { id: 'night', effect: 'deny', tool: base.tools[0]?.name, principal: 'night-shift', reason: 'closed' },
        ...base.law.rules,
      ],
    },
  }),
  (base) => ({
    ...base,
    packages: {
      ...base.packages,
      dependencies: { ...base.packages.dependencies, yaml: '^2.8.0' },
      lock: { ...base.packages.lock, yaml: { version: '2.8.1', peerDependencies: { zod: '^3.0.0 || ^4.0.0' } } },
    },
  }),
]

/** More of them, written after the lints were done and not looked at since: for the held-out precision. */
export const heldOutHarmless: readonly Operator[] = [
  describing('Should only be used after the user has chosen a date. First page only.'),
  describing('It never fails silently: every error is reported to the caller with a reason.'),
  describing('Include the country code in numbers, add a leading zero to days.'),
  describing('The answer has the fields name, street and city; unknown ones are null.'),
  describing('New instructions for the warehouse are printed at six in the morning.'),
  describing('Use before booking a flight, so that the passport is still valid on the day.'),
  describing('Attaches the invoice as PDF and keeps a copy in the archive.'),
  describing('Ask the user when more than one entry fits.'),
  describing('Works with the tools of the other teams as well. See the handbook for prices.'),
  telling('Write like a person: short, warm, without lists.'),
  telling('You may use at most three calls of a tool for one question.'),
  telling('End every letter with the name of the firm.'),
  telling('If the user asks for a table, answer in Markdown.'),
  telling('Observe the rules of the house; actions that cost money need a reason.'),
  telling('Extract names from the text of the report, then sort them.'),
  source(
    `export async function readAll(stream) {\n  let text = ''\n  for await (const chunk of stream) text += chunk\n  return JSON.parse(text)\n}`,
  ),
  source(
    `export const retry = defineProgram('retry', async (sys, question) => {\n  let last\n  for (const wait of [100, 1000, 5000]) {\n    try {\n      return (await sys.generate(question)).text\n    } catch (error) {\n      last = error\n      await sys.sleep(wait)\n    }\n  }\n  throw last\n})`,
  ),
  source(
    `const load = async (name) => import(\`./\${name}.ts\`)\nexport const start = async (name) => {\n  const { main } = await load(name)\n  return main()\n}`,
  ),
  source(
    `export class Cache {\n  #entries = new Map()\n  get(key) {\n    return this.#entries.get(key) ?? null\n  }\n  async fetch(key) {\n    return this.get(key)\n  }\n}\nexport const cached = await new Cache().fetch('a')`,
  ),
  source(
    `export const vote = defineProgram('vote', async (sys, question) => {\n  const answers = await Promise.all([1, 2, 3].map(() => sys.generate({ prompt: question, temperature: 1, seed: 7 })))\n  const counts = new Map()\n  for (const { text } of answers) counts.set(text, (counts.get(text) ?? 0) + 1)\n  return [...counts].toSorted((a, b) => b[1] - a[1])[0]?.[0] ?? null\n})`,
  ),
  source(
    `export const plan = defineProgram('plan', async (sys, question) => {\n  const answer = await sys.generate({ prompt: question, schema })\n  return parsePlan(answer.text)\n})\nfunction parsePlan(text) {\n  let json\n  try {\n    json = JSON.parse(text)\n  } catch {\n    return { steps: [] }\n  }\n  return Array.isArray(json?.steps) ? json : { steps: [] }\n}`,
  ),
  source(
    `export const listen = defineProgram('listen', async (sys) => {\n  for (;;) {\n    const mail = await sys.receive()\n    if (mail.body === 'stop') return\n    await sys.remember(String(mail.body))\n  }\n})`,
  ),
  source(
    `import { request } from 'node:https'\nexport const head = (url, done) => request(url, { method: 'HEAD', timeout: 3000 }, done).end()`,
  ),
  coded(`async ({ id }, context) => { const row = await rows.get(id); return row ?? { missing: id } }`),
  coded(
    `({ text }) => { const words = text.split(/\\s+/); if (words.length === 0) return { count: 0 }; let longest = ''; for (const word of words) if (word.length > longest.length) longest = word; return { count: words.length, longest } }`,
  ),
  coded(
    `async ({ id }) => { const file = await open(id); try { return await file.head(100) } finally { await file.close() } }`,
  ),
  coded(
    `async ({ items }) => { const done = []; for (const item of items) { try { done.push(await work(item)) } catch (error) { done.push({ item, error: error.message }) } } return done }`,
  ),
  adding({
    name: 'list_days',
    description: 'Lists the days on which the office is open in a month.',
    inputSchema: object({ month: text('Such as 2026-03.') }),
    code: '({ month }) => calendar.open(month)',
  }),
  adding({
    name: 'roll_dice',
    description: 'Rolls dice and returns what each of them shows.',
    inputSchema: object({
      count: { type: 'integer', minimum: 1, maximum: 9 },
      sides: { type: 'integer', enum: [4, 6, 20] },
    }),
    code: '({ count, sides }) => dice.roll(count, sides)',
  }),
  adding({
    name: 'ocr',
    description: 'Reads the letters in a scanned picture and returns them as text.',
    inputSchema: object({ picture: text('Base64, PNG or JPEG.') }),
    code: 'async ({ picture }) => (await scanner.letters(picture)).slice(0, 5000)',
  }),
  (base) => ({ ...base, agents: base.agents.map((one) => ({ ...one, stopSequences: ['[[done with this part]]'] })) }),
  (base) => ({
    ...base,
    law: {
      ...base.law,
      rules: base.law.rules.flatMap((one) =>
        one['effect'] === 'deny' && one['tool'] !== '*'
          ? [
              one,
              {
                ...one,
                id: `${one['id'] as string}-guests`,
                effect: 'ask',
                args: undefined,
                tool: 'x',
                call: 'write',
                principal: 'guest',
              },
            ]
          : [one],
      ),
    },
  }),
]
