/**
 * `polity top`: the processes of a store, drawn again and again.
 *
 * On a terminal it has the whole screen until `q` or Ctrl-C. In a pipe it is one picture; with `--json` one line of JSON
 * an interval.
 */
import type { Context } from '../command.ts'
import { defineCommand } from '../command.ts'
import { counted, duration, tokens, usd } from '../amounts.ts'
import type { CoreInfo } from '../../kernel/kernel.ts'
import type { ProcessList } from '../process-list.ts'
import { listProcesses } from '../process-list.ts'
import { processTable } from '../process-table.ts'
import { refusalText } from '../refusals.ts'
import { exitCodes } from '../report.ts'
import { readStore } from '../store-file.ts'
import { cut, wrap } from '../table.ts'
import { enterScreen, oneLine, roomOf } from '../terminal.ts'
import type { TeamInfo } from './top-team.ts'
import { teamPicture, teamsOf } from './top-team.ts'

const INTERVAL_MS_DEFAULT = 1_000
const INTERVAL_MS_MIN = 100

/** What one picture shows. */
interface Seen extends ProcessList {
  /** With `--team`. */
  readonly teams?: readonly TeamInfo[]
}

export const top = defineCommand({
  name: 'top',
  summary: 'the processes, live: what they wait for and what they cost',
  usage: '',
  positionals: [0, 0],
  options: {
    once: { kind: 'flag', help: 'one picture, then the end' },
    all: { kind: 'flag', short: 'a', help: 'those that have ended too' },
    team: { kind: 'flag', help: 'teams in place of processes: who spoke to whom, how much, how their ledgers stand' },
    interval: {
      kind: 'whole',
      value: 'ms',
      range: [INTERVAL_MS_MIN],
      help: `time between two pictures (default ${INTERVAL_MS_DEFAULT}, at least ${INTERVAL_MS_MIN})`,
    },
  },
  details:
    'While a kernel has the store open it is asked for what the journal does not say: what each process waits for, on which core, and the cores themselves. Leave with q or Ctrl-C.',
  examples: ['polity top', 'polity top --once', 'polity top --team', 'polity top --json --interval 5000'],
  async run(context, { values }) {
    const intervalMs = values.interval ?? INTERVAL_MS_DEFAULT
    const isLive = !values.once && (context.isJson || (context.out.isTerminal && process.stdin.isTTY === true))
    const reader = readStore(context.storePath)
    const all = values.all ?? false
    const teams = values.team === true ? teamsOf(reader) : undefined
    const look = async (): Promise<Seen> => {
      const waitMs = Math.max(500, Math.min(2_000, intervalMs))
      const list = await listProcesses(context.storePath, reader, { all, waitMs })
      return teams === undefined ? list : { ...list, teams: teams({ all, isOwned: list.isOwned }) }
    }
    try {
      if (!isLive) {
        const list = await look()
        context.result(picture(context, list).join('\n'), list)
      } else if (context.isJson) await stream(context, look, intervalMs)
      else await live(context, look, intervalMs)
      return exitCodes.done
    } finally {
      reader.close()
    }
  },
})

async function stream(context: Context, look: () => Promise<Seen>, intervalMs: number): Promise<void> {
  while (!context.interrupted.aborted) {
    context.result('', await look())
    await pause(context, intervalMs)
  }
}

async function live(context: Context, look: () => Promise<Seen>, intervalMs: number): Promise<void> {
  const screen = enterScreen(context.out)
  const left = new AbortController()
  let list: Seen | undefined
  const leave = (): void => left.abort()
  const draw = (): void => void (list !== undefined && screen.draw(picture(context, list, context.out.rows)))
  const onKey = (key: Buffer): void => {
    // In raw mode Ctrl-C is a key.
    if (key.includes('q') || key.includes(CTRL_C)) leave()
  }
  process.stdin.setRawMode(true)
  process.stdin.on('data', onKey)
  process.stdout.on('resize', draw)
  context.interrupted.addEventListener('abort', leave, { once: true })
  try {
    while (!left.signal.aborted) {
      list = await look()
      draw()
      await pause(context, intervalMs, left.signal)
    }
  } finally {
    process.stdin.setRawMode(false)
    process.stdin.off('data', onKey)
    process.stdin.pause()
    process.stdout.off('resize', draw)
    context.interrupted.removeEventListener('abort', leave)
    screen.leave()
  }
}

const CTRL_C = 3

function pause(context: Context, ms: number, left: AbortSignal = context.interrupted): Promise<void> {
  return new Promise((resolve) => {
    const end = (): void => {
      timer.cancel()
      left.removeEventListener('abort', end)
      resolve()
    }
    const timer = context.clock.after(ms, end)
    if (left.aborted) end()
    else left.addEventListener('abort', end, { once: true })
  })
}

/** A core that serves any number at once says so with the largest number there is. */
function slotsOf({ inFlight, slots }: CoreInfo): string {
  return slots >= Number.MAX_SAFE_INTEGER ? `${inFlight} busy, no limit` : `${inFlight} of ${slots} busy`
}

/** The lines of one picture; the table is cut to the rows that are left. */
function picture({ out, clock }: Context, list: Seen, rows = Infinity): string[] {
  const now = clock.now()
  const count = (state: string): number => list.processes.filter((info) => info.state === state).length
  const owner = !list.isOwned
    ? 'no kernel'
    : `kernel in process ${list.owner ?? '?'}${list.isAnswered ? '' : ' (does not answer)'}`
  const ended = list.endedLeftOut + list.processes.filter((info) => info.endedAt !== null).length
  const width = roomOf(out)
  // Lines of ours go on in the next where they do not fit; a question, which may be long, is cut.
  const head = [
    `${out.paint('bold', 'polity')}  ${list.store}  ${owner}`,
    `${count('running')} running, ${count('stopped')} stopped, ${ended} ended; ${tokens(list.total.tokens)} tokens, ${usd(list.total.usd)} in the journals that are kept`,
    ...list.cores.flatMap((core) => {
      const limits = [
        core.requestsPerMinute === null ? '' : `${core.requestsPerMinute}/min`,
        core.tokensPerMinute === null ? '' : `${tokens(core.tokensPerMinute)} tok/min`,
      ].filter((one) => one !== '')
      const refusal = refusalText(core, now)
      const line = `core ${core.id}: ${slotsOf(core)}, ${core.waiting} waiting; ${counted(core.admitted, 'call')}, ${core.refused} refused, ${core.failed} failed${core.open ? ', BREAKER OPEN' : ''}${limits.length === 0 ? '' : `; ${limits.join(', ')}`}`
      return refusal === undefined ? [line] : [line, out.paint('red', refusal)]
    }),
  ]
    .flatMap((line) => wrap(line, width).split('\n'))
    .concat(
      list.questions.map(
        ({ id, pid, askedAt, text }) =>
          `question ${id} of process ${pid} waits ${duration(now - askedAt)}: ${oneLine(text)}`,
      ),
    )
    .map((line) => cut(line, width))
  const body = bodyOf(list, out, now)
  const room = rows - head.length - 3
  const shown =
    body.length > room ? [...body.slice(0, Math.max(1, room)), out.paint('dim', `${body.length - room} more`)] : body
  return [...head, '', ...shown]
}

function bodyOf({ teams, processes }: Seen, out: Context['out'], now: number): string[] {
  if (teams !== undefined) return teams.length === 0 ? ['no team runs or is stopped'] : teamPicture(teams, out)
  return processes.length === 0 ? ['no process runs or is stopped'] : processTable(processes, out, now)
}
