/** EPDD: what is imported and not listed, what is listed and may be anything, what the lock file has and nobody asked for. */
import type { AgentFacts, PackageFacts, Remark } from './facts.ts'
import type { Source } from './source.ts'
import { isWord, placeAt, textAt } from './source.ts'
import { isWithin } from './version.ts'

const builtin = new Set(
  'assert async_hooks buffer child_process cluster console constants crypto dgram diagnostics_channel dns domain events fs http http2 https inspector module net os path perf_hooks process punycode querystring readline repl stream string_decoder sys timers tls trace_events tty url util v8 vm wasi worker_threads zlib'.split(
    ' ',
  ),
)
/** Models that need no package. */
const offline = new Set(['offline', 'scripted', 'recorded', 'test', 'local'])
/** Where the package of a provider is not `@ai-sdk/<provider>`. */
const packagesOf: { readonly [provider: string]: string } = {
  openrouter: '@openrouter/ai-sdk-provider',
  ollama: 'ollama-ai-provider',
}
const isForDevelopment =
  /(^|\/)(tests?|__tests__|spec|e2e|bench|scripts|examples?)\/|\.(test|spec|bench)\.[cm]?[jt]sx?$|(^|\/)[\w.-]+\.config\.[cm]?[jt]s$/

export function lintPackages(
  packages: PackageFacts,
  sources: readonly Source[],
  agents: readonly AgentFacts[],
): Remark[] {
  return [...ranges(packages), ...imports(packages, sources), ...providers(packages, agents), ...locked(packages)]
}

function ranges({ dependencies = {}, devDependencies = {}, lock }: PackageFacts): Remark[] {
  const where = 'package.json'
  const remarks: Remark[] = []
  for (const [name, range] of [...Object.entries(dependencies), ...Object.entries(devDependencies)]) {
    const loose = looseness(range)
    if (loose !== undefined)
      remarks.push({ id: 'package-loose', where, message: `${name} is ${JSON.stringify(range)}: ${loose}` })
  }
  for (const name of Object.keys(dependencies)) {
    if (devDependencies[name] !== undefined && devDependencies[name] !== dependencies[name])
      remarks.push({
        id: 'package-clash',
        where,
        message: `${name} is listed twice, as ${dependencies[name]} and ${devDependencies[name]}`,
      })
  }
  const open = Object.entries(dependencies).filter(
    ([, range]) =>
      looseness(range) === undefined && !/^(npm:[^@]+@)?[=v]?\d+\.\d+\.\d+|^(file|link|workspace):|#/.test(range),
  )
  if (lock === undefined && open.length > 0)
    remarks.push({
      id: 'package-loose',
      where,
      message: `there is no lock file, and ${open.map(([name, range]) => `${name} (${range})`).join(', ')} may be another version tomorrow`,
    })
  return remarks
}

function looseness(range: string): string | undefined {
  const text = range.trim()
  if (['', '*', 'x', 'X'].includes(text)) return 'any version'
  if (/^[a-z][\w-]*$/i.test(text)) return 'whatever bears that tag'
  if (/^>=?\s*[\d.]+$/.test(text) || /^[xX*]\./.test(text)) return 'any later version, whatever it breaks'
  const isRepository = /^(git|github:|gitlab:|bitbucket:|https?:|[\w-]+\/[\w.-]+(#|$))/.test(text)
  if (
    isRepository &&
    !/#(semver:)?v?\d+\.\d+\.\d+|#[0-9a-f]{7,40}$|\/v?\d+\.\d+\.\d+|\d+\.\d+\.\d+\.t(ar\.)?gz/.test(text)
  )
    return 'whatever its branch holds'
  return undefined
}

/** Packages that a source imports, each at its place. */
function importsOf(
  source: Source,
): { readonly name: string; readonly spec: string; readonly at: number; readonly isType: boolean }[] {
  return source.tokens.flatMap((token, i) => {
    if (token.kind !== 'string') return []
    const isFrom = isWord(source, i - 1, 'from') || isWord(source, i - 1, 'import')
    const isCall =
      textAt(source, i - 1) === '(' && isWord(source, i - 2, 'import', 'require') && textAt(source, i - 3) !== '.'
    if (!isFrom && !isCall) return []
    const spec = token.text
    if (/^(\.|\/|#|node:|file:|data:|bun:|virtual:)/.test(spec)) return []
    let start = i
    while (start > 0 && i - start < 400 && !isWord(source, start, 'import', 'export')) start--
    const isType = isFrom && isWord(source, start + 1, 'type') && textAt(source, start + 2) !== ','
    const name = spec
      .split('/')
      .slice(0, spec.startsWith('@') ? 2 : 1)
      .join('/')
    return [{ name, spec, at: i, isType }]
  })
}

function imports(packages: PackageFacts, sources: readonly Source[]): Remark[] {
  const { dependencies = {}, devDependencies = {}, peerDependencies = {}, optionalDependencies = {} } = packages
  const remarks: Remark[] = []
  for (const source of sources) {
    for (const { name, spec, at, isType } of importsOf(source)) {
      if (builtin.has(name) || name === packages.name || name === '') continue
      const where = placeAt(source, at)
      if (/^(https?:|npm:|jsr:)/.test(spec)) {
        if (!/@v?\d+\.\d+/.test(spec))
          remarks.push({ id: 'package-loose', where, message: `${spec} is imported without a version` })
        continue
      }
      if (name in dependencies || name in peerDependencies || name in optionalDependencies) continue
      if (name in devDependencies) {
        if (!isType && !isForDevelopment.test(source.path))
          remarks.push({
            id: 'package-missing',
            where,
            message: `${name} is a devDependency, which who installs the package does not get`,
          })
        continue
      }
      if (isType && `@types/${name.replace(/^@([^/]+)\//, '$1__')}` in devDependencies) continue
      remarks.push({ id: 'package-missing', where, message: `${name} is imported, and package.json does not list it` })
    }
  }
  return remarks
}

function providers(packages: PackageFacts, agents: readonly AgentFacts[]): Remark[] {
  const listed = {
    ...packages.devDependencies,
    ...packages.optionalDependencies,
    ...packages.peerDependencies,
    ...packages.dependencies,
  }
  return agents.flatMap(({ name, model }) =>
    (model === undefined ? [] : typeof model === 'string' ? [model] : model).flatMap((choice): Remark[] => {
      const [provider = '', rest] = choice.split('/')
      if (rest === undefined || offline.has(provider)) return []
      const wanted = packagesOf[provider] ?? `@ai-sdk/${provider}`
      return wanted in listed || ('ai' in (packages.dependencies ?? {}) && provider === 'gateway')
        ? []
        : [
            {
              id: 'package-missing',
              where: `agent ${name}`,
              message: `${choice} needs ${wanted}, and package.json does not list it`,
            },
          ]
    }),
  )
}

function locked({ dependencies = {}, devDependencies = {}, lock }: PackageFacts): Remark[] {
  if (lock === undefined) return []
  const where = 'package-lock.json'
  const remarks: Remark[] = []
  const clash = (message: string): void => void remarks.push({ id: 'package-clash', where, message })
  for (const [name, range] of [...Object.entries(dependencies), ...Object.entries(devDependencies)]) {
    const entry = lock[name]
    if (/^(file|link|workspace):/.test(range)) continue
    if (entry === undefined) clash(`${name} is listed and not locked`)
    else if (entry.version !== undefined && !/^(git|http|github:|npm:)/.test(range) && !isWithin(entry.version, range))
      clash(`${name} is locked at ${entry.version}, and package.json asks for ${range}`)
  }
  for (const [name, { peerDependencies = {} }] of Object.entries(lock)) {
    for (const [peer, range] of Object.entries(peerDependencies)) {
      const version = lock[peer]?.version
      if (version !== undefined && !isWithin(version, range))
        clash(`${name} asks for ${peer} ${range}, and ${version} is locked`)
    }
  }
  return remarks
}
