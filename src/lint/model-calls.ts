/** LARD, in sources: options that a model call does not have or that contradict each other, keys in the open, calls of SDKs that are gone. */
import { requestKeys } from '../kernel/request.ts'
import type { Remark } from './facts.ts'
import { argumentsOf } from './model-text.ts'
import { factsOfModel, wrongName, wrongOptions } from './models.ts'
import type { Call, Source } from './source.ts'
import { callsOf, isWord, placeAt, textAt } from './source.ts'

/** Calls that were once in an SDK, by the names at their end. */
const stale: readonly (readonly [names: readonly string[], instead: string])[] = [
  [['createCompletion'], 'the SDK of version 3'],
  [['createChatCompletion'], 'the SDK of version 3'],
  [['createEmbedding'], 'the SDK of version 3'],
  [['Completion', 'create'], 'the old completions'],
  [['ChatCompletion', 'create'], 'the old chat completions'],
  [['completions', 'complete'], 'the old completions'],
  [['client', 'complete'], 'the old completions'],
  [['anthropic', 'complete'], 'the old completions'],
  [['generateMessage'], 'PaLM'],
  [['beta', 'assistants', 'create'], 'the assistants'],
  [['beta', 'threads', 'create'], 'the assistants'],
]
const staleClasses = [
  'OpenAIApi',
  'Configuration',
  'LLMChain',
  'ConversationChain',
  'DiscussServiceClient',
  'TextServiceClient',
]

const secret =
  /^(sk-[A-Za-z0-9_-]{16,}|sk-ant-[\w-]{16,}|AIza[\w-]{30,}|gsk_\w{20,}|xai-\w{20,}|hf_\w{20,}|r8_\w{20,}|pplx-\w{20,}|Bearer\s+(sk|gsk|xai|hf)[-_]\S{16,}|[A-Za-z0-9]{40,})$/
const keyName = /(api|access|secret|auth)[_-]?(key|token)$/i

export function lintModelCalls(source: Source): Remark[] {
  const calls = callsOf(source, 'generate').filter(({ at }) => textAt(source, at - 1) === '.')
  return [...calls.flatMap((call) => optionsOf(source, call)), ...names(source), ...keys(source), ...staleCalls(source)]
}

interface Property {
  readonly name: string
  /** First place of the value. */
  readonly value: number
  readonly end: number
}

/** The properties of an object literal, those of them that are written out. */
function propertiesOf(source: Source, open: number): Property[] {
  return argumentsOf(source, open, source.pair[open] as number).flatMap(([from, to]) => {
    const token = source.tokens[from]
    if (token === undefined || (token.kind !== 'word' && token.kind !== 'string')) return []
    if (from === to) return [{ name: token.text, value: from, end: to }]
    return textAt(source, from + 1) === ':' ? [{ name: token.text, value: from + 2, end: to }] : []
  })
}

function optionsOf(source: Source, { at, open }: Call): Remark[] {
  if (textAt(source, open + 1) !== '{') return []
  const where = placeAt(source, at)
  const properties = propertiesOf(source, open + 1)
  const remarks: Remark[] = []
  const say = (message: string): void => void remarks.push({ id: 'model-option', where, message })
  const isOurs =
    isWord(source, at - 2, 'sys') || properties.some(({ name }) => ['instructions', 'maxOutputTokens'].includes(name))
  for (const { name } of properties) if (isOurs && !requestKeys.has(name)) say(`a model call has no option ${name}`)
  const has = (name: string): boolean => properties.some((one) => one.name === name)
  if (isOurs && has('prompt') && has('messages')) say('both prompt and messages are given')
  if (isOurs && has('toolChoice') && !has('tools') && !hasSpread(source, open + 1))
    say('toolChoice is given, and no tools')
  for (const message of wrongOptions(Object.fromEntries(properties.map((one) => [one.name, numberOf(source, one)]))))
    say(message)
  return remarks
}

function hasSpread(source: Source, open: number): boolean {
  for (let i = open; i < (source.pair[open] as number); i++) if (textAt(source, i) === '...') return true
  return false
}

function numberOf(source: Source, { value, end }: Property): number | undefined {
  const isNegative = textAt(source, value) === '-'
  const at = isNegative ? value + 1 : value
  const token = source.tokens[at]
  if (token?.kind !== 'number' || at !== end) return undefined
  const number = Number(token.text.replaceAll('_', ''))
  return isNegative ? -number : number
}

/** `model: '…'` anywhere, and the second argument of a provider. */
function names(source: Source): Remark[] {
  return source.tokens.flatMap((token, i) => {
    if (
      token.kind !== 'string' ||
      textAt(source, i - 1) !== ':' ||
      !isWord(source, i - 2, 'model', 'modelName', 'modelId')
    )
      return []
    const where = placeAt(source, i)
    const remarks: Remark[] = []
    if (factsOfModel(token.text).deprecated === true)
      remarks.push({ id: 'model-name', where, message: `${token.text} is withdrawn, or soon will be` })
    const message = wrongName(token.text)
    if (message !== undefined) remarks.push({ id: 'model-name', where, message })
    return remarks
  })
}

function keys(source: Source): Remark[] {
  const remarks: Remark[] = []
  for (const [i, token] of source.tokens.entries()) {
    if (token.kind === 'string' || token.kind === 'template') {
      const isNamed = ['=', ':'].includes(textAt(source, i - 1)) && keyName.test(source.tokens[i - 2]?.text ?? '')
      const isSecret = secret.test(token.text) && (isNamed || !/^[A-Za-z0-9]{40,}$/.test(token.text))
      if (isSecret || (isNamed && /^[\w-]{20,}$/.test(token.text) && /\d/.test(token.text)))
        remarks.push({ id: 'api-key', where: placeAt(source, i), message: 'a key stands in the source' })
      continue
    }
    if (!isWord(source, i, 'env') || textAt(source, i - 1) !== '.') continue
    // env.NAME or env['NAME']
    const isBracket = textAt(source, i + 1) === '['
    const name = source.tokens[i + 2]?.text ?? ''
    if (!/(_|^)(API_?KEY|API_?TOKEN|ACCESS_?TOKEN|SECRET(_KEY)?)$/.test(name)) continue
    const after = i + (isBracket ? 4 : 3)
    const isForced = textAt(source, after) === '!' && textAt(source, after + 1) !== '='
    const isEmptied = ['??', '||'].includes(textAt(source, after)) && source.tokens[after + 1]?.kind === 'string'
    const isCast = isWord(source, after, 'as') && isWord(source, after + 1, 'string')
    if (isForced || isEmptied || isCast)
      remarks.push({
        id: 'api-key',
        where: placeAt(source, i),
        message: `${name} is used without asking whether it is there`,
        severity: 'warning',
      })
  }
  return remarks
}

function staleCalls(source: Source): Remark[] {
  const remarks: Remark[] = []
  for (const [path, what] of stale) {
    for (const { at } of callsOf(source, path.at(-1) as string)) {
      if (textAt(source, at - 1) !== '.') continue
      if (path.every((name, i) => isWord(source, at - 2 * (path.length - 1 - i), name)))
        remarks.push({ id: 'api-stale', where: placeAt(source, at), message: `${path.join('.')} is of ${what}` })
    }
  }
  for (const [i] of source.tokens.entries())
    if (isWord(source, i, 'new') && isWord(source, i + 1, ...staleClasses))
      remarks.push({
        id: 'api-stale',
        where: placeAt(source, i),
        message: `${source.tokens[i + 1]?.text} is gone from its SDK`,
      })
  return remarks
}
