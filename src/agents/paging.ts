/**
 * Paging (MemGPT, Packer et al. 2023, "MemGPT: towards LLMs as operating systems"; Letta): a small window over a large
 * memory. In the window: instructions, core memory that the model edits, a summary of what left, and the queue of the last
 * messages. Outside: recall storage with every message, and archival storage. The model moves between them by functions.
 *
 *     const pager = pagingAgent({ windowTokens: 8_000, core: { human: 'A sailor.' } })
 *     kernel.spawn(pager, { messages: ['I am Ann.', 'What is my name?'] })   →   { answers, evictions, tokensMax }
 *     kernel.spawn(pager, 'I am Ann.')                                      // a text is one message
 *
 * The functions are in paging-functions.ts, the queue and who leaves it in paging-queue.ts, what is outside in
 * paging-storage.ts.
 *
 * Invariants
 *   PG1. A request never has more estimated tokens than `windowTokens` less those kept for the answer, whatever comes in.
 *   PG2. Every message but the memory's own searches is in recall storage, whole, before it can leave the window.
 *   PG3. `conversation_search` for a piece of a message as it was finds that message.
 */
import { turnOf } from '../kernel/context.ts'
import { PolityError, invalid } from '../kernel/errors.ts'
import { FRAME_TOKENS } from '../kernel/messages.ts'
import { defineProgram } from '../kernel/program.ts'
import type { Message, ModelChoice, Program, Sys } from '../kernel/types.ts'
import type { MemoryOptions } from './long-term-memory.ts'
import type { Performed } from './pieces/paging-functions.ts'
import { memoryFunctions, performer, resultMessage } from './pieces/paging-functions.ts'
import type { Eviction } from './pieces/paging-queue.ts'
import { clipTokens, createQueue, textTokens, tokensOf } from './pieces/paging-queue.ts'
import { pagingStorage } from './pieces/paging-storage.ts'
import { turnText } from './pieces/turn-text.ts'

export interface PagingOptions extends MemoryOptions {
  /** @default 'paging' */
  readonly name?: string
  /** What the model is told before everything else, beside how its memory works. */
  readonly instructions?: string
  /** Blocks of core memory at the start, by label; later runs find them as they were left. @default persona and human, empty */
  readonly core?: { readonly [label: string]: string }
  /** Tokens of one block. @default a twentieth of the window */
  readonly blockTokens?: number
  /** Estimated tokens of a request with its answer. Minimum 1,500. @default 8,000 */
  readonly windowTokens?: number
  /** Of these, tokens for an answer. @default an eighth, at most 4,096 */
  readonly answerTokens?: number
  /** When messages leave, and how many. @default that of the paper */
  readonly eviction?: Eviction
  /** Model calls for one message. @default 20 */
  readonly stepsMax?: number
  /** After a function the model goes on: always, or only where it set `request_heartbeat`, as in MemGPT. @default 'always' */
  readonly heartbeat?: 'always' | 'asked'
}

/** What the agent is told; a plain text is one message. */
export interface PagingInput {
  readonly messages: readonly string[]
}

export interface PagingOutput {
  /** One for each message. */
  readonly answers: readonly string[]
  /** How often messages left the window, and so how often the summary was written. */
  readonly evictions: number
  /** Largest request, estimated tokens. */
  readonly tokensMax: number
}

const MANNERS = `Your window is small. What leaves it is not lost: every message is in recall storage, which conversation_search reads. Put what should last into core memory, which you always see, or into archival storage. Answer in plain text once you know.`
const PRESSURE = `[memory pressure] The window is nearly full and older messages will leave it soon. Keep what matters with core_memory_append or archival_memory_insert.`
const SUMMARISE = `Summarise what leaves the window, together with the summary so far: names, facts, decisions, open questions. Say nothing else.`

/** Share of what the queue may take that one result of a function, or one message, may take. */
const ONE_SHARE = 0.25
/** Share of the window that a summary may take. */
const SUMMARY_SHARE = 0.1
/** Share of the window that messages have at least. */
const ROOM_SHARE_MIN = 0.2
const WINDOW_MIN = 1_500

/** An agent whose window never grows, over a memory that does. */
export function pagingAgent({
  space = 'paging',
  name = 'paging',
  model,
  instructions = 'You are a helpful assistant.',
  core = { persona: '', human: '' },
  windowTokens = 8_000,
  answerTokens = Math.min(4_096, Math.floor(windowTokens / 8)),
  eviction,
  blockTokens = Math.floor(windowTokens / 20),
  stepsMax = 20,
  heartbeat = 'always',
}: PagingOptions = {}): Program<PagingInput | string, PagingOutput> {
  if (!(windowTokens >= WINDOW_MIN))
    throw new PolityError('INVALID_ARGUMENT', `paging: windowTokens takes at least ${WINDOW_MIN}, not ${windowTokens}`)
  const choice: { model?: ModelChoice } = model === undefined ? {} : { model }
  const functions = memoryFunctions(heartbeat)

  return defineProgram(
    name,
    async (sys, input: PagingInput | string): Promise<PagingOutput> => {
      const messages = messagesIn(input)
      const storage = pagingStorage(space)
      const blocks = await storage.core(sys, core)
      const tools = sys.tools.map((tool) => tool.name)
      const toolTokens = sys.tools.reduce((sum, tool) => sum + FRAME_TOKENS + textTokens(formOf(tool)), 0)
      let summary = ''
      let [evictions, tokensMax] = [0, 0]

      const head = (): Message[] => {
        const shown = [...blocks].map(([label, text]) => `<${label}>\n${text}\n</${label}>`).join('\n')
        const system: Message = { role: 'system', content: `${instructions}\n${MANNERS}\n\nCore memory:\n${shown}` }
        return summary === ''
          ? [system]
          : [system, { role: 'user', content: `[summary of what left the window] ${summary}` }]
      }
      const room = (): number => windowTokens - answerTokens - toolTokens - tokensOf(head())
      const queue = createQueue({ room, ...(eviction === undefined ? {} : { eviction }) })
      const summaryTokens = Math.floor(windowTokens * SUMMARY_SHARE)
      // What core memory and the summary may still grow by.
      const least = room() - summaryTokens - blocks.size * blockTokens
      if (least < windowTokens * ROOM_SHARE_MIN)
        throw new PolityError(
          'CONFIG_INVALID',
          `paging: instructions, core memory, summary and tools leave ${least} of ${windowTokens} tokens for messages; take a larger window, shorter instructions or fewer blocks`,
        )
      const oneTokens = Math.floor(least * ONE_SHARE)
      const perform = performer({ sys, storage, blocks, blockTokens, resultTokens: oneTokens })

      /** Takes a turn into the queue and whole into recall storage; then what has no room leaves. */
      async function take(turn: readonly Message[], text: string, role: string): Promise<void> {
        await storage.keep(sys, text, role)
        queue.push(turn)
        const left = queue.evict()
        if (left.length === 0) return
        evictions++
        const frame = `${summary === '' ? '' : `The summary so far: ${summary}\n\n`}What leaves:\n`
        const most = windowTokens - summaryTokens - textTokens(SUMMARISE + frame) - 4 * FRAME_TOKENS
        const prompt = frame + clipTokens(turnText(turnOf(left)), most)
        const { text: said } = await sys.generate({
          ...choice,
          instructions: SUMMARISE,
          prompt,
          maxOutputTokens: summaryTokens,
          temperature: 0,
        })
        summary = clipTokens(said, summaryTokens)
        // A longer summary than before leaves less room.
        queue.evict()
      }

      async function answer(message: string): Promise<string> {
        await take([{ role: 'user', content: clipTokens(message, oneTokens) }], message, 'user')
        for (let step = 1; ; step++) {
          if (queue.isUnderPressure()) await take([{ role: 'user', content: PRESSURE }], '', 'system')
          const sent = [...head(), ...queue.messages()]
          tokensMax = Math.max(tokensMax, tokensOf(sent) + toolTokens)
          const said = await sys.generate({
            ...choice,
            messages: sent,
            tools,
            maxOutputTokens: answerTokens,
            ...(step < stepsMax ? {} : { toolChoice: { type: 'none' } as const }),
          })
          if (said.toolCalls.length === 0 || step >= stepsMax) {
            await take([said.message], said.text, 'assistant')
            return said.text
          }
          // One after another: two may edit the same block.
          const results: Performed[] = []
          for (const call of said.toolCalls) results.push(await perform(call))
          // What a search found is in storage as it was; it is not kept once more for having been found.
          const written = said.toolCalls.flatMap(({ name, input }, i) =>
            name.endsWith('_search') ? [] : `${name} ${JSON.stringify(input)}\n${results[i]?.text}`,
          )
          const turn = [said.message, resultMessage(said.toolCalls, results)]
          await take(turn, [said.text, ...written].join('\n'), 'assistant')
          if (heartbeat === 'asked' && !results.some(({ goesOn }) => goesOn)) return said.text
        }
      }

      const answers: string[] = []
      for (const message of messages) answers.push(await answer(message))
      return { answers, evictions, tokensMax }
    },
    { tools: functions, ...choice },
  )
}

function messagesIn(input: unknown): readonly string[] {
  if (typeof input === 'string') return [input]
  const { messages } = (input ?? {}) as { readonly messages?: unknown }
  if (Array.isArray(messages) && messages.every((one) => typeof one === 'string')) return messages
  throw invalid('paging: input', 'a text, or { messages } with a list of texts', input)
}

function formOf({ name, description, inputSchema }: Sys['tools'][number]): string {
  return JSON.stringify({ type: 'function', name, description, inputSchema })
}
