/**
 * ALS: words that start or stop something. A stop sequence that is part of ordinary text cuts answers short; a protocol in
 * instructions that no loop reads is written as text; two triggers of which one begins the other wake the wrong agent.
 */
import type { AgentFacts, Remark, ToolFacts } from './facts.ts'
import { distance, wordsOf } from './words.ts'

/** Markers of loops that read text. Ours reads tool calls. */
const protocol =
  /(^|[\n"'“`>*-]\s*|\b(?:write|say|begin with|start with|starting with|prefix(?:ed)? with|end with|followed by|output|format|respond with|labelled|line|then|and|with|using|reply|words?|keywords?|marker|as)\s+["'“`*]{0,2})(thought|action|action input|observation|final answer|human|assistant|user|system)["'”`*]{0,2}\s*[:：]/i
const inTool =
  /(^|[\n"'“`.;]\s*)(thought|action|action input|observation|final answer|final_answer|human|assistant)["'”`*]{0,2}\s*[:：]|<\|?(im_start|im_end|endoftext|eot_id|end_of_text|begin_of_text|start_header_id|system|assistant|user)\|?>|\[\/?INST\]|<\/?s>|<<\/?SYS>>/i
const markup =
  /<\|?(im_start|im_end|endoftext|eot_id|end_of_text|begin_of_text|start_header_id)\|?>|\[\/?INST\]|<<\/?SYS>>/i
const controlNames =
  /^(final[_-]?answer|answer|finish(ed)?|stop|end|done|observation|thought|action|final|terminate|exit|return|respond|none|null|undefined|true|false|default|auto|required|any)$/i
const common = new Set(
  'the a an and or of to in is it i you we for on with as at by be this that not yes no ok done end stop user answer json result so but if then from . , ; : ! ? - * # " \' ` ( ) [ ] { } / | > < = + 0 1'.split(
    ' ',
  ),
)
/** Instructions that say that a word ends the run. */
const endWord =
  /\b(?:[Ss]ay|[Ww]rite|[Rr]eply|[Rr]espond|[Oo]utput|[Pp]rint|[Aa]nswer|[Tt]ype|[Ee]nd)\b[^.\n]{0,40}?(?:["'“‘`*]+([A-Za-z_ ]{2,20})["'”’`*]+|\b(DONE|STOP|FINISH|FINISHED|TERMINATE|END|COMPLETED?|EXIT|FINAL)\b)[^.\n]{0,60}?\b(?:when|once|to (?:stop|end|finish|signal)|as soon as|if)\b/

export function lintControlWords(agent: AgentFacts, tools: ReadonlyMap<string, ToolFacts>): Remark[] {
  return [...stops(agent, tools), ...instructions(agent)]
}

function stops(
  { name, instructions = '', stopSequences = [], examples = [], outputSchema, tools: held = [] }: AgentFacts,
  tools: ReadonlyMap<string, ToolFacts>,
): Remark[] {
  const where = `agent ${name}`
  const texts = [
    { what: 'an example of a good answer', text: examples.join('\n') },
    { what: 'the name of a tool', text: held.join('\n') },
    { what: 'the description of a tool', text: held.map((one) => tools.get(one)?.description ?? '').join('\n') },
    { what: 'the names in its output schema', text: JSON.stringify(outputSchema ?? '') },
    { what: 'the instructions', text: withoutMention(instructions, stopSequences) },
  ]
  return stopSequences.flatMap((stop, i) => {
    const say = (message: string): Remark[] => [
      { id: 'stop-word', where, message: `the stop sequence ${JSON.stringify(stop)} ${message}` },
    ]
    if (stop === '') return say('is empty')
    if (stop.trim() === '')
      return stop.length <= 2 || !stop.includes('\n')
        ? say('is white space, which every answer has')
        : (stop.length < 3 && say('is white space')) || []
    if (stop.trim().length === 1 || common.has(stop.trim().toLowerCase())) return say('is part of ordinary text')
    const other = stopSequences.find(
      (one, k) => k !== i && one !== '' && stop.startsWith(one) && (one !== stop || k < i),
    )
    if (other !== undefined)
      return say(other === stop ? 'is there twice' : `begins with another, ${JSON.stringify(other)}`)
    const found = texts.find(({ text }) => text.includes(stop))
    return found === undefined ? [] : say(`stands in ${found.what}`)
  })
}

/** Instructions may name the stop sequence to say what it is for: the sentence that says so is left out. */
function withoutMention(instructions: string, stops: readonly string[]): string {
  return instructions
    .split(/(?<=[.!?])\s+|\n+/)
    .filter(
      (sentence) =>
        !(
          /\b(end|stop|finish|terminate|close|conclude|done|last|never|do not|don't)\w*\b/i.test(sentence) &&
          stops.some((stop) => sentence.includes(stop.trim()))
        ),
    )
    .join('\n')
}

function instructions({ name, instructions: text = '' }: AgentFacts): Remark[] {
  const where = `agent ${name}`
  const found = protocol.exec(text)?.[2] ?? markup.exec(text)?.[0]
  if (found !== undefined)
    return [
      {
        id: 'control-word',
        where,
        message: `the instructions have the word “${found.trim()}” of a protocol that the loop does not read`,
      },
    ]
  const ending = endWord.exec(text)
  const word = ending?.[1] ?? ending?.[2]
  if (
    word !== undefined &&
    /^[A-Z_ ]+$|done|finish|stop|terminate|end|complete|exit|final/i.test(word) &&
    (word === word.toUpperCase() ||
      /^(done|finish(ed)?|stop|terminate|end|completed?|exit|final answer)$/i.test(word.trim()))
  )
    return [
      {
        id: 'control-word',
        where,
        message: `the instructions say to end with the word “${word}”, and the loop ends with an answer that asks for no tool`,
      },
    ]
  return []
}

export function lintToolWords({ name, description = '' }: ToolFacts): Remark[] {
  const where = `tool ${name}`
  if (controlNames.test(name))
    return [{ id: 'control-word', where, message: 'its name is a word that loops and providers use themselves' }]
  const found = inTool.exec(description)
  return found === null
    ? []
    : [{ id: 'control-word', where, message: `its description has “${found[0].trim()}”, a word of the loop` }]
}

export function lintTriggers(agents: readonly AgentFacts[]): Remark[] {
  const remarks: Remark[] = []
  const say = (one: string, other: string, message: string): void =>
    void remarks.push({ id: 'trigger-word', where: one === other ? one : `${one}, ${other}`, message })
  const flat = (text: string): string => wordsOf(text).join(' ')
  for (const [i, one] of agents.entries()) {
    for (const [k, trigger] of (one.triggers ?? []).entries()) {
      const where = `agent ${one.name}`
      if (trigger.trim().length < 3 || common.has(flat(trigger)))
        say(where, where, `the trigger ${JSON.stringify(trigger)} stands in ordinary text`)
      for (const [j, other] of agents.entries()) {
        if (j < i) continue
        for (const [m, another] of (other.triggers ?? []).entries()) {
          if (j === i && m <= k) continue
          const [a, b] = [flat(trigger), flat(another)]
          if (a === b) say(where, `agent ${other.name}`, `the trigger ${JSON.stringify(trigger)} is there twice`)
          else if (`${a} `.startsWith(`${b} `) || `${b} `.startsWith(`${a} `))
            say(
              where,
              `agent ${other.name}`,
              `one of the triggers ${JSON.stringify(trigger)} and ${JSON.stringify(another)} begins the other`,
            )
          else if (Math.min(a.length, b.length) >= 5 && distance(a, b) <= 1)
            say(
              where,
              `agent ${other.name}`,
              `the triggers ${JSON.stringify(trigger)} and ${JSON.stringify(another)} are nearly the same`,
            )
        }
      }
    }
    for (const other of agents.slice(i + 1))
      if (wordsOf(one.name).join('') === wordsOf(other.name).join(''))
        say(`agent ${one.name}`, `agent ${other.name}`, 'their names cannot be told apart')
  }
  return remarks
}
