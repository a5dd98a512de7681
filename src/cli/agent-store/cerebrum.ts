/**
 * Agent folders of Cerebrum, the SDK of AIOS: `config.json` beside an entry in Python, read into the words of a manifest.
 *
 *     readCerebrum(files)      // { name, version, description, entry, module, tools, license }; undefined where it is none
 *
 * Such an agent is code in Python that talks to a kernel over HTTP. Polity does not run it; it serves it (docs/server-aios.md).
 */
import { z } from 'zod'

/** What a Cerebrum folder says of its agent. */
export interface CerebrumAgent {
  readonly name: string
  readonly version: string
  readonly description: string
  readonly license: string | undefined
  readonly entry: string
  /** The class that is run. */
  readonly module: string | undefined
  /** Tools of AIOS's hub, as `author/tool`. */
  readonly tools: readonly string[]
  /** Lines of `meta_requirements.txt`. */
  readonly requirements: readonly string[]
}

const text = z.string().max(1_000)

const config = z.looseObject({
  name: text,
  description: z.union([text, z.array(text)]).default(''),
  tools: z.array(text).default([]),
  meta: z
    .looseObject({ author: text.default('unknown'), version: text.default('0.0.0'), license: text.optional() })
    .prefault({}),
  build: z.looseObject({ entry: text.optional(), module: text.optional() }),
})

export function readCerebrum(files: ReadonlyMap<string, Buffer>): CerebrumAgent | undefined {
  const given = files.get('config.json')
  if (given === undefined) return undefined
  let parsed: z.infer<typeof config>
  try {
    parsed = config.parse(JSON.parse(given.toString('utf8')))
  } catch {
    return undefined // another config.json
  }
  const { name, description, tools, meta, build } = parsed
  const entry = build.entry ?? ['agent.py', 'entry.py'].find((one) => files.has(one)) ?? 'agent.py'
  if (!entry.endsWith('.py')) return undefined
  return {
    name: `${slug(meta.author)}/${slug(name)}`,
    version: meta.version,
    description: (typeof description === 'string' ? [description] : description).join(' '),
    license: meta.license,
    entry,
    module: build.module,
    tools,
    requirements: (files.get('meta_requirements.txt')?.toString('utf8') ?? '')
      .split('\n')
      .filter((one) => one.trim() !== ''),
  }
}

/** As far as a text can be part of a name. */
export function slug(given: string): string {
  return (
    given
      .toLowerCase()
      .replaceAll(/[^a-z0-9]+/g, '-')
      .replace(/^-+/, '')
      .slice(0, 40)
      .replace(/-+$/, '') || 'unknown'
  )
}
