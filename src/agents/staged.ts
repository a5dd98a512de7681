/**
 * A staged pipeline (a standard operating procedure): documents that are made one after another, each by a stage that sees some of the others,
 * with gates that send the work back to the stage whose fault it is. meta-gpt.ts, paper-coder.ts, spec2rtl.ts, public-agent.ts, sci-agents.ts and
 * agent-write.ts are configurations of it.
 *
 *     const { documents, failed } = await carryOutStages({ requirement }, [
 *       { name: 'design', sees: ['requirement'], make: says(sys, 'Write a design.') },
 *       { name: 'tasks', sees: ['design'], make: saysJson(sys, 'Split it.', shape), opens: (tasks) => tasks.map(codeStage) },
 *       { name: 'run', sees: ['tasks'], make: run, check: (results) => (passed(results) ? undefined : { to: 'code a.js', why: '…' }) },
 *     ])
 *
 * A stage is made when all that it sees, and that its gate needs, is there; of several the first in the list, behind which stand those that it opened. Its document has its
 * name.
 *
 * Invariants
 *   ST1. A stage is given the documents that it sees, why it was sent back and what it had made before, and nothing else.
 *   ST2. A document that is sent back is made anew, and so is, however far, every document that was made from it, and none beside.
 *        With `remake: 'gate'` only itself, and the gate that sent it back looks again.
 *   ST3. A gate sends back at most `backsMax` times, its own or the pipeline's; then the pipeline ends and says which gate, and why.
 */
import type { z } from 'zod'
import { PolityError } from '../kernel/errors.ts'
import type { Json, Sys } from '../kernel/types.ts'
import { askJson } from './pieces/json-answer.ts'

export interface Documents {
  readonly [name: string]: Json
}

/** What a stage is made from. */
export interface Given {
  readonly documents: Documents
  /** Why its document was sent back; empty at first. */
  readonly why: string
  /** Its document that was sent back. */
  readonly before?: Json
}

export interface Fault {
  readonly why: string
  /** The stage whose fault it is. @default the stage that was checked */
  readonly to?: string
  /** Nobody can mend it: the pipeline ends. @default false */
  readonly ends?: boolean
}

export interface Stage {
  readonly name: string
  readonly sees: readonly string[]
  /** Documents that its gate looks at: they come before it, and it is made anew with them, but it is not given them. @default none */
  readonly needs?: readonly string[]
  /** Its document; undefined: none of the form that was asked for, which is a fault of its own. */
  make(given: Given): Promise<Json | undefined>
  /** What is wrong with it; undefined where nothing is. A gate is no model that could see too much: it has all documents. */
  check?(document: Json, documents: Documents): Promise<Fault | undefined> | Fault | undefined
  /** Times that its gate sends back; a document that is not of the form that was asked for counts too. @default that of the pipeline */
  readonly backsMax?: number
  /** Stages that are known by its document alone. They go when it is made anew. */
  opens?(document: Json): readonly Stage[]
}

export interface StagedOptions {
  /** Times that one gate sends back, where its stage does not say. @default 5, as MetaGPT's rounds of tests */
  readonly backsMax?: number
  /** What is made anew with a document. @default 'dependants' */
  readonly remake?: 'dependants' | 'gate'
}

export interface Back {
  readonly from: string
  readonly to: string
  readonly why: string
}

export interface Staged {
  readonly documents: Documents
  /** Stages in the order in which they were made, each as often. */
  readonly made: readonly string[]
  readonly backs: readonly Back[]
  /** The gate that was not passed, with the document that it looked at last. */
  readonly failed?: { readonly stage: string; readonly why: string; readonly document?: Json }
}

interface Standing {
  readonly stage: Stage
  /** Name of the stage that opened it. */
  readonly openedBy?: string
}

/** Times that a gate sends back by default. */
export const BACKS_MAX = 5

/** @throws `CONFIG_INVALID` where two stages have one name, or one has that of a given document, sees what nobody makes or sends back to nobody. */
export async function carryOutStages(
  given: Documents,
  stages: readonly Stage[],
  { backsMax = BACKS_MAX, remake = 'dependants' }: StagedOptions = {},
): Promise<Staged> {
  let standing: readonly Standing[] = stages.map((stage) => ({ stage }))
  const documents = new Map(Object.entries(given))
  const [made, backs]: [string[], Back[]] = [[], []]
  const reasons = new Map<string, string>()
  const earlier = new Map<string, Json>()
  const sentBack = new Map<string, number>()
  const ended = (failed?: Staged['failed']): Staged => ({
    documents: Object.fromEntries(documents),
    made,
    backs,
    ...(failed === undefined ? {} : { failed }),
  })

  /** Takes a document away, with the stages that it opened, and by `remake` with all that was made from it. */
  function drop(name: string, far: boolean): void {
    const document = documents.get(name)
    if (document === undefined) return
    documents.delete(name)
    earlier.set(name, document)
    const opened = standing.filter(({ openedBy }) => openedBy === name)
    for (const { stage } of opened) drop(stage.name, true)
    standing = standing.filter(({ openedBy }) => openedBy !== name)
    const isFar = far || opened.length > 0
    for (const { stage } of standing) if (isFar && awaited(stage).includes(name)) drop(stage.name, true)
  }

  for (;;) {
    faultless(standing, given)
    const next = standing.find(
      ({ stage }) => !documents.has(stage.name) && awaited(stage).every((one) => documents.has(one)),
    )
    if (next === undefined) {
      const open = standing.find(({ stage }) => !documents.has(stage.name))?.stage
      if (open === undefined) return ended()
      const missing = awaited(open)
        .filter((one) => !documents.has(one))
        .join(', ')
      throw new PolityError('CONFIG_INVALID', `the stage "${open.name}" sees ${missing}, which no stage can make`)
    }
    const { name, sees, check, opens } = next.stage
    const before = earlier.get(name)
    const document = await next.stage.make({
      documents: Object.fromEntries(sees.map((one) => [one, documents.get(one) as Json])),
      why: reasons.get(name) ?? '',
      ...(before === undefined ? {} : { before }),
    })
    made.push(name)
    const fault =
      document === undefined
        ? { why: 'It was not of the form that was asked for.' }
        : await check?.call(next.stage, document, { ...Object.fromEntries(documents), [name]: document })
    if (fault === undefined) {
      documents.set(name, document as Json)
      reasons.delete(name)
      const opened = opens?.call(next.stage, document as Json) ?? []
      const at = standing.indexOf(next) + 1
      standing = [
        ...standing.slice(0, at),
        ...opened.map((stage) => ({ stage, openedBy: name })),
        ...standing.slice(at),
      ]
      continue
    }
    const { to = name, why } = fault
    const times = (sentBack.get(name) ?? 0) + 1
    if (fault.ends === true || times > (next.stage.backsMax ?? backsMax))
      return ended({ stage: name, why, ...(document === undefined ? {} : { document }) })
    if (!standing.some(({ stage }) => stage.name === to))
      throw new PolityError('CONFIG_INVALID', `the stage "${name}" sends back to "${to}", which is none`)
    sentBack.set(name, times)
    backs.push({ from: name, to, why })
    reasons.set(to, why)
    if (to !== name) drop(to, remake === 'dependants')
    else if (document !== undefined) earlier.set(name, document)
  }
}

const awaited = ({ sees, needs = [] }: Stage): readonly string[] => [...sees, ...needs]

function faultless(standing: readonly Standing[], given: Documents): void {
  const names = standing.map(({ stage }) => stage.name)
  const taken = names.find((name) => Object.hasOwn(given, name))
  if (taken !== undefined)
    throw new PolityError('CONFIG_INVALID', `the stage "${taken}" is called as a document that is given`)
  const twice = names.find((name, i) => names.indexOf(name) !== i)
  if (twice !== undefined) throw new PolityError('CONFIG_INVALID', `two stages are called "${twice}"`)
}

/** A stage's `make`: one call, whose text is the document. @param of what to keep of the text; undefined: that is no document @default all of it */
export function says(sys: Sys, instructions: string, of: (text: string) => string | undefined = (text) => text.trim()) {
  return async (given: Given): Promise<Json | undefined> =>
    of((await sys.generate({ instructions, prompt: promptOf(given), temperature: 0 })).text)
}

/** A stage's `make`: one call whose document is JSON of a shape, asked again once. */
export function saysJson(sys: Sys, instructions: string, shape: z.ZodType) {
  return async (given: Given): Promise<Json | undefined> =>
    (await askJson(sys, { instructions, prompt: promptOf(given) }, shape)) as Json | undefined
}

/** What a stage is given, as a model reads it. */
export function promptOf({ documents, why, before }: Given): string {
  const parts = Object.entries(documents).map(([name, document]) => `# ${name}\n${textOf(document)}`)
  if (why !== '') {
    if (before !== undefined) parts.push(`# Your last version\n${textOf(before)}`)
    parts.push(`# Why it was sent back\n${why}`)
  }
  return parts.join('\n\n')
}

export function textOf(document: Json): string {
  return typeof document === 'string' ? document : JSON.stringify(document, null, 2)
}
