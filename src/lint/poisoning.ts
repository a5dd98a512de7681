/**
 * Poisoned texts: characters that a reader does not see, and orders to the model in what should only say what a tool does.
 *
 * Orders are found by what they want (to override, to conceal, to go first, to carry secrets, to speak as somebody else) in
 * the common ways to say so, in English. A clever text in other words passes; that one is clean is no proof.
 */
import type { AgentFacts, JsonSchema, Remark, ToolFacts } from './facts.ts'
import { parametersOf } from './tool-information.ts'

interface Text {
  readonly where: string
  readonly what: string
  readonly text: string
}

function textsOf(tool: ToolFacts): Text[] {
  const where = `tool ${tool.name}`
  const texts: Text[] = [
    { where, what: 'its name', text: tool.name },
    { where, what: 'its description', text: tool.description ?? '' },
  ]
  for (const schema of [tool.inputSchema, tool.outputSchema]) {
    for (const { path, schema: one } of parametersOf(schema))
      texts.push({ where, what: `the parameter ${path}`, text: [path, ...textsIn(one)].join('\n') })
    if (schema !== undefined) texts.push({ where, what: 'its schema', text: textsIn(schema).join('\n') })
  }
  return texts
}

function textsIn(schema: JsonSchema): string[] {
  const { title, description, default: standard, enum: values, examples } = schema
  return [
    title,
    description,
    standard,
    ...(Array.isArray(values) ? values : []),
    ...(Array.isArray(examples) ? examples : []),
  ].filter((one) => typeof one === 'string')
}

export function lintToolTexts(tool: ToolFacts): Remark[] {
  const texts = textsOf(tool)
  const remarks = once(texts.flatMap(({ where, what, text }) => sayHidden(where, what, text)))
  for (const { where, what, text } of texts) {
    const said = orderIn(text, tool.name)
    if (said === undefined) continue
    remarks.push({ id: 'hidden-instructions', where, message: `${what} speaks to the model: “${said}”` })
    break
  }
  return remarks
}

export function lintAgentTexts({ name, instructions = '', examples = [] }: AgentFacts): Remark[] {
  return once([instructions, ...examples].flatMap((text) => sayHidden(`agent ${name}`, 'its instructions', text)))
}

/** Names, patterns and reasons of a law. */
export function lintLawTexts(json: unknown): Remark[] {
  const texts: string[] = []
  const walk = (value: unknown, depth: number): void => {
    if (depth > 40) return
    if (typeof value === 'string') texts.push(value)
    else if (typeof value === 'object' && value !== null)
      for (const [key, one] of Object.entries(value)) {
        texts.push(key)
        walk(one, depth + 1)
      }
  }
  walk(json, 0)
  return once(texts.flatMap((text) => sayHidden('law', `“${text.slice(0, 40)}”`, text)))
}

const once = (remarks: readonly Remark[]): Remark[] => remarks.slice(0, 1)

function sayHidden(where: string, what: string, text: string): Remark[] {
  const found = hiddenIn(text, what === 'its name')
  return found === undefined ? [] : [{ id: 'hidden-characters', where, message: `${what} has ${found}` }]
}

// ------------------------------------------------------------------------------------------------------------ characters

const unseen =
  // oxlint-disable-next-line no-control-regex, no-misleading-character-class -- they are what is looked for
  /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff9-\ufffb\u{1d173}-\u{1d17a}\u{e0000}-\u{e007f}\u{e0100}-\u{e01ef}]/gu
const turning = /[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/u

/** What a reader does not see in the text. */
export function hiddenIn(text: string, isName = false): string | undefined {
  for (const { 0: char, index } of text.matchAll(unseen)) {
    if (isProper(text, index, char)) continue
    const code = `U+${(char.codePointAt(0) as number).toString(16).toUpperCase().padStart(4, '0')}`
    return turning.test(char) ? `${code}, which turns the reading direction` : `${code}, which is not seen`
  }
  // oxlint-disable-next-line no-control-regex -- what is beyond them is looked for
  if (isName && /[^\x00-\x7f]/.test(text)) return 'letters that look like others'
  for (const word of text.match(/[\p{L}\p{M}]+/gu) ?? []) {
    if (!/[A-Za-z]/.test(word) || word.length < 3) continue
    if (/[\u0400-\u04ff\u0370-\u03ff\u13a0-\u13ff\u0530-\u058f]/.test(word))
      return `“${word}”, whose letters are of two scripts`
  }
  return undefined
}

/** Joiners within an emoji or a script that needs them, a variation after an emoji, marks beside letters that read leftwards. */
function isProper(text: string, index: number, char: string): boolean {
  const before = Array.from(text.slice(Math.max(0, index - 4), index)).at(-1) ?? ''
  const [after = ''] = text.slice(index + char.length, index + char.length + 4)
  const joined = /[\u0600-\u06ff\u0900-\u0dff\u1000-\u109f\u0980-\u09ff]/
  if (char === '\u200d')
    return /\p{Extended_Pictographic}|\ufe0f|\p{Emoji_Modifier}/u.test(before) || joined.test(before)
  if (char === '\u200c') return joined.test(before)
  if (/[\ufe0e\ufe0f]/.test(char)) return /\p{Emoji}|\p{Extended_Pictographic}/u.test(before)
  if (char === '\u200f' || char === '\u061c' || char === '\u200e')
    return /[\u0590-\u08ff]/.test(before) || /[\u0590-\u08ff]/.test(after)
  return char === '\ufeff' && index === 0
}

// ---------------------------------------------------------------------------------------------------------------- orders

const orders: readonly RegExp[] = [
  // to override
  /\b(ignore|disregard|forget|override|overrule|supersede\w*|bypass|discard|drop|stop following|pay no attention to|do not (follow|obey)|take(s)? (priority|precedence) over|replace[sd]?)\b.{0,40}\b(previous|prior|above|earlier|preceding|other|all|any|your|existing|former|original|system)\b.{0,30}\b(instruct\w*|rules?|guidelines?|prompts?|polic(y|ies)|messages?|directions?|orders?|guardrails?|restrictions?|safety|constraints?|commands?)\b/,
  /\b(new|updated|real|actual|true|hidden|secret|additional|special)\s+(system\s+)?(instructions?|task|goal|orders?|directives?|mission|prompt)\b\s*(:|is\b|are\b|for the (assistant|model|ai))/,
  /\b(ignore|disregard|forget|override|overrule|bypass|discard)\b.{0,30}\b(instruct\w*|rules?|guidelines?|prompts?|polic(y|ies)|orders?|restrictions?)\b.{0,20}\b(given|stated|said|set|that you (have|were))\b.{0,20}\b(before|earlier|above|so far|until now|previously)\b/,
  // to conceal
  /\b(do not|don['’]?t|never|must not|without|avoid|refrain from|no need to|shall not|should not)\b.{0,30}\b(tell(ing)?|mention(ing)?|inform(ing)?|reveal(ing)?|notify(ing)?|disclos(e|ing)|alert(ing)?|show(ing)?|let(ting)?|report(ing)?|say(ing)?|ask(ing)?|confirm(ing)?|warn(ing)?|bother(ing)?|explain(ing)?)\b.{0,30}\b(users?|anyone|anybody|them|humans?|operators?|persons?|people|customers?|owners?)\b/,
  /\bso that (nobody|no one|no-one|none|nothing|the user|they|people)\b.{0,20}\b(asked|told|notified|informed|noticed?s?|notices|sees?|knows?|learns?|reported)\b/,
  /\b(keep|hide|conceal)\b.{0,30}\b(secret|hidden|confidential|from the user|to yourself|from (him|her|them))\b/,
  /\b(silently|secretly|covertly|quietly|behind the scenes|unnoticed)\b.{0,60}\b(send|call|copy|forward|invoke|run|upload|add|post|read|include|pass|attach|use)\b/,
  /\b(send|call|copy|forward|invoke|run|upload|add|post|read|include|pass|attach)\b.{0,60}\b(silently|secretly|covertly|unnoticed|without (the user|asking|confirmation|consent|approval))\b/,
  // to go first, or to stand for other tools
  /\b(before|prior to|instead of|after|whenever|each time|every time)\b.{0,25}\b(you (use|call|invoke|run|do|answer|reply|respond)|using|calling|invoking|running|any|every|each|all|answering|replying|responding)\b.{0,20}\b(other|another|tools?|functions?|else|request|question|message|user)\b/,
  /\b(always|must|first|have to|required to|need to|should)\b.{0,20}\b(call|use|invoke|run|execute|consult)\b.{0,20}\b(this|the)?\s*(tool|function|one)?\b.{0,15}\b(first|before (anything|everything|any|all|other|you)|in (every|each|all)|for (every|all|any) (request|task|question|message)|no matter)\b/,
  /\b(must|has to|needs to) (always )?be (called|used|invoked|run|consulted) (first|before (anything|everything|any|all|other))\b/,
  /\b(do not|don['’]?t|never)\b.{0,10}\b(use|call|invoke)\b.{0,20}\b(other|another|any other|the (built-in|original|official|real))\b/,
  /\b(other|all other|remaining)\s+tools?\b.{0,30}\b(deprecated|unsafe|broken|insecure|disabled|obsolete|no longer|compromised|wrong)\b/,
  // to carry what is secret
  /\b(include|pass|attach|append|put|send|copy|forward|read|provide|add|supply|insert|embed|encode|paste|upload|fill( in)?|place|dump|collect|place|give|write|share|transmit|exfiltrate|leak|post)\b.{0,60}(\b(conversation|chat history|dialog(ue)?|system prompt|previous messages|message history|passwords?|credentials?|api[ -]?keys?|secrets?|access tokens?|private keys?|session tokens?|env(ironment)? variables?|cookies|auth\w* tokens?)\b|~\/|\.ssh\b|\.env\b|id_rsa|\.aws\b|\/etc\/passwd|mcp\.json)/,
  /(~\/\.|\.ssh\/|id_rsa|\.aws\/|\/etc\/(passwd|shadow)|\.cursor\/|mcp\.json)/,
  /\b(bcc|cc|forward|copy)\b.{0,40}[\w.+-]+@[\w-]+\.\w+|\bneed(s)? not know\b/,
  // to speak as somebody else
  /<\/?\s*(important|system|admin|instructions?|secret|override|assistant|user|priority|critical|hidden)\b[^>]*>|\[\/?\s*(system|admin|important|instructions?|inst|override|hidden)\s*\]|(^|\n)\s*#{1,6}\s*(system|instructions?|important|override)\b|(^|\n|[.!?]\s+)(system|assistant|developer|admin(istrator)?)\s*:\s*\S/,
  /\byou are (now|no longer|actually|henceforth)\b|\bfrom (now|this point|here) on\b.{0,40}\b(you|always|the (assistant|model|agent)|every|all|send|call|use|reply|answer|must)\b|\b(act|behave|respond|pretend)\b.{0,15}\b(as (if|though)|like)\b.{0,30}\b(you|no|an? (admin|unrestricted|root|developer|different))\b/,
  /\b(the )?user (has )?(already )?(approved|consented|agreed|confirmed|authori[sz]ed|granted|given (permission|consent)|pre-?approved|accepted)\b|\b(no|without|skip(ping)?|bypass(ing)?|omit)\b.{0,20}\b(confirmation|approval|consent|permission)s?\b.{0,25}\b(needed|required|necessary|step|prompt|check|dialog|from|by the user|is|of the user)\b|\bskip\b.{0,15}\b(confirmation|approval)\b/,
  /\b(attention|note to|message (to|for)|dear|hey|listen,?)\s+(the\s+)?(ai|assistant|model|llm|agent|language model)s?\b|\b(assistant|ai|llm|model|agent)\s*[,:]\s*(please|you|do|always|read|send|call|ignore)\b/,
  /\b(this (tool|message|text|notice)|these instructions)\b.{0,30}\b(overrides?|takes? (priority|precedence)|supersedes?|is mandatory|are mandatory)\b/,
]

/** What a tool's text orders, if it does. */
export function orderIn(text: string, name = ''): string | undefined {
  const flat = text
    .normalize('NFKC')
    .replaceAll(unseen, '')
    .replaceAll(/[ \t]+/g, ' ')
    .toLowerCase()
  // Lines are read one by one, and then all as one, so that what is broken over lines is found.
  for (const one of [flat, flat.replaceAll(/\s+/g, ' ')]) {
    for (const order of orders) {
      const found = order.exec(one)
      if (found !== null && !isAboutItself(found[0], name)) return found[0].trim().slice(0, 80)
    }
  }
  return undefined
}

/** “Replaces all rules of the firewall” is what such a tool does. */
function isAboutItself(said: string, name: string): boolean {
  return /^replace[sd]?\b/.test(said) && /rule|polic|message|prompt/i.test(name)
}
