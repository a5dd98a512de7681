/**
 * T6, signatures of APIs: 1,414 planted ones in the form of ShortcutsBench, written from a known structure with what is hard in them
 * (commas and brackets in defaults, quotes in names of values, apostrophes, conditions, texts over several lines), read back, and
 * calls of them with one planted fault. The release's own file is not part of this repository: its 1,414 are not measured here;
 * with it at hand, `SHORTCUTS=all_api2info.json node bench/experiments.ts T6` reads those too.
 */
import { readFileSync } from 'node:fs'
import { isDeepStrictEqual } from 'node:util'
import { callFaults, parseSignature, type ApiParameter, type ApiSignature } from '../../src/agents/api-signature.ts'
import { randomAt } from '../../src/kernel/clock.ts'
import type { Json } from '../../src/kernel/types.ts'
import type { Experiment } from './experiment.ts'

const COUNT = 1_414
const words = 'photo list window date light file note timer song mail event text number device level account'.split(' ')
const odd = ['plain', 'with, comma', 'a (bracket)', "it's", 'say "so"', 'x = 1', 'a: b', '->', 'Größe', '']

function plant(seed: number) {
  let drawn = 0
  const draw = (below: number) => Math.floor(randomAt(seed, 0, drawn++) * below)
  const any = <T>(list: readonly T[]): T => list[draw(list.length)] as T
  const parameters: ApiParameter[] = []
  for (let i = draw(9); i > 0; i--) {
    const kind = any(['Bool', 'Integer', 'String', 'Enum', 'WFVariablePickerParameter(Object)', 'Number'])
    const values =
      kind === 'Enum' && draw(8) > 0
        ? [...new Set([any(words), any(odd), any(odd), any(words), 'Last'])].filter((one) => one !== '')
        : []
    const given: { [kind: string]: Json } = {
      Bool: draw(2) === 0,
      Integer: draw(99),
      Number: draw(99) / 8,
      String: any(odd),
      Enum: values.at(-1) ?? 'any',
    }
    const on = parameters.find((one) => one.values.length > 1)
    const onlyIf =
      on !== undefined && draw(4) === 0 ? { parameter: on.name, values: [on.values[0] as string] } : undefined
    const listed = values.map((one) => JSON.stringify(one)).join(', ')
    const description = [
      `The ${any(words)}'s ${any(words)}.`,
      ...(values.length === 0
        ? []
        : [
            `The value of this Enum must be one of the following values (The text in parentheses describes the value): ${listed}.`,
          ]),
      ...(onlyIf === undefined
        ? []
        : [
            `This value depends on the value of ${onlyIf.parameter}. This parameter is only valid when the value of "${onlyIf.parameter}" is ${JSON.stringify(onlyIf.values[0])}.`,
          ]),
    ].join(' ')
    parameters.push({
      name: `WF${any(words)}${i}`,
      type: kind,
      isObject: kind.endsWith('(Object)'),
      ...(draw(2) === 0 || given[kind] === undefined ? {} : { default: given[kind] }),
      description,
      values,
      ...(onlyIf === undefined ? {} : { onlyIf }),
    })
  }
  const returns = draw(2) === 0 ? undefined : { name: `Made ${any(words)}`, type: 'NSString(Object)' }
  const api: ApiSignature = {
    name: `com.example.${any(words)}.${any(words)}${seed}`,
    parameters,
    ...(returns === undefined ? {} : { returns }),
    title: `Get ${any(words)}`,
    description: `Gives the ${any(words)}: it's (nearly) a "${any(words)}".`,
    summary: `Show \${${parameters[0]?.name ?? 'nothing'}}`,
  }
  return { api, draw }
}

const python = (value: Json): string =>
  typeof value === 'boolean' ? (value ? 'True' : 'False') : JSON.stringify(value)

/** Written as the data has it. */
function written({ name, parameters, returns, title, description, summary }: ApiSignature): string {
  const list = parameters.map(
    (one) => `${one.name}: ${one.type}${one.default === undefined ? '' : ` = ${python(one.default)}`}`,
  )
  return [
    `${name}(${list.join(', ')})${returns === undefined ? '' : ` -> ${returns.name}: ${returns.type}`}`,
    'Parameters:',
    ...parameters.map((one) => `    ${one.name}:  ${one.description}`),
    ...(returns === undefined ? [] : ['Return Value:', `    ${returns.name}: `]),
    'Description:',
    `    ${title}: ${description}`,
    `ParameterSummary: ${summary}`,
    '',
  ].join('\n')
}

/** Arguments that fit: every second parameter, those with a condition only where it holds. */
function fitting({ parameters }: ApiSignature, draw: (below: number) => number): { [name: string]: Json } {
  const args: { [name: string]: Json } = {}
  for (const { name, type, isObject, values, onlyIf } of parameters) {
    if (draw(2) === 0) continue
    if (onlyIf !== undefined) {
      const there = args[onlyIf.parameter] ?? parameters.find((one) => one.name === onlyIf.parameter)?.default
      if (there !== undefined && !onlyIf.values.includes(there)) continue
    }
    const by: { [type: string]: Json } = {
      Bool: draw(2) === 0,
      Integer: draw(99),
      Number: draw(99) / 8,
      String: 'some',
    }
    args[name] = isObject
      ? { from: 'the step before' }
      : type === 'Enum'
        ? (values[draw(values.length)] ?? 'any')
        : (by[type] as Json)
  }
  return args
}

export const t6: Experiment = {
  id: 'T6',
  what: `${COUNT} planted signatures in the form of ShortcutsBench, calls with one fault`,
  bar: 'all read as they were meant; every bad enum, type, name and condition caught, no fitting call refused (the release’s file: not measured)',
  seeds: 1,
  run() {
    let [same, enums, enumsCaught, others, othersCaught, fine, fineKept] = [0, 0, 0, 0, 0, 0, 0]
    for (let seed = 0; seed < COUNT; seed++) {
      const { api, draw } = plant(seed)
      const read = parseSignature(written(api))
      if (isDeepStrictEqual(read, api)) same++
      const args = fitting(api, draw)
      fine++
      if (callFaults(read, args).length === 0) fineKept++
      const caught = (name: string, value: Json): boolean =>
        callFaults(read, { [name]: value }).some((fault) => fault.includes(name))
      for (const { name, type, values, onlyIf } of api.parameters) {
        if (values.length > 0) {
          enums++
          if (caught(name, `${values[0]}?`)) enumsCaught++
        }
        if (onlyIf !== undefined) {
          const where = api.parameters.find((one) => one.name === onlyIf.parameter)
          const other = where?.values.find((one) => !onlyIf.values.includes(one))
          others++
          const faults = callFaults(read, { [onlyIf.parameter]: other as string, [name]: { from: 'before' } })
          if (faults.length === 1 && faults[0]?.includes(`${name} is only valid`)) othersCaught++
        }
        const bad: { [type: string]: Json } = { Bool: 'yes', Integer: 1.5, Number: '1', String: 3, Enum: 7 }
        if (bad[type] === undefined) continue
        others++
        if (caught(name, bad[type])) othersCaught++
      }
      others++
      if (caught('WFNothing', 1)) othersCaught++
    }
    const file = process.env['SHORTCUTS']
    const real =
      file === undefined ? [] : Object.values(JSON.parse(readFileSync(file, 'utf8')) as { [name: string]: string })
    const readable = real.filter((text) => {
      try {
        return parseSignature(text).name !== ''
      } catch {
        return false
      }
    }).length
    return {
      measured: `${same} of ${COUNT} as meant; ${enumsCaught} of ${enums} bad enums, ${othersCaught} of ${others} other faults caught; ${fineKept} of ${fine} fitting calls pass${file === undefined ? '' : `; of the release’s file ${readable} of ${real.length} read`}`,
      ok:
        same === COUNT &&
        enumsCaught === enums &&
        othersCaught === others &&
        fineKept === fine &&
        readable === real.length,
    }
  },
}
