/**
 * A tiny language model, made when a test needs one: a GGUF file of the `llama` architecture with random weights. It talks
 * nonsense, but with the real runtime, the real tokenizer and the real caches.
 *
 *     const path = tinyGguf(folder)                       // 0.5 MB, 356 tokens, 2 layers
 *     const other = tinyGguf(folder, { seed: 2 })         // as large, another model
 *
 * Tokens are 5 control tokens, the 256 bytes, and the 95 printable characters of ASCII. The format is GGUF version 3 as
 * its specification in the ggml repository has it; the names of tensors and keys are those that llama.cpp reads.
 * The same options write the same bytes.
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { randomAt } from '../src/kernel/clock.ts'

export interface TinyOptions {
  /** Chooses the weights. @default 1 */
  readonly seed?: number
  /** @default 2 */
  readonly layers?: number
  /** Width of the residual stream; a multiple of `heads`. @default 64 */
  readonly width?: number
  /** @default 4 */
  readonly heads?: number
  /** Tokens that the model says it was trained on. @default 2,048 */
  readonly contextTokens?: number
}

const template =
  "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n' }}{% endfor %}" +
  "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"

const control = ['<unk>', '<s>', '</s>', '<|im_start|>', '<|im_end|>']

/** Writes the model into `folder` and returns its path. */
export function tinyGguf(folder: string, options: TinyOptions = {}): string {
  const { seed = 1, layers = 2, width = 64, heads = 4, contextTokens = 2_048 } = options
  const feedForward = 2 * width
  const tokens = [
    ...control,
    ...Array.from({ length: 256 }, (_, i) => `<0x${i.toString(16).toUpperCase().padStart(2, '0')}>`),
    ...Array.from({ length: 95 }, (_, i) => String.fromCharCode(32 + i).replace(' ', '▁')),
  ]
  const types = tokens.map((_, i) => (i === 0 ? UNKNOWN : i < control.length ? CONTROL : i < 261 ? BYTE : NORMAL))
  const keys: readonly Buffer[] = [
    text('general.architecture', 'llama'),
    text('general.name', `tiny-${seed}`),
    whole('general.alignment', ALIGNMENT),
    whole('llama.block_count', layers),
    whole('llama.context_length', contextTokens),
    whole('llama.embedding_length', width),
    whole('llama.feed_forward_length', feedForward),
    whole('llama.attention.head_count', heads),
    whole('llama.attention.head_count_kv', heads),
    whole('llama.rope.dimension_count', width / heads),
    whole('llama.vocab_size', tokens.length),
    key('llama.attention.layer_norm_rms_epsilon', FLOAT32, float(1e-5)),
    text('tokenizer.ggml.model', 'llama'),
    list('tokenizer.ggml.tokens', STRING, tokens.map(string)),
    list(
      'tokenizer.ggml.scores',
      FLOAT32,
      tokens.map((_, i) => float(i < 261 ? 0 : -i)),
    ),
    list('tokenizer.ggml.token_type', INT32, types.map(u32)),
    whole('tokenizer.ggml.unknown_token_id', 0),
    whole('tokenizer.ggml.bos_token_id', 1),
    whole('tokenizer.ggml.eos_token_id', 4),
    key('tokenizer.ggml.add_bos_token', BOOL, Buffer.from([1])),
    key('tokenizer.ggml.add_space_prefix', BOOL, Buffer.from([0])),
    text('tokenizer.chat_template', template),
  ]
  const tensors: { name: string; shape: readonly number[]; values: Float32Array }[] = []
  const add = (name: string, shape: readonly number[], scale: number | 'ones'): Float32Array => {
    const values = new Float32Array(shape.reduce((a, b) => a * b))
    const stream = tensors.length + 1
    for (let i = 0; i < values.length; i++) values[i] = scale === 'ones' ? 1 : scale * normal(seed, stream, i)
    tensors.push({ name, shape, values })
    return values
  }
  add('token_embd.weight', [width, tokens.length], 1)
  for (let layer = 0; layer < layers; layer++) {
    const name = (part: string): string => `blk.${layer}.${part}.weight`
    add(name('attn_norm'), [width], 'ones')
    // Wide enough that attention looks at something: an answer must depend on all that came before it.
    for (const part of ['attn_q', 'attn_k', 'attn_v', 'attn_output'])
      add(name(part), [width, width], 1.5 / Math.sqrt(width))
    add(name('ffn_norm'), [width], 'ones')
    add(name('ffn_gate'), [width, feedForward], 1.5 / Math.sqrt(width))
    add(name('ffn_up'), [width, feedForward], 1.5 / Math.sqrt(width))
    add(name('ffn_down'), [feedForward, width], 1.5 / Math.sqrt(feedForward))
  }
  add('output_norm.weight', [width], 'ones')
  const output = add('output.weight', [width, tokens.length], 2 / Math.sqrt(width))
  // Control tokens and bytes get the logit 0 always, so that the text is made of characters and does not end at once.
  output.fill(0, 0, 261 * width)
  const path = join(folder, `tiny-${seed}-${layers}x${width}.gguf`)
  writeFileSync(path, gguf(keys, tensors))
  return path
}

// The format's numbers of types.
const INT32 = 5
const UINT32 = 4
const FLOAT32 = 6
const BOOL = 7
const STRING = 8
const ARRAY = 9
const ALIGNMENT = 32
// Kinds of tokens.
const NORMAL = 1
const UNKNOWN = 2
const CONTROL = 3
const BYTE = 6

function gguf(
  keys: readonly Buffer[],
  tensors: readonly { name: string; shape: readonly number[]; values: Float32Array }[],
): Buffer {
  const head: Buffer[] = [Buffer.from('GGUF'), u32(3), u64(tensors.length), u64(keys.length), ...keys]
  let offset = 0
  for (const { name, shape, values } of tensors) {
    head.push(string(name), u32(shape.length), ...shape.map(u64), u32(0), u64(offset))
    offset += Math.ceil(values.byteLength / ALIGNMENT) * ALIGNMENT
  }
  const pad = (parts: Buffer): Buffer => Buffer.alloc((ALIGNMENT - (parts.length % ALIGNMENT)) % ALIGNMENT)
  const before = Buffer.concat(head)
  const data = tensors.flatMap(({ values }) => {
    const bytes = Buffer.from(values.buffer)
    return [bytes, pad(bytes)]
  })
  return Buffer.concat([before, pad(before), ...data])
}

function normal(seed: number, stream: number, index: number): number {
  const radius = Math.sqrt(-2 * Math.log(1 - randomAt(seed, stream, 2 * index)))
  return radius * Math.cos(2 * Math.PI * randomAt(seed, stream, 2 * index + 1))
}

function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32LE(value)
  return bytes
}

function u64(value: number): Buffer {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64LE(BigInt(value))
  return bytes
}

function float(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeFloatLE(value)
  return bytes
}

function string(value: string): Buffer {
  const bytes = Buffer.from(value)
  return Buffer.concat([u64(bytes.length), bytes])
}

function key(name: string, type: number, value: Buffer): Buffer {
  return Buffer.concat([string(name), u32(type), value])
}

function text(name: string, value: string): Buffer {
  return key(name, STRING, string(value))
}

function whole(name: string, value: number): Buffer {
  return key(name, UINT32, u32(value))
}

function list(name: string, type: number, values: readonly Buffer[]): Buffer {
  return key(name, ARRAY, Buffer.concat([u32(type), u64(values.length), ...values]))
}
