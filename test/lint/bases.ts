/**
 * Definitions that are good: agents, tools, laws and programs in which a lint should find nothing. The mutants of
 * mutators.ts are these with one defect each.
 */
import type { LintInput, ToolFacts } from '../../src/lint/facts.ts'

type Schema = { readonly [key: string]: unknown }

export const text = (description: string, more: Schema = {}): Schema => ({ type: 'string', description, ...more })
export const number = (description: string, more: Schema = {}): Schema => ({ type: 'number', description, ...more })
export const list = (items: Schema, description: string): Schema => ({ type: 'array', items, description })

export function object(properties: { readonly [name: string]: Schema }, optional: readonly string[] = []): Schema {
  return {
    type: 'object',
    properties,
    required: Object.keys(properties).filter((name) => !optional.includes(name)),
    additionalProperties: false,
  }
}

const packages = (more: { readonly [name: string]: string } = {}): NonNullable<LintInput['packages']> => {
  const dependencies = { polity: '0.1.0', zod: '4.6.7', ...more }
  const devDependencies = { typescript: '7.0.2' }
  const lock = Object.fromEntries(
    Object.entries({ ...dependencies, ...devDependencies }).map(([name, range]) => [
      name,
      { version: range.replace(/^\D+/, '') },
    ]),
  )
  return { name: 'app', dependencies, devDependencies, lock }
}

export interface Base extends LintInput {
  readonly name: string
  readonly tools: readonly ToolFacts[]
  readonly agents: NonNullable<LintInput['agents']>
  readonly sources: NonNullable<LintInput['sources']>
  readonly packages: NonNullable<LintInput['packages']>
  readonly law: {
    readonly rules: readonly { readonly [key: string]: unknown }[]
    readonly events?: { readonly [name: string]: unknown }
    readonly temporal?: readonly { readonly [key: string]: unknown }[]
    readonly runaway?: unknown
  }
}

const clerk: Base = {
  name: 'clerk',
  agents: [
    {
      name: 'clerk',
      instructions:
        'You keep the books of a small firm. Look an invoice up before you pay it, and pay only what is due.',
      model: 'openai/gpt-5-mini',
      tools: ['find_invoice', 'pay_invoice'],
      stepsMax: 12,
      budget: { usd: 0.5, steps: 40 },
      temperature: 0.2,
    },
  ],
  tools: [
    {
      name: 'find_invoice',
      description: 'Finds an open invoice by its number and returns payee, amount and due date.',
      inputSchema: object({ number: text('Number as printed at the top of the invoice.') }),
      effect: 'read',
      labels: ['private'],
      outbound: false,
      code: `async ({ number }) => {
  const invoice = await books.invoice(number)
  if (invoice === undefined) throw new Error(\`no invoice \${number}; list the open ones first\`)
  return { payee: invoice.payee, amount: invoice.amount, due: invoice.due }
}`,
    },
    {
      name: 'pay_invoice',
      description: 'Orders the bank to pay an amount to a payee, for one invoice.',
      inputSchema: object({
        payee: text('Name of the payee as the invoice has it.'),
        amount: number('Amount in euros.', { exclusiveMinimum: 0 }),
        reference: text('Number of the invoice.'),
      }),
      effect: 'once',
      outbound: true,
      control: ['payee', 'amount'],
      labels: [],
      code: `async ({ payee, amount, reference }, { signal, idempotencyKey }) => {
  const answer = await bank.pay({ payee, amount, reference, key: idempotencyKey }, { signal })
  return { receipt: answer.receipt }
}`,
    },
  ],
  law: {
    rules: [
      { id: 'large', effect: 'ask', tool: 'pay_invoice', args: { amount: { minimum: 500 } } },
      { id: 'known', effect: 'allow', tool: 'pay_invoice', args: { payee: { enum: ['Acme', 'Globex'] } } },
      { id: 'look-up', effect: 'allow', tool: 'find_*' },
    ],
    temporal: [{ id: 'looked-up', formula: 'precedence(find_invoice, pay_invoice)' }],
    runaway: { identical: 4 },
  },
  packages: packages({ '@ai-sdk/openai': '2.0.10' }),
  sources: [
    {
      path: 'clerk.ts',
      text: `import { defineProgram } from 'polity'
import { z } from 'zod'
import { books } from './books.ts'

const Plan = z.object({ invoices: z.array(z.string()) })

/** Which invoices are due. A model that answers badly is asked once more. */
async function plan(sys, question) {
  for (let attempt = 0; attempt < 2; attempt++) {
    const answer = await sys.generate({ instructions: 'Name the invoices.', prompt: question, schema: z.toJSONSchema(Plan) })
    try {
      return Plan.parse(JSON.parse(answer.text))
    } catch (error) {
      if (attempt === 1) throw error
    }
  }
}

export default defineProgram('clerk', async (sys, question) => {
  const { invoices } = await plan(sys, question)
  const found = await Promise.all(invoices.map((number) => sys.call('find_invoice', { number })))
  return found.length
})
`,
    },
  ],
}

const secretary: Base = {
  name: 'secretary',
  agents: [
    {
      name: 'secretary',
      instructions:
        'Keep the mailbox in order. Answer what can be answered; leave the rest to the person you work for.',
      model: ['anthropic/claude-sonnet-4-5', 'openai/gpt-5'],
      tools: ['read_mail', 'send_mail', 'book_room'],
      stepsMax: 25,
      budget: { tokens: 200_000 },
    },
  ],
  tools: [
    {
      name: 'read_mail',
      description: 'Returns the newest letters of the inbox, at most ten, with sender, subject and text.',
      inputSchema: object({ unreadOnly: { type: 'boolean', description: 'Leaves out what was read before.' } }, [
        'unreadOnly',
      ]),
      effect: 'read',
      labels: ['private', 'untrusted'],
      outbound: false,
      timeoutMs: 10_000,
      code: `async ({ unreadOnly = false }) => (await mailbox.newest({ unreadOnly, limit: 10 })).map(({ from, subject, text }) => ({ from, subject, text: text.slice(0, 4000) }))`,
    },
    {
      name: 'send_mail',
      description: 'Sends a letter in the name of the user to one colleague.',
      inputSchema: object({
        to: text('Address of the colleague.'),
        subject: text('One line.'),
        body: text('Plain text of the letter.'),
      }),
      effect: 'once',
      outbound: true,
      control: ['to'],
      labels: [],
      code: `async ({ to, subject, body }) => {
  const id = await mailbox.send({ to, subject, body })
  return { id }
}`,
    },
    {
      name: 'book_room',
      description: 'Reserves a meeting room for an hour and returns the number of the reservation.',
      inputSchema: object({
        room: text('Which room.', { enum: ['north', 'south', 'attic'] }),
        start: text('Beginning, ISO 8601.', { format: 'date-time' }),
      }),
      effect: 'idempotent',
      outbound: false,
      labels: [],
      control: ['room'],
      code: `async function ({ room, start }, { idempotencyKey }) {
  const booked = await rooms.book(room, new Date(start), idempotencyKey)
  if (!booked.ok) return { booked: false, reason: booked.reason }
  return { booked: true, number: booked.number }
}`,
    },
  ],
  law: {
    rules: [
      {
        id: 'leak',
        effect: 'ask',
        tool: '*',
        outbound: true,
        seen: ['private', 'untrusted'],
        reason: 'it has read strangers’ letters',
      },
      { id: 'colleagues', effect: 'allow', tool: 'send_mail', args: { to: { matches: '[a-z.]+@acme\\.com' } } },
      { id: 'rooms', effect: 'allow', tool: 'book_room' },
      { id: 'reads', effect: 'allow', tool: 'read_mail' },
    ],
  },
  packages: packages({ '@ai-sdk/openai': '2.0.10', '@ai-sdk/anthropic': '2.0.4' }),
  sources: [
    {
      path: 'src/secretary.ts',
      text: `import { defineAgent, defineTool } from 'polity'
import { z } from 'zod'
import { readFile } from 'node:fs/promises'

const house = /[a-z]+@acme\\.com/

export async function weather(city: string, signal: AbortSignal): Promise<string> {
  const response = await fetch(\`https://weather.example/\${encodeURIComponent(city)}\`, { signal })
  if (!response.ok) throw new Error(\`the weather service answered \${response.status}\`)
  return response.text()
}

// JSON.parse(answer.text) would be careless; fetch(url) too.
export const secretary = defineAgent({
  name: 'secretary',
  instructions: 'Keep the mailbox in order.',
  model: 'anthropic/claude-sonnet-4-5',
})

export default secretary
`,
    },
  ],
}

const reader: Base = {
  name: 'reader',
  agents: [
    {
      name: 'reader',
      instructions:
        'Answer from pages that you have opened. Quote the sentence that carries each claim, with its address.',
      model: 'google/gemini-2.5-flash',
      tools: ['search_web', 'open_page', 'take_note'],
      stepsMax: 30,
      stopSequences: ['<<END-OF-REPORT>>'],
      examples: ['The bridge was opened in 1932 (https://example.org/bridge).'],
    },
  ],
  tools: [
    {
      name: 'search_web',
      description: 'Searches the public web and returns titles and addresses of up to ten pages.',
      inputSchema: object({ query: text('Words to look for.') }),
      effect: 'read',
      labels: ['untrusted'],
      outbound: true,
      control: [],
      code: `async ({ query }, { signal }) => {
  const hits = await index.search(query, { limit: 10, signal })
  return hits.map((hit) => ({ title: hit.title, url: hit.url }))
}`,
    },
    {
      name: 'open_page',
      description: 'Opens one page by its address and returns its text, cut after 20,000 characters.',
      inputSchema: object({ url: text('Address of the page, https only.') }),
      effect: 'read',
      labels: ['untrusted'],
      outbound: true,
      control: ['url'],
      code: `async ({ url }, { signal }) => {
  const response = await fetch(url, { signal })
  if (!response.ok) throw new Error(\`\${url} answered \${response.status}\`)
  const body = await response.text()
  return body.slice(0, 20_000)
}`,
    },
    {
      name: 'take_note',
      description: 'Keeps a sentence with its source, for the report at the end.',
      inputSchema: object({ sentence: text('The sentence, word for word.'), source: text('Where it stands.') }),
      effect: 'idempotent',
      outbound: false,
      labels: [],
      control: [],
      code: `({ sentence, source }) => {
  notebook.push({ sentence, source })
  return { kept: notebook.length }
}`,
    },
  ],
  law: {
    rules: [
      {
        id: 'no-intranet',
        effect: 'deny',
        tool: 'open_page',
        args: { url: { pattern: '^https?://(10|192\\.168)\\.' } },
      },
      { id: 'pages', effect: 'allow', tool: 'open_page', args: { url: { matches: 'https://[a-z0-9.-]+/.*' } } },
      { id: 'search', effect: 'allow', tool: 'search_web' },
      { id: 'notes', effect: 'allow', tool: 'take_note', args: { sentence: { type: 'string', maxLength: 500 } } },
    ],
    runaway: { identical: 3, calls: 100 },
  },
  packages: packages({ '@ai-sdk/google': '^2.0.6' }),
  sources: [
    {
      path: 'reader.mjs',
      text: `import { defineProgram } from 'polity'
import { toolLoop } from 'polity/agents/react'
import { openContext } from 'polity'

export default defineProgram('reader', async (os, question) => {
  const context = openContext({ instructions: 'Answer from pages.' })
  context.append({ role: 'user', content: question })
  const answer = await toolLoop(os, context, { stepsMax: 30 })
  const cited = answer.match(/https:\\/\\/\\S+/)
  if (cited === null) return { answer, source: null }
  return { answer, source: cited[0] }
})
`,
    },
  ],
}

const analyst: Base = {
  name: 'analyst',
  agents: [
    {
      name: 'analyst',
      instructions: 'Answer questions about sales. Use the tables; never guess a figure.',
      model: 'mistral/mistral-large-latest',
      modelCapabilities: { toolCalls: true, contextTokens: 128_000, jsonMode: true, deprecated: false },
      tools: ['describe_tables', 'run_query'],
      outputSchema: { type: 'object', properties: { figure: { type: 'number' }, basis: { type: 'string' } } },
      stepsMax: 15,
      maxOutputTokens: 2_000,
    },
  ],
  tools: [
    {
      name: 'describe_tables',
      description: 'Lists the tables of the sales database with the columns of each.',
      inputSchema: object({}),
      effect: 'read',
      labels: [],
      outbound: false,
      code: `() => schema.tables.map(({ name, columns }) => ({ name, columns }))`,
    },
    {
      name: 'run_query',
      description: 'Runs one SELECT against the sales database and returns at most 200 rows.',
      inputSchema: object({ sql: text('A single SELECT statement.', { maxLength: 4000 }) }),
      outputSchema: { type: 'array', items: { type: 'object' } },
      effect: 'read',
      labels: ['private'],
      outbound: false,
      control: ['sql'],
      timeoutMs: 20_000,
      code: `async ({ sql }) => {
  if (!/^select\\b/i.test(sql.trim())) throw new TypeError('only SELECT is run; it began with ' + sql.slice(0, 20))
  try {
    const rows = await database.all(sql, { limit: 200 })
    return rows
  } catch (error) {
    throw new Error(\`the database refused it: \${error.message}\`, { cause: error })
  }
}`,
    },
  ],
  law: {
    rules: [
      {
        id: 'no-people',
        effect: 'deny',
        tool: 'run_query',
        args: { sql: { pattern: '[Cc]ustomers?_[Pp]ersonal' } },
        reason: 'personal data',
      },
      { id: 'queries', effect: 'allow', tool: 'run_query', program: 'analyst' },
      { id: 'tables', effect: 'allow', tool: 'describe_tables' },
    ],
  },
  packages: packages({ '@ai-sdk/mistral': '~2.0.1', 'better-sqlite3': '12.4.1' }),
  sources: [
    {
      path: 'analyst/index.ts',
      text: `import Database from 'better-sqlite3'
import { defineProgram, type Sys } from 'polity'
import { figureOf } from './figure.ts'

const database = new Database('sales.db', { readonly: true })

export default defineProgram('analyst', async (sys: Sys, question: string) => {
  let step = 0
  while (step < 5) {
    step++
    const { text } = await sys.generate({ instructions: 'Give the figure.', prompt: question, temperature: 0, maxOutputTokens: 200 })
    const figure = Number(text.trim())
    if (Number.isFinite(figure)) return figure
  }
  throw new Error('the model gave no figure in five tries')
})
`,
    },
  ],
}

const operator: Base = {
  name: 'operator',
  agents: [
    {
      name: 'operator',
      instructions: 'Roll out what was reviewed. If a check fails, roll back and say why.',
      tools: ['check_health', 'deploy', 'roll_back'],
      stepsMax: 10,
      budget: { wallMs: 600_000 },
      triggers: ['release the service', 'undo a release'],
    },
    {
      name: 'watcher',
      instructions: 'Look at the health of the services every now and then, and report what changed.',
      tools: ['check_health'],
      stepsMax: 5,
      triggers: ['report health'],
    },
  ],
  tools: [
    {
      name: 'check_health',
      description: 'Asks a service whether it is well and returns its state and its version.',
      inputSchema: object({ service: text('Name of the service.', { enum: ['shop', 'search', 'billing'] }) }),
      effect: 'read',
      labels: [],
      outbound: false,
      code: `async ({ service }, { signal }) => {
  const response = await fetch(health[service], { signal: AbortSignal.any([signal, AbortSignal.timeout(2000)]) })
  switch (response.status) {
    case 200:
      return { state: 'well', version: response.headers.get('x-version') }
    case 503:
      return { state: 'starting', version: null }
    default:
      throw new Error(\`\${service} answered \${response.status}\`)
  }
}`,
    },
    {
      name: 'deploy',
      description: 'Puts a tagged version of a service into production.',
      inputSchema: object({
        service: text('Name of the service.', { enum: ['shop', 'search', 'billing'] }),
        tag: text('Tag of the release, such as 2.4.1.'),
      }),
      effect: 'idempotent',
      outbound: false,
      labels: [],
      control: ['service', 'tag'],
      code: `async ({ service, tag }, { idempotencyKey }) => {
  const { id } = await pipeline.start({ service, tag, key: idempotencyKey })
  return { rollout: id }
}`,
    },
    {
      name: 'roll_back',
      description: 'Takes a service back to the version that ran before.',
      inputSchema: object({ service: text('Name of the service.', { enum: ['shop', 'search', 'billing'] }) }),
      effect: 'idempotent',
      outbound: false,
      labels: [],
      control: ['service'],
      code: `async ({ service }) => ({ version: await pipeline.back(service) })`,
    },
  ],
  law: {
    rules: [
      { id: 'billing', effect: 'ask', tool: 'deploy', args: { service: { const: 'billing' } } },
      { id: 'releases', effect: 'allow', tool: 'deploy', args: { tag: { matches: '[0-9]+\\.[0-9]+\\.[0-9]+' } } },
      { id: 'back', effect: 'allow', tool: 'roll_back' },
      { id: 'health', effect: 'allow', tool: 'check_health' },
    ],
    events: { rollout: { tool: 'deploy' } },
    temporal: [
      { id: 'checked', formula: 'precedence(check_health, rollout)' },
      { id: 'after', formula: 'response(rollout, check_health)' },
    ],
  },
  packages: packages(),
  sources: [
    {
      path: 'operator.ts',
      text: `import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { defineProgram } from 'polity'

const run = promisify(execFile)

export async function versionOf(folder) {
  const { stdout } = await run('git', ['describe', '--tags'], { cwd: folder, timeout: 5000 })
  return stdout.trim()
}

export default defineProgram('operator', async (sys, service) => {
  const child = await sys.spawn('watcher', service)
  try {
    return await sys.wait(child, { timeoutMs: 60_000 })
  } catch (error) {
    await sys.kill(child)
    throw error
  }
})
`,
    },
  ],
}

const shop: Base = {
  name: 'shop',
  agents: [
    {
      name: 'shop/helper',
      instructions:
        'Help customers to find what they need. Order only what the customer named, in the size they named.',
      model: 'openai/gpt-5',
      tools: ['find_articles', 'place_order', 'cancel_order'],
      outputSchema: { type: 'object', properties: { reply: { type: 'string' } }, required: ['reply'] },
      stepsMax: 20,
    },
  ],
  tools: [
    {
      name: 'find_articles',
      description: 'Finds articles by words and highest price; returns up to 20 with stock and price.',
      inputSchema: object(
        { words: text('What the article is called or made of.'), priceMax: number('In euros.', { default: 1000 }) },
        ['priceMax'],
      ),
      effect: 'read',
      labels: [],
      outbound: false,
      code: `({ words, priceMax = 1000 }) => catalogue.find(words, priceMax).slice(0, 20)`,
    },
    {
      name: 'place_order',
      description: 'Orders one article for the customer who is logged in. The warehouse is told at once.',
      inputSchema: object({
        article: text('Number of the article.'),
        pieces: { type: 'integer', description: 'How many.', minimum: 1, maximum: 50 },
      }),
      effect: 'once',
      outbound: true,
      labels: [],
      control: ['article', 'pieces'],
      code: `async ({ article, pieces }, { idempotencyKey }) => {
  if (pieces > stock.of(article)) {
    return { ordered: false, left: stock.of(article) }
  } else {
    const order = await warehouse.order(article, pieces, idempotencyKey)
    return { ordered: true, order: order.number }
  }
}`,
    },
    {
      name: 'cancel_order',
      description: 'Withdraws an order that has not left the warehouse yet.',
      inputSchema: object({ order: text('Number of the order.') }),
      effect: 'idempotent',
      outbound: false,
      labels: [],
      control: ['order'],
      code: `async ({ order }) => {
  const found = await warehouse.order(order)
  if (found === undefined) throw new Error('there is no order ' + order)
  await warehouse.withdraw(found)
  return { withdrawn: order }
}`,
    },
  ],
  law: {
    rules: [
      { id: 'many', effect: 'ask', tool: 'place_order', args: { pieces: { exclusiveMinimum: 5 } } },
      { id: 'order', effect: 'allow', tool: 'place_order', origins: { article: 'request' } },
      { id: 'withdraw', effect: 'allow', tool: 'cancel_order', origins: { order: 'trusted' } },
      { id: 'find', effect: 'allow', tool: 'find_articles' },
      { id: 'rest', effect: 'deny', tool: '*', reason: 'a helper only sells' },
    ],
  },
  packages: packages({ '@ai-sdk/openai': '2.0.10' }),
  sources: [
    {
      path: 'shop.ts',
      text: `import { defineProgram } from 'polity'
import { z } from 'zod'

const Reply = z.object({ reply: z.string() })

export default defineProgram('shop', async (sys, question) => {
  const answer = await sys.generate({ prompt: question, schema: z.toJSONSchema(Reply) })
  const read = Reply.safeParse(jsonOf(answer.text))
  if (!read.success) return 'I did not understand; please ask again.'
  await sys.remember({ text: read.data.reply, source: 'shop' })
  return read.data.reply
})

function jsonOf(text) {
  try {
    return JSON.parse(text)
  } catch (error) {
    return { reply: text, problem: String(error) }
  }
}
`,
    },
  ],
}

const house: Base = {
  name: 'house',
  agents: [
    {
      name: 'house',
      instructions: 'Run the house: light, heating and door. The door is opened for people who live here.',
      model: 'openai/gpt-5-nano',
      tools: ['set_light', 'set_heating', 'open_door', 'read_sensors'],
      stepsMax: 8,
      budget: { usd: 0.05 },
      topP: 0.9,
    },
  ],
  tools: [
    {
      name: 'set_light',
      description: 'Switches the lamps of one room on or off and sets their brightness.',
      inputSchema: object({
        room: text('Which room.', { enum: ['kitchen', 'hall', 'study'] }),
        percent: number('Brightness, 0 is off.', { minimum: 0, maximum: 100 }),
      }),
      effect: 'idempotent',
      labels: [],
      outbound: false,
      control: ['room'],
      code: `async ({ room, percent }) => {
  await hub.light(room, percent)
  return { room, percent }
}`,
    },
    {
      name: 'set_heating',
      description: 'Sets the temperature that the heating keeps in one room.',
      inputSchema: object({
        room: text('Which room.', { enum: ['kitchen', 'hall', 'study'] }),
        celsius: number('Degrees.', { minimum: 5, maximum: 28 }),
      }),
      effect: 'idempotent',
      labels: [],
      outbound: false,
      control: ['celsius'],
      code: `async ({ room, celsius }) => {
  await hub.heat(room, celsius)
  return { room, celsius }
}`,
    },
    {
      name: 'open_door',
      description: 'Unlocks the front door for ten seconds for a person who is known here.',
      inputSchema: object({ person: text('Name of the person at the door.') }),
      effect: 'once',
      labels: [],
      outbound: false,
      control: ['person'],
      code: `async ({ person }) => {
  for (const one of residents) {
    if (one === person) return { opened: await hub.unlock(10) }
  }
  throw new Error(\`\${person} is not known; known are \${residents.join(', ')}\`)
}`,
    },
    {
      name: 'read_sensors',
      description: 'Returns temperature and humidity of every room, as measured a minute ago at most.',
      inputSchema: object({}),
      effect: 'read',
      labels: [],
      outbound: false,
      trusted: true,
      code: `() => [...sensors.values()].map(({ room, celsius, humidity }) => ({ room, celsius, humidity }))`,
    },
  ],
  law: {
    rules: [
      { id: 'door', effect: 'ask', tool: 'open_door', reason: 'somebody wants to come in' },
      { id: 'warm', effect: 'allow', tool: 'set_heating', args: { celsius: { type: 'number', maximum: 23 } } },
      { id: 'light', effect: 'allow', tool: 'set_light', args: { percent: { minimum: 0, maximum: 80 } } },
      { id: 'sensors', effect: 'allow', tool: 'read_*' },
    ],
    temporal: [{ id: 'measured', formula: 'precedence(read_sensors, set_heating)' }],
  },
  packages: packages({ '@ai-sdk/openai': '2.0.10' }),
  sources: [
    {
      path: 'house.ts',
      text: `import { defineProgram, defineTool } from 'polity'
import type { Sys } from 'polity'

export default defineProgram('house', async (kernel: Sys, wish: string) => {
  const files = await kernel.list('plans/')
  for (const { path } of files) {
    const plan = await kernel.read(path)
    const { text } = await kernel.generate({ instructions: 'Does the plan fit the wish?', prompt: \`\${wish}\\n\${plan}\` })
    if (text.startsWith('yes')) return path
  }
  await kernel.sleep(1000)
  return null
})
`,
    },
  ],
}

const translator: Base = {
  name: 'translator',
  agents: [
    {
      name: 'translator',
      instructions: 'Translate from German into English. Keep names and numbers as they are.',
      model: 'openai/gpt-4.1-mini',
      tools: ['look_up_term', 'store_translation'],
      stepsMax: 6,
      examples: ['Der Hund bellt. → The dog barks.'],
    },
    {
      name: 'proof-reader',
      instructions: 'Compare a translation with its source, sentence by sentence, and name what differs.',
      model: 'openai/gpt-4.1',
      tools: [],
      stepsMax: 2,
    },
  ],
  tools: [
    {
      name: 'look_up_term',
      description: 'Looks a technical term up in the glossary of the client and returns its translation.',
      inputSchema: object({ term: text('The term in German, in the singular.') }),
      effect: 'read',
      trusted: true,
      labels: [],
      outbound: false,
      code: `({ term }) => {
  const found = glossary.get(term.toLowerCase())
  return found === undefined ? { known: false } : { known: true, english: found }
}`,
    },
    {
      name: 'store_translation',
      description: 'Writes the finished translation into the folder of the client.',
      inputSchema: object({
        file: text('Name of the file, without a folder.'),
        content: text('The whole translation.'),
        tags: list({ type: 'string' }, 'Subjects, in English.'),
      }),
      effect: 'idempotent',
      labels: [],
      outbound: false,
      control: ['file'],
      code: `async ({ file, content, tags }) => {
  await folder.write(file, content, { tags })
  return { written: content.length }
}`,
    },
  ],
  law: {
    rules: [
      {
        id: 'store',
        effect: 'allow',
        tool: 'store_translation',
        args: { file: { matches: '[a-z0-9_-]+\\.(txt|md)' }, tags: { type: 'array', maxItems: 10 } },
      },
      { id: 'terms', effect: 'allow', tool: 'look_up_term', args: { term: { type: 'string', maxLength: 80 } } },
    ],
    temporal: [{ id: 'once', formula: 'absence2(store_translation)', effect: 'ask' }],
  },
  packages: packages({ '@ai-sdk/openai': '2.0.10', 'p-limit': '7.1.1' }),
  sources: [
    {
      path: 'translator.ts',
      text: `import pLimit from 'p-limit'
import { defineProgram } from 'polity'
import { openai } from '@ai-sdk/openai'

const limit = pLimit(4)

export default defineProgram(
  'translator',
  async (sys, texts) => {
    const jobs = texts.map((text) => limit(() => sys.generate({ instructions: 'Translate.', prompt: text, topP: 0.8 })))
    const answers = await Promise.all(jobs)
    const note = await sys.recall('style', { limit: 3 })
    return answers.map((answer) => answer.text.trim()).concat(note.map(({ text }) => text))
  },
  { version: '2', model: 'openai/gpt-4.1-mini' },
)
`,
    },
  ],
}

const team: Base = {
  name: 'team',
  agents: [
    {
      name: 'triage',
      instructions: 'Decide who should look at a ticket: money, technical or nobody. Be brief.',
      tools: ['get_ticket', 'assign_ticket'],
      stepsMax: 4,
      triggers: ['sort tickets'],
    },
    {
      name: 'billing-desk',
      instructions: 'Answer questions about bills. Say so when you do not know.',
      tools: ['get_ticket', 'answer_ticket'],
      stepsMax: 10,
      triggers: ['answer about money'],
    },
  ],
  tools: [
    {
      name: 'get_ticket',
      description: 'Returns one ticket with its history, the newest 50 entries.',
      inputSchema: object({ id: { type: 'integer', description: 'Number of the ticket.' } }),
      effect: 'read',
      labels: ['untrusted'],
      outbound: false,
      code: `async ({ id }) => {
  const ticket = await desk.ticket(id)
  return { title: ticket.title, history: ticket.history.slice(-50) }
}`,
    },
    {
      name: 'assign_ticket',
      description: 'Gives a ticket to one of the desks.',
      inputSchema: object({
        id: { type: 'integer', description: 'Number of the ticket.' },
        desk: text('Which desk.', { enum: ['billing', 'technical', 'none'] }),
      }),
      effect: 'idempotent',
      labels: [],
      outbound: false,
      control: ['desk'],
      code: `async ({ id, desk: name }) => {
  await desk.assign(id, name)
  return { id, desk: name }
}`,
    },
    {
      name: 'answer_ticket',
      description: 'Posts an answer to the customer who wrote the ticket, and closes it.',
      inputSchema: object({
        id: { type: 'integer', description: 'Number of the ticket.' },
        answer: text('What the customer reads.'),
      }),
      effect: 'once',
      labels: [],
      outbound: true,
      control: ['id'],
      code: `async ({ id, answer }) => {
  const sent = await desk.answer(id, answer)
  return { at: sent.at.toISOString() }
}`,
    },
  ],
  law: {
    rules: [
      { id: 'assign', effect: 'allow', tool: 'assign_ticket', program: 'triage' },
      { id: 'answer', effect: 'allow', tool: 'answer_ticket', program: 'billing-*', origins: { id: 'request' } },
      { id: 'read', effect: 'allow', tool: 'get_ticket' },
      { id: 'notes', effect: 'deny', call: 'remember' },
    ],
    temporal: [{ id: 'read-first', formula: '!answer_ticket W get_ticket' }],
  },
  packages: packages(),
  sources: [
    {
      path: 'team.ts',
      text: `import { defineProgram } from 'polity'

export const desk = defineProgram('desk', async (sys, ticket) => {
  const mail = await sys.receive({ timeoutMs: 5000 })
  const verdict = await sys.generate({ instructions: 'money or technical?', prompt: String(mail.body) })
  const kind = /money|technical/.exec(verdict.text)?.[0] ?? 'none'
  const heard = await sys.send(kind, ticket)
  if (heard === 0) throw new Error(\`nobody is called \${kind}\`)
  return kind
})

export default defineProgram('team', async (sys, tickets) => {
  const children = []
  for (const ticket of tickets) children.push(await sys.spawn(desk, ticket))
  return Promise.all(children.map((pid) => sys.wait(pid)))
})
`,
    },
  ],
}

export const bases: readonly Base[] = [clerk, secretary, reader, analyst, operator, shop, house, translator, team]
