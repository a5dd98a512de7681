/**
 * Events for the conformance suite: the few that make a journal, made from seq and pid.
 */
import type { JournalEvent, Pid, ProcessStart } from '../../kernel/types.ts'

const AT = 1_700_000_000_000.125

/** A process begins. */
export function start(seq: number, pid: Pid, input = 'go'): ProcessStart {
  return {
    type: 'process-start',
    seq,
    at: AT + seq,
    pid,
    parent: null,
    parentCall: null,
    program: 'p',
    version: '1',
    input,
    name: null,
    principal: 'local',
    priority: 0,
    budget: { usd: 0.5 },
    tools: [],
    seed: 7,
    forkOf: null,
  }
}

/** A call's end that holds what an encoding could trip over: quotes, line ends, the text of another event, characters beyond U+FFFF. */
export function callEnd(
  seq: number,
  pid: Pid,
  value: string = 'a "quoted"\nline\u2028 "type":"process-end" 😀',
): JournalEvent {
  return {
    type: 'call-end',
    seq,
    at: AT + seq,
    pid,
    n: seq,
    value: { text: value, type: 'process-end', list: [1, null, 0.1] },
  }
}

/** A process ends. */
export function end(seq: number, pid: Pid): JournalEvent {
  const usage = { inputTokens: 1, cachedTokens: 0, outputTokens: 2, usd: 0.001, steps: 1, calls: 1, children: 0 }
  return { type: 'process-end', seq, at: AT + seq, pid, state: 'done', value: 'bye', usage }
}
