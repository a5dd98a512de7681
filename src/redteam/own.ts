/**
 * Polity's own agents as targets: what `polity redteam` attacks where no file is given.
 *
 * `direct` holds no tools. `react` holds those of the specimen, under its law and budget but without pins. `research` holds the tools of a
 * folder that somebody else can write to.
 */
import { z } from 'zod'
import { direct } from '../agents/direct.ts'
import { react } from '../agents/react.ts'
import { research } from '../agents/research.ts'
import { defineTool } from '../kernel/tools.ts'
import type { Program, Tool } from '../kernel/types.ts'
import { bare, specimen } from './specimen.ts'
import type { Target } from './target.ts'
import { REQUEST } from './target.ts'

const input = { question: REQUEST }

/** As drivers/folder/tools.ts declares them. */
const folder: readonly Tool[] = [
  defineTool({
    name: 'search',
    description: 'Full-text search over the files of the folder.',
    effect: 'read',
    inputSchema: z.object({ query: z.string() }),
    execute: () => '',
  }) as Tool,
  defineTool({
    name: 'read',
    description: 'Reads lines of a file of the folder.',
    effect: 'read',
    inputSchema: z.object({ path: z.string(), from: z.number().optional(), to: z.number().optional() }),
    execute: () => '',
  }) as Tool,
]

export const ownTargets: readonly Target[] = [
  bare,
  specimen,
  { name: 'direct', program: direct as unknown as Program, input },
  { ...specimen, name: 'react, no pins', program: react as unknown as Program, input, pins: undefined },
  {
    name: 'research',
    program: research as unknown as Program,
    tools: folder,
    input,
    budget: { steps: 24, children: 4 },
  },
]
