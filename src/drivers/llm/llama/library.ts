/**
 * The library: node-llama-cpp, loaded when the first local model is opened, and never before. Opens a GGUF file as a
 * machine: the weights, one context with several sequences, the chat format of the model.
 *
 *     const machine = await openMachine({ path: '/models/qwen.gguf', sequences: 4, … })
 *     await machine.close()
 *
 * Invariants
 *   LI1. Nothing is downloaded and nothing is compiled: without a prebuilt binary for this machine, opening fails and says so.
 *   LI2. What the library keeps to itself is reached here and nowhere else: asking a grammar about one token (a version
 *        without it is refused when a model is opened) and copying a sequence (a version without it computes again).
 */
import { createRequire } from 'node:module'
import { availableParallelism } from 'node:os'
import type * as Library from 'node-llama-cpp'
import type {
  BatchItem,
  ChatWrapper,
  LlamaContext,
  LlamaContextSequence,
  LlamaGrammar,
  LlamaModel,
  PrioritizedBatchItem,
  Token,
} from 'node-llama-cpp'
import { checkHead } from './files.ts'
import { PolityError, messageOf } from '../../../kernel/errors.ts'

/** How a model is opened. All of it is part of what a saved state belongs to. */
export interface MachineOptions {
  readonly path: string
  /** Generations side by side. */
  readonly sequences: number
  /** Tokens of prompt and answer together, of each sequence. */
  readonly contextTokens: number | undefined
  /** Tokens of a prompt that are computed in one step; undefined: 64 alone, 512 together. */
  readonly batchTokens: number | undefined
  /** Whether sequences are computed one at a time, so that each gets the same bits as if it were alone; undefined: where there is no GPU. */
  readonly batching: 'alone' | 'together' | undefined
  /** Threads; undefined: one less than there are cores. */
  readonly threads: number | undefined
  /** Where the model is computed. */
  readonly gpu: 'auto' | 'cuda' | 'vulkan' | 'metal' | false
  /** Name of a chat format; 'auto': by the file. */
  readonly format: string
}

/** An opened model. */
export interface Machine {
  readonly library: typeof Library
  readonly llama: Library.Llama
  readonly model: LlamaModel
  readonly context: LlamaContext
  readonly format: ChatWrapper
  readonly contextTokens: number
  readonly threads: number
  readonly batching: 'alone' | 'together'
  /** Where answers are the same bit by bit: the blocks in which prompts are computed. */
  readonly block: number | undefined
  /** Name and version of the library. */
  readonly version: string
  /** `target` becomes what `source` is, as far as `upTo` tokens; false: it did not work, and `target` is not to be trusted. */
  copy(source: LlamaContextSequence, target: LlamaContextSequence, upTo: number): Promise<boolean>
  /** A grammar at its beginning, to be asked about one token after the other. */
  grammarState(grammar: LlamaGrammar): GrammarState
  close(): Promise<void>
}

/** Where a text stands in a grammar. */
export interface GrammarState {
  /** Whether the token may come next. The end of the text counts as a token. */
  allows(token: number): boolean
  accept(token: number): void
}

/** Opens the model. Throws `NO_SUCH_MODEL` where the package is missing, `CONFIG_INVALID` where the model cannot be opened. */
export async function openMachine(options: MachineOptions): Promise<Machine> {
  checkHead(options.path)
  const library = await loadLibrary()
  const version = `node-llama-cpp ${await library.getModuleVersion()}`
  const cores = availableParallelism()
  // As many threads as cores would fight the thread that Node runs on: 2 to 22 times slower on 2 cores (reference measurement).
  const threads = options.threads ?? Math.max(1, cores - 1)
  const llama = await runtime(library, version, options.gpu, threads)
  let model: LlamaModel
  try {
    model = await llama.loadModel({ modelPath: options.path, ...(options.gpu === false ? { gpuLayers: 0 } : {}) })
  } catch (cause) {
    throw new PolityError('CONFIG_INVALID', `${options.path} cannot be opened as a GGUF model: ${messageOf(cause)}`, {
      cause,
    })
  }
  const trained = model.trainContextSize
  const wanted = options.contextTokens ?? Math.min(trained, CONTEXT_TOKENS)
  if (wanted > trained) {
    await model.dispose()
    throw new PolityError(
      'CONFIG_INVALID',
      `contextTokens is ${wanted}, and ${options.path} was trained on ${trained}; ask for at most that`,
    )
  }
  const batching = options.batching ?? (llama.gpu === false ? 'alone' : 'together')
  const batchTokens = options.batchTokens ?? (batching === 'alone' ? BLOCK_TOKENS : BATCH_TOKENS)
  const formats: readonly string[] = library.resolvableChatWrapperTypeNames
  if (!formats.includes(options.format)) {
    await model.dispose()
    throw new PolityError('INVALID_ARGUMENT', `format takes ${formats.join(', ')}, not ${options.format}`)
  }
  const context = await model.createContext({
    sequences: options.sequences,
    contextSize: wanted,
    batchSize: Math.min(batchTokens, wanted),
    batching: { itemPrioritizationStrategy: batching === 'alone' ? oneAfterTheOther : 'maximumParallelism' },
    threads: { ideal: threads, min: threads },
    flashAttention: false,
  })
  const format = library.resolveChatWrapper(model, { type: options.format as Library.ResolvableChatWrapperTypeName })
  const inner = innerOf(llama, version)
  return {
    library,
    llama,
    model,
    context,
    format,
    // The last cell of a sequence is the library's own.
    contextTokens: context.contextSize - 1,
    threads,
    batching,
    block: batching === 'alone' ? context.batchSize : undefined,
    version,
    copy: inner.copy,
    grammarState(grammar) {
      const state = new library.LlamaGrammarEvaluationState({ model, grammar }) as unknown as {
        readonly _state: unknown
      }
      return {
        allows: (token) => inner.sampler.canBeNextTokenForGrammarEvaluationState(state._state, token),
        accept: (token) => inner.sampler.acceptGrammarEvaluationStateToken(state._state, token),
      }
    },
    async close() {
      await context.dispose()
      await model.dispose()
    },
  }
}

/** Runtimes that were started, by where and with how many threads they compute: one each, for all models. */
const runtimes = new Map<string, Promise<Library.Llama>>()

function runtime(
  library: typeof Library,
  version: string,
  gpu: MachineOptions['gpu'],
  maxThreads: number,
): Promise<Library.Llama> {
  const key = `${gpu} ${maxThreads}`
  const known = runtimes.get(key)
  if (known !== undefined) return known
  const logLevel = library.LlamaLogLevel.fatal
  const started = library
    .getLlama({ gpu, build: 'never', skipDownload: true, progressLogs: false, logLevel, maxThreads })
    .catch((cause: unknown) => {
      runtimes.delete(key)
      throw new PolityError(
        'CONFIG_INVALID',
        `${version} has no ready binary for this machine (${process.platform}-${process.arch}): ${messageOf(cause)}. Install it again where its optional packages @node-llama-cpp/* may be installed too: npm install node-llama-cpp`,
        { cause },
      )
    })
  runtimes.set(key, started)
  return started
}

/** Of a prompt that is computed alone: large enough for a processor to be busy, small enough to be shared (invented). */
const BLOCK_TOKENS = 64
/** Of all sequences together: llama.cpp's own default. */
const BATCH_TOKENS = 512

/** One sequence a step, in the order in which they asked: who was computed asks again behind the others. */
function oneAfterTheOther({
  items,
  size,
}: {
  readonly items: readonly BatchItem[]
  readonly size: number
}): PrioritizedBatchItem[] {
  const [item] = items
  return item === undefined ? [] : [{ item, processAmount: Math.min(item.tokens.length, size) }]
}

/** Tokens of a context where nobody says how many (invented): each sequence holds the memory of so many. */
const CONTEXT_TOKENS = 4_096

async function loadLibrary(): Promise<typeof Library> {
  try {
    return await import('node-llama-cpp')
  } catch (cause) {
    const code = (cause as { code?: unknown }).code
    const isMissing = code === 'ERR_MODULE_NOT_FOUND' && !isInstalled()
    throw new PolityError(
      isMissing ? 'NO_SUCH_MODEL' : 'CONFIG_INVALID',
      isMissing
        ? 'local models need the package node-llama-cpp, which is not installed; run: npm install node-llama-cpp'
        : `node-llama-cpp is installed but does not load: ${messageOf(cause)}`,
      { cause, detail: { package: 'node-llama-cpp', install: 'npm install node-llama-cpp' } },
    )
  }
}

function isInstalled(): boolean {
  try {
    createRequire(import.meta.url).resolve('node-llama-cpp/package.json')
    return true
  } catch {
    return false
  }
}

/** What the library keeps to itself, as far as it is used here. */
interface Inner {
  readonly sampler: {
    canBeNextTokenForGrammarEvaluationState(state: unknown, token: number): boolean
    acceptGrammarEvaluationStateToken(state: unknown, token: number): void
  }
  readonly copy: Machine['copy']
}

function innerOf(llama: Library.Llama, version: string): Inner {
  const bindings = (llama as unknown as { _bindings?: { AddonSampler?: Inner['sampler'] } })._bindings
  const sampler = bindings?.AddonSampler
  if (typeof sampler?.canBeNextTokenForGrammarEvaluationState !== 'function')
    throw new PolityError(
      'CONFIG_INVALID',
      `${version} is not a version that Polity knows how to use; install one that it was tested with: npm install node-llama-cpp@3.22.1`,
    )
  return {
    sampler,
    async copy(source, target, upTo) {
      const copy = (
        target as unknown as { [SEQUENCE_COPY]?: (from: LlamaContextSequence, upTo: number) => Promise<boolean> }
      )[SEQUENCE_COPY]
      return copy === undefined ? false : copy.call(target, source, upTo)
    },
  }
}

const SEQUENCE_COPY = '_copyStateFromOtherSequence'

/** A number as the library's token: it marks them for the type checker only. */
export function asTokens(tokens: readonly number[]): Token[] {
  return tokens as readonly number[] as Token[]
}
