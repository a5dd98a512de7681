/**
 * The table of lints: each with its family, how grave it is, what it means and what to do. docs/lint.md repeats it.
 *
 * The first eight families are the defect types of Agentable (Ning et al. 2024, arXiv 2412.18371); the others are ours.
 */
import type { Severity } from './facts.ts'

export type Family = 'ADAL' | 'IETI' | 'LOPE' | 'TRE' | 'ALS' | 'MNFT' | 'LARD' | 'EPDD' | 'law' | 'flow' | 'poison'

/** What the letters of the families stand for. */
export const families: { readonly [family in Family]: string } = {
  ADAL: 'the model does not suit the agent',
  IETI: 'too little is said of a tool',
  LOPE: 'the output of a model is taken apart carelessly',
  TRE: 'a tool returns badly',
  ALS: 'words that start or stop something stand where they should not',
  MNFT: 'a fault is not provided for',
  LARD: 'the API of a model is used wrongly',
  EPDD: 'packages that are missing, loose or do not fit',
  law: 'rules that do not say what was meant',
  flow: 'what tools do and what data they carry is not said, or flows freely',
  poison: 'texts that speak to the model behind the reader’s back',
}

export interface LintType {
  readonly family: Family
  readonly severity: Severity
  readonly means: string
  readonly todo: string
}

export const lintTable = {
  'model-unfit': {
    family: 'ADAL',
    severity: 'error',
    means: 'the model lacks what the agent needs: tools, JSON, text at all',
    todo: 'choose a model that can, or do without',
  },
  'model-window': {
    family: 'ADAL',
    severity: 'error',
    means: 'instructions, examples and tools leave less than half of the window',
    todo: 'choose a larger window, shorter instructions or fewer tools',
  },
  'tool-description': {
    family: 'IETI',
    severity: 'warning',
    means: 'the description is missing or says nothing',
    todo: 'say in a sentence what it does, of what, and what comes back',
  },
  'tool-parameter': {
    family: 'IETI',
    severity: 'warning',
    means: 'a parameter has no type, or neither its name nor any text says what it is',
    todo: 'give it a type and a description',
  },
  'tool-twins': {
    family: 'IETI',
    severity: 'warning',
    means: 'two tools have nearly the same name or description',
    todo: 'rename one, say how they differ, or drop one',
  },
  'output-unparsed': {
    family: 'LOPE',
    severity: 'warning',
    means: 'text of a model is parsed without being ready for text that does not parse',
    todo: 'parse within `try`, check with a schema, and ask again where it fails',
  },
  'output-unasked': {
    family: 'LOPE',
    severity: 'warning',
    means: 'the instructions ask for JSON and no schema holds the model to it',
    todo: 'pass a schema with the call and check the answer against it',
  },
  'tool-return': {
    family: 'TRE',
    severity: 'warning',
    means: 'the tool returns nothing, or nothing on some way through it, or what is no JSON',
    todo: 'return plain JSON on every way',
  },
  'tool-error': {
    family: 'TRE',
    severity: 'warning',
    means: 'the tool hides an error, or throws one that says nothing',
    todo: 'let the error pass, or throw one that says what was wrong and what to do',
  },
  'tool-size': {
    family: 'TRE',
    severity: 'note',
    means: 'the tool returns all of a file, page or table, however large',
    todo: 'return a part, with a limit among the arguments',
  },
  'stop-word': {
    family: 'ALS',
    severity: 'warning',
    means: 'a stop sequence is part of ordinary text, or of what the model is told to write',
    todo: 'take one that occurs nowhere else',
  },
  'control-word': {
    family: 'ALS',
    severity: 'warning',
    means: 'a word that steers the loop stands in a tool or in instructions that are not read for it',
    todo: 'leave the protocol to the loop: tools are called as tools, and the answer is the text',
  },
  'trigger-word': {
    family: 'ALS',
    severity: 'warning',
    means: 'two agents, or two triggers, cannot be told apart',
    todo: 'give each a name or trigger of its own, none the beginning of another',
  },
  'no-timeout': {
    family: 'MNFT',
    severity: 'warning',
    means: 'a request or command has no time limit',
    todo: 'pass `signal`: the tool’s `context.signal`, or AbortSignal.timeout(ms)',
  },
  'no-bound': {
    family: 'MNFT',
    severity: 'warning',
    means: 'model calls in a loop without a bound, or an agent with none to speak of',
    todo: 'bound the loop, set `stepsMax`, give the run a budget',
  },
  'not-awaited': {
    family: 'MNFT',
    severity: 'error',
    means: 'a promise is not awaited: its error goes nowhere, its value is no value',
    todo: 'write `await`, or give it a `.catch`',
  },
  'fault-swallowed': {
    family: 'MNFT',
    severity: 'warning',
    means: 'a fault is caught and forgotten',
    todo: 'rethrow it, return it to the caller, or try again a few times',
  },
  'model-option': {
    family: 'LARD',
    severity: 'error',
    means: 'an option of a model call is out of its range, unknown, or contradicts another',
    todo: 'see GenerateRequest in docs/kernel/types.md',
  },
  'model-name': {
    family: 'LARD',
    severity: 'warning',
    means: 'the model is withdrawn, or its name is not `provider/model`',
    todo: 'name a model that is offered, with its provider',
  },
  'api-key': {
    family: 'LARD',
    severity: 'error',
    means: 'a key of an API stands in the source, or is used without asking whether it is there',
    todo: 'leave keys to the provider package, which reads them from the environment',
  },
  'api-stale': {
    family: 'LARD',
    severity: 'warning',
    means: 'a call that the SDK of a provider no longer has',
    todo: 'call models through `sys.generate`',
  },
  'package-loose': {
    family: 'EPDD',
    severity: 'warning',
    means: 'a dependency may be another version tomorrow',
    todo: 'name a version, and keep a lock file',
  },
  'package-missing': {
    family: 'EPDD',
    severity: 'error',
    means: 'a package is imported or needed that package.json does not list among the dependencies',
    todo: 'npm install it',
  },
  'package-clash': {
    family: 'EPDD',
    severity: 'error',
    means: 'the lock file has another version than package.json or another package asks for',
    todo: 'npm install, and change the ranges until they agree',
  },
  'law-unreadable': {
    family: 'law',
    severity: 'error',
    means: 'the law cannot be read',
    todo: 'see docs/policy.md; `polity policy schema` helps your editor',
  },
  'rule-dead': {
    family: 'law',
    severity: 'warning',
    means: 'no call is decided otherwise without the rule',
    todo: 'delete it, or move it before the rules that decide its calls',
  },
  'allow-covered': {
    family: 'law',
    severity: 'warning',
    means: 'what the rule allows is denied or asked by rules before it',
    todo: 'move it before them, or narrow them',
  },
  'tool-unknown': {
    family: 'law',
    severity: 'warning',
    means: 'a rule or formula names a tool that is not there',
    todo: 'correct the name',
  },
  'argument-unknown': {
    family: 'law',
    severity: 'error',
    means: 'a rule names an argument that the tool does not have',
    todo: 'correct the name',
  },
  'condition-impossible': {
    family: 'law',
    severity: 'error',
    means: 'a condition speaks of a type or value that the argument never has',
    todo: 'write it for the type in the tool’s schema',
  },
  'pattern-loose': {
    family: 'law',
    severity: 'error',
    means: 'a `pattern` without both anchors allows values of an argument that steers the tool',
    todo: 'use `matches`, which is held against the whole text',
  },
  'argument-optional': {
    family: 'law',
    severity: 'note',
    means: 'a rule allows by an argument that may be left out; then it does not allow',
    todo: 'make the argument required, or give it a default',
  },
  'allow-open': {
    family: 'law',
    severity: 'warning',
    means: 'a tool that acts is allowed with any value of the arguments that steer it',
    todo: 'add conditions or origins for its `control` arguments, or ask',
  },
  'rule-once': {
    family: 'law',
    severity: 'warning',
    means: 'a rule allows something once, and so once to each child, fork and way back that the law leaves open',
    todo: 'deny spawn, fork and restore, or bound them by the budget and the tool',
  },
  'temporal-unsatisfiable': {
    family: 'law',
    severity: 'error',
    means: 'no run meets the temporal rule, or all of them together',
    todo: 'correct the formula',
  },
  'temporal-valid': {
    family: 'law',
    severity: 'warning',
    means: 'every run meets the temporal rule: it forbids nothing',
    todo: 'correct the formula, or delete it',
  },
  'temporal-never': {
    family: 'law',
    severity: 'warning',
    means: 'the temporal rules never permit a call that they speak of',
    todo: 'correct the formulas, or take the tool away',
  },
  'temporal-denied': {
    family: 'law',
    severity: 'error',
    means: 'the temporal rule needs a call of a tool that no rule allows',
    todo: 'add a rule that allows the tool or asks about it, or correct the formula',
  },
  trifecta: {
    family: 'flow',
    severity: 'error',
    means:
      'the program reads what is private and what others wrote, and tells the outside, and no rule with `seen` stands between',
    todo: 'ask or deny outbound calls once both are seen, or split the program',
  },
  'effect-missing': {
    family: 'flow',
    severity: 'warning',
    means: 'the tool does not say what it does to the world',
    todo: 'say effect: read, idempotent or once',
  },
  'labels-missing': {
    family: 'flow',
    severity: 'note',
    means: 'the tool seems to read what is private or what others wrote, and has no labels',
    todo: 'say labels: private, untrusted, or an empty list',
  },
  'outbound-missing': {
    family: 'flow',
    severity: 'note',
    means: 'the tool seems to tell something to the outside, and does not say so',
    todo: 'say outbound: true or false',
  },
  'hidden-characters': {
    family: 'poison',
    severity: 'error',
    means: 'characters that are not seen, turn the reading direction, or look like others',
    todo: 'remove them; ask where the text came from',
  },
  'hidden-instructions': {
    family: 'poison',
    severity: 'error',
    means: 'a tool’s text gives the model orders that have nothing to do with calling it',
    todo: 'say what the tool does, and nothing else; do not trust a manifest that has it',
  },
} as const satisfies { readonly [id: string]: LintType }

export type LintId = keyof typeof lintTable
