/**
 * The table of system calls: how each one's arguments are checked, what it costs, whether its intent must be kept before
 * its effect, and what it does. To add a call, add a line here and one to `Sys` (and argue one away).
 */
import type { Law } from '../policy/law.ts'
import { parseLaw } from '../policy/law.ts'
import type { Access } from './access.ts'
import type { Approvals } from './approvals.ts'
import type { Audit } from './audit.ts'
import type { Clock } from './clock.ts'
import type { Dispatcher } from './dispatcher.ts'
import type { Embedder } from './drivers.ts'
import { PolityError, fromErrorData, invalid, messageOf } from './errors.ts'
import type { Inbox } from './inbox.ts'
import type { Journal } from './journal.ts'
import type { Limits } from './limits.ts'
import type { Plan } from './exchange.ts'
import type { Llm } from './llm.ts'
import type { CheckedRequest } from './request.ts'
import { checkRequest, toJournal } from './request.ts'
import type { Mailbox } from './mailbox.ts'
import { estimateTokens, knowAnswer } from './messages.ts'
import type { CheckedNote, Memory } from './memory.ts'
import { checkNote, checkNoteId } from './memory.ts'
import { toPlain } from './plain.ts'
import type { Call, Process } from './process.ts'
import { labelsOf, overBudget } from './process.ts'
import type { Spawner } from './programs.ts'
import type { Storage } from './storage.ts'
import { checkPath } from './storage.ts'
import type { Checked, Tools } from './tools.ts'
import type {
  Budget,
  GenerateRequest,
  Generation,
  Json,
  ModelChoice,
  Pid,
  Program,
  RunOptions,
  SpawnOptions,
} from './types.ts'

/** What the table needs of the rest of the kernel. */
export interface Machine {
  readonly clock: Clock
  readonly limits: Limits
  readonly journal: Journal
  readonly dispatcher: Dispatcher
  readonly access: Access
  readonly approvals: Approvals
  /** undefined where nothing outlives the kernel, or no law was given: there is nothing to look into. */
  readonly audit: Audit | undefined
  readonly llm: Llm
  readonly embedder: Embedder | undefined
  readonly tools: Tools
  readonly memory: Memory
  readonly storage: Storage
  readonly mailbox: Mailbox
  readonly inbox: Inbox
  readonly defaultModel: ModelChoice | undefined
  /** The store forgets with the process: nothing needs to be waited for. */
  readonly volatile: boolean
  /** The program that a call of a process spawns, made known. */
  program(program: Program | string, by: Spawner): Program
  spawn(parent: Process, call: number, program: Program, input: Json | undefined, options: SpawnOptions): Process
  /** Makes a child of `parent` with its past up to `call`, in which that call returned 0; ends `call` with its pid. */
  fork(parent: Process, call: Call): Promise<void>
  restore(process: Process, id: string): Promise<void>
  kill(process: Process, error: PolityError): void
  /** Why nothing more may be written for a process: its account has no room. */
  full(process: Process): PolityError | undefined
  /** The same call where it is open in another process: the one that this one was forked from, or another fork of it. */
  openElsewhere(call: Call): Call | undefined
  /** Another process of the same principal, running or ended; throws `NO_SUCH_PROCESS`. */
  find(process: Process, pid: Pid): Process
  named(process: Process, name: string): readonly Process[]
  /** `waiter` has the end of `child`. */
  waited(child: Process, waiter: Process): void
  /** A replay of an ended process has learned all there is, and the program has not returned. */
  replayed(process: Process): void
  /** The program no longer makes the calls of its journal. */
  mismatch(process: Process, message: string): void
}

/** The mechanism ends the call itself, later. */
export const LATER = Symbol('later')

/** A line of the table. */
export interface Syscall<Args> {
  /** The arguments in their checked form, and as journaled. Throws `INVALID_ARGUMENT`. */
  readonly check: (
    process: Process,
    given: readonly unknown[],
    n: number,
  ) => { readonly args: Args; readonly journal: Json }
  /** Its intent is kept before it runs: it reaches outside the kernel. */
  readonly intent?: (args: Args) => boolean
  /** The process learns its end from the journal: what else is known of the value, beside the value. */
  readonly relearned?: (value: Json) => void
  /** What `run` gives is plain and frozen as it is. */
  readonly plain?: boolean
  /** Its end is learned only once it is kept: it changed something that outlives the process. */
  readonly kept?: boolean
  /** Runs when the law allowed it, before the start is journaled: what it may cost. Throws `BUDGET_EXCEEDED`. */
  readonly plan?: (call: Call, args: Args) => void
  readonly run: (call: Call, args: Args) => unknown
  /** Whether a try that a crash interrupted may have had an effect that must not happen twice: then `revive` it. @default it runs again */
  readonly inDoubt?: (args: Args) => boolean
  readonly revive?: (call: Call, args: Args) => unknown
}

type Arguments = { readonly [name: string]: Json | undefined }

/** How a mechanism speaks to the gate. */
export interface CallEnds {
  readonly end: (call: Call, value: unknown) => void
  readonly fail: (call: Call, error: unknown) => void
  /** Goes on once the law allows the call; where it does not, the call has ended. */
  readonly permit: (call: Call) => Promise<void>
}

/** The table, on the mechanisms of a machine. */
export function createTable(
  machine: Machine,
  { end, fail, permit }: CallEnds,
): { readonly [name: string]: Syscall<unknown> } {
  const { clock, limits, tools, memory, storage, mailbox, inbox, llm } = machine

  function plain<Args extends Arguments>(args: Args): { args: Args; journal: Json } {
    return { args, journal: args }
  }

  /** What is left of a time that runs since the call started: after a restart only the rest is waited. */
  function restOf(call: Call, ms: number): number {
    return Math.max(0, call.startedAt + ms - clock.now())
  }

  const spawn: Syscall<{ program: Program; input: Json | undefined; options: SpawnOptions }> = {
    check(process, [given, input, options], n) {
      const program = machine.program(given as Program | string, { process, n })
      const args = {
        program,
        input: input === undefined ? undefined : toPlain(input, 'spawn: input', limits.valueBytesMax),
        options: checkSpawnOptions(options),
      }
      const withInput = args.input === undefined ? {} : { input: args.input }
      return {
        args,
        journal: { program: program.name, version: program.version, ...withInput, options: args.options as Json },
      }
    },
    plan(call) {
      const over = overBudget(call.process, { children: 1 })
      if (over !== undefined) throw over
    },
    run: (call, { program, input, options }) => machine.spawn(call.process, call.n, program, input, options).pid,
  }

  const fork: Syscall<Arguments> = {
    check: () => plain({}),
    plan: spawn.plan as Syscall<Arguments>['plan'],
    run(call) {
      machine.fork(call.process, call).catch((error: unknown) => fail(call, error))
      return LATER
    },
  }

  const wait: Syscall<{ pid: Pid; timeoutMs: number }> = {
    check: (_process, [pid, options]) =>
      plain({
        pid: whole('wait: pid', pid),
        timeoutMs: timeout('wait', optionsOf('wait', options, TIMEOUT_KEYS), limits.waitMs, limits),
      }),
    run(call, { pid, timeoutMs }) {
      const target = machine.find(call.process, pid)
      const tell = (ended: Process): void => {
        if (!call.open) return
        // Stopped: it may be resumed, and then ends.
        if (!ended.ended) return void (ended.onEnd ??= []).push(tell)
        machine.waited(ended, call.process)
        call.labels = labelsOf(ended)
        if (ended.state === 'done') end(call, ended.value)
        else fail(call, fromErrorData(ended.error ?? { code: 'KILLED', message: `process ${pid} was killed` }))
      }
      for (let at: Process | undefined = call.process; at !== undefined; at = at.parent) {
        if (at === target)
          throw new PolityError(
            'INVALID_ARGUMENT',
            `process ${call.process.pid} ends no later than process ${pid}, so it cannot wait for its end`,
          )
      }
      if (target.ended) tell(target)
      else {
        ;(target.onEnd ??= []).push(tell)
        if (timeoutMs < limits.waitMs) {
          call.timer = clock.after(restOf(call, timeoutMs), () => {
            // Who asks again and again leaves nothing behind.
            target.onEnd = target.onEnd?.filter((one) => one !== tell)
            fail(call, new PolityError('TIMEOUT', `process ${pid} did not end within ${timeoutMs} ms`))
          })
        }
      }
      return LATER
    },
  }

  const kill: Syscall<{ pid: Pid; reason: string }> = {
    check: (_process, [pid, reason]) =>
      plain({ pid: whole('kill: pid', pid), reason: reason === undefined ? '' : text('kill: reason', reason) }),
    run(call, { pid, reason }) {
      const target = machine.find(call.process, pid)
      if (target.ended) return null
      for (let at: Process | undefined = target; at !== call.process; at = at.parent) {
        if (at === undefined)
          throw new PolityError(
            'ACCESS_DENIED',
            `process ${call.process.pid} may kill its own descendants; ${pid} is none`,
          )
      }
      // The reason is told to whoever waits for it: so is what it was made of.
      if (reason !== '') machine.access.taint(target, labelsOf(call.process))
      machine.kill(
        target,
        new PolityError('KILLED', `killed by process ${call.process.pid}${reason === '' ? '' : `: ${reason}`}`),
      )
      return null
    },
  }

  const sleep: Syscall<{ ms: number }> = {
    check(_process, [ms]) {
      if (typeof ms !== 'number' || !(ms >= 0) || ms > limits.waitMs)
        throw invalid('sleep', `0 to ${limits.waitMs} ms`, ms)
      return plain({ ms: ms === 0 ? 0 : ms })
    },
    run(call, { ms }) {
      call.timer = clock.after(restOf(call, ms), () => end(call, null))
      return LATER
    },
  }

  const send: Syscall<{ to: Pid | string; body: Json }> = {
    check: (_process, [to, body]) =>
      plain({
        to: typeof to === 'string' ? to : whole('send: to', to),
        body: toPlain(body, 'send: body', limits.valueBytesMax),
      }),
    kept: true,
    run(call, { to, body }) {
      // To the outside: who watches has heard it with the start of the call.
      if (to === 0) return 1
      const receivers = typeof to === 'string' ? machine.named(call.process, to) : [machine.find(call.process, to)]
      const running = receivers.filter((receiver) => !receiver.ended)
      if (running.length === 0)
        throw new PolityError(
          'NO_SUCH_PROCESS',
          typeof to === 'string' ? `no running process is named "${to}"` : `process ${to} has ended`,
        )
      return mailbox.send(call.process.pid, labelsOf(call.process), running, body)
    },
  }

  const receive: Syscall<{ from?: Pid; timeoutMs: number }> = {
    check(_process, [given]) {
      const options = optionsOf('receive', given, RECEIVE_KEYS)
      const { from } = options
      const timeoutMs = timeout('receive', options, limits.waitMs, limits)
      return plain(from === undefined ? { timeoutMs } : { from: whole('receive: from', from), timeoutMs })
    },
    run(call, { from, timeoutMs }) {
      const mail = mailbox.receive(call, from)
      if (mail !== undefined) {
        call.labels = mail.labels
        return mail
      }
      if (timeoutMs < limits.waitMs) {
        call.timer = clock.after(restOf(call, timeoutMs), () => {
          const error = new PolityError('TIMEOUT', `no message came within ${timeoutMs} ms`)
          call.abort(error)
          fail(call, error)
        })
      }
      return LATER
    },
  }

  const generate: Syscall<{ request: CheckedRequest; plan: Plan | undefined }> = {
    check(process, given, n) {
      const request = checkRequest(given[0] as GenerateRequest | string, process, n, machine.defaultModel, limits)
      return { args: { request, plan: undefined }, journal: toJournal(request, process, n) }
    },
    intent: () => true,
    plain: true,
    relearned(value) {
      const { message, usage } = value as unknown as Generation
      knowAnswer(message, usage.outputTokens)
    },
    plan(call, args) {
      args.plan = llm.plan(call.process, args.request, call.counted ? 0 : 1)
      call.reserved = args.plan.reserved
    },
    run(call, { request, plan }) {
      llm.generate(call, request, plan as Plan)
      return LATER
    },
  }

  const embed: Syscall<{ texts: readonly string[]; model: string | null }> = {
    check(_process, [given, options]) {
      const texts = toPlain(given, 'embed: texts', limits.valueBytesMax)
      if (!Array.isArray(texts) || texts.some((one) => typeof one !== 'string'))
        throw invalid('embed', 'a list of texts', given)
      const { model } = optionsOf('embed', options, EMBED_KEYS)
      return plain({
        texts: texts as readonly string[],
        model: model === undefined ? null : text('embed: model', model),
      })
    },
    intent: () => true,
    plan(call, { texts }) {
      let tokens = 0
      for (const one of texts) tokens += estimateTokens(one)
      const over = overBudget(call.process, { tokens, steps: call.counted ? 0 : 1 })
      if (over !== undefined) throw over
      call.reserved = { tokens, usd: 0 }
    },
    run(call, { texts, model }) {
      const { embedder } = machine
      if (embedder === undefined)
        throw new PolityError('NO_SUCH_MODEL', 'the kernel has no embedder; pass one to boot({ embedder })')
      if (model !== null && model !== embedder.name)
        throw new PolityError('NO_SUCH_MODEL', `no embedder is named "${model}"; there is ${embedder.name}`)
      // Sent: what it may cost is spent, also if its end is never heard.
      call.core = embedder.name
      // Embedders report no counts: the estimate stands.
      call.usage = {
        inputTokens: call.reserved?.tokens ?? 0,
        cachedTokens: 0,
        outputTokens: 0,
        usd: 0,
        estimated: true,
      }
      call.timer = clock.after(limits.generateMs, () => {
        const error = new PolityError(
          'DRIVER_TIMEOUT',
          `${embedder.name} did not answer within ${limits.generateMs} ms`,
        )
        call.abort(error)
        fail(call, error)
      })
      return call
        .race(Promise.resolve(embedder.embed(texts, { signal: call.signal })))
        .then((vectors) => vectorsOf(vectors, embedder.name, texts.length))
    },
  }

  const call: Syscall<Checked> = {
    check(process, given) {
      const name = text('call: tool', given[0])
      const checked = tools.check(process, name, toPlain(given[1], 'call: input', limits.valueBytesMax))
      return { args: checked, journal: { tool: checked.tool.name, input: checked.input } }
    },
    intent: ({ tool }) => tool.effect !== 'read',
    plain: true,
    run(call, checked) {
      call.labels = checked.tool.labels
      return tools.run(call, checked)
    },
    inDoubt: ({ tool }) => tool.effect === undefined || tool.effect === 'once',
    async revive(call, checked) {
      call.labels = checked.tool.labels
      // Promise 2: whether it happened is not known, so a person looks.
      const answer = await inbox.ask(call, {
        kind: 'in-doubt',
        text: `A crash interrupted tool ${checked.tool.name}, which must happen once. Did it happen?`,
        choices: ['done', 'retry', 'fail'],
        detail: { tool: checked.tool.name, input: checked.input, idempotencyKey: `${call.startPid}-${call.startSeq}` },
        timeoutMs: limits.askMs,
      })
      if (answer?.text === 'retry') {
        await permit(call)
        return tools.run(call, checked)
      }
      if (answer?.text === 'done') return toPlain(answer.value, 'the answer', limits.valueBytesMax)
      throw new PolityError(
        'IN_DOUBT',
        `a crash interrupted tool ${checked.tool.name}; ${answer === undefined ? 'nobody said' : 'it is not known'} whether it happened`,
      )
    },
  }

  const ask: Syscall<{ text: string; choices: readonly string[] | null; timeoutMs: number; default: string | null }> = {
    check(_process, [question, given]) {
      const options = optionsOf('ask', given, ASK_KEYS)
      const choices = options['choices'] === undefined ? null : texts('ask: choices', options['choices'])
      if (choices?.length === 0) throw invalid('ask: choices', 'at least one', choices)
      const timeoutMs = timeout('ask', options, limits.askMs, limits)
      return plain({
        text: text('ask: text', question),
        choices,
        timeoutMs,
        default: options['default'] === undefined ? null : text('ask: default', options['default']),
      })
    },
    async run(call, args) {
      const answer = await inbox.ask(call, {
        kind: 'ask',
        text: args.text,
        choices: args.choices,
        detail: null,
        timeoutMs: restOf(call, args.timeoutMs),
      })
      if (answer !== undefined) return answer.text
      if (args.default !== null) return args.default
      throw new PolityError('NO_ANSWER', `nobody answered within ${args.timeoutMs} ms`)
    },
  }

  const remember: Syscall<CheckedNote> = {
    check(_process, [note]) {
      const args = checkNote(note, limits)
      return { args, journal: args as unknown as Json }
    },
    kept: true,
    run: (call, note) => memory.remember(call.process, note),
  }

  const recall: Syscall<{ query: string; limit: number; tag: string | null; before?: string }> = {
    check(_process, [query, given]) {
      const { limit: wanted, tag, before } = optionsOf('recall', given, RECALL_KEYS)
      const limit = wanted === undefined ? RECALL_DEFAULT : whole('recall: limit', wanted)
      if (limit < 1 || limit > limits.recallNotesMax)
        throw invalid('recall: limit', `1 to ${limits.recallNotesMax}`, limit)
      if (before !== undefined && query !== '')
        throw invalid('recall: before', 'the empty query, which has an order', before)
      return plain({
        query: text('recall: query', query),
        limit,
        tag: tag === undefined ? null : text('recall: tag', tag),
        ...(before === undefined ? {} : { before: checkNoteId(before) }),
      })
    },
    run(call, { query, limit, tag, before }) {
      const notes = memory.recall(call.process, { query, limit, tag: tag ?? undefined, before })
      const labels = new Set(notes.flatMap((note) => note.labels))
      if (labels.size > 0) call.labels = [...labels]
      return notes
    },
  }

  const forget: Syscall<{ id: string }> = {
    check: (_process, [id]) => plain({ id: text('forget: id', id) }),
    kept: true,
    run: (call, { id }) => memory.forget(call.process, id),
  }

  const read: Syscall<{ path: string; version: number | null }> = {
    check(_process, [path, options]) {
      const { version } = optionsOf('read', options, READ_KEYS)
      return plain({
        path: checkPath(path, limits),
        version: version === undefined ? null : whole('read: version', version),
      })
    },
    run(call, { path, version }) {
      const { content, labels } = storage.read(call.process, path, version ?? undefined)
      call.labels = labels
      return content
    },
  }

  const write: Syscall<{ path: string; content: string }> = {
    check(_process, [path, content]) {
      if (typeof content !== 'string') throw invalid('write: content', 'a text', content)
      // A file is UTF-8: half of a character could not be read back as it was written.
      if (!content.isWellFormed())
        throw invalid('write: content', 'well-formed Unicode', 'a text with half of a surrogate pair')
      if (content.length > limits.fileBytesMax)
        throw new PolityError('TOO_LARGE', `write: content is larger than fileBytesMax, ${limits.fileBytesMax} bytes`)
      return plain({ path: checkPath(path, limits), content })
    },
    kept: true,
    run: (call, { path, content }) => storage.write(call.process, path, content),
  }

  const list: Syscall<{ prefix: string }> = {
    check: (_process, [prefix]) => plain({ prefix: prefix === undefined ? '' : text('list: prefix', prefix) }),
    run(call, { prefix }) {
      const { entries, labels } = storage.list(call.process, prefix)
      // Names tell too.
      if (labels.length > 0) call.labels = labels
      return entries
    },
  }

  const remove: Syscall<{ path: string }> = {
    check: (_process, [path]) => plain({ path: checkPath(path, limits) }),
    kept: true,
    run: (call, { path }) => storage.remove(call.process, path),
  }

  const snapshot: Syscall<Arguments> = {
    check: () => plain({}),
    kept: true,
    run: (call) => ({ id: `${call.process.pid}.${call.n}`, restored: 0 }),
  }

  const restore: Syscall<{ id: string }> = {
    check: (_process, [id]) => plain({ id: text('restore: id', id) }),
    run(call, { id }) {
      machine.restore(call.process, id).catch((error: unknown) => fail(call, error))
      return LATER
    },
  }

  const table = {
    spawn,
    fork,
    wait,
    kill,
    sleep,
    send,
    receive,
    generate,
    embed,
    call,
    ask,
    remember,
    recall,
    forget,
    read,
    write,
    list,
    remove,
    snapshot,
    restore,
  }
  return table as unknown as { readonly [name: string]: Syscall<unknown> }
}

/** What an embedder gave, if it is what it should be: as many vectors as texts, all of one length. */
function vectorsOf(given: unknown, name: string, count: number): readonly (readonly number[])[] {
  const wrong = (what: string) => new PolityError('DRIVER_INVALID', `${name} gave ${what}`)
  if (!Array.isArray(given) || given.length !== count)
    throw wrong(`${Array.isArray(given) ? given.length : 'no'} vectors for ${count} texts`)
  return given.map((vector: unknown) => {
    if (!Array.isArray(vector) && !ArrayBuffer.isView(vector)) throw wrong('something that is no vector')
    const numbers = Array.from(vector as ArrayLike<number>)
    if (numbers.length !== (given[0] as ArrayLike<number>).length) throw wrong('vectors of different lengths')
    if (!numbers.every((one) => typeof one === 'number' && Number.isFinite(one)))
      throw wrong('a vector with something else than numbers')
    return numbers
  })
}

/** Notes that `recall` returns when it names no limit. */
const RECALL_DEFAULT = 10

function text(at: string, value: unknown): string {
  if (typeof value !== 'string') throw invalid(at, 'a text', value)
  return value
}

function whole(at: string, value: unknown): number {
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0) throw invalid(at, 'a whole number', value)
  return value === 0 ? 0 : value
}

function texts(at: string, value: Json): readonly string[] {
  if (!Array.isArray(value) || value.some((one) => typeof one !== 'string')) throw invalid(at, 'a list of texts', value)
  return value as readonly string[]
}

/** Options of a call, plain: a key that it does not know is a mistake, not a wish. */
function optionsOf(
  at: string,
  given: unknown,
  keys: ReadonlySet<string>,
): { readonly [key: string]: Json | undefined } {
  if (given === undefined) return NONE
  const options = toPlain(given, `${at}: options`, OPTIONS_BYTES_MAX) as { readonly [key: string]: Json | undefined }
  if (options === null || typeof options !== 'object' || Array.isArray(options))
    throw invalid(`${at}: options`, 'an object', given)
  for (const key of Object.keys(options))
    if (!keys.has(key)) throw invalid(`${at}: options`, `the keys ${[...keys].join(', ')}`, key)
  return options
}

const NONE = Object.freeze({})
const OPTIONS_BYTES_MAX = 1_048_576
const TIMEOUT_KEYS = new Set(['timeoutMs'])
const RECEIVE_KEYS = new Set(['from', 'timeoutMs'])
const EMBED_KEYS = new Set(['model'])
const ASK_KEYS = new Set(['choices', 'timeoutMs', 'default'])
const RECALL_KEYS = new Set(['limit', 'tag', 'before'])
const READ_KEYS = new Set(['version'])

function timeout(
  at: string,
  options: { readonly [key: string]: Json | undefined },
  unset: number,
  limits: Limits,
): number {
  const ms = options['timeoutMs']
  if (ms === undefined) return unset
  if (typeof ms !== 'number' || !(ms >= 0) || ms > limits.waitMs)
    throw invalid(`${at}: timeoutMs`, `0 to ${limits.waitMs} ms`, ms)
  return ms
}

const budgetKeys = ['tokens', 'usd', 'wallMs', 'steps', 'children'] as const
const spawnKeys = new Set(['budget', 'priority', 'principal', 'tools', 'name', 'law'])
const runKeys = new Set([...spawnKeys, 'account', 'labels', 'after', 'once'])

/** Spawn options, checked and plain. */
export function checkSpawnOptions(given: unknown): SpawnOptions {
  if (given === undefined) return NO_OPTIONS
  return checkOptions(optionsOf('spawn', given, spawnKeys))
}

/** The same for a run, which a door starts. */
export function checkRunOptions(given: unknown): RunOptions {
  if (given === undefined) return NO_OPTIONS
  const options = optionsOf('spawn', given, runKeys)
  const { account, labels, after, once } = options
  if (account !== undefined && !isAccountName(account))
    throw invalid('spawn: account', '1 to 200 printable characters', account)
  if (labels !== undefined && (!Array.isArray(labels) || labels.some((one) => typeof one !== 'string' || one === '')))
    throw invalid('spawn: labels', 'a list of labels', labels)
  if (after !== undefined) whole('spawn: after', after)
  if (once !== undefined) checkOnce(once)
  return checkOptions(options)
}

function checkOnce(given: Json): void {
  const { key, digest } = (given ?? {}) as { readonly [key: string]: Json | undefined }
  if (typeof key !== 'string' || key === '' || key.length > ONCE_CHARS_MAX || typeof digest !== 'string')
    throw invalid('spawn: once', `a key of 1 to ${ONCE_CHARS_MAX} characters and a digest, both texts`, given)
}

const ONCE_CHARS_MAX = 500

export function isAccountName(given: unknown): given is string {
  return typeof given === 'string' && PRINCIPAL.test(given)
}

/** Ceilings; throws `INVALID_ARGUMENT` that names what was wrong after `at`. */
export function checkBudget(at: string, budget: unknown): Budget {
  if (typeof budget !== 'object' || budget === null || Array.isArray(budget)) throw invalid(at, 'an object', budget)
  for (const [key, value] of Object.entries(budget)) {
    if (!(budgetKeys as readonly string[]).includes(key)) throw invalid(at, `the keys ${budgetKeys.join(', ')}`, key)
    if (typeof value !== 'number' || !(value >= 0)) throw invalid(`${at}.${key}`, 'a number of at least 0', value)
  }
  return budget
}

function checkOptions(options: Arguments): SpawnOptions {
  const { budget, priority, principal, tools, name, law } = options
  if (budget !== undefined) checkBudget('spawn: budget', budget)
  if (priority !== undefined && typeof priority !== 'number') throw invalid('spawn: priority', 'a number', priority)
  if (principal !== undefined && (typeof principal !== 'string' || !PRINCIPAL.test(principal)))
    throw invalid('spawn: principal', '1 to 200 printable characters', principal)
  if (tools !== undefined && (!Array.isArray(tools) || tools.some((one) => typeof one !== 'string')))
    throw invalid('spawn: tools', 'a list of names of tools', tools)
  if (name !== undefined && (typeof name !== 'string' || name === ''))
    throw invalid('spawn: name', 'a text that is not empty', name)
  if (law !== undefined) checkOwnLaw(law)
  return options as SpawnOptions
}

/** A law for one process: rules that stand by themselves, so that a restart finds them as they were. */
function checkOwnLaw(given: Json): void {
  if (JSON.stringify(given).length > OWN_LAW_CHARS_MAX)
    throw new PolityError('TOO_LARGE', `spawn: law has at most ${OWN_LAW_CHARS_MAX} characters`)
  let law: Law
  try {
    law = parseLaw(given)
  } catch (error) {
    throw new PolityError('INVALID_ARGUMENT', `spawn: law: ${messageOf(error)}`, { cause: error })
  }
  const { events, temporal, runaway, rules } = law
  if (rules.length > OWN_RULES_MAX)
    throw new PolityError('TOO_LARGE', `spawn: law has at most ${OWN_RULES_MAX} rules, not ${rules.length}`)
  if (events !== undefined || temporal !== undefined || runaway !== undefined || rules.some((rule) => rule.then))
    throw new PolityError(
      'INVALID_ARGUMENT',
      'spawn: law takes rules only, without "then"; events, temporal rules and runaway belong to the law of the kernel',
    )
}

const NO_OPTIONS: SpawnOptions = Object.freeze({})
const PRINCIPAL = /^[^\p{Cc}\p{Cs}]{1,200}$/u
/** A law that comes with a spawn may be a model's: reading it must not hold up the others. */
const OWN_RULES_MAX = 64
const OWN_LAW_CHARS_MAX = 16_384
