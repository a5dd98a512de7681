/**
 * The manifest of an agent, `polity.json`: what it is, where it begins, and everything that it asks for.
 *
 *     const manifest = parseManifest(JSON.parse(text))
 *     // throws CONFIG_INVALID: polity.json: privileges.scopes[0]: expected one of models, memory, …
 *
 * What an agent is made of is said in the words of LLM-Agent-UMF (Hassouna et al. 2024, "LLM-Agent-UMF: LLM-based agent
 * unified modeling framework"): core-agents with the modules profile, planning, memory, action and security. An active
 * core-agent has all five and decides; a passive one has action and security, and does what it is told.
 *
 * Invariants
 *   MF1. What is not understood is refused: an unknown key is an error.
 *   MF2. What is not asked for is not given: no scope, no tool, no module of Node.
 *   MF3. Each core-agent guards itself, a passive one keeps nothing, and several active ones say how they settle conflicts.
 */
import { z } from 'zod'
import { PolityError, messageOf } from '../../kernel/errors.ts'
import { checkRunOptions } from '../../kernel/syscalls.ts'
import type { CallName } from '../../kernel/types.ts'
import type { Law, Rule } from '../../policy/law.ts'

export const manifestFile = 'polity.json'

/** Kinds of system calls that an agent asks for. The others (wait, sleep, snapshot, restore, now, random) are everybody's. */
export const scopeCalls = {
  models: ['generate', 'embed'],
  memory: ['remember', 'recall', 'forget'],
  files: ['read', 'write', 'list', 'remove'],
  people: ['ask'],
  processes: ['spawn', 'fork', 'kill'],
  messages: ['send', 'receive'],
} as const satisfies { readonly [scope: string]: readonly CallName[] }

export type Scope = keyof typeof scopeCalls

export const scopes = Object.keys(scopeCalls) as readonly Scope[]

/** The modules of a core-agent, in the order of the framework. */
export const modules = ['profile', 'planning', 'memory', 'action', 'security'] as const

const line = z.string().min(1).max(1_000)
const word = z.string().min(1).max(60)
const words = z.array(word).max(32)
const whole = z.int().min(0)

const skill = z.strictObject({
  name: word,
  description: line,
  tags: words.optional(),
  /** Inputs that it is good at. */
  examples: z.array(line).max(16).optional(),
})

const coreAgent = z.strictObject({
  name: word,
  kind: z.enum(['active', 'passive']),
  /** What each module is, in this agent. */
  modules: z.strictObject({
    profile: line.optional(),
    planning: line.optional(),
    memory: line.optional(),
    action: line,
    security: line,
  }),
})

const tool = z.strictObject({
  name: z.string().regex(/^[A-Za-z0-9_.\-/]{1,64}$/, 'expected 1 to 64 letters, digits, "_", "-", "." or "/"'),
  /** `agent`: it comes with the agent. `host`: it has to be there when the agent is run, such as `search` of `--in`. */
  from: z.enum(['agent', 'host']),
  description: line.optional(),
  effect: z.enum(['read', 'idempotent', 'once']),
  /** Whether it tells something to the outside. */
  outbound: z.boolean(),
  /** Labels of what it returns; with an empty list it says that there are none. */
  labels: words.optional(),
  /** Of a tool that comes with the agent: arguments that steer what it does; with an empty list it says that none does. */
  control: words.optional(),
  /** The only hosts (`name` or `name:port`) that a URL in one of its arguments may name. */
  hosts: z
    .strictObject({
      argument: word,
      names: z
        .array(z.string().regex(/^[a-z0-9.-]{1,253}(:\d{1,5})?$/, 'expected a host such as api.example.com'))
        .min(1)
        .max(32),
    })
    .optional(),
  /** The agent works without it too. */
  optional: z.boolean().optional(),
})

const amount = z.number().min(0)

const budget = z
  .strictObject({
    tokens: whole.optional(),
    usd: amount.optional(),
    /** Time, ms. */
    wallMs: whole.optional(),
    /** Model calls. */
    steps: whole.optional(),
    /** Descendants. */
    children: whole.optional(),
  })
  .refine(({ tokens, usd, wallMs, steps }) => [tokens, usd, wallMs, steps].some((one) => one !== undefined), {
    message: 'expected at least one of tokens, usd, wallMs, steps: a run has to end',
  })

const fileName = z
  .string()
  .regex(/\.[cm]?[jt]s$/, 'expected a .ts or .js file')
  .max(200)
  .refine((path) => !/^[/\\]|^[A-Za-z]:|\\|\0|(^|\/)\.\.?(\/|$)/.test(path), {
    message: 'expected a path inside the folder, such as "agent.js" or "src/agent.ts"',
  })

const form = z.strictObject({
  $schema: z.string().optional(),
  /** `author/name`, lower case. */
  name: z
    .string()
    .regex(
      /^[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?\/[a-z0-9](?:[a-z0-9._-]{0,38}[a-z0-9])?$/,
      'expected "author/name", each of 1 to 40 small letters, digits or "-"',
    )
    .refine((name) => !RESERVED.has(name.split('/')[0] ?? ''), { message: 'this author is the system itself' }),
  version: z.string().regex(/^\d{1,9}\.\d{1,9}\.\d{1,9}(-[0-9A-Za-z.-]{1,40})?$/, 'expected a version such as 1.0.0'),
  description: line,
  license: word.optional(),
  /** The file whose default export is the program. */
  entry: fileName,
  skills: z.array(skill).max(32).default([]),
  tags: words.default([]),
  coreAgents: z.array(coreAgent).min(1).max(20),
  /** How several active core-agents settle what they disagree on. */
  coordination: line.optional(),
  tools: z.array(tool).max(24).default([]),
  privileges: z.strictObject({
    scopes: z.array(z.enum(scopes as [Scope, ...Scope[]])).default([]),
    /** Labels of what it may have learned when it tells something to the outside. */
    tells: words.default([]),
    /** Modules of Node that its code imports: what it reaches without the kernel. */
    builtins: z
      .array(z.string().regex(/^node:[a-z0-9_/]+$/, 'expected a module of Node such as "node:crypto"'))
      .max(40)
      .default([]),
    budget,
  }),
  /** Models that it needs. */
  models: z
    .strictObject({
      /** `provider/model` that it was tried with. */
      tried: words.optional(),
      toolCalls: z.boolean().optional(),
      jsonOutput: z.boolean().optional(),
      contextTokens: whole.optional(),
    })
    .default({}),
  /** Rules that bind it beside what it asks for. */
  law: z.strictObject({ description: line.optional(), rules: z.array(z.looseObject({})).max(24) }).optional(),
})

export type Manifest = Omit<z.infer<typeof form>, 'law'> & {
  readonly law?: { readonly description?: string | undefined; readonly rules: readonly Rule[] } | undefined
}

/** First parts of names of programs that Polity has itself. */
const RESERVED: ReadonlySet<string> = new Set(['polity', 'kernel', 'process', 'research', 'api', 'aios', 'mcp'])

/** JSON Schema 2020-12, for editors. What holds between several fields is looked at by `parseManifest` alone. */
export const manifestSchema: object = { title: 'An agent for Polity', ...z.toJSONSchema(form, { io: 'input' }) }

/** Throws `CONFIG_INVALID` with all that is wrong, up to ISSUES_MAX. */
export function parseManifest(json: unknown): Manifest {
  const parsed = form.safeParse(json)
  if (!parsed.success) throw invalid(parsed.error.issues.map(sentence))
  const manifest = parsed.data as unknown as Manifest
  const faults = [...coreFaults(manifest), ...toolFaults(manifest), ...lawFaults(manifest)]
  if (faults.length > 0) throw invalid(faults)
  return manifest
}

const ISSUES_MAX = 5

function invalid(faults: readonly string[]): PolityError {
  const more = faults.length - ISSUES_MAX
  const said = `${faults.slice(0, ISSUES_MAX).join('; ')}${more > 0 ? `; and ${more} more` : ''}`
  return new PolityError('CONFIG_INVALID', `${manifestFile}: ${said}. \`polity agents schema\` has the whole form`)
}

function sentence(issue: z.core.$ZodIssue): string {
  const { path, message } = issue
  const at = path
    .map((key) => (typeof key === 'number' ? `[${key}]` : `.${String(key)}`))
    .join('')
    .replace(/^\./, '')
  if (issue.code === 'unrecognized_keys')
    return `${at === '' ? 'it' : at} has an unknown key ${issue.keys.map((key) => JSON.stringify(key.slice(0, 60))).join(', ')}`
  const said = message.replace(/^Invalid (?:input|option): /, '')
  const missing = said.replace(/, received undefined$/, '')
  return `${at === '' ? 'the manifest' : at}${missing === said ? `: ${said}` : ` is missing; ${missing}`}`
}

function coreFaults({ coreAgents, coordination, privileges }: Manifest): string[] {
  const faults: string[] = []
  const names = coreAgents.map(({ name }) => name)
  for (const [i, { name, kind, modules: own }] of coreAgents.entries()) {
    if (names.indexOf(name) < i) faults.push(`coreAgents[${i}]: another one is called ${JSON.stringify(name)}`)
    for (const module of ['profile', 'planning', 'memory'] as const) {
      if (kind === 'active' && own[module] === undefined)
        faults.push(`coreAgents[${i}].modules.${module} is missing: an active core-agent has all five modules`)
      if (kind === 'passive' && own[module] !== undefined)
        faults.push(`coreAgents[${i}].modules.${module}: a passive core-agent has action and security only`)
    }
  }
  const active = coreAgents.filter(({ kind }) => kind === 'active').length
  if (active > 1 && coordination === undefined)
    faults.push(`coordination is missing: ${active} active core-agents have to say how they settle conflicts`)
  const own =
    active > 0 ? undefined : privileges.scopes.find((one) => ['memory', 'messages', 'processes'].includes(one))
  if (own !== undefined)
    faults.push(
      `privileges.scopes has ${own}, which takes an active core-agent: a passive one keeps and begins nothing`,
    )
  return faults
}

function toolFaults({ tools }: Manifest): string[] {
  const names = tools.map(({ name }) => name)
  return tools.flatMap(({ name, from, control }, i) => {
    if (names.indexOf(name) < i) return [`tools[${i}]: another one is called ${JSON.stringify(name)}`]
    if (from === 'host' && control !== undefined)
      return [`tools[${i}].control: what steers ${name} is said by the tool that is there; leave it out`]
    return from === 'agent' && OWN_TOOLS.has(name)
      ? [`tools[${i}]: ${name} is a tool of Polity; the agent’s own needs another name, such as "clerk/${name}"`]
      : []
  })
}

/** Of `--in`, and of code actions: in one kernel two tools cannot have one name. */
const OWN_TOOLS: ReadonlySet<string> = new Set(['search', 'read', 'list', 'calculator', 'code.start', 'code.resume'])

function lawFaults(manifest: Manifest): string[] {
  try {
    checkRunOptions({ law: lawOf(manifest) })
    return []
  } catch (error) {
    return [messageOf(error).replace(/^spawn: law: /, 'law: ')]
  }
}

/**
 * The law that binds the agent wherever it runs: what it did not ask for is denied, then its own rules are read; where it
 * has none, it may call the tools that it asked for.
 */
export function lawOf({ name, tools, privileges: { scopes: asked, tells }, law }: Manifest): Pick<Law, 'rules'> {
  const calls = scopes
    .filter((scope) => !asked.includes(scope))
    .flatMap((scope) => scopeCalls[scope].map((call) => [scope, call] as const))
  const labels = [...new Set(tools.flatMap((one) => one.labels ?? []))].filter(
    (one) => one !== UNTRUSTED && !tells.includes(one),
  )
  const rules: Rule[] = [
    ...calls.map(([scope, call]): Rule => ({
      id: `asked/${call}`,
      effect: 'deny',
      call,
      reason: `${name} did not ask for ${scope}`,
    })),
    ...tools.flatMap(({ name: tool, hosts }): Rule[] =>
      hosts === undefined
        ? []
        : [
            {
              id: `asked/hosts/${tool}`,
              effect: 'deny',
              tool,
              args: { [hosts.argument]: { not: { type: 'string', matches: urlOf(hosts.names) } } },
              reason: `${name} asked for ${hosts.names.join(', ')} only`,
            },
          ],
    ),
    ...labels.map((label): Rule => ({
      id: `asked/tells/${label}`,
      effect: 'deny',
      outbound: true,
      seen: [label],
      reason: `${name} did not ask to tell what is ${label}`,
    })),
    ...(law?.rules ?? tools.map(({ name: tool }): Rule => ({ id: `asked/tool/${tool}`, effect: 'allow', tool }))),
  ]
  return { rules }
}

/** Whether two lists of labels or arguments say the same: one that is left out says something else than an empty one. */
export function isSameList(one: readonly string[] | undefined, other: readonly string[] | undefined): boolean {
  if (one === undefined || other === undefined) return one === other
  return one.every((word) => other.includes(word)) && other.every((word) => one.includes(word))
}

/** What is not trusted is no secret. */
const UNTRUSTED = 'untrusted'

/** URLs of the hosts, with nothing between `//` and the name. */
function urlOf(hosts: readonly string[]): string {
  return `https?://(${hosts.map((one) => one.replaceAll('.', '\\.')).join('|')})([/?#].*)?`
}

/** The architecture, in the framework's words. */
export function architectureOf({ coreAgents }: Pick<Manifest, 'coreAgents'>): string {
  const active = coreAgents.filter(({ kind }) => kind === 'active').length
  const passive = coreAgents.length - active
  if (coreAgents.length === 1) return `single ${active === 1 ? 'active' : 'passive'} core-agent`
  if (active === 0) return `multi-passive core-agent, uniform: ${passive} passive`
  if (passive === 0) return `multi-active core-agent, uniform: ${active} active`
  return `${active === 1 ? 'one-active-many-passive' : 'many-active-many-passive'} core-agent, hybrid: ${active} active, ${passive} passive`
}
