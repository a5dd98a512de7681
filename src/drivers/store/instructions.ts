/**
 * WebAssembly put together from instructions: for loops over bytes, sixteen at once, which JavaScript does not have.
 *
 *     const scans = instanceOf<{ sum(from: number, end: number): number }>(memory, [
 *       { name: 'sum', parameters: 2, results: 1, body: [1, 1, I32, ...loop(...), ...get(2), 0x0b] },
 *     ])
 *
 * A body is what the binary format of WebAssembly 2.0 (with SIMD) has for a function: its locals, its instructions, and the end.
 * Where there is no WebAssembly (`node --jitless`) there is no instance, and its caller does the same in JavaScript.
 */

export type Code = number[]

/** One function of a module; its parameters and its result are whole numbers of 32 bits. */
export interface FunctionCode {
  readonly name: string
  readonly parameters: number
  readonly results: 0 | 1
  readonly body: Code
}

/** Bytes that WebAssembly and JavaScript both see. */
export interface SharedBytes {
  readonly buffer: ArrayBuffer
  grow(pages: number): unknown
}

export const PAGE_BYTES = 65_536

/** The part of WebAssembly's interface that is used here; the types of Node do not have it. */
interface WebAssemblyLike {
  readonly Memory: new (size: { initial: number }) => SharedBytes
  readonly Module: new (bytes: Uint8Array) => object
  readonly Instance: new (module: object, imports: object) => { readonly exports: object }
}

/** The functions, on a memory of their own of so many pages; undefined where there is no WebAssembly. */
export function instanceOf<Exports extends object>(
  pages: number,
  functions: readonly FunctionCode[],
): (Exports & { readonly memory: SharedBytes }) | undefined {
  const { WebAssembly } = globalThis as { readonly WebAssembly?: WebAssemblyLike }
  if (WebAssembly === undefined) return undefined
  const memory = new WebAssembly.Memory({ initial: pages })
  const module = new WebAssembly.Module(Uint8Array.from(moduleOf(functions)))
  const { exports } = new WebAssembly.Instance(module, { m: { m: memory } })
  return { ...(exports as Exports), memory }
}

/** A type, a body and a name for each function, on an imported memory "m" of "m", of at least a page. */
function moduleOf(functions: readonly FunctionCode[]): Code {
  const numbers = (count: number): Code => [count, ...Array.from({ length: count }, () => I32)]
  const section = (id: number, parts: readonly Code[]): Code => {
    const content = [parts.length, ...parts.flat()]
    return [id, ...sized(content.length), ...content]
  }
  return [
    [0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    section(
      1,
      functions.map(({ parameters, results }) => [0x60, ...numbers(parameters), ...numbers(results)]),
    ),
    section(2, [[1, 0x6d, 1, 0x6d, 2, 0, 1]]),
    section(
      3,
      functions.map((_, i) => [i]),
    ),
    section(
      7,
      functions.map(({ name }, i) => [name.length, ...Buffer.from(name), 0, i]),
    ),
    section(
      10,
      functions.map(({ body }) => [...sized(body.length), ...body]),
    ),
  ].flat()
}

export const I32 = 0x7f
export const V128 = 0x7b
export const ADD = 0x6a
export const MULTIPLY = 0x6c

/** Instructions on a local. */
export const get = (local: number): Code => [0x20, local]
export const set = (local: number): Code => [0x21, local]
/** Sets it and goes on with it. */
export const tee = (local: number): Code => [0x22, local]
/** An instruction on sixteen bytes. */
export const simd = (...code: Code): Code => [0xfd, ...code]
export const zeros = simd(0x0c, ...Array.from({ length: 16 }, () => 0))
/** The sixteen bytes so far behind where a local points to. */
export const load = (local: number, offset: number): Code => [...get(local), ...simd(0x00, 0, offset)]
export const advance = (local: number, by: number): Code => [...get(local), 0x41, ...sized(by), ADD, ...set(local)]
export const isBelow = (a: number, b: number): Code => [...get(a), ...get(b), 0x49]
/** Repeats while its body leaves true. */
export const loop = (...body: Code[]): Code => [0x03, 0x40, ...body.flat(), 0x0d, 0, 0x0b]

/** A number of up to 13 bits, always in two bytes. */
export function sized(number: number): Code {
  return [(number & 127) | 128, number >> 7]
}
