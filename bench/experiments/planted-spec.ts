/**
 * A planted specification of hardware and a scripted team that implements it: three functions, each a formula in the text, of which one call goes
 * wrong on purpose. Whoever is scripted knows nothing but its prompt, so what it finds shows that the prompt holds what is needed.
 *
 *     const spec = plantedSpec(3, 'earlier')
 *     const says = hardwareTeam(spec, { noise: 0.1 })         // what the model says to a prompt
 */
import { randomAt } from '../../src/kernel/clock.ts'

/** Where the fault is planted; `none`: nowhere. */
export const sources = ['information', 'earlier', 'code', 'person'] as const
export type Source = (typeof sources)[number] | 'none'

export interface PlantedSpec {
  readonly seed: number
  readonly source: Source
  readonly text: string
}

/** Formulas are of JavaScript, Python and C++ alike; each is taken modulo 256. */
export function plantedSpec(seed: number, source: Source): PlantedSpec {
  const constant = (place: number): number => 2 + Math.floor(randomAt(seed, 7, place) * 60)
  const [m, p, q] = [constant(0) | 1, constant(1), constant(2)]
  const scale = (a: number): number => (a * m + p) % 256
  const blend = (a: number, b: number): number => (scale(a) + b * q) % 256
  const check = (a: number, b: number): number => (blend(a, b) ^ scale(b)) % 256
  const wrong = source === 'person' ? 1 : 0
  return {
    seed,
    source,
    text: [
      'The unit computes three functions of bytes; every result is taken modulo 256.',
      `The function scale(a) is a * ${m} + ${p}. For example scale(10) = ${scale(10)}.`,
      `The function blend(a, b) is scale(a) + b * ${q}. For example blend(10, 5) = ${(blend(10, 5) + wrong) % 256}.`,
      `The function check(a, b) is blend(a, b) ^ scale(b). For example check(20, 7) = ${check(20, 7)}.`,
    ].join('\n'),
  }
}

interface Said {
  readonly line: string
  readonly name: string
  readonly inputs: readonly string[]
  readonly formula: string
  readonly example: { readonly inputs: readonly number[]; readonly outputs: readonly number[] }
}

function functionsIn(text: string): readonly Said[] {
  const line = /The function (\w+)\(([^)]*)\) is (.+?)\. For example \w+\(([^)]*)\) = (\d+)\./g
  return [...text.matchAll(line)].map(([all, name = '', inputs = '', formula = '', given = '', output = '']) => ({
    line: all,
    name,
    inputs: inputs.split(', '),
    formula,
    example: { inputs: given.split(', ').map(Number), outputs: [Number(output)] },
  }))
}

/** A document of a prompt by its name. */
const part = (prompt: string, name: string): string => {
  const [, text = ''] = prompt.split(`# ${name}\n`)
  return (text.split(/\n\n# /)[0] ?? '').trim()
}
const numberIn = (formula: string): string => /\d+/.exec(formula)?.[0] ?? '1'
/** The formula with its first number changed, or where it has none with one added. */
const altered = (formula: string): string =>
  /\d/.test(formula) ? formula.replace(/\d+/, String(Number(numberIn(formula)) + 2)) : `${formula} + 1`
const fence = (code: string): string => `\`\`\`\n${code}\n\`\`\``
/** The formula that code stands for. */
const formulaOf = (code: string): string =>
  (/return \(\((.*)\) % 256,\)/.exec(code)?.[1] ?? /out = \((.*)\) % 256;/.exec(code)?.[1] ?? code).replaceAll(
    ')[0]',
    ')',
  )

export interface TeamOptions {
  /** How often the critic says anything else, 0 to 1. @default 0 */
  readonly noise?: number
  /** Is told what the critic said. */
  readonly onVerdict?: (fault: string) => void
}

export function hardwareTeam({ seed, source }: PlantedSpec, { noise = 0, onVerdict }: TeamOptions = {}) {
  let verdicts = 0
  const hasCode = randomAt(seed, 8, 0) < 0.5 ? 'python' : 'c++'
  return (prompt: string): string | object => {
    const [, name = ''] = /the function (\w+)[ ,]/i.exec(prompt) ?? []
    const isBack = prompt.includes('# Why it was sent back')
    if (prompt.includes('Summarise this section')) return prompt.slice(prompt.indexOf('The unit computes'))
    if (prompt.includes('Split what is specified'))
      return {
        functions: functionsIn(prompt).map(({ name: id, formula, line }) => ({
          id,
          goal: line,
          after: [...new Set([...formula.matchAll(/(\w+)\(/g)].map(([, called]) => called))],
        })),
      }
    if (prompt.includes('Write the dictionary of information')) {
      const own = functionsIn(prompt).find((one) => one.name === name) as Said
      const isWrong = source === 'information' && name === 'blend' && !isBack
      return {
        description: `${isWrong ? altered(own.formula) : own.formula}`,
        inputs: own.inputs.map((input) => ({ name: input, bits: 8 })),
        outputs: [{ name: 'out', bits: 8 }],
        references: [own.line],
        examples: prompt.includes('A person decided') ? [] : [own.example],
      }
    }
    if (prompt.includes('Follow how it came about')) return verdict(prompt, name)
    const information = part(prompt, `information ${name}`)
    const formula = /"description": "(.*)"/.exec(information)?.[1] ?? ''
    const inputs = [...information.matchAll(/"name": "(\w+)"/g)].map(([, input]) => input as string).slice(0, -1)
    if (prompt.includes('Write pseudocode')) return `return ${formula}`
    if (prompt.includes('in Python by its pseudocode')) {
      const isWrong = source === 'code' && hasCode === 'python' && name === 'check' && !isBack
      // Right on its own example and on that of the next function, wrong on what the last one meets.
      const isSly = source === 'earlier' && name === 'scale' && !isBack
      const called = (isWrong ? altered(formula) : isSly ? `${formula} + (a == 20)` : formula).replaceAll(
        /(\w\([^)]*\))/g,
        '$1[0]',
      )
      return fence(`def ${name}(${inputs.join(', ')}):\n    return ((${called}) % 256,)`)
    }
    const isWrong = source === 'code' && hasCode === 'c++' && name === 'check' && !isBack
    const python = formulaOf(part(prompt, `python ${name}`))
    const calls = [...python.matchAll(/(\w+)\(([^)]*)\)/g)].map(([call]) => call)
    const before = calls.map((call, i) => `  uint8_t t${i} = 0;\n  ${call.slice(0, -1)}, t${i});\n`).join('')
    const body = calls.reduce((text, call, i) => text.replace(call, `t${i}`), isWrong ? altered(python) : python)
    const ports = [...inputs.map((input) => `uint8_t ${input}`), 'uint8_t &out'].join(', ')
    return fence(`void ${name}(${ports}) {\n${before}  out = (${body}) % 256;\n}`)
  }

  /** By what the prompt holds: the first place on the way where two neighbours do not say the same. */
  function verdict(prompt: string, name: string): object {
    const said = functionsIn(part(prompt, 'specification'))
    const level = /^# (python|c\+\+) /m.exec(prompt)?.[1] ?? 'python'
    const informed = (one: string): string =>
      /"description": "(.*)"/.exec(part(prompt, `information ${one}`))?.[1] ?? ''
    const coded = (one: string): string => {
      const code = part(prompt, `${level} ${one}`)
      const calls = [...code.matchAll(/ {2}(\w+\([^)]*), t(\d)\);/g)]
      return calls.reduce((text, [, call, i]) => text.replace(`t${i}`, `${call})`), formulaOf(code))
    }
    const below = [...prompt.matchAll(/^# information (\w+)$/gm)]
      .map(([, one]) => one as string)
      .filter((one) => one !== name)
    const earlier = below.find((one) => coded(one) !== informed(one))
    const fault =
      informed(name) !== said.find((one) => one.name === name)?.formula
        ? 'information'
        : coded(name) !== informed(name)
          ? 'code'
          : earlier !== undefined
            ? 'earlier'
            : 'person'
    const isDistracted = randomAt(seed, 9, verdicts++) < noise
    const told = isDistracted ? (sources[Math.floor(randomAt(seed, 10, verdicts) * 3)] as string) : fault
    onVerdict?.(told)
    return { fault: told, why: 'They do not say the same.', ...(earlier === undefined ? {} : { name: earlier }) }
  }
}
