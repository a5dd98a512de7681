/**
 * One function at the levels of Spec2RTL: its dictionary of information, its interface in Python and in C++ for high-level synthesis, and how it is
 * run on vectors at both: in the sandbox, with the Python and the compiler that are there.
 *
 *     const got = await runPython(sys, [helper, code], 'mix', [[1, 2]])               // [[5]]; or a text that says what went wrong
 *     const functions = [{ name: 'mix', information, code, vectors }]
 *     const files = benchOf(functions)                                                  // { 'design.cpp': …, 'bench.cpp': … }
 *     const { passed, output } = await runBench(sys, files, functions)
 *
 * Numbers are whole, without a sign, of 1 to 32 bits. A function of Python returns a tuple of its outputs; one of C++ gives them back by reference.
 *
 * Invariant
 *   FL1. A bench that does not print what each vector expects has not passed, whatever it returns.
 */
import { z } from 'zod'
import type { Sys } from '../../kernel/types.ts'
import { codeAction } from './code-action.ts'

export const portShape = z.object({ name: z.string(), bits: z.number().int().min(1).max(32) })
const values = z.array(z.number().int().min(0))
export const informationShape = z.object({
  description: z.string(),
  inputs: z.array(portShape),
  outputs: z.array(portShape),
  /** Passages of the specification, word for word. */
  references: z.array(z.string()),
  examples: z.array(z.object({ inputs: values, outputs: values })),
})

export type Port = z.infer<typeof portShape>
export type Information = z.infer<typeof informationShape>
export interface Vector {
  readonly inputs: readonly number[]
  readonly outputs: readonly number[]
}
export interface BenchedFunction {
  readonly name: string
  readonly information: Pick<Information, 'inputs' | 'outputs'>
  readonly code: string
  readonly vectors: readonly Vector[]
}

/** What a function or a port may be called, in both languages. */
export const NAME = /^[a-z][a-z0-9_]{0,40}$/

/** What a dictionary of information lacks, a line each. */
export function lackOf(
  { description, inputs, outputs, references, examples }: Information,
  specification: string,
): string[] {
  const names = [...inputs, ...outputs].map(({ name }) => name)
  const plain = (text: string): string => text.replaceAll(/\s+/g, ' ').trim()
  return [
    ...(description.trim() === '' ? ['The description is missing.'] : []),
    ...(outputs.length === 0 ? ['There are no outputs.'] : []),
    ...(references.length === 0 ? ['There are no references to the specification.'] : []),
    ...names.flatMap((name, i) =>
      NAME.test(name) && names.indexOf(name) === i
        ? []
        : [`"${name}" is no name of a port of its own: a-z, 0-9 and _.`],
    ),
    ...references.flatMap((one) =>
      plain(specification).includes(plain(one)) ? [] : [`The specification does not say: "${one}".`],
    ),
    ...examples.flatMap((one, i) =>
      (misfit(inputs, [one.inputs]) ?? misfit(outputs, [one.outputs])) === undefined
        ? []
        : [`Example ${i + 1} does not fit the ports.`],
    ),
  ]
}

/** How a function is declared, for who writes or calls it. */
export function interfaceOf(name: string, { inputs, outputs }: Information): string {
  const widths = [...inputs, ...outputs].map((port) => `${port.name}: ${port.bits} bits`).join(', ')
  const returned = outputs.map((port) => port.name).join(', ')
  return [
    `Python: def ${name}(${inputs.map((port) => port.name).join(', ')}) returns the tuple (${returned},)`,
    `C++: void ${name}(${[...inputs.map((port) => `${typeOf(port)} ${port.name}`), ...outputs.map((port) => `${typeOf(port)} &${port.name}`)].join(', ')})`,
    `Widths: ${widths}`,
  ].join('\n')
}

function typeOf({ bits }: Port): string {
  return bits <= 8 ? 'uint8_t' : bits <= 16 ? 'uint16_t' : 'uint32_t'
}

/** What the last of some functions returns for each list of inputs; a text: what went wrong. */
export async function runPython(
  sys: Sys,
  codes: readonly string[],
  name: string,
  inputs: readonly (readonly number[])[],
): Promise<readonly (readonly number[])[] | string> {
  const calls = `[[int(one) for one in ${name}(*given)] for given in ${JSON.stringify(inputs)}]`
  const { value, error } = await codeAction(sys, {
    language: 'python',
    code: [...codes, calls].join('\n\n'),
    tools: [],
  })
  return error === undefined ? (value as readonly (readonly number[])[]) : error.message
}

/** Where outputs are not as expected: a line each, the first few. */
export function differences(vectors: readonly Vector[], got: readonly (readonly number[] | undefined)[]): string[] {
  return vectors
    .flatMap(({ inputs, outputs }, i) =>
      JSON.stringify(got[i]) === JSON.stringify(outputs)
        ? []
        : [`inputs ${inputs.join(', ')}: expected ${outputs.join(', ')}, got ${got[i]?.join(', ') ?? 'nothing'}`],
    )
    .slice(0, DIFFERENCES_MAX)
}

const DIFFERENCES_MAX = 5

/** What does not fit the ports of what a function returned; undefined where all does. */
export function misfit(ports: readonly Port[], got: readonly (readonly number[])[]): string | undefined {
  const odd = got.find(
    (one) =>
      one.length !== ports.length ||
      ports.some(({ bits }, i) => !((one[i] as number) >= 0 && (one[i] as number) < 2 ** bits)),
  )
  return odd === undefined ? undefined : `The outputs ${odd.join(', ')} do not fit the ports.`
}

/** What high-level synthesis does not take; undefined where all is well. */
export function unsynthesisable(code: string): string | undefined {
  const bare = code.replaceAll(/\/\*[\s\S]*?\*\/|\/\/[^\n]*/g, ' ')
  const included = [...bare.matchAll(/#\s*(\w+)[^\n]*/g)].find(([line]) => !/^#\s*include\s*<cstdint>\s*$/.test(line))
  if (included !== undefined) return `"${included[0].trim()}": only #include <cstdint> is allowed.`
  const [word] =
    /\b(?:new|delete|malloc|calloc|realloc|free|alloca|std|float|double|int|long|short|char|unsigned|signed|auto|asm|goto|static|extern|main|exit|virtual|throw|try)\b|__\w+/.exec(
      bare,
    ) ?? []
  return word === undefined
    ? undefined
    : `"${word}" is not allowed: no dynamic memory, no library, and every number has a fixed width (uint8_t, uint16_t, uint32_t).`
}

/** The C++ of some functions in their order, and a bench that prints what each vector gives and returns 1 where one is not as expected. */
export function benchOf(functions: readonly BenchedFunction[]): { readonly [file: string]: string } {
  const calls = functions.flatMap(({ name, information: { inputs, outputs }, vectors }) =>
    vectors.map((vector) => {
      const given = inputs.map((port, i) => `(${typeOf(port)})${vector.inputs[i]}u`)
      const results = outputs.map((port, i) => `${typeOf(port)} o${i} = 0;`).join(' ')
      const expected = vector.outputs.map((value, i) => `o${i} != ${value}u`).join(' || ')
      const shown = outputs.map((_, i) => `std::printf(" %lu", (unsigned long)o${i});`).join(' ')
      const passed = [...given, ...outputs.map((_, i) => `o${i}`)].join(', ')
      return `  { ${results} ${name}(${passed}); std::printf("${name}"); ${shown} std::printf("\\n"); if (${expected}) wrong = 1; }`
    }),
  )
  return {
    'design.cpp': `#include <cstdint>\n\n${functions.map(({ code }) => code.trim()).join('\n\n')}\n`,
    'bench.cpp': `#include <cstdio>\n#include "design.cpp"\n\nint main() {\n  int wrong = 0;\n${calls.join('\n')}\n  return wrong;\n}\n`,
  }
}

/** Compiles the bench and runs it. `output`: what the compiler or the bench said. */
export async function runBench(
  sys: Sys,
  files: { readonly [file: string]: string },
  functions: readonly BenchedFunction[],
): Promise<{ readonly passed: boolean; readonly output: string }> {
  const written = Object.entries(files).map(
    ([path, text]) => `printf %s '${Buffer.from(text).toString('base64')}' | base64 -d > ${path}`,
  )
  const { output, error } = await codeAction(sys, {
    language: 'shell',
    code: [...written, 'LC_ALL=C g++ -std=c++17 -O1 -Wall -o bench bench.cpp 2>&1 && ./bench'].join('\n'),
    tools: [],
  })
  const expected = functions.flatMap(({ name, vectors }) =>
    vectors.map(({ inputs, outputs }) => ({ name, inputs, outputs, line: [name, ...outputs].join(' ') })),
  )
  const lines = output.trimEnd().split('\n')
  if (error === undefined && lines.join('\n') === expected.map(({ line }) => line).join('\n'))
    return { passed: true, output }
  const hasRun = lines.length === expected.length && lines.every((line, i) => line.startsWith(`${expected[i]?.name} `))
  if (!hasRun) return { passed: false, output: [output.trim(), error?.message ?? ''].join('\n').trim() }
  const got = lines.map((line) => line.split(' ').slice(1).map(Number))
  return { passed: false, output: differences(expected, got).join('\n') }
}

/** What this machine's sandbox lacks for both levels; undefined where nothing. */
export async function toolsLack(sys: Sys): Promise<string | undefined> {
  const { output } = await codeAction(sys, {
    language: 'shell',
    code: 'for one in g++ python3; do command -v "$one" > /dev/null || echo "$one"; done',
    tools: [],
  })
  return output.trim() === '' ? undefined : output.trim().split('\n').join(' and ')
}
