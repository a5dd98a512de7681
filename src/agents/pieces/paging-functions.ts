/**
 * The functions by which a model pages: it edits what it always sees, keeps texts, and searches what left its window.
 *
 *     const perform = performer({ sys, storage, blocks, blockTokens: 400, resultTokens: 500 })
 *     const { text, goesOn } = await perform(call)
 *
 * A function is a held tool that gives back its checked arguments, so the law sees every call; what it then does is a system
 * call of this process. A call of another tool that the process holds is made as it is.
 */
import { z } from 'zod'
import { PolityError, toErrorData } from '../../kernel/errors.ts'
import { FRAME_TOKENS } from '../../kernel/messages.ts'
import { defineTool } from '../../kernel/tools.ts'
import type { Message, Sys, Tool, ToolCall } from '../../kernel/types.ts'
import { clipTokens, textTokens } from './paging-queue.ts'
import type { PagingStorage } from './paging-storage.ts'

const label = z.string()
const content = z.string()
const search = { query: z.string(), page: z.number().optional() }

/** The functions of the memory. Where the model has to say that it goes on, each takes `request_heartbeat`. */
export function memoryFunctions(heartbeat: 'always' | 'asked'): readonly Tool[] {
  const more = heartbeat === 'always' ? {} : { request_heartbeat: z.boolean().optional() }
  const make = (name: string, description: string, shape: z.ZodRawShape): Tool =>
    defineTool({
      name,
      description,
      effect: 'read',
      inputSchema: z.object({ ...shape, ...more }),
      execute: (input) => input,
    }) as unknown as Tool
  return [
    make('core_memory_append', 'Adds to a block of core memory.', { label, content }),
    make('core_memory_replace', 'Replaces text in a block.', { label, old: z.string(), new: z.string() }),
    make('conversation_search', 'Finds earlier messages.', search),
    make('archival_memory_insert', 'Keeps a text for good.', { content }),
    make('archival_memory_search', 'Finds texts that were kept.', search),
  ]
}

const FUNCTIONS: ReadonlySet<string> = new Set(memoryFunctions('always').map(({ name }) => name))

export interface PerformerOptions {
  readonly sys: Sys
  readonly storage: PagingStorage
  /** Core memory by label; changed in place. */
  readonly blocks: Map<string, string>
  /** Tokens of one block. */
  readonly blockTokens: number
  /** Tokens of one result. */
  readonly resultTokens: number
}

export interface Performed {
  readonly text: string
  /** Whether the model asked to go on after it; always where it failed. */
  readonly goesOn: boolean
}

interface Given {
  readonly label?: string
  readonly content?: string
  readonly old?: string
  readonly new?: string
  readonly query?: string
  readonly page?: number
  readonly request_heartbeat?: boolean
}

/** Performs calls of functions. */
export function performer({
  sys,
  storage,
  blocks,
  blockTokens,
  resultTokens,
}: PerformerOptions): (call: ToolCall) => Promise<Performed> {
  /** One function. Its failure is told to the model, which then goes on. */
  async function perform({ name, input }: ToolCall): Promise<Performed> {
    try {
      const given = await sys.call<Given>(name, input)
      const text =
        typeof given === 'object' && given !== null && FUNCTIONS.has(name)
          ? await act(name, given)
          : JSON.stringify(given)
      return { text: clipTokens(text, resultTokens), goesOn: (given as Given | null)?.request_heartbeat === true }
    } catch (error) {
      if (PolityError.isInstance(error) && error.code === 'KILLED') throw error
      const { code, message } = toErrorData(error)
      return { text: clipTokens(`${code}: ${message}`, resultTokens), goesOn: true }
    }
  }

  async function act(name: string, given: Given): Promise<string> {
    const { label = '', content = '', query = '', page = 1 } = given
    if (name === 'conversation_search') return pageOf(await storage.searchMessages(sys, query), page, resultTokens)
    if (name === 'archival_memory_search') return pageOf(await storage.searchArchive(sys, query), page, resultTokens)
    if (name === 'archival_memory_insert') {
      if (content.trim() === '') return 'There is nothing to keep.'
      await storage.archive(sys, content)
      return 'kept'
    }
    const before = blocks.get(label)
    if (before === undefined) return `There is no block "${label}"; there are ${[...blocks.keys()].join(', ')}.`
    const isReplace = name === 'core_memory_replace'
    if (isReplace && (given.old === undefined || given.old === '' || !before.includes(given.old)))
      return `The block has no "${given.old}".`
    const text = isReplace
      ? before.replace(given.old as string, () => given.new ?? '')
      : [before, content].filter((one) => one !== '').join('\n')
    if (textTokens(text) > blockTokens)
      return `The block would have ${textTokens(text)} tokens; it takes ${blockTokens}. Shorten it first.`
    blocks.set(label, text)
    await storage.keepCore(sys, label, text)
    return 'done'
  }

  return perform
}

/** The results of calls as the message that follows them. */
export function resultMessage(calls: readonly ToolCall[], results: readonly Performed[]): Message {
  const content = calls.map(({ id, name }, i) => ({
    type: 'tool-result' as const,
    toolCallId: id,
    toolName: name,
    output: { type: 'text' as const, value: results[i]?.text ?? '' },
  }))
  return { role: 'tool', content }
}

/** A page of texts that takes no more than so many tokens, with how many pages there are. */
function pageOf(texts: readonly string[], wanted: number, tokensMax: number): string {
  if (texts.length === 0) return 'Nothing was found.'
  const pages: string[][] = [[]]
  let tokens = 0
  for (const text of texts.map((one) => clipTokens(one, tokensMax - 2 * FRAME_TOKENS - HEADING_TOKENS))) {
    const more = textTokens(text) + 1
    if (tokens + more > tokensMax - HEADING_TOKENS && tokens > 0) {
      pages.push([])
      tokens = 0
    }
    pages.at(-1)?.push(text)
    tokens += more
  }
  const shown = pages[wanted - 1]
  return shown === undefined
    ? `There are ${pages.length} pages.`
    : `Page ${wanted} of ${pages.length}:\n${shown.join('\n')}`
}

const HEADING_TOKENS = 10
