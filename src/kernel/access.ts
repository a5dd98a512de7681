/**
 * Access: asks the law about each system call, before anything of it happens, and keeps what the law has to know of a
 * process for that: its standing.
 *
 *     const verdict = access.decide(process, 'call', { tool, input })   // undefined: nothing stands against it
 *     access.passed(process, verdict)                                   // it was let through
 *     access.told(call, seq)                                            // a tool is told what it was called with
 *     access.learned(process, call, end, seq)                           // the process learned its end
 *
 * Tool calls need a rule that allows them. The other calls reach only what is the process's own (its memory, its files,
 * its budget), so they are let through unless a rule forbids them or wants a person.
 *
 * Invariants
 *   A1. A child starts with the standing of its parent; what a process sends, writes, remembers, returns or passes to a
 *       child carries the labels of all that it has learned, and who takes it up has learned them too.
 *   A2. A law that a process was spawned with only narrows: a call goes through where the kernel's law and every law of
 *       the process let it.
 *   A3. The standing is a function of what the process did and learned, so a replay and a fork come to the same. What tools
 *       were told is one of the journals of the whole tree (told.ts).
 *   A4. What one decision spends on looking for values is bounded; beyond, they are untrusted.
 */
import type { Decision, Law, Origin, Request, TemporalRule } from '../policy/law.ts'
import { canonical } from '../policy/canonical.ts'
import { holdersLaw, judge } from '../policy/law.ts'
import type { Text, Value, Work } from '../policy/values.ts'
import { holds, searchable, textsOf } from '../policy/values.ts'
import { sha256 } from './digest.ts'
import { union } from './lists.ts'
import type { Call, LearnedAnswer, Process } from './process.ts'
import type { EventsOf } from './told.ts'
import { tell, toldIn } from './told.ts'
import type { CallEnd, CallName, Json, Note, ProcessStart, Tool } from './types.ts'

/** What the laws say of one call, while the process stands as it does. */
export interface Verdict {
  /** The strictest of what they say. */
  readonly decision: Decision
  /** What the kernel's own law says, where it speaks of the call at all. */
  readonly own: Decision | undefined
  readonly request: Request
}

/** The law as the gate asks it. */
export interface Access {
  /** undefined: nothing stands against the call, and nothing follows from it. */
  decide(process: Process, call: CallName, args: Json): Verdict | undefined
  /** The call was let through, also by a person, and nothing else since the verdict on it. */
  passed(process: Process, verdict: Verdict): void
  /** Temporal rules that the process breaks if it ends now. What its parent left open is not its own. */
  unmet(process: Process): readonly TemporalRule[]
  /** Whether some call of this tool could still be let through by the temporal rules. */
  isOpen(process: Process, tool: string): boolean
  /** The call was let through and starts, or goes on after a person's word, at this place in the journal. */
  told(call: Call, seq: number): void
  /** The process learned the end of a call, at its `learnedAt`; `seq` is its place in the journal. */
  learned(process: Process, call: Call, end: Pick<CallEnd, 'value' | 'error' | 'labels' | 'usage'>, seq: number): void
  /** The process has something with these labels: what somebody else told it or of it. */
  taint(process: Process, labels: readonly string[] | undefined): void
}

/** Access by a law; without one, who holds a tool may call it. */
export function createAccess(law: Law | undefined, eventsOf: EventsOf): Access {
  const rules = judge(law ?? holdersLaw)
  const beyondTools =
    law !== undefined &&
    (law.runaway?.spawns !== undefined ||
      law.runaway?.burst !== undefined ||
      [...law.rules, ...Object.values(law.events ?? {})].some((match) => speaksOfMore(match)))
  const everyTool = law === undefined

  /** Only where something will look into it: a long run is not held in memory for nothing. */
  function keepAnswer(process: Process, name: string, value: Json, ended: Labels, seq: number): void {
    const tool = process.tools.get(name)
    const isTrusted = isTrustedAnswer(tool, ended)
    const isRead = rules.readsAnswers || process.start.laws?.some((one) => judge(one).readsAnswers) === true
    const isNamed = isRead && tool?.labels !== undefined && (process.answers?.length ?? 0) < SOURCES_MAX
    if (!isTrusted && !isNamed) return
    const plain = textsOf(value).map(searchable).join('\n')
    process.answerChars += plain.length + SOURCE_COST
    if (process.answerChars > SOURCE_CHARS_MAX) process.answerChars = Infinity
    else {
      const labels = labelsOfAnswer(tool, ended)
      ;(process.answers ??= []).push({ tool: name, labels, isTrusted, isNamed, seq, text: { plain } })
    }
  }

  return {
    decide(process, call, args) {
      const isSpokenOf = call === 'call' ? !everyTool : beyondTools
      const { laws } = process.start
      if (!isSpokenOf && laws === undefined) return undefined
      const request = requestOf(process, call, args, eventsOf)
      const own = isSpokenOf ? rules.decide(request, process.standing) : undefined
      let decision = own
      for (const law of laws ?? []) {
        const more = judge(law).decide(request)
        if (decision !== undefined && strictness[more.effect] <= strictness[decision.effect]) continue
        // Named by what it says: whoever writes such a law chooses its ids.
        const rule = more.rule === null ? null : `process/${fingerprintOf(law)}/${more.rule}`
        decision = { ...more, rule, reason: `${more.reason}, by a law of the process` }
      }
      return decision === undefined ? undefined : { decision, own, request }
    },
    passed(process, { own, request }) {
      // The kernel's own rules go on from what they said, whatever a law of the process added.
      if (own === undefined) return
      const { standing } = process
      const after = rules.after(request, own, standing)
      if (after !== standing) process.standing = { ...standing, ...after }
    },
    unmet: ({ standing, start }) => {
      if (!rules.isTemporal) return NONE
      const inherited = start.standing === undefined ? [] : rules.unmet(start.standing)
      return rules.unmet(standing).filter((rule) => !inherited.includes(rule))
    },
    isOpen: ({ standing }, tool) => !rules.isTemporal || rules.isOpen(tool, standing),
    told({ process, name, args }, seq) {
      const { told } = process.root
      // Before something asks for it, the journals have it.
      if (told !== undefined && name === 'call' && args !== null)
        tell(told, seq, (args as { readonly input: Json }).input)
    },
    learned(process, { name, args: kept, judged, refused }, { value = null, error, labels, usage }, seq) {
      const args = judged ?? kept
      // The words of an error may hold what was learned too.
      if (labels !== undefined) taint(process, labels)
      // A tool call that was refused was not made; nor was one whose arguments were wrong, and which has none.
      const isMade = name === 'call' && args !== null && !refused
      const { tool, input } = (isMade ? args : NO_TOOL) as { readonly tool: string; readonly input: Json }
      if (isMade) {
        hear(process, tool)
        if (error === undefined) keepAnswer(process, tool, value, labels, seq)
      }
      if (name === 'recall') for (const tool of toolsIn(value)) hear(process, tool)
      if (!rules.isWatchful) return
      const { standing } = process
      const after = rules.learned(
        isMade ? { call: name, tool, args: input } : { call: name, args },
        {
          result: error === undefined ? value : `error ${error.code}`,
          at: process.learnedAt,
          tokens: usage === undefined ? 0 : usage.inputTokens + usage.outputTokens,
        },
        standing,
      )
      if (after !== standing) process.standing = { ...standing, ...after }
    },
    taint(process, labels) {
      if (labels !== undefined) taint(process, labels)
    },
  }
}

const NONE: readonly TemporalRule[] = Object.freeze([])
/** Answers of tools in which values may stand for a rule that names tools or labels, of each process the first ones. */
const SOURCES_MAX = 1_000
/** Characters of answers that are kept of each process, trusted ones too; from the first that does not fit, none is a source. */
const SOURCE_CHARS_MAX = 16 * 1_048_576
/** What an answer takes beside its text, in characters. */
const SOURCE_COST = 256
/** Characters that one decision looks through; values beyond count as told to a tool, and come from nowhere. */
const DECISION_CHARS_MAX = 16 * 1_048_576
/** Characters of a value that is looked for in texts; a longer one has an origin only where it is the whole of one. */
const VALUE_CHARS_MAX = 1_000
const NO_TOOL: Json = Object.freeze({ tool: '', input: null })

type Labels = readonly string[] | undefined

/** Those of the tool and those with which the call ended, such as of a state that it read; undefined where the tool says none. */
function labelsOfAnswer(tool: Tool | undefined, ended: Labels): Labels {
  const own = tool?.labels
  return own === undefined ? undefined : union(own, ended)
}

/** Whether the answer of a call that ended with these labels is a trusted one: that of a trusted tool which took nothing from elsewhere. */
export function isTrustedAnswer(tool: Tool | undefined, ended: Labels = []): boolean {
  return tool?.trusted === true && ended.every((label) => tool.labels?.includes(label) === true)
}

function hear(process: Process, tool: string): void {
  const { heard } = process
  // Most hear of one: a list that is made longer has room for seventeen more.
  if (heard === undefined) process.heard = [tool]
  else if (!heard.includes(tool)) process.heard = [...heard, tool]
}

/** Tools that had a part in notes. */
function toolsIn(notes: Json): readonly string[] {
  return Array.isArray(notes) ? (notes as unknown as readonly Note[]).flatMap(({ tools = [] }) => tools) : []
}

const fingerprints = new WeakMap<Law, string>()

function fingerprintOf(law: Law): string {
  let made = fingerprints.get(law)
  if (made === undefined) {
    made = sha256(canonical(law)).slice(0, 12)
    fingerprints.set(law, made)
  }
  return made
}

const strictness = { allow: 0, ask: 1, deny: 2 } as const

function speaksOfMore({ call = 'call', then }: Partial<Law['rules'][number]>): boolean {
  return call !== 'call' || then?.add?.some(speaksOfMore) === true
}

/** The process has learned something with these labels. */
function taint(process: Process, labels: readonly string[]): void {
  const { standing } = process
  const more = labels.filter((label) => !standing.labels.includes(label))
  if (more.length > 0)
    process.standing = { ...standing, labels: Object.freeze([...standing.labels, ...more].toSorted()) }
}

function requestOf(process: Process, call: CallName, args: Json, eventsOf: EventsOf): Request {
  const isTool = call === 'call'
  const { tool: name, input } = args as { readonly tool: string; readonly input: Json }
  const tool: Tool | undefined = isTool ? process.tools.get(name) : undefined
  const found = provenanceFor(process, eventsOf)
  const request: { -readonly [K in keyof Request]: Request[K] } = {
    call,
    args: isTool ? input : args,
    principal: process.principal,
    program: process.program.name,
    ancestors: ancestorsOf(process),
    seen: new Set(process.standing.labels),
    originOf: (value) => found(value).origin,
    sourcesOf: (value) => found(value).sources,
  }
  if (isTool) request.tool = name
  if (tool?.control !== undefined) request.control = tool.control
  const { asked } = saidBy(process.root.start)
  if (asked !== undefined) request.asked = asked
  if (tool?.outbound !== undefined) request.outbound = tool.outbound
  return request
}

function ancestorsOf(process: Process): readonly string[] {
  const names: string[] = []
  for (let at = process.parent; at !== undefined; at = at.parent) names.push(at.program.name)
  return [...names, ...(process.root.start.lineage?.programs ?? [])]
}

// --------------------------------------------------------------------------------------------------------- provenance

interface Said {
  /** What the user asked for: the texts in the input of the root. */
  readonly asked: string | undefined
  /** The same, to look for values in. */
  readonly search: Text
}

const said = new WeakMap<ProcessStart, Said>()

function saidBy(root: ProcessStart): Said {
  let found = said.get(root)
  if (found === undefined) {
    const input = root.lineage === undefined ? root.input : root.lineage.input
    const asked = input === undefined || input === null ? undefined : textsOf(input).join('\n')
    said.set(root, (found = { asked, search: { plain: searchable(asked ?? '') } }))
  }
  return found
}

interface Found {
  readonly origin: Origin
  readonly sources: readonly LearnedAnswer[]
}

/**
 * Where a value came from: it stands in the user's words, or in an answer of a tool, as a whole word or number. Everything
 * else, also what the model made up itself, is untrusted. Each value is looked for once a call.
 */
function provenanceFor(process: Process, eventsOf: EventsOf): (value: Value) => Found {
  const known = new Map<Value, Found>()
  const work = workOfDecision()
  return (value) => {
    let found = known.get(value)
    if (found === undefined) known.set(value, (found = findValue(process, value, work, eventsOf)))
    return found
  }
}

function workOfDecision(): Work {
  return { left: DECISION_CHARS_MAX, read: new Set() }
}

const NOWHERE: Found = Object.freeze({ origin: 'untrusted', sources: Object.freeze([]) })

/** Without `eventsOf`, the origin only. */
function findValue(process: Process, value: Value, work: Work, eventsOf?: EventsOf): Found {
  if (work.left < 0) return NOWHERE
  const isLong = typeof value === 'string' && value.length > VALUE_CHARS_MAX
  const stands = (text: Text): boolean => (isLong ? isWhole(text, value, work) : holds(text, value, work))
  if (stands(saidBy(process.root.start).search)) return { origin: 'request', sources: [] }
  let origin: Origin = 'untrusted'
  const named: LearnedAnswer[] = []
  for (let at: Process | undefined = process; at !== undefined; at = at.parent) {
    for (const answer of at.answers ?? []) {
      const isNamed = answer.isNamed && eventsOf !== undefined && !isLong
      if ((!isNamed && !answer.isTrusted) || !stands(answer.text)) continue
      if (answer.isTrusted) origin = 'trusted'
      if (isNamed) named.push(answer)
    }
  }
  if (named.length === 0 || eventsOf === undefined) return work.left < 0 ? NOWHERE : { origin, sources: [] }
  const toldAt = firstTold(process, value, Math.max(...named.map(({ seq }) => seq)), work, eventsOf)
  // What was not looked through to the end is not known.
  if (work.left < 0) return NOWHERE
  return { origin, sources: named.filter(({ seq }) => seq < toldAt) }
}

/** Whether one of the lines is this. */
function isWhole({ plain }: Text, value: string, work: Work): boolean {
  work.left -= plain.length + value.length
  const what = searchable(value)
  return work.left >= 0 && what !== '' && plain.split('\n').includes(what)
}

/**
 * The place in the journal at which a tool was first told the value in this run, if before `end`. Who says back what it was
 * told is no source of it, whichever process of the run told it.
 */
function firstTold({ root }: Process, value: Value, end: number, work: Work, eventsOf: EventsOf): number {
  root.told ??= toldIn(root.start, eventsOf)
  for (const [seq, text] of root.told.texts) {
    if (seq >= end) break
    if (holds(text, value, work)) return seq
    if (work.left < 0) break
  }
  return root.told.from
}

/** Where a text came from as a whole, and the tools that may have had a part in it: for who writes it down. */
export function provenanceOf(
  process: Process,
  text: string,
): { readonly trust: Origin; readonly tools: readonly string[] } {
  const tools = new Set<string>()
  for (let at: Process | undefined = process; at !== undefined; at = at.parent)
    for (const tool of at.heard ?? []) tools.add(tool)
  return { trust: findValue(process, text, workOfDecision()).origin, tools: [...tools].sort() }
}
