/**
 * The gate: the one way to a mechanism.
 *
 * Every call of every process passes `begin` → `admit` → `start` → `finish`: is its end in the journal (then it is that) →
 * does the law allow it → reserve budget, once there is room (room.ts) → journal the start → run the mechanism → settle the
 * budget → journal the end → let the process learn it. What each call does stands in the table (syscalls.ts).
 *
 * Invariants
 *   G1. Every call ends once: with a value, an error of the table, or with its process.
 *   G2. Ends are learned in the order in which the journal has them, one at a time (dispatcher D1).
 *   G3. What a driver or tool does after its call ended is not heard.
 *   G4. No outside effect begins before its intent is kept; no end of a write is learned before it is kept.
 */
import type { Verdict } from './access.ts'
import { isTrustedAnswer } from './access.ts'
import type { Approval } from './approvals.ts'
import { bindingOf } from './approvals.ts'
import { PolityError, fromErrorData, messageOf, toErrorData } from './errors.ts'
import type { Answer, Inbox } from './inbox.ts'
import type { NewEvent } from './journal.ts'
import type { Past } from './past.ts'
import { differs, unmade } from './past.ts'
import { freezePlain, toPlain } from './plain.ts'
import type { Payer, Process } from './process.ts'
import { Call, NOTHING_RESERVED, NO_CALLS, busyPayer, charge, overBudget, reserve, unreserve } from './process.ts'
import { createRoom } from './room.ts'
import { createSys } from './sys.ts'
import type { Machine, Syscall } from './syscalls.ts'
import { LATER, createTable, noneTooMany } from './syscalls.ts'
import type { Binding, CallEnd, CallName, Json, KeptTurn, Reservation, Sys } from './types.ts'

/** The way from a program to the mechanisms, and back. */
export interface Gate {
  /** The system calls as a program of this process sees them, for its present frame. */
  sys(process: Process): Sys
  /** The process learns one thing; returns whether more waits. */
  learn(process: Process, enter: (process: Process) => void): boolean
  end(call: Call, value: unknown): void
  fail(call: Call, error: unknown): void
  /** Takes all open calls from a process: they end with it. Returns what they were charged. */
  cancel(process: Process, error: PolityError): Reservation
  /** The call stands in the queue of a core, perhaps after a turn: what is set aside for it is at no risk until it is sent. */
  waits(call: Call, core: string, turn?: KeptTurn): void
  /** It is about to be sent; goes on once that is kept. */
  sends(call: Call, go: () => void): void
  /** Sets aside as much again for another try, where the last one may have cost it all; false where no budget has it. */
  again(call: Call, go: () => void): boolean
  /** Sets aside more for a call that goes on in another turn; false where no budget has it. */
  grow(call: Call, more: Reservation, go: () => void): boolean
  /** A payer was given other ceilings: who waits for room there may have it, or none ever. */
  raised(payer: Payer): void
}

/** The gate of a machine. */
export function createGate(machine: Machine): Gate {
  const { limits, journal, dispatcher, access } = machine
  /** How often nobody allowed a call, by run, rule, tool and arguments; what a person denied counts at once. A restart asks again. */
  const refused = new Map<string, number>()
  /** Calls that wait for a person's word, as the journal has it. */
  const waiting = new WeakSet<Call>()
  /** Questions that wait for a person, each with the same calls that came after it. */
  const asking = new Map<string, (() => void)[]>()
  const table = createTable(machine, {
    permit: (call) => new Promise<void>((resolve) => decided(call, () => resolve())),
    end,
    fail,
  })
  const specOf = (call: Call): Syscall<unknown> => table[call.name] as Syscall<unknown>
  const room = createRoom(machine.clock)

  function invoke(process: Process, frame: number, name: CallName, given: readonly unknown[]): Promise<unknown> {
    // A frame that was left behind (the process ended, or went back to a snapshot) waits for ever and is collected.
    if (process.frame !== frame) return new Promise(ignore)
    const call = new Call(process, process.made++, name)
    // Less than half of what `Promise.withResolvers` costs (bench/primitives.ts).
    const promise = new Promise<unknown>((resolve) => {
      call.resolve = resolve
    })
    call.promise = promise
    begin(call, given)
    return promise
  }

  /** The program learns the error, if it awaits it. One that forgot the call does not bring the whole machine down. */
  function refuse(call: Call, error: PolityError): void {
    call.promise?.catch(ignore)
    call.resolve(Promise.reject(error))
  }

  function begin(call: Call, given: readonly unknown[]): void {
    const { process } = call
    let args: unknown
    let wrong: unknown
    try {
      const spec = specOf(call)
      noneTooMany(call.name, spec.takes, given)
      const checked = spec.check(process, given, call.n)
      args = checked.args
      call.args = checked.journal
      call.judged = checked.judged
    } catch (error) {
      // What an argument threw when it was read is the caller's, and not worth another code.
      wrong = PolityError.isInstance(error)
        ? error
        : new PolityError('INVALID_ARGUMENT', `${call.name}: ${messageOf(error)}`)
    }
    const { past } = process
    if (past === undefined) return admit(call, args, wrong)
    const recorded = past.starts[call.n]
    if (recorded === undefined) {
      // What a killed process did beside its kill was not heard either.
      if (past.end?.state === 'killed') return
      if (past.end !== undefined)
        return machine.mismatch(process, `the program makes call ${call.n} (${call.name}); the journal ends before it`)
      return admit(call, args, wrong)
    }
    const difference = differs(recorded, call.name, call.args)
    if (difference !== undefined) return machine.mismatch(process, `call ${call.n} (${call.name}): ${difference}`)
    call.startedAt = recorded.at
    call.startSeq = recorded.seq
    call.startPid = recorded.pid
    call.counted = past.counted.has(call.n)
    past.made.set(call.n, call)
    // A call with wrong arguments never came to the law.
    if (past.ended.has(call.n)) return wrong === undefined ? relive(call, past) : undefined
    // It started and its end is not known. In a replay of an ended process nobody waits for it.
    if (past.end !== undefined) return
    process.open.push(call)
    // What the lost try may have cost is spent, whatever becomes of this one.
    if (call.counted)
      journal.append({ type: 'call-reserve', seq: 0, at: 0, pid: process.pid, n: call.n, reserved: NOTHING_RESERVED })
    if (wrong !== undefined) return fail(call, wrong)
    const isShared = recorded.pid !== process.pid && specOf(call).intent?.(args) === true && call.name !== 'generate'
    const leader = isShared ? machine.openElsewhere(call) : undefined
    if (past.asked.has(call.n)) {
      waiting.add(call)
      if (leader !== undefined && !waiting.has(leader)) isSent(call)
    }
    if (recorded.pid === process.pid) return revive(call, args)
    // A fork that is not kept yet does nothing outside: a crash would leave the deed without its doer. And its origin may have done
    // it since the fork was made, or before a crash.
    const goOn = (): void =>
      isShared ? whenLooked(call, () => revive(call, args)) : whenKept(call, () => revive(call, args))
    if (leader === undefined) goOn()
    else (leader.followers ??= []).push({ call, goOn })
  }

  /** Goes on unless the same call has ended where this one was forked from: then it ends as that did. */
  function whenLooked(call: Call, go: () => void): void {
    journal.whenKept((error) => {
      if (error !== undefined) return fail(call, error)
      if (!call.open) return
      const { isSent: mayHaveHappened, end: there } = machine.becameOf(call)
      if (there !== undefined) {
        const { value, error: failed, labels, refused = false } = there
        return follow(call, { value, error: failed, labels, refused, held: undefined })
      }
      if (mayHaveHappened && waiting.has(call)) isSent(call)
      go()
    })
  }

  /** A call that the law let through counts again: at once, or when its end is learned, where a person took their time. */
  function relive(call: Call, past: Past): void {
    call.refused = past.refused.has(call.n)
    if (call.refused) return
    const verdict = verdictOn(call)
    if (verdict?.decision.effect !== 'ask') pass(call, verdict)
  }

  function verdictOn({ process, name, args, judged }: Call): Verdict | undefined {
    return access.decide(process, name, judged ?? args)
  }

  /** Once for each call, however often it is tried. */
  function pass(call: Call, verdict: Verdict | undefined): void {
    call.passed = true
    if (verdict !== undefined) access.passed(call.process, verdict)
  }

  function passUnasked(call: Call): void {
    if (!call.passed) pass(call, verdictOn(call))
  }

  function revive(call: Call, args: unknown): void {
    const spec = specOf(call)
    // What may have happened is asked before what may happen. It had been let through, unless it waited for that.
    if (spec.revive !== undefined && spec.inDoubt?.(args) === true && !waiting.has(call)) {
      passUnasked(call)
      return perform(call, args, spec.revive)
    }
    decided(call, () => proceed(call, args))
  }

  /** Plans the call and sets aside what it may cost; gives who has to get something back before that, where nothing was set aside. */
  function setAside(call: Call, args: unknown): Payer | undefined {
    const { process } = call
    specOf(call).plan?.(call, args)
    const { reserved } = call
    if (reserved === undefined) return undefined
    call.reserved = undefined
    const { tokens, usd } = reserved
    const busy = busyPayer(process, { tokens, usd, steps: call.counted ? 0 : 1 }) ?? room.lineBefore(call)
    call.inQueue = busy !== undefined
    if (busy !== undefined) return busy
    reserve(process, reserved)
    call.reserved = reserved
    return undefined
  }

  /** What was set aside for a call that had started before is in the journal too. */
  function journalReserve(call: Call): void {
    const { process } = call
    journal.append({
      type: 'call-reserve',
      seq: 0,
      at: 0,
      pid: process.pid,
      n: call.n,
      reserved: call.reserved as Reservation,
    })
    if (!call.counted) charge(process, STEP)
    call.counted = true
  }

  function whenKept(call: Call, go: () => void): void {
    if (machine.volatile) go()
    else journal.whenKept((error) => (error === undefined ? call.open && go() : fail(call, error)))
  }

  function waits(call: Call, core: string, turn?: KeptTurn): void {
    const { pid } = call.process
    journal.append(
      turn === undefined
        ? { type: 'call-wait', seq: 0, at: 0, pid, n: call.n, core }
        : { type: 'call-wait', seq: 0, at: 0, pid, n: call.n, core, turn },
    )
  }

  function sends(call: Call, go: () => void): void {
    isSent(call)
    // What may have happened from here on may have happened in its forks, which get its end.
    if (call.followers !== undefined)
      for (const { call: one } of call.followers) if (one.open && waiting.has(one)) isSent(one)
    whenKept(call, go)
  }

  function isSent(call: Call): void {
    waiting.delete(call)
    const { seq } = journal.append({ type: 'call-sent', seq: 0, at: 0, pid: call.process.pid, n: call.n })
    access.told(call, seq)
  }

  function again(call: Call, go: () => void): boolean {
    const { process } = call
    const more = call.reserved
    if (more === undefined || overBudget(process, more) !== undefined) return false
    charge(process, { outputTokens: more.tokens, usd: more.usd })
    journalReserve(call)
    whenKept(call, go)
    return true
  }

  function grow(call: Call, more: Reservation, go: () => void): boolean {
    const { process, reserved } = call
    if (reserved === undefined || overBudget(process, more) !== undefined) return false
    reserve(process, more)
    call.reserved = { tokens: reserved.tokens + more.tokens, usd: reserved.usd + more.usd }
    const { pid } = process
    journal.append({ type: 'call-reserve', seq: 0, at: 0, pid, n: call.n, reserved: call.reserved, grown: true })
    whenKept(call, go)
    return true
  }

  function admit(call: Call, args: unknown, wrong: unknown): void {
    const { process } = call
    // Most processes have one open call: a list of one, made for it, is a third of an empty one that grew.
    if (process.open.length === 0) process.open = [call]
    else process.open.push(call)
    // What it asks for would be written before it is refused; a process that has no room for that cannot go on.
    const full = machine.full(process)
    if (full !== undefined) return machine.kill(process, full)
    if (process.made > limits.callsPerProcessMax)
      return machine.kill(
        process,
        new PolityError(
          'LIMIT_EXCEEDED',
          `process ${process.pid} made ${limits.callsPerProcessMax} system calls, its limit`,
        ),
      )
    if (process.open.length > limits.callsOpenMax)
      wrong = new PolityError(
        'LIMIT_EXCEEDED',
        `process ${process.pid} has ${limits.callsOpenMax} open calls, its limit`,
      )
    if (wrong !== undefined) {
      begins(call)
      return fail(call, wrong)
    }
    const verdict = verdictOn(call)
    if (verdict === undefined) proceed(call, args)
    else judged(call, verdict, () => proceed(call, args))
  }

  /** The law has nothing against it: the call starts, once the budgets have what it may cost. */
  function proceed(call: Call, args: unknown): void {
    const busy = starts(call, args)
    if (busy === undefined) return
    // Its place in the journal is where it came; what is set aside for it stands there later.
    if (call.startSeq === 0) begins(call)
    room.wait(busy, call, () => starts(call, args))
  }

  /** Starts the call; gives who has to get something back first, where it did not. */
  function starts(call: Call, args: unknown): Payer | undefined {
    const spec = specOf(call)
    let busy: Payer | undefined
    let error: unknown
    try {
      busy = setAside(call, args)
    } catch (thrown) {
      error = thrown
    }
    if (busy !== undefined) return busy
    if (call.startSeq === 0) begins(call)
    else if (call.reserved !== undefined) journalReserve(call)
    if (error !== undefined) fail(call, error)
    else if (!machine.volatile && spec.intent?.(args) === true)
      journal.whenKept((failed) => (failed === undefined ? perform(call, args, spec.run) : fail(call, failed)))
    else perform(call, args, spec.run)
    return undefined
  }

  /** Goes on where the law allows it; ends the call where it does not; asks where it says so. */
  function decided(call: Call, go: () => void): void {
    const verdict = verdictOn(call)
    if (verdict === undefined) release(call, go)
    else judged(call, verdict, go)
  }

  /** What waited for a person's word may have happened from here on; that is kept before it does. */
  function release(call: Call, go: () => void): void {
    if (waiting.has(call)) return sends(call, go)
    if (call.startSeq !== 0) access.told(call, call.startSeq)
    go()
  }

  function waitsForWord(call: Call): void {
    if (waiting.has(call)) return
    waiting.add(call)
    journal.append({ type: 'call-wait', seq: 0, at: 0, pid: call.process.pid, n: call.n, core: null })
  }

  function judged(call: Call, verdict: Verdict, go: () => void): void {
    const { audit, approvals } = machine
    const { decision } = verdict
    // What is refused or asked about has its place in the journal first; an approval names it.
    if (decision.effect !== 'allow' && call.startSeq === 0) start(call)
    const allow = (now: Verdict | undefined, by: string | null): void => {
      audit?.note({ ...noted, effect: 'allow', by })
      if (!call.passed) pass(call, now)
      release(call, go)
    }
    const deny = (why: string, by: string | null): void => {
      audit?.note({ ...noted, effect: 'deny', by })
      call.refused = true
      const error = new PolityError('ACCESS_DENIED', `${binding.what} is denied: ${why}`, {
        detail: { rule: decision.rule },
      })
      fail(call, error)
      if (decision.ends === true) machine.kill(call.process, error)
    }
    const binding = bindingOf(call, decision.rule)
    const { pid, n, what, argsHash, rule } = binding
    const noted = { pid, n, what, argsHash, rule }
    if (decision.effect === 'allow') return allow(verdict, null)
    if (decision.effect === 'deny') return deny(decision.reason, null)
    const question = refusalOf(binding)
    let earlier: Approval | undefined
    try {
      earlier = approvals.find(binding)
    } catch (error) {
      return fail(call, error)
    }
    if (earlier !== undefined) return allow(verdict, earlier.approver)
    if ((refused.get(question) ?? 0) >= ASKED_MAX)
      return deny('the same was asked before in this run, and nobody allowed it', null)
    const others = asking.get(question)
    if (others === undefined) audit?.note({ ...noted, effect: 'ask', by: null })
    waitsForWord(call)
    // The same call beside it waits for the answer to this one, and is asked about only if that is yes.
    if (others !== undefined) return void others.push(() => call.open && decided(call, go))
    let answer: ReturnType<Inbox['ask']>
    try {
      answer = machine.inbox.ask(call, {
        kind: 'approval',
        text: `Allow ${what}? (${decision.reason})`,
        choices: ['allow', 'deny'],
        detail: call.judged ?? call.args,
        timeoutMs: limits.askMs,
        binding,
      })
    } catch (error) {
      return fail(call, error)
    }
    asking.set(question, [])
    void answer.then((said) => {
      const waiting = asking.get(question) ?? []
      asking.delete(question)
      try {
        if (call.open) answered(said)
      } catch (error) {
        fail(call, error)
      }
      for (const again of waiting) again()
    })

    function answered(said: Answer | undefined): void {
      if (said?.text === 'allow') {
        // Other calls may have passed meanwhile, after which the law says something else.
        const now = verdictOn(call)
        const effect = now?.decision.effect
        if (now !== undefined && (effect === 'deny' || (effect === 'ask' && now.decision.rule !== decision.rule)))
          return judged(call, now, go)
        const until = machine.clock.now() + limits.askMs
        return allow(now, (said.approval ?? approvals.take(binding, { approver: 'kernel', until })).approver)
      }
      // Who asks the same again until somebody tires has had the answer.
      if (refused.size >= REFUSED_MAX) refused.clear()
      refused.set(question, said === undefined ? (refused.get(question) ?? 0) + 1 : ASKED_MAX)
      if (said === undefined) deny('nobody approved it in time', null)
      else deny('a person denied it', 'a person')
    }
  }

  /** Starts a call that the law let through. */
  function begins(call: Call): void {
    start(call)
    access.told(call, call.startSeq)
  }

  function start(call: Call): void {
    const { process } = call
    const event = journal.append(
      call.reserved === undefined
        ? { type: 'call-start', seq: 0, at: 0, pid: process.pid, n: call.n, call: call.name, args: call.args }
        : {
            type: 'call-start',
            seq: 0,
            at: 0,
            pid: process.pid,
            n: call.n,
            call: call.name,
            args: call.args,
            reserved: call.reserved,
          },
    )
    call.startedAt = event.at
    call.startSeq = event.seq
    call.startPid = process.pid
    call.counted = call.reserved !== undefined
    charge(process, call.counted ? ONE_STEP : ONE_CALL)
  }

  function perform(call: Call, args: unknown, run: (call: Call, args: unknown) => unknown): void {
    if (!call.open) return
    let result: unknown
    try {
      result = run(call, args)
    } catch (error) {
      return fail(call, error)
    }
    if (result === LATER) return
    if (result instanceof Promise) {
      result.then(
        (value) => end(call, value),
        (error: unknown) => fail(call, error),
      )
    } else end(call, result)
  }

  function end(call: Call, value: unknown): void {
    if (!call.open) return
    if (specOf(call).plain === true) call.value = value as Json
    else {
      try {
        call.value = toPlain(value, call.name, limits.valueBytesMax)
      } catch (error) {
        return fail(call, error)
      }
    }
    finish(call)
  }

  function fail(call: Call, error: unknown): void {
    if (!call.open) return
    call.value = undefined
    call.error = toErrorData(error, call.name === 'call' ? 'TOOL_FAILED' : 'DRIVER_FAILED')
    finish(call)
  }

  function close(call: Call): void {
    call.open = false
    call.timer?.cancel()
    const { open } = call.process
    const at = open.indexOf(call)
    // Most have one open: a splice would make a list of what it takes out.
    if (at === open.length - 1) open.pop()
    else if (at >= 0) open.splice(at, 1)
    if (call.reserved !== undefined) {
      unreserve(call.process, call.reserved)
      room.changed(call.process)
    } else if (call.inQueue) room.leave(call)
  }

  function finish(call: Call): void {
    const { process, usage } = call
    close(call)
    if (usage !== undefined) charge(process, usage)
    // Whole literals, with room for what the journal adds: an object that grows is paid for with each field.
    const { pid } = process
    const { n, value, error, waitedMs } = call
    const end: NewEvent =
      error !== undefined
        ? usage === undefined
          ? { type: 'call-end', seq: 0, at: 0, pid, n, error }
          : { type: 'call-end', seq: 0, at: 0, pid, n, error, usage }
        : usage === undefined
          ? { type: 'call-end', seq: 0, at: 0, pid, n, value: value ?? null }
          : waitedMs === 0
            ? { type: 'call-end', seq: 0, at: 0, pid, n, value: value ?? null, usage }
            : { type: 'call-end', seq: 0, at: 0, pid, n, value: value ?? null, usage, waitedMs }
    if (call.labels !== undefined) Object.assign(end, { labels: call.labels })
    if (call.refused) Object.assign(end, { refused: true })
    else if (call.name === 'call' && error === undefined && isTrusted(call)) Object.assign(end, { trusted: true })
    if (call.held !== undefined) {
      if (error === undefined) machine.toolStates.put(call)
      else machine.toolStates.drop(call)
    }
    const kept = journal.append(end) as CallEnd
    if (journal.halted !== undefined) return
    if (call.followers !== undefined) for (const { call: one } of call.followers) follow(one, call)
    call.end = kept
    if (process.ends.length === 0) process.ends = [call]
    else process.ends.push(call)
    if (specOf(call).kept !== true || call.error !== undefined) {
      call.ready = true
      dispatcher.wake(process)
    } else {
      journal.whenKept((error) => {
        if (error !== undefined) return
        call.ready = true
        dispatcher.wake(process)
      })
    }
  }

  /** The call ends as the same call did in the process that it was forked from. */
  function follow(
    call: Call,
    { value, held, error, labels, refused: isRefused }: Pick<Call, 'value' | 'held' | 'error' | 'labels' | 'refused'>,
  ): void {
    if (!call.open) return
    call.value = value
    call.held = held
    call.error = error
    call.labels = labels
    call.refused = isRefused
    finish(call)
  }

  function cancel(process: Process, error: PolityError): Reservation {
    let tokens = 0
    let usd = 0
    for (const call of process.open.splice(0)) {
      close(call)
      if (call.held !== undefined) machine.toolStates.drop(call)
      // Sent and not answered: it may have cost what was set aside for it, so it did (budgets fail closed).
      if (call.reserved !== undefined && call.core !== undefined && !call.inQueue) {
        charge(process, { outputTokens: call.reserved.tokens, usd: call.reserved.usd })
        tokens += call.reserved.tokens
        usd += call.reserved.usd
      } else if (call.inQueue && call.usage !== undefined) {
        // It waits after turns that were paid.
        charge(process, call.usage)
        tokens += call.usage.inputTokens + call.usage.outputTokens
        usd += call.usage.usd
      }
      call.abort(error)
      // Its forks may live on; whether its effect happened is theirs to find out, unless they end with it.
      if (call.followers !== undefined)
        for (const { call: one, goOn } of call.followers) machine.clock.soon(() => one.open && goOn())
    }
    return { tokens, usd }
  }

  function learn(process: Process, enter: (process: Process) => void): boolean {
    if (process.state !== 'running') return false
    if (!process.entered) {
      process.entered = true
      enter(process)
      return process.past !== undefined
    }
    const { past } = process
    if (past !== undefined) {
      const next = past.ends[past.learned]
      if (next !== undefined) {
        const call = past.made.get(next.n)
        if (call === undefined) {
          machine.mismatch(process, unmade(past, process.made))
          return false
        }
        past.learned++
        past.made.delete(next.n)
        process.learnedAt = next.at
        if (next.error === undefined) {
          // What is frozen was made so whole, when its call ended: only what a store has read is not.
          const kept = next.value ?? null
          const value = Object.isFrozen(kept) ? kept : freezePlain(kept, call.name, Infinity)
          specOf(call).relearned?.(value)
          if (!call.refused) passUnasked(call)
          access.learned(process, call, next, next.seq)
          call.resolve(value)
        } else {
          if (!call.refused && call.args !== null) passUnasked(call)
          access.learned(process, call, next, next.seq)
          refuse(call, fromErrorData(next.error))
        }
        return true
      }
      if (past.starts.length > process.made) {
        machine.mismatch(process, unmade(past, process.made))
        return false
      }
      if (past.end !== undefined) {
        machine.replayed(process)
        return false
      }
      process.past = undefined
    }
    const call = process.ends[0]
    if (call === undefined || !call.ready) return false
    if (process.ends.length === 1) process.ends = NO_CALLS
    else process.ends.shift()
    const end = call.end as CallEnd
    process.learnedAt = end.at
    access.learned(process, call, end, end.seq)
    if (call.error === undefined) {
      call.resolve(call.value)
    } else {
      refuse(call, fromErrorData(call.error))
    }
    return process.ends.length > 0
  }

  return {
    sys: (process) => createSys(process, invoke),
    learn,
    end,
    fail,
    cancel,
    waits,
    sends,
    again,
    grow,
    raised: room.changed,
  }
}

function isTrusted({ process, args, labels }: Call): boolean {
  return isTrustedAnswer(process.tools.get((args as { readonly tool: string }).tool), labels)
}

function ignore(): void {}

/** Questions about one and the same call that nobody answers, before it is denied unasked. */
const ASKED_MAX = 3

/** Refusals remembered; beyond, all are forgotten, and asked about again. */
const REFUSED_MAX = 10_000

function refusalOf({ root, rule, what, argsHash }: Binding): string {
  return `${root} ${argsHash} ${what} ${rule ?? ''}`
}

const ONE_CALL = Object.freeze({ calls: 1 })
const STEP = Object.freeze({ steps: 1 })
const ONE_STEP = Object.freeze({ calls: 1, steps: 1 })
