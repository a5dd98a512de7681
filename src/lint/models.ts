/**
 * ADAL and, of an agent's own settings, LARD: whether the model can do what the agent asks of it, and whether it is asked
 * within the ranges of the API.
 *
 * What is known of models by name is a small table of the clear cases, as of 2025; a model that is not in it is not judged.
 */
import type { AgentFacts, ModelFacts, Remark, ToolFacts } from './facts.ts'

/** Of the window, the part that what is sent every time may fill. */
const WINDOW_SHARE = 0.5
const CHARS_PER_TOKEN = 3.6

/** By name, without the provider; the first that matches says. */
const known: readonly (readonly [name: RegExp, facts: ModelFacts])[] = [
  [/embed|^bge-|^e5-|rerank/, { isOther: true }],
  [
    /^(dall-e|gpt-image|imagen|stable-diffusion|flux|whisper|tts-|sora|veo|text-moderation|omni-moderation)|transcribe/,
    { isOther: true },
  ],
  [
    /^(text-)?(davinci|curie|babbage|ada)(-\d+)?$|^code-(davinci|cushman)/,
    { toolCalls: false, jsonMode: false, contextTokens: 4_097, deprecated: true },
  ],
  [/^gpt-3\.5-turbo-instruct/, { toolCalls: false, jsonMode: false, contextTokens: 4_096 }],
  [/^gpt-3\.5-turbo-(0301|0613|16k)/, { deprecated: true }],
  [/^gpt-3\.5-turbo/, { contextTokens: 16_385 }],
  [/^gpt-4-(0314|32k|vision-preview|1106-preview|0125-preview)/, { deprecated: true }],
  [/^gpt-4(-0613)?$/, { contextTokens: 8_192, jsonMode: false }],
  [/^gpt-4\.5-preview/, { deprecated: true }],
  [/^o1-(preview|mini)/, { toolCalls: false, jsonMode: false, deprecated: true }],
  [/^claude-(instant|1|2)/, { toolCalls: false, jsonMode: false, deprecated: true }],
  [/^claude-3-(sonnet|opus|haiku)-?(20|$)|^claude-3-5-sonnet/, { deprecated: true }],
  [/^(palm-2|text-bison|chat-bison|gemini-pro$|gemini-1\.0|gemini-1\.5)/, { deprecated: true }],
  [/^(gemma|phi)-?[123](?!\d)/, { toolCalls: false }],
  [/^llama-?2/, { toolCalls: false, jsonMode: false, contextTokens: 4_096 }],
  [/^command(-light|-nightly)?$/, { toolCalls: false, deprecated: true }],
]

/** What is known of a model by its name. */
export function factsOfModel(name: string): ModelFacts {
  const plain = name.slice(name.lastIndexOf('/') + 1).toLowerCase()
  return known.find(([pattern]) => pattern.test(plain))?.[1] ?? {}
}

const namesOf = (model: AgentFacts['model']): readonly string[] =>
  model === undefined ? [] : typeof model === 'string' ? [model] : model

export function lintModel(agent: AgentFacts, tools: ReadonlyMap<string, ToolFacts>): Remark[] {
  const names = namesOf(agent.model)
  const models =
    agent.modelCapabilities === undefined
      ? names.map((name) => ({ name, facts: factsOfModel(name) }))
      : [{ name: names[0] ?? 'its model', facts: agent.modelCapabilities }]
  return [
    ...models.flatMap(({ name, facts }) => unfit(agent, name, facts, tools)),
    ...options(agent),
    ...naming(agent, models),
  ]
}

function unfit(agent: AgentFacts, model: string, facts: ModelFacts, tools: ReadonlyMap<string, ToolFacts>): Remark[] {
  const where = `agent ${agent.name}`
  const remarks: Remark[] = []
  const say = (message: string): void => void remarks.push({ id: 'model-unfit', where, message })
  if (facts.isOther === true) say(`${model} writes no text`)
  else {
    if (facts.toolCalls === false && (agent.tools ?? []).length > 0)
      say(`${model} takes no tools, and the agent holds ${agent.tools?.join(', ')}`)
    if (facts.jsonMode === false && agent.outputSchema !== undefined)
      say(`${model} cannot be held to a schema, and the agent has one`)
  }
  const { contextTokens } = facts
  if (contextTokens !== undefined && facts.isOther !== true) {
    const wanted = tokensOf(agent, tools)
    if (wanted > contextTokens * WINDOW_SHARE)
      remarks.push({
        id: 'model-window',
        where,
        message: `about ${Math.round(wanted)} tokens are sent every time, and the window of ${model} has ${contextTokens}`,
      })
    else if (agent.maxOutputTokens !== undefined && agent.maxOutputTokens + wanted > contextTokens)
      remarks.push({
        id: 'model-window',
        where,
        message: `an answer may have ${agent.maxOutputTokens} tokens, and the window of ${model} has ${contextTokens}`,
      })
  }
  return remarks
}

function tokensOf(agent: AgentFacts, tools: ReadonlyMap<string, ToolFacts>): number {
  const told = (agent.tools ?? []).map((name) => {
    const tool = tools.get(name)
    return tool === undefined ? '' : `${tool.name}${tool.description}${JSON.stringify(tool.inputSchema ?? {})}`
  })
  const texts = [agent.instructions ?? '', ...(agent.examples ?? []), JSON.stringify(agent.outputSchema ?? ''), ...told]
  return texts.reduce((sum, text) => sum + weightOf(text), 0)
}

/** About as many tokens as a text has: scripts without spaces have about one a character. */
function weightOf(text: string): number {
  const wide = text.match(/[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]/g)?.length ?? 0
  return (text.length - wide) / CHARS_PER_TOKEN + wide
}

function options({ name, temperature, topP, maxOutputTokens, stopSequences }: AgentFacts): Remark[] {
  const remarks: Remark[] = []
  const say = (message: string): void => void remarks.push({ id: 'model-option', where: `agent ${name}`, message })
  for (const message of wrongOptions({ temperature, topP, maxOutputTokens })) say(message)
  if ((stopSequences?.length ?? 0) > 4)
    say(`${stopSequences?.length} stop sequences, and most providers take 4 at most`)
  return remarks
}

/** What is wrong with the numbers of a call. */
export function wrongOptions(given: { readonly [option: string]: number | undefined }): string[] {
  const ranges = {
    temperature: [0, 2],
    topP: [0, 1],
    maxOutputTokens: [1, 10_000_000],
    topK: [1, 10_000],
    seed: [0, Number.MAX_SAFE_INTEGER],
    deadlineMs: [1, Number.MAX_SAFE_INTEGER],
  } as const
  const wholes = ['maxOutputTokens', 'topK', 'seed']
  return Object.entries(ranges).flatMap(([option, [least, most]]) => {
    const value = given[option]
    if (value === undefined) return []
    if (!(value >= least && value <= most)) return [`${option} is ${value}; it has to be from ${least} to ${most}`]
    return wholes.includes(option) && !Number.isInteger(value)
      ? [`${option} is ${value}; it has to be a whole number`]
      : []
  })
}

function naming(agent: AgentFacts, models: readonly { readonly name: string; readonly facts: ModelFacts }[]): Remark[] {
  const where = `agent ${agent.name}`
  const remarks: Remark[] = []
  for (const { name, facts } of models)
    if (facts.deprecated === true)
      remarks.push({ id: 'model-name', where, message: `${name} is withdrawn, or soon will be` })
  for (const name of namesOf(agent.model)) {
    const message = wrongName(name)
    if (message !== undefined) remarks.push({ id: 'model-name', where, message, severity: 'error' })
  }
  return remarks
}

/** What is wrong with a name as `provider/model`. */
export function wrongName(name: string): string | undefined {
  const isPair = /^[a-z0-9][\w.-]*\/[^\s/]\S*$/i.test(name)
  // A driver that was given to boot has whatever name its owner chose.
  if (isPair || !/^(gpt|o\d|claude|gemini|mistral|llama|command|deepseek|grok|qwen|text|chatgpt)/i.test(name))
    return /\s|^\/|\/$/.test(name) || name === '' ? `${JSON.stringify(name)} is no name of a model` : undefined
  return `${JSON.stringify(name)} names no provider`
}
