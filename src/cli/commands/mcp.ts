/** `polity mcp [file.ts]`: an MCP server over stdin and stdout, for a client that starts it. */
import { z } from 'zod'
import type { Program, ToolSchema } from '../../kernel/types.ts'
import type { OfferedProgram } from '../../server/mcp/offers.ts'
import { serveMcpStdio } from '../../server/mcp/stdio.ts'
import type { Caller, Scope } from '../../server/caller.ts'
import { bootToServe } from '../booted.ts'
import { defineCommand } from '../command.ts'
import { priceOption, setupGiven } from '../options.ts'
import { noteSources } from '../output.ts'
import { loadExported } from '../program-file.ts'
import { exitCodeOfSignal, exitCodes } from '../report.ts'
import { modelDefault } from '../setup.ts'

export const mcp = defineCommand({
  name: 'mcp',
  summary: 'serve tools, notes and programs to an MCP client',
  usage: '[file.ts]',
  positionals: [0, 1],
  options: {
    in: { kind: 'texts', value: 'path', help: 'a folder or file that is offered for searching and reading' },
    law: { kind: 'text', value: 'file', help: 'a law: which calls are allowed' },
    model: {
      kind: 'text',
      value: 'provider/model',
      help: `model of calls that name none (default the program's, else ${modelDefault})`,
    },
    as: { kind: 'text', value: 'principal', help: 'on whose behalf (default local)' },
    approvals: {
      kind: 'flag',
      help: 'let the client show its user the questions of the law; what it answers counts as a person’s word',
    },
    ...priceOption,
  },
  details:
    'A client starts it and speaks over stdin and stdout: the Model Context Protocol, 2026-07-28 and 2025-11-25. Offered are the tools that the file exports, those of the folders, remember, recall and forget, each program that the file exports as run_<name>, and processes and traces as resources. ' +
    'Without a file the program is the research team of `polity ask`. Every call is a process under the law. It ends when stdin does; what ran then is killed.',
  examples: ['polity mcp --in docs', 'polity mcp clerk.ts --law clerk.law.json --approvals'],
  async run(context, { values, positionals: [file] }) {
    const loaded = file === undefined ? undefined : await loadExported(file)
    const booted = await bootToServe(context, setupGiven(file, values))
    noteSources(context, booted)
    try {
      const scopes: Scope[] = ['runs', 'memory', ...(values.approvals ? (['approvals'] as const) : [])]
      const caller: Caller = { principal: values.as ?? 'local', scopes: new Set(scopes), key: null }
      const main = booted.main as Program | undefined
      const others = loaded?.programs.filter(({ name }) => name !== main?.name) ?? []
      const first = main === undefined ? [] : [file === undefined ? research(main) : main]
      await serveMcpStdio(
        {
          kernel: booted.kernel,
          tools: [...(booted.sources?.tools ?? []), ...(loaded?.tools ?? [])],
          programs: [...first, ...others],
          caller,
        },
        context.interrupted,
      )
      return context.interrupted.aborted ? exitCodeOfSignal(context.interrupted.reason) : exitCodes.done
    } finally {
      await booted.close()
    }
  },
})

function research(program: Program): OfferedProgram {
  return {
    program,
    description: 'Answers a question from the folders, with the place of every claim.',
    inputSchema: z.object({ question: z.string().min(1) }) as ToolSchema<unknown>,
  }
}
