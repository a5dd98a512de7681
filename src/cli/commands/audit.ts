/** `polity audit`: the decisions of the law, and whether their log is whole. */
import type { StoreReader } from '../../drivers/store/sqlite-reader.ts'
import { readAudit, verifyAudit } from '../../kernel/audit.ts'
import type { Pid } from '../../kernel/types.ts'
import { counted } from '../amounts.ts'
import { defineCommand } from '../command.ts'
import { usageError } from '../options.ts'
import { exitCodes } from '../report.ts'
import { readStore } from '../store-file.ts'
import type { Column } from '../table.ts'
import { table } from '../table.ts'
import { oneLine, roomOf } from '../terminal.ts'

export const audit = defineCommand({
  name: 'audit',
  summary: 'the decisions of the law, and whether their log is whole',
  usage: '[verify]',
  positionals: [0, 1],
  options: {
    head: { kind: 'text', value: 'hash', help: 'verify: a head printed before, which must still be in the chain' },
    pid: { kind: 'whole', value: 'pid', help: 'only the calls of this process' },
  },
  details:
    'Every decision under a law is an entry that names the one before it by its hash. `verify` follows the chain and prints its head; keep that elsewhere, and an end that is cut off later is seen too.',
  examples: ['polity audit', 'polity audit verify', 'polity audit verify --head <hash>'],
  async run(context, { values, positionals: [what] }) {
    if (what !== undefined && what !== 'verify')
      throw usageError(`audit takes verify or nothing, not ${JSON.stringify(what)}`)
    if (what === undefined && values.head !== undefined)
      throw usageError('--head is of verify: polity audit verify --head <hash>')
    if (what === 'verify' && values.pid !== undefined)
      throw usageError('audit verify takes no --pid: it follows the whole chain; leave out --pid, or verify')
    if (values.head !== undefined && !/^[0-9a-f]{64}$/.test(values.head))
      throw usageError(
        `--head takes a whole head as \`polity audit verify\` prints it, 64 hexadecimal digits, not ${JSON.stringify(values.head)}`,
      )
    const reader = readStore(context.storePath)
    try {
      if (what === 'verify') {
        const report = verifyAudit(readAudit(reader), values.head)
        context.result(
          report.isWhole
            ? `${counted(report.entries, 'decision')}, none changed; head ${report.head}`
            : `broken at entry ${report.broken}: ${report.why}`,
          report,
        )
        return report.isWhole ? exitCodes.done : exitCodes.failed
      }
      const entries = [...readAudit(reader)].filter(
        (entry) => entry !== undefined && (values.pid === undefined || entry.pid === values.pid),
      )
      if (entries.length === 0) context.note('no decision was made under a law here')
      const principals = principalsOf(
        reader,
        entries.map((entry) => entry?.pid ?? 0),
      )
      // Shown where they are not all of one.
      const isOfOne = new Set([...principals.values()].filter((one) => one !== undefined)).size < 2
      const rows = entries.map((entry) => [
        new Date(entry?.at ?? 0).toISOString(),
        String(entry?.pid),
        ...(isOfOne ? [] : [oneLine(principals.get(entry?.pid ?? 0) ?? '-')]),
        String(entry?.n),
        entry?.effect ?? '',
        oneLine(entry?.what ?? ''),
        entry?.rule ?? 'no rule',
        entry?.by ?? '',
      ])
      const columns: readonly Column[] = [
        { title: 'AT', rank: 2 },
        { title: 'PID' },
        ...(isOfOne ? [] : [{ title: 'PRINCIPAL', widthMin: 9 }]),
        { title: 'CALL', rank: 3 },
        { title: 'EFFECT' },
        { title: 'WHAT', widthMin: 16 },
        { title: 'RULE', widthMin: 8 },
        { title: 'BY', rank: 1 },
      ]
      if (entries.length > 0 || context.isJson)
        context.result(
          table(columns, rows, roomOf(context.out), (text, row) =>
            row < 0 ? context.out.paint('bold', text) : text,
          ).join('\n'),
          entries,
        )
      return exitCodes.done
    } finally {
      reader.close()
    }
  },
})

/** By pid; an entry outlives the journal of its process, and does not say whose it was. */
function principalsOf(reader: StoreReader, pids: readonly Pid[]): ReadonlyMap<Pid, string | undefined> {
  return new Map(
    [...new Set(pids)].map((pid) => {
      const [head] = reader.processes({ from: pid, to: pid + 1 })
      return [pid, head?.start.principal]
    }),
  )
}
