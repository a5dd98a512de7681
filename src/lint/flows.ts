/**
 * Flows: whether tools say what they do and what data they carry, and whether a program can carry what is private to the
 * outside at the word of a stranger: the three legs that Willison calls the lethal trifecta.
 */
import { glob } from '../policy/glob.ts'
import type { Law, Rule } from '../policy/law.ts'
import { atomsOf } from '../policy/ltlf.ts'
import { parseRule } from '../policy/templates.ts'
import type { AgentFacts, Remark, ToolFacts } from './facts.ts'
import { controlsOf, toolsOf } from './rules.ts'
import { wordsOf } from './words.ts'

const isPrivate = (label: string): boolean => /private|secret|personal|confidential|sensitive|internal/i.test(label)
const isUntrusted = (label: string): boolean => /untrusted|external|foreign|public/i.test(label)

// ------------------------------------------------------------------------------------------------------------- trifecta

/** `law` undefined: none was given, and every held tool may be called. */
export function lintTrifecta(
  agents: readonly AgentFacts[],
  tools: readonly ToolFacts[],
  law: Law | undefined,
): Remark[] {
  const programs = agents.length === 0 ? [{ name: '*', tools: tools.map(({ name }) => name) }] : agents
  return programs.flatMap(({ name, tools: held = [] }): Remark[] => {
    const own = tools.filter((tool) => held.includes(tool.name) && isAllowed(tool, name, law))
    const readsPrivate = own.find(({ labels = [] }) => labels.some(isPrivate))
    const readsUntrusted = own.find(({ labels = [] }) => labels.some(isUntrusted))
    if (readsPrivate === undefined || readsUntrusted === undefined) return []
    const labels = new Set(own.flatMap((tool) => tool.labels ?? []))
    const tells = own.find((tool) => tool.outbound === true && !isGuarded(tool, name, labels, law))
    if (tells === undefined) return []
    return [
      {
        id: 'trifecta',
        where: name === '*' ? 'tools' : `agent ${name}`,
        message: `${readsPrivate.name} reads what is private, ${readsUntrusted.name} what others wrote, and ${tells.name} tells the outside${law === undefined ? '; no law was given' : ''}`,
        ...(law === undefined ? { severity: 'warning' as const } : {}),
      },
    ]
  })
}

const speaksOf = (rule: Rule, tool: ToolFacts, program: string): boolean =>
  toolsOf(rule, [tool]).length > 0 && (program === '*' || glob(rule.program ?? '*')(program))

/** Whether some rule allows, or asks about, a call of the tool; rules that others add count. */
function isAllowed(tool: ToolFacts, program: string, law: Law | undefined): boolean {
  if (law === undefined) return true
  const allows = (rules: readonly Rule[]): boolean =>
    rules.some((rule) => (rule.effect === 'allow' && speaksOf(rule, tool, program)) || allows(rule.then?.add ?? []))
  return allows(law.rules)
}

/** A rule with `seen` before each that allows, or all that steers the tool is fixed, or a temporal rule speaks of it. */
function isGuarded(tool: ToolFacts, program: string, labels: ReadonlySet<string>, law: Law | undefined): boolean {
  if (law === undefined) return false
  const { temporal = [], events = {} } = law
  const names = new Set([
    tool.name,
    ...Object.entries(events)
      .filter(([, event]) => toolsOf(event, [tool]).length > 0)
      .map(([name]) => name),
  ])
  if (temporal.some(({ formula }) => atomsOf(parseRule(formula)).some((atom) => names.has(atom)))) return true
  for (const rule of law.rules) {
    if (!speaksOf(rule, tool, program)) continue
    const isWhole =
      rule.args === undefined &&
      rule.asked === undefined &&
      rule.origins === undefined &&
      rule.control === undefined &&
      rule.principal === undefined &&
      rule.under === undefined
    if (
      rule.effect !== 'allow' &&
      isWhole &&
      (rule.seen === undefined || (rule.seen.length > 0 && rule.seen.every((label) => labels.has(label))))
    )
      return true
    if (rule.effect === 'allow' && !isFixed(rule, tool)) return false
  }
  return true
}

/** Where it goes is one of a few places that the law names, or that the user did. */
function isFixed({ args = {}, origins = {}, control }: Rule, tool: ToolFacts): boolean {
  if (control !== undefined) return true
  const steering = controlsOf(tool)
  return (
    steering.length > 0 &&
    steering.every(
      (name) =>
        args[name]?.enum !== undefined ||
        args[name]?.const !== undefined ||
        origins[name] !== undefined ||
        args[name]?.matches !== undefined ||
        args[name]?.items?.enum !== undefined ||
        isNumberLimit(args[name]),
    )
  )
}

function isNumberLimit(
  condition: { readonly maximum?: number; readonly exclusiveMaximum?: number } | undefined,
): boolean {
  return condition?.maximum !== undefined || condition?.exclusiveMaximum !== undefined
}

// --------------------------------------------------------------------------------------------------------------- said or not

const tells = new Set(
  'send sends email emails mail mails post posts publish publishes tweet tweets pay pays payment transfer transfers wire wires upload uploads notify notifies submit submits invite invites share shares forward forwards reply replies sms webhook broadcast dispatch dispatches message messages announce announces order orders purchase purchases buy buys book books donate donates fax text ping remit export exports push pushes deliver delivers dm comment comments'.split(
    ' ',
  ),
)
/** Words after which the same word is a thing and not a deed: `list messages`, `read the mail`. */
const reads = new Set(
  'get gets read reads list lists search searches find finds fetch fetches show shows count counts look looks query retrieve retrieves returns return summarise summarises summarize summarizes load loads download downloads check checks view views open opens scan scans browse browses crawl crawls parse parses lookup gives reports finder reader compute computes calculate calculates draft drafts format formats sort sorts filter filters validate validates parse classify estimates estimate convert converts'.split(
    ' ',
  ),
)
const privateThings = new Set(
  'inbox mail mails mailbox email emails calendar contacts contact appointments diary transactions balance statement statements payslip payroll salary salaries medical health patient patients passport profile profiles password passwords credentials secrets private personal confidential account accounts chats dms notes photos messages message address addresses record records drive employee employees customer customers history'.split(
    ' ',
  ),
)
const strangeThings = new Set(
  'web website websites webpage webpages page pages url urls internet online site sites inbox mail mails mailbox email emails messages message reviews review comments comment tweets posts feed feeds rss forum news issue issues ticket tickets attachment attachments chat channel channels slack blog wiki wikipedia reddit twitter'.split(
    ' ',
  ),
)

export function lintDeclarations(tool: ToolFacts): Remark[] {
  const where = `tool ${tool.name}`
  const remarks: Remark[] = []
  if (tool.effect === undefined)
    remarks.push({
      id: 'effect-missing',
      where,
      message: 'it does not say its effect, and counts as `once`: after a crash a person is asked',
    })
  const name = wordsOf(tool.name)
  const first = wordsOf((tool.description ?? '').split(/(?<=[.!?])\s/)[0] ?? '')
  const doing = [name[0] ?? '', first[0] ?? '']
  const isReading = doing.some((word) => reads.has(word)) && !tells.has(name[0] ?? '')
  if (
    tool.outbound === undefined &&
    !isReading &&
    (name.some((word) => tells.has(word)) || first.slice(0, 4).some((word) => tells.has(word)))
  )
    remarks.push({
      id: 'outbound-missing',
      where,
      message: 'its name or description says that it tells something to the outside',
    })
  if (tool.labels === undefined && (isReading || tool.effect === 'read') && !isWriting(name[0])) {
    const words = [...name, ...first]
    const thing = words.find((word) => privateThings.has(word))
    const strange = words.find((word) => strangeThings.has(word))
    if (thing !== undefined || strange !== undefined)
      remarks.push({
        id: 'labels-missing',
        where,
        message: `it reads ${thing ?? strange}, and does not say what labels that has`,
      })
  }
  return remarks
}

const isWriting = (word: string | undefined): boolean =>
  word !== undefined &&
  (tells.has(word) ||
    /^(create|delete|remove|update|write|set|add|draft|count|validate|parse|format|compute|calculate|estimate|convert)$/.test(
      word,
    )) &&
  !/^(mail|email|message|messages)$/.test(word)
