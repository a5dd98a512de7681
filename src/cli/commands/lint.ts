/** `polity lint [file.ts]`: what is wrong with agents, tools, laws and their source before any of them runs. */
import type { Finding, LintInput } from '../../lint/facts.ts'
import { lint as find } from '../../lint/lint.ts'
import { counted } from '../amounts.ts'
import { defineCommand } from '../command.ts'
import { jsonIn, textIn } from '../given-file.ts'
import { factsOfProgram, factsOfTool, packagesAbove, readManifest } from '../lint-facts.ts'
import { usageError } from '../options.ts'
import { loadExported } from '../program-file.ts'
import { exitCodes } from '../report.ts'

export const lint = defineCommand({
  name: 'lint',
  summary: 'look for defects in agents, tools and laws before they run',
  usage: '[file.ts]',
  positionals: [0, 1],
  options: {
    law: { kind: 'text', value: 'file', help: 'the law under which they are to run' },
    tools: { kind: 'text', value: 'file', help: 'tools as JSON: a list, or what an MCP server answers to tools/list' },
  },
  details:
    'The file is loaded as `polity run` loads it, and the programs, agents and tools that it exports are looked at, with its source and the package.json above it; nothing is run. ' +
    'A law can be looked at by itself, or with a manifest of tools. Says nothing where nothing is found. Exit code 1 when a line says error.',
  examples: ['polity lint clerk.ts --law clerk.json', 'polity lint --law clerk.json --tools tools.json'],
  async run(context, { values, positionals: [file] }) {
    const { law, tools } = values
    if (file === undefined && law === undefined && tools === undefined)
      throw usageError('lint takes a file, --law or --tools; see `polity help lint`')
    const loaded: LintInput = file === undefined ? {} : await factsOfFile(file)
    const listed = tools === undefined ? [] : readManifest(jsonIn(tools), tools)
    const findings = find({
      ...loaded,
      tools: [...(loaded.tools ?? []), ...listed],
      ...(law === undefined ? {} : { law: jsonIn(law) }),
    })
    const colours = { error: 'red', warning: 'yellow', note: 'dim' } as const
    const lines = findings.map(
      (one) =>
        `${placeOf(one, { file, law, tools })}: ${context.out.paint(colours[one.severity], one.severity)} ${one.id}: ${one.message} (${one.fix})`,
    )
    context.result([...lines, ...summaryOf(findings)].join('\n'), findings)
    return findings.some(({ severity }) => severity === 'error') ? exitCodes.failed : exitCodes.done
  },
})

async function factsOfFile(file: string): Promise<LintInput> {
  const { programs, tools } = await loadExported(file)
  const packages = packagesAbove(file)
  const held = new Map([...programs.flatMap((program) => program.tools), ...tools].map((tool) => [tool.name, tool]))
  return {
    agents: programs.map(factsOfProgram),
    tools: [...held.values()].map(factsOfTool),
    sources: [{ path: file, text: textIn(file) }],
    ...(packages === undefined ? {} : { packages }),
  }
}

interface Files {
  readonly file: string | undefined
  readonly law: string | undefined
  readonly tools: string | undefined
}

/** Places in a source say their file themselves. */
function placeOf({ where }: Finding, { file, law, tools }: Files): string {
  const [kind = ''] = where.split(' ')
  if (['rule', 'event', 'temporal', 'law'].includes(kind)) return kind === 'law' ? `${law}` : `${law} ${where}`
  if (kind === 'tool' || kind === 'tools') return `${tools ?? file} ${where}`
  return kind === 'agent' ? `${file} ${where}` : where
}

function summaryOf(findings: readonly Finding[]): string[] {
  if (findings.length === 0) return []
  const of = (severity: Finding['severity']): number => findings.filter((one) => one.severity === severity).length
  const parts = (['error', 'warning', 'note'] as const).flatMap((severity) =>
    of(severity) === 0 ? [] : [counted(of(severity), severity)],
  )
  return [parts.join(', ')]
}
