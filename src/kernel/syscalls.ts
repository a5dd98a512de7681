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
import { PolityError, fieldOf, fromErrorData, invalid, messageOf } from './errors.ts'
import type { Inbox } from './inbox.ts'
import type { Journal } from './journal.ts'
import { unknownKey } from './known-keys.ts'
import type { Limits } from './limits.ts'
import type { Plan } from './exchange.ts'
import { mayHaveCost } from './exchange.ts'
import type { Llm } from './llm.ts'
import type { CheckedRequest } from './request.ts'
import { checkRequest, toJournal } from './request.ts'
import type { Mailbox } from './mailbox.ts'
import { estimateTokens, knowAnswer } from './messages.ts'
import type { Memory } from './memory.ts'
import type { CheckedNote, Recall } from './note.ts'
import { checkNote, checkRecall, meaningOf } from './note.ts'
import type { Outcome, PastTurns } from './past.ts'
import { toPlain } from './plain.ts'
import { checkPrincipal } from './principal.ts'
import type { Call, Process } from './process.ts'
import { labelsOf, overBudget, reserve } from './process.ts'
import type { Spawner } from './programs.ts'
import type { Listed } from './file-list.ts'
import { checkPatterns, runThrough } from './file-list.ts'
import type { Meaning } from './file-search.ts'
import type { Place } from './paths.ts'
import { parsePlace, parsePrefix, shareIn } from './paths.ts'
import { sha256 } from './digest.ts'
import type { Point, Source, Storage } from './storage.ts'
import type { Checked, Tools } from './tools.ts'
import type { ToolStates } from './tool-state.ts'
import type {
  AccountBudget,
  Budget,
  GenerateRequest,
  Generation,
  Json,
  ListOptions,
  ModelChoice,
  Pid,
  Program,
  ReadOptions,
  RunOptions,
  SpawnOptions,
} from './types.ts'
import type { Vectors } from './vectors.ts'
import { vectorsOf } from './vectors.ts'

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
  /** What makes vectors; undefined where the kernel has no embedder. */
  readonly vectors: Vectors | undefined
  readonly tools: Tools
  readonly toolStates: ToolStates
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
  /** What is kept of a call that a fork has from its origin: whether it may have happened there, and its end. */
  becameOf(call: Call): Outcome
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
  /** Its arguments by name; more are refused. */
  readonly takes: readonly string[]
  /** The arguments in their checked form, and as journaled. Throws `INVALID_ARGUMENT`. */
  readonly check: (
    process: Process,
    given: readonly unknown[],
    n: number,
  ) => {
    readonly args: Args
    readonly journal: Json
    /** What the law sees, and a person who is asked, where the journal has less. @default journal */
    readonly judged?: Json
  }
  /** Its intent is kept before it runs: it reaches outside the kernel. */
  readonly intent?: (args: Args) => boolean
  /** The process learns its end from the journal: what else is known of the value, beside the value. */
  readonly relearned?: (value: Json) => void
  /** What `run` gives is plain and frozen as it is. */
  readonly plain?: boolean
  /** Its end is learned only once it is kept: it changed something that outlives the process. */
  readonly kept?: boolean
  /** Runs when the law allowed it, before the start is journaled: what it may cost (`call.reserved`). Throws `BUDGET_EXCEEDED`. */
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

  /** Of a wait that may have no end: Infinity then. In the journal that is the longest time that could have been asked for. */
  function bounded<Args extends { readonly timeoutMs: number }>(args: Args): { args: Args; journal: Json } {
    return { args, journal: { ...args, timeoutMs: Math.min(args.timeoutMs, limits.waitMs) } }
  }

  /** What is left of a time that runs since the call started: after a restart only the rest is waited. */
  function restOf(call: Call, ms: number): number {
    return Math.max(0, call.startedAt + ms - clock.now())
  }

  const spawn: Syscall<{ program: Program; input: Json | undefined; options: SpawnOptions }> = {
    takes: ['program', 'input', 'options'],
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
    takes: [],
    check: () => plain({}),
    plan: spawn.plan as Syscall<Arguments>['plan'],
    run(call) {
      machine.fork(call.process, call).catch((error: unknown) => fail(call, error))
      return LATER
    },
  }

  const wait: Syscall<{ pid: Pid; timeoutMs: number }> = {
    takes: ['pid', 'options'],
    check: (_process, [pid, options]) =>
      bounded({
        pid: whole('wait: pid', pid),
        timeoutMs: timeout('wait', optionsOf('wait', options, TIMEOUT_KEYS), Infinity, limits),
      }),
    run(call, { pid, timeoutMs }) {
      const target = machine.find(call.process, pid)
      const tell = (ended: Process): void => {
        if (!call.open) return
        // Stopped: it may be resumed, and then ends.
        if (!ended.ended) return void (ended.onEnd ??= new Set()).add(tell)
        machine.waited(ended, call.process)
        call.labels = labelsOf(ended)
        if (ended.state === 'done') end(call, ended.value)
        else fail(call, fromErrorData(ended.error ?? { code: 'KILLED', message: `process ${pid} was killed` }))
      }
      for (let at: Process | undefined = call.process; at !== undefined; at = at.parent) {
        if (at === target)
          throw new PolityError(
            'INVALID_ARGUMENT',
            at === call.process
              ? `process ${pid} cannot wait for its own end`
              : `process ${call.process.pid} ends no later than process ${pid}, so it cannot wait for its end`,
          )
      }
      if (target.ended) tell(target)
      else {
        ;(target.onEnd ??= new Set()).add(tell)
        // Who waits no longer leaves nothing behind, whether its time or its process is over.
        const leave = (): void => void target.onEnd?.delete(tell)
        call.onAbort({ aborted: leave })
        if (timeoutMs < Infinity) {
          call.timer = clock.after(restOf(call, timeoutMs), () => {
            leave()
            fail(call, new PolityError('TIMEOUT', `process ${pid} did not end within ${timeoutMs} ms`))
          })
        }
      }
      return LATER
    },
  }

  const kill: Syscall<{ pid: Pid; reason: string }> = {
    takes: ['pid', 'reason'],
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
    takes: ['ms'],
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

  const send: Syscall<{ to: Pid | string; body: Json; share?: Place & { readonly write: boolean } }> = {
    takes: ['to', 'body', 'options'],
    check(_process, [to, body, given]) {
      const { share } = optionsOf('send', given, SEND_KEYS)
      const args = {
        to: typeof to === 'string' ? to : whole('send: to', to),
        body: toPlain(body, 'send: body', limits.valueBytesMax),
      }
      if (share === undefined) return plain(args)
      if (typeof to !== 'number' || to === 0)
        throw invalid('send: share', 'one receiver, by its pid: files are shared with no group and nobody outside', to)
      const { path, write: mayWrite = false } = optionsOf('send: share', share, SHARE_KEYS)
      if (typeof mayWrite !== 'boolean') throw invalid('send: share.write', 'true or false', mayWrite)
      return plain({ ...args, share: { ...parsePlace(path, limits, { folders: true }), write: mayWrite } })
    },
    kept: true,
    run(call, { to, body, share }) {
      // To the outside: who watches has heard it with the start of the call.
      if (to === 0) return 1
      const running =
        typeof to === 'string'
          ? machine.named(call.process, to)
          : [machine.find(call.process, to)].filter((receiver) => !receiver.ended)
      if (running.length === 0)
        throw new PolityError(
          'NO_SUCH_PROCESS',
          typeof to === 'string' ? `no running process is named "${to}"` : `process ${to} has ended`,
        )
      const give =
        share === undefined ? undefined : (receiver: Process) => storage.shares.give(call.process, receiver, share)
      return mailbox.send(call.process.pid, labelsOf(call.process), running, body, give)
    },
  }

  const receive: Syscall<{ from?: Pid; timeoutMs: number }> = {
    takes: ['options'],
    check(_process, [given]) {
      const options = optionsOf('receive', given, RECEIVE_KEYS)
      const timeoutMs = timeout('receive', options, Infinity, limits)
      return bounded(
        options['from'] === undefined ? { timeoutMs } : { from: whole('receive: from', options['from']), timeoutMs },
      )
    },
    plain: true,
    run(call, { from, timeoutMs }) {
      const mail = mailbox.receive(call, from)
      if (mail !== undefined) {
        call.labels = mail.labels
        return mail
      }
      if (timeoutMs < Infinity) {
        call.timer = clock.after(restOf(call, timeoutMs), () => {
          const error = new PolityError('TIMEOUT', `no message came within ${timeoutMs} ms`)
          call.abort(error)
          fail(call, error)
        })
      }
      return LATER
    },
  }

  const generate: Syscall<{ request: CheckedRequest; plan: Plan | undefined; readonly past: PastTurns | undefined }> = {
    takes: ['request'],
    check(process, given, n) {
      const request = checkRequest(given[0] as GenerateRequest | string, process, n, machine.defaultModel, limits)
      // Now: when it is planned, the past may be over.
      const past = process.past?.turns.get(n)
      return { args: { request, plan: undefined, past }, journal: toJournal(request, process) }
    },
    intent: () => true,
    plain: true,
    relearned(value) {
      const { message, usage } = value as unknown as Generation
      knowAnswer(message, usage.outputTokens)
    },
    plan(call, args) {
      args.plan = llm.plan(call.process, args.request)
      call.reserved = args.plan.reserved
    },
    run(call, { request, plan, past }) {
      llm.generate(call, request, plan as Plan, past)
      return LATER
    },
  }

  const embed: Syscall<{ texts: readonly string[]; model: string | null }> = {
    takes: ['texts', 'options'],
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
      call.reserved = { tokens, usd: 0 }
    },
    run(call, { texts, model }) {
      const embedder = machine.vectors?.embedder
      if (embedder === undefined)
        throw new PolityError('NO_SUCH_MODEL', 'the kernel has no embedder; pass one to boot({ embedder })')
      if (model !== null && model !== embedder.name)
        throw new PolityError('NO_SUCH_MODEL', `no embedder is named "${model}"; there is ${embedder.name}`)
      // Sent: what it may cost is spent, also if its end is never heard.
      call.core = embedder.name
      // Embedders report no counts: the estimate stands.
      const usage = {
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
        call.usage = usage
        fail(call, error)
      })
      return call.race(Promise.resolve(embedder.embed(texts, { signal: call.signal }))).then(
        (vectors) => {
          // Paid, whatever they are.
          call.usage = usage
          return vectorsOf(vectors, embedder.name, texts.length)
        },
        (error: unknown) => {
          if (mayHaveCost(error)) call.usage = usage
          throw error
        },
      )
    },
  }

  const call: Syscall<Checked> = {
    takes: ['tool', 'input'],
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
        text: `A crash interrupted tool ${checked.tool.name}, which must happen once. Did it happen? done, with what it returned (null where nothing is said): it did; retry: it did not, do it now; fail: fail the call`,
        choices: ['done', 'retry', 'fail'],
        check(said) {
          if (said.text === 'done') return { ...said, value: tools.said(checked.tool, said.value ?? null) }
          if (said.value === undefined) return said
          throw new PolityError('INVALID_ARGUMENT', `${said.text} takes no value: only done does`)
        },
        detail: { tool: checked.tool.name, input: checked.input, idempotencyKey: `${call.startPid}-${call.startSeq}` },
        timeoutMs: limits.askMs,
      })
      if (answer?.text === 'retry') {
        await permit(call)
        return tools.run(call, checked)
      }
      if (answer?.text === 'done') return answer.value
      throw new PolityError(
        'IN_DOUBT',
        `a crash interrupted tool ${checked.tool.name}, and ${answer === undefined ? 'nobody said whether it happened' : 'a person who was asked answered fail: the call is not made again'}`,
      )
    },
  }

  const ask: Syscall<{
    text: string
    choices: readonly string[] | null
    timeoutMs: number
    default: string | null
    detail?: Json
  }> = {
    takes: ['text', 'options'],
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
        ...(options['detail'] === undefined ? {} : { detail: options['detail'] }),
      })
    },
    async run(call, args) {
      const answer = await inbox.ask(call, {
        kind: 'ask',
        text: args.text,
        choices: args.choices,
        detail: args.detail ?? null,
        timeoutMs: restOf(call, args.timeoutMs),
      })
      if (answer !== undefined) return answer.text
      if (args.default !== null) return args.default
      throw new PolityError('NO_ANSWER', `nobody answered within ${args.timeoutMs} ms`)
    },
  }

  /**
   * Goes on with the vector of a text, or without one: where there is no embedder, no budget for it, or no answer in time. It
   * is no effect on anything outside, so no intent is kept before it.
   */
  function withVector(call: Call, text: string, go: (vector: Float32Array | undefined) => unknown): unknown {
    const { vectors } = machine
    const tokens = estimateTokens(text)
    if (vectors === undefined || overBudget(call.process, { tokens }) !== undefined) return go(undefined)
    call.reserved = { tokens, usd: 0 }
    reserve(call.process, call.reserved)
    call.core = vectors.embedder.name
    void vectors.of(text).then((vector) => {
      if (!call.open) return
      if (vector !== undefined)
        call.usage = { inputTokens: tokens, cachedTokens: 0, outputTokens: 0, usd: 0, estimated: true }
      // At once: what is put and the end that reports it are kept together.
      try {
        end(call, go(vector))
      } catch (error) {
        fail(call, error)
      }
    })
    return LATER
  }

  /** Vectors for a call that may ask for several, as long as there is budget: what comes is spent when the call ends. */
  function meaningFor(call: Call): Meaning | undefined {
    const { vectors } = machine
    if (vectors === undefined) return undefined
    let reserved = 0
    let spent = 0
    return (text) => {
      const tokens = estimateTokens(text)
      if (!call.open || overBudget(call.process, { tokens }) !== undefined) return undefined
      reserve(call.process, { tokens, usd: 0 })
      call.reserved = { tokens: (reserved += tokens), usd: 0 }
      call.core = vectors.embedder.name
      return vectors.of(text).then((vector) => {
        if (vector === undefined) return undefined
        spent += tokens
        call.usage = { inputTokens: spent, cachedTokens: 0, outputTokens: 0, usd: 0, estimated: true }
        return vector
      })
    }
  }

  const remember: Syscall<CheckedNote> = {
    takes: ['note'],
    check(_process, [note]) {
      const args = checkNote(note, limits)
      return { args, journal: args as unknown as Json }
    },
    kept: true,
    run: (call, note) => withVector(call, meaningOf(note), (vector) => memory.remember(call.process, note, vector)),
  }

  const recall: Syscall<Recall> = {
    takes: ['query', 'options'],
    check(_process, [query, given]) {
      const args = checkRecall(query, optionsOf('recall', given), limits)
      const { query: asked, limit, tag = null, ...rest } = args
      return { args, journal: { query: asked, limit, tag, ...rest } as Json }
    },
    run(call, asked) {
      const find = (vector: Float32Array | undefined): unknown => {
        const notes = memory.recall(call.process, asked, vector)
        const labels = new Set(notes.flatMap((note) => note.labels))
        if (labels.size > 0) call.labels = [...labels]
        return notes
      }
      const meaning = asked.query === '' ? undefined : meaningFor(call)
      const made = meaning?.(asked.query)
      if (meaning === undefined || made === undefined) return find(undefined)
      // In one request with the query, so that it takes no longer.
      const isUp = made.then((vector) => vector !== undefined)
      const filled = memory.fillIn(call.process, meaning, BARE_A_RECALL, isUp)
      return Promise.all([made, filled]).then(([vector]) => find(vector))
    },
  }

  const forget: Syscall<{ id: string }> = {
    takes: ['id'],
    check: (_process, [id]) => plain({ id: text('forget: id', id) }),
    kept: true,
    run: (call, { id }) => memory.forget(call.process, id),
  }

  /** Names tell too, and so does what there is not: a call learns the labels of what it was told of. */
  function tell<Value>(
    call: Call,
    { value, labels }: { readonly value: Value; readonly labels: readonly string[] },
  ): Value {
    if (labels.length > 0) call.labels = labels
    return value
  }

  const read: Syscall<Place & { version: number | null } & Omit<ReadOptions, 'version'>> = {
    takes: ['path', 'options'],
    check(_process, [path, given]) {
      const { version, at, encoding, range, diff } = optionsOf('read', given, READ_KEYS)
      if (version !== undefined && at !== undefined) throw invalid('read', 'version or at, not both', given)
      if (encoding !== undefined && encoding !== 'utf8' && encoding !== 'base64')
        throw invalid('read: encoding', 'utf8 or base64', encoding)
      if (diff !== undefined && (encoding !== undefined || range !== undefined))
        throw invalid('read: diff', 'no encoding and no range: a diff is a text of its own', given)
      return plain({
        ...parsePlace(path, limits),
        version: version === undefined ? null : whole('read: version', version),
        ...(at === undefined ? {} : { at: moment('read: at', at) }),
        ...(encoding === undefined ? {} : { encoding: encoding as 'utf8' | 'base64' }),
        ...(range === undefined ? {} : { range: span('read: range', range) }),
        ...(diff === undefined ? {} : { diff: whole('read: diff', diff) }),
      })
    },
    run: (call, { path, share, version, ...options }) =>
      tell(
        call,
        storage.read(call.process, share === undefined ? { path } : { path, share }, {
          ...options,
          ...(version === null ? {} : { version }),
        }),
      ),
  }

  const write: Syscall<Place & (Written | { readonly source: Source })> = {
    takes: ['path', 'content'],
    check(_process, [path, content]) {
      if (typeof content === 'object' && content !== null && 'from' in content) {
        const source = checkSource(content)
        const place = parsePlace(path, limits, { folders: true })
        const { path: from, share, ...more } = source
        const fromShare = share === undefined ? {} : { fromShare: share }
        return { args: { ...place, source }, journal: { ...place, from, ...fromShare, ...more } }
      }
      const place = parsePlace(path, limits)
      if (typeof content !== 'string' && !(content instanceof Uint8Array))
        throw invalid('write: content', 'a text, a Uint8Array, or a file { from }', content)
      // A file is UTF-8: half of a character could not be read back as it was written.
      if (typeof content === 'string' && !content.isWellFormed())
        throw invalid('write: content', 'well-formed Unicode', 'a text with half of a surrogate pair')
      if (content.length > limits.fileBytesMax)
        throw new PolityError('TOO_LARGE', `write: content is larger than fileBytesMax, ${limits.fileBytesMax} bytes`)
      const isText = typeof content === 'string'
      if (content.length <= JOURNALED_MAX) {
        if (isText) return { args: { ...place, content }, journal: { ...place, content } }
        // Whoever gave the bytes may change them.
        const own = content.slice()
        const journal = { ...place, base64: Buffer.from(own).toString('base64') }
        return { args: { ...place, content: own }, journal, judged: { ...place, content: looseText(own) } }
      }
      const own = isText ? content : content.slice()
      const hash = sha256(own)
      return {
        args: { ...place, content: own, hash },
        journal: { ...place, hash, bytes: Buffer.byteLength(own) },
        judged: { ...place, content: isText ? content : looseText(own as Uint8Array) },
      }
    },
    kept: true,
    run(call, { path, share, ...what }) {
      const place = share === undefined ? { path } : { path, share }
      if ('source' in what) return tell(call, storage.copy(call.process, place, what.source))
      return storage.write(call.process, place, what.content, what.hash)
    },
  }

  function checkSource(given: object): Source {
    const { from, version, at, move } = optionsOf('write', given, SOURCE_KEYS)
    if (version !== undefined && at !== undefined) throw invalid('write', 'version or at, not both', given)
    if (move !== undefined && typeof move !== 'boolean') throw invalid('write: move', 'true or false', move)
    if (move === true && (version !== undefined || at !== undefined))
      throw invalid('write: move', 'the last version: an older one is copied', given)
    return {
      ...parsePlace(from, limits, { folders: true }),
      ...(version === undefined ? {} : { version: whole('write: version', version) }),
      ...(at === undefined ? {} : { at: moment('write: at', at) }),
      ...(move === true ? { move } : {}),
    }
  }

  const list: Syscall<{ prefix: string; share?: number } & ListOptions> = {
    takes: ['prefix', 'options'],
    check(_process, [given, options]) {
      const { path: prefix, share } = parsePrefix(given)
      const known = optionsOf('list', options, LIST_KEYS)
      const { limit, after } = known
      for (const key of ['glob', 'grep', 'search'] as const)
        if (known[key] !== undefined) text(`list: ${key}`, known[key])
      for (const key of ['regex', 'ignoreCase', 'removed', 'versions'] as const)
        if (known[key] !== undefined && typeof known[key] !== 'boolean')
          throw invalid(`list: ${key}`, 'true or false', known[key])
      if (limit !== undefined && (whole('list: limit', limit) < 1 || (limit as number) > limits.listPathsMax))
        throw invalid('list: limit', `1 to ${limits.listPathsMax}`, limit)
      const checked = known as ListOptions
      if (checked.versions === true) {
        if (share === undefined) parsePlace(prefix, limits)
        if (after !== undefined) whole('list: after, of versions,', after)
      } else if (after !== undefined) text('list: after', after)
      const only = (key: keyof ListOptions, others: readonly (keyof ListOptions)[]): void => {
        const other = checked[key] === undefined ? undefined : others.find((one) => checked[one] !== undefined)
        if (other !== undefined) throw invalid(`list: ${key}`, `no ${other} beside it`, options)
      }
      only('search', ['glob', 'grep', 'after', 'versions', 'removed'])
      only('versions', ['glob', 'grep', 'removed'])
      only('regex', checked.grep === undefined ? ['regex'] : [])
      if (prefix === '/' && Object.keys(known).length > 0)
        throw invalid('list: "/"', 'no options: it lists the shares that were given and that are held', options)
      checkPatterns(checked)
      const place = share === undefined ? { prefix } : { prefix, share }
      return plain({ ...place, ...known } as unknown as Arguments) as unknown as ReturnType<typeof list.check>
    },
    run(call, { prefix, share, ...options }) {
      const { after } = options
      const behind = typeof after === 'string' && share !== undefined ? parsePrefix(after).path : after
      const work = storage.list(
        call.process,
        share === undefined ? { path: prefix } : { path: prefix, share },
        {
          ...options,
          ...(behind === undefined ? {} : { after: behind }),
        },
        options.search === undefined ? undefined : meaningFor(call),
      )
      const pause = (): Promise<void> => new Promise((resolve) => clock.yield(resolve))
      const listed = runThrough(work, { pause, isOpen: () => call.open })
      const done = ({ entries, labels }: Listed) => tell(call, { value: entries, labels })
      return listed instanceof Promise ? listed.then(done) : done(listed)
    },
  }

  const remove: Syscall<Place | { readonly end: number }> = {
    takes: ['path'],
    check(_process, [path]) {
      const share = shareIn(path)
      return plain(share === undefined ? { ...parsePlace(path, limits, { folders: true }) } : { end: share })
    },
    kept: true,
    run(call, args) {
      if (!('end' in args)) return storage.remove(call.process, args)
      storage.shares.end(call.process, args.end)
      return null
    },
  }

  const snapshot: Syscall<Arguments> = {
    takes: [],
    check: () => plain({}),
    kept: true,
    run(call) {
      const id = `${call.process.pid}.${call.n}`
      storage.mark(call.process, id)
      return { id, restored: 0 }
    },
  }

  const restore: Syscall<{ id: string } | Point> = {
    takes: ['to'],
    check(_process, [to]) {
      if (typeof to === 'string') return plain({ id: to })
      return plain({ ...checkPoint(to, limits) })
    },
    kept: true,
    run(call, args) {
      if (!('id' in args)) return tell(call, storage.restore(call.process, args))
      machine.restore(call.process, args.id).catch((error: unknown) => fail(call, error))
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

/** An argument that a call does not take is refused: `remember(text, { tags })` would keep a note without tags. */
export function noneTooMany(name: string, takes: readonly string[], given: readonly unknown[]): void {
  for (let at = takes.length; at < given.length; at++) {
    // As everywhere in JavaScript, undefined is as good as nothing.
    if (given[at] === undefined) continue
    throw invalid(name, takes.length === 0 ? 'nothing' : `${takes.join(', ')} and no more`, given[at])
  }
}

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

/** Options of a call, plain: a key that it does not know is a mistake, not a wish. Without `keys`, somebody else looks. */
function optionsOf(
  at: string,
  given: unknown,
  keys?: ReadonlySet<string>,
): { readonly [key: string]: Json | undefined } {
  if (given === undefined) return NONE
  const options = toPlain(given, `${at}: options`, OPTIONS_BYTES_MAX, null) as {
    readonly [key: string]: Json | undefined
  }
  if (options === null || typeof options !== 'object' || Array.isArray(options))
    throw invalid(`${at}: options`, 'an object', given)
  for (const key of Object.keys(options)) if (keys?.has(key) === false) throw unknownKey(`${at}: options`, key, keys)
  return options
}

/** Notes without a vector that one recall asks for, and is charged for, beside its query. */
const BARE_A_RECALL = 32
const NONE = Object.freeze({})
const OPTIONS_BYTES_MAX = 1_048_576
const TIMEOUT_KEYS = new Set(['timeoutMs'])
const RECEIVE_KEYS = new Set(['from', 'timeoutMs'])
const EMBED_KEYS = new Set(['model'])
const ASK_KEYS = new Set(['choices', 'timeoutMs', 'default', 'detail'])
const READ_KEYS = new Set(['version', 'at', 'encoding', 'range', 'diff'])
const SOURCE_KEYS = new Set(['from', 'version', 'at', 'move'])
const LIST_KEYS = new Set(['glob', 'grep', 'regex', 'ignoreCase', 'search', 'limit', 'after', 'removed', 'versions'])
const POINT_KEYS = new Set(['path', 'version', 'at', 'snapshot'])
const SEND_KEYS = new Set(['share'])
const SHARE_KEYS = new Set(['path', 'write'])

/** Contents longer than this, in characters or bytes, stand in the journal by their hash: the store has them once. */
const JOURNALED_MAX = 2_048

/** A content that is written. */
interface Written {
  readonly content: string | Uint8Array
  /** Where it is known. */
  readonly hash?: string
}

/** Bytes as a text, for the law: what stands in them is seen, whatever they are. */
function looseText(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes)
}

/** Files as they were, checked. */
export function checkPoint(to: unknown, limits: Limits): Point {
  const { path, version, at, snapshot } = optionsOf('restore', to ?? {}, POINT_KEYS)
  if ([version, at, snapshot].filter((one) => one !== undefined).length !== 1)
    throw invalid('restore', 'the id of a snapshot, or files with one of version, at, snapshot', to)
  return {
    ...(path === undefined ? { path: '' } : parsePlace(path, limits, { folders: true })),
    ...(version === undefined ? {} : { version: whole('restore: version', version) }),
    ...(at === undefined ? {} : { at: moment('restore: at', at) }),
    ...(snapshot === undefined ? {} : { snapshot: text('restore: snapshot', snapshot) }),
  }
}

/** Milliseconds since 1970. */
function moment(at: string, value: Json): number {
  if (typeof value !== 'number' || !(value >= 0)) throw invalid(at, 'a time in ms since 1970', value)
  return value
}

function span(at: string, value: Json): readonly [number, number] {
  if (!Array.isArray(value) || value.length !== 2) throw invalid(at, 'two places in bytes, such as [0, 1000]', value)
  const [from, to] = value.map((one: Json) => whole(at, one)) as [number, number]
  if (from > to) throw invalid(at, 'a first byte that is not behind the last', value)
  return [from, to]
}

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
const accountKeys = [...budgetKeys, 'bytesPerDay']
const spawnKeys = new Set(['budget', 'priority', 'tools', 'name', 'law'])
const runKeys = new Set([...spawnKeys, 'principal', 'account', 'labels', 'after', 'once', 'quota'])

/** Spawn options, checked and plain. */
export function checkSpawnOptions(given: unknown): SpawnOptions {
  if (given === undefined) return NO_OPTIONS
  if (fieldOf(given, 'principal') !== undefined)
    throw new PolityError(
      'INVALID_ARGUMENT',
      'spawn: a child has its parent’s principal; only who starts a run says on whose behalf it is',
    )
  return checkOptions(optionsOf('spawn', given, spawnKeys))
}

/** The same for a run, which a door starts. */
export function checkRunOptions(given: unknown): RunOptions {
  if (given === undefined) return NO_OPTIONS
  const options = optionsOf('spawn', given, runKeys)
  const { account, labels, after, once, quota } = options
  if (quota !== undefined) checkQuota(quota)
  if (account !== undefined) checkPrincipal('spawn: account', account)
  if (labels !== undefined && (!Array.isArray(labels) || labels.some((one) => typeof one !== 'string' || one === '')))
    throw invalid('spawn: labels', 'a list of labels', labels)
  if (after !== undefined) checkAfter(after)
  if (once !== undefined) checkOnce(once)
  return checkOptions(options)
}

function checkAfter(given: Json): void {
  const { labels, fired, trace } = (given ?? {}) as { readonly [key: string]: Json | undefined }
  if (!Number.isSafeInteger(given) && ![labels, fired, trace].every((one) => Array.isArray(one)))
    throw invalid('spawn: after', 'the pid of an ended run, or its standing', given)
}

function checkQuota(given: Json): void {
  for (const [key, value] of Object.entries(optionsOf('spawn: quota', given, QUOTA_KEYS)))
    whole(`spawn: quota.${key}`, value)
}

const QUOTA_KEYS = new Set(['files', 'bytes'])

function checkOnce(given: Json): void {
  const { key, digest } = (given ?? {}) as { readonly [key: string]: Json | undefined }
  if (typeof key !== 'string' || key === '' || key.length > ONCE_CHARS_MAX || typeof digest !== 'string')
    throw invalid('spawn: once', `a key of 1 to ${ONCE_CHARS_MAX} characters and a digest, both texts`, given)
}

const ONCE_CHARS_MAX = 500

/** Ceilings; throws `INVALID_ARGUMENT` that names what was wrong after `at`. */
function checkBudget(at: string, budget: unknown): Budget {
  return checkCeilings(at, budget, budgetKeys)
}

/**
 * The ceilings of an account, which may also have a room in the store; throws as for a budget. What is given is not plain
 * yet: what would read as no ceilings at all, such as a number or a Map, is refused.
 */
export function checkAccountBudget(budget: unknown): AccountBudget {
  const at = 'account: budget'
  const checked = checkCeilings(at, budget, accountKeys)
  if (checked.wallMs !== undefined) throw invalid(at, 'no wallMs: an account does not run', checked.wallMs)
  if (checked.bytesPerDay === 0) throw invalid(`${at}.bytesPerDay`, 'a number above 0', 0)
  return checked
}

function checkCeilings(at: string, budget: unknown, keys: readonly string[]): AccountBudget {
  if (typeof budget !== 'object' || budget === null || Array.isArray(budget) || !isPlain(budget))
    throw invalid(at, 'an object such as { tokens: 5000 }', quoted(budget))
  const checked: { [key: string]: number } = {}
  for (const [key, value] of Object.entries(budget)) {
    if (!keys.includes(key)) throw unknownKey(at, key, keys)
    if (typeof value !== 'number' || !(value >= 0))
      throw invalid(`${at}.${key}`, 'a number of at least 0', quoted(value))
    checked[key] = value
  }
  return checked
}

/** Nothing of it is inherited or hidden. Objects of another realm are plain too. */
function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === null || Object.getPrototypeOf(prototype) === null
}

/** A text that reads like a number is told from one. */
function quoted(value: unknown): unknown {
  return typeof value === 'string' ? JSON.stringify(value) : value
}

function checkOptions(options: Arguments): SpawnOptions {
  const { budget, priority, principal, tools, name, law } = options
  if (budget !== undefined) checkBudget('spawn: budget', budget)
  if (priority !== undefined && typeof priority !== 'number') throw invalid('spawn: priority', 'a number', priority)
  if (principal !== undefined) checkPrincipal('spawn: principal', principal)
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
/** A law that comes with a spawn may be a model's: reading it must not hold up the others. */
const OWN_RULES_MAX = 64
const OWN_LAW_CHARS_MAX = 16_384
