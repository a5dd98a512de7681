/**
 * C15-PIPELINES, staged pipelines: what each stage sees, how many calls a pipeline is, and whether a fault that is planted at one stage goes back to it. The
 * teams are scripted and know nothing but their prompts (planted-spec.ts, planted-tables.ts), so they find a fault only where the prompt holds
 * what shows it. Python, C++ and SQL run for real, in the sandbox and in SQLite.
 */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { metaGpt } from '../../src/agents/meta-gpt.ts'
import { paperCoder } from '../../src/agents/paper-coder.ts'
import { publicAgent, type PublicAnswer } from '../../src/agents/public-agent.ts'
import type { BuiltRepository } from '../../src/agents/pieces/repository-stages.ts'
import { spec2rtl, type Spec2Rtl } from '../../src/agents/spec2rtl.ts'
import { sandboxSupport } from '../../src/drivers/sandbox/support.ts'
import { codeTools } from '../../src/drivers/sandbox/tools.ts'
import { tableTools } from '../../src/drivers/tables.ts'
import { defineProgram, type Json, type Kernel, type Tool } from '../../src/index.ts'
import { answering, type Says } from '../../src/drivers/llm/answering.ts'
import { boot } from './experiment.ts'
import type { Experiment } from './experiment.ts'
import { hardwareTeam, plantedSpec, sources } from './planted-spec.ts'
import { analysts, plantTables, publicSources } from './planted-tables.ts'

/** What a stage may see, by words of its instructions; the first that fits. */
type Sight = readonly (readonly [words: RegExp, sees: (found: RegExpExecArray) => readonly string[]])[]

const NOISE = 0.1
const code = (text: string): string => `\`\`\`js\n${text}\n\`\`\``
const documentsIn = (prompt: string): string[] =>
  [...prompt.matchAll(/^(?:user: )?# (.+)$/gm)].map(([, name]) => name as string)
/** What comes to a stage from outside its sight: why it was sent back, and what it had made. */
const OWN = new Set(['Your last version', 'Why it was sent back'])

/** One run of a program that holds these tools: its output, and what was asked. */
async function play<Output>(
  program: { readonly name: string },
  input: Json,
  says: Says,
  tools: readonly Tool[],
): Promise<{ output: Output; prompts: readonly string[] }> {
  const prompts: string[] = []
  const model = answering((prompt) => (prompts.push(prompt), says(prompt)))
  const kernel: Kernel = await boot({ model })
  const timer = setInterval(() => {
    for (const { id } of kernel.questions) kernel.answer(id, 'leave the example out')
  }, 5)
  try {
    const holder = defineProgram<Json, Json>(
      `${program.name}-played`,
      async (sys, given) => sys.wait<Json>(await sys.spawn(program as never, given as never)),
      { tools },
    )
    return { output: (await kernel.spawn(holder, input).result) as unknown as Output, prompts }
  } finally {
    clearInterval(timer)
    await kernel.close()
  }
}

/** Prompts whose documents are not exactly those that their stage may see; prompts that no rule knows count too. */
function unseemly(prompts: readonly string[], sight: Sight): number {
  return prompts.filter((prompt) => {
    const seen = documentsIn(prompt).filter((name) => !OWN.has(name))
    for (const [words, sees] of sight) {
      const found = words.exec(prompt)
      if (found !== null) return seen.join('|') !== sees(found).join('|')
    }
    return true
  }).length
}

// ------------------------------------------------------------------------------------------------------ repositories

/** A chain of files, each of which adds one to what the file before it gives. */
const chain = (files: number) =>
  Array.from({ length: files }, (_, i) => ({
    path: `src/f${i}.js`,
    does: `gives ${i}`,
    after: i === 0 ? [] : [`src/f${i - 1}.js`],
  }))
const pathsBefore = (path: string): string[] =>
  Array.from({ length: Number(/\d+/.exec(path)?.[0]) }, (_, i) => `code src/f${i}.js`)

/** Writes the chain; `wrong`: the file that is wrong at first. */
function programmers(files: number, wrong: number | undefined): Says {
  let drafts = 0
  return (prompt) => {
    if (prompt.includes('You are a product manager')) return { goals: ['numbers'], stories: [], requirements: [] }
    const paths = chain(files).map(({ path }) => path)
    if (prompt.includes('You are an architect')) return { approach: '', files: paths, structures: '', calls: '' }
    if (prompt.includes('Design the repository')) return { files: paths, classes: '', sequence: '' }
    if (/You are a project manager|For every file of the architecture/.test(prompt))
      return { files: chain(files).toReversed() }
    if (prompt.includes('Write a plan')) return 'Count.'
    if (prompt.includes('Write the configuration')) return { values: { step: 1 } }
    if (prompt.includes('Analyse the file')) return 'It adds.'
    const [, blamed] = /f(\d+) is/.exec(prompt.split('# What failed')[1] ?? '') ?? []
    if (prompt.includes('has to be mended')) return { mend: `src/f${blamed}.js`, why: 'count right' }
    const [, at = '0'] = /(?:Write the file|a test of the file) src\/f(\d+)\.js/.exec(prompt) ?? []
    const i = Number(at)
    if (prompt.includes('You are a tester'))
      return code(
        `const { value } = require('../src/f${i}')\nif (value() !== ${i}) throw new Error('f${i} is ' + value())`,
      )
    const by = i === wrong && drafts++ === 0 ? 5 : 1
    return code(
      i === 0
        ? `exports.value = () => 0`
        : `const before = require('./f${i - 1}')\nexports.value = () => before.value() + ${by}`,
    )
  }
}

const metaSight: Sight = [
  [/You are a product manager/, () => ['requirement']],
  [/You are an architect/, () => ['requirements']],
  [/You are a project manager/, () => ['design']],
  [/Write the file (\S+)/, ([, path = '']) => ['design', 'tasks', ...pathsBefore(path)]],
  [/a test of the file (\S+),/, ([, path = '']) => ['tasks', `code ${path}`]],
]
const planned = ['paper', 'plan', 'architecture', 'logic', 'config.json']
const paperSight: Sight = [
  [/Write a plan/, () => planned.slice(0, 1)],
  [/Design the repository/, () => planned.slice(0, 2)],
  [/For every file of the architecture/, () => planned.slice(0, 3)],
  [/Write the configuration/, () => planned.slice(0, 4)],
  [/Analyse the file/, () => planned],
  [/Write the file (\S+)/, ([, path = '']) => [...planned.slice(1), `analysis ${path}`, ...pathsBefore(path)]],
]
const calls: { readonly [name: string]: readonly string[] } = { scale: [], blend: ['scale'], check: ['scale', 'blend'] }
const interfaces = (name: string): string[] => [...(calls[name] ?? []), name].map((one) => `interface ${one}`)
const hardwareSight: Sight = [
  [/Summarise this section/, () => []],
  [/Split what is specified/, () => ['summary']],
  [/Write the dictionary/, () => ['specification', 'functions']],
  [/Write pseudocode for the function (\w+)/, ([, name = '']) => [`information ${name}`, ...interfaces(name)]],
  [
    /the function (\w+) in Python/,
    ([, name = '']) => [`information ${name}`, `pseudocode ${name}`, ...interfaces(name)],
  ],
  [/the function (\w+) in C\+\+/, ([, name = '']) => [`information ${name}`, `python ${name}`, ...interfaces(name)]],
]
const publicSight: Sight = [
  [/Make the question precise/, () => ['question']],
  [/Choose the data sets/, () => ['intent', 'data sets']],
  [/Write the plan and one SELECT/, () => ['intent', 'discovery']],
  [/Write the findings/, () => ['intent', 'discovery', 'result']],
]
/** Critics follow how something came about: they see the whole way. */
const isCritic = (prompt: string): boolean => /Follow how it came about|has to be mended|cannot be right/.test(prompt)

/** Prompts of workers that were looked at, and those with another document than their stage may see. */
interface Seen {
  asked: number
  leaks: number
}

function look(seen: Seen, prompts: readonly string[], sight: Sight): void {
  const workers = prompts.filter((prompt) => !isCritic(prompt))
  seen.asked += workers.length
  seen.leaks += unseemly(workers, sight)
}

/** PaperCoder with 1 to 8 files: how many of them take 4 + 2F calls. */
async function papers(seen: Seen): Promise<number> {
  let identities = 0
  const js = codeTools()
  for (let files = 1; files <= 8; files++) {
    const input = { paper: 'Count in steps of 1.' }
    const coded = await play<BuiltRepository>(paperCoder, input, programmers(files, undefined), js)
    if (coded.output.passed && coded.prompts.length === 4 + 2 * files) identities++
    look(seen, coded.prompts, paperSight)
  }
  return identities
}

/** MetaGPT with a file that is wrong at first: how often the fault goes to it and is mended. */
async function companies(seeds: number, seen: Seen): Promise<number> {
  let mended = 0
  const js = codeTools()
  for (let seed = 0; seed < seeds; seed++) {
    const [files, wrong] = [2 + (seed % 4), 1 + (seed % (1 + (seed % 4)))]
    const built = await play<BuiltRepository>(metaGpt, { requirement: 'Count.' }, programmers(files, wrong), js)
    const [back] = built.output.backs
    if (built.output.passed && back?.to === `code src/f${wrong}.js` && built.output.backs.length === 1) mended++
    look(seen, built.prompts, metaSight)
  }
  return mended
}

/** Spec2RTL with a fault of each source: how often it goes there and is mended, and how often it ends right with a critic that strays. */
async function specifications(seeds: number, seen: Seen): Promise<{ routed: number; noisy: number; strays: number }> {
  const found = { routed: 0, noisy: 0, strays: 0 }
  const tools = codeTools({ languages: ['python', 'shell'] })
  for (let seed = 0; seed < seeds; seed++)
    await Promise.all(
      sources.map(async (source) => {
        const spec = plantedSpec(seed, source)
        const verdicts: string[] = []
        const says = hardwareTeam(spec, { onVerdict: (one) => verdicts.push(one) })
        const input = { specification: spec.text, vectors: 8 }
        const one = await play<Spec2Rtl>(spec2rtl, input, says, tools)
        if (one.output.passed && verdicts.join() === source) found.routed++
        look(seen, one.prompts, hardwareSight)
        const onVerdict = (verdict: string) => void (verdict === source || found.strays++)
        const after = await play<Spec2Rtl>(spec2rtl, input, hardwareTeam(spec, { noise: NOISE, onVerdict }), tools)
        if (after.output.passed) found.noisy++
      }),
    )
  return found
}

/** PublicAgent with a fault of each source, and without that stage: a named failure, or an end all the same. */
async function questions(seeds: number, seen: Seen): Promise<{ routed: number; named: number; ended: number }> {
  const found = { routed: 0, named: 0, ended: 0 }
  const folder = mkdtempSync(join(tmpdir(), 'polity-pipelines-'))
  try {
    for (let seed = 0; seed < seeds; seed++) {
      const path = join(folder, `${seed}.db`)
      const { question, mean, datasets } = plantTables(path, seed)
      const tools = tableTools({ path, datasets })
      for (const source of publicSources) {
        const one = await play<PublicAnswer>(publicAgent, { question }, analysts(source), tools)
        const isRight = one.output.report?.includes(`${mean.toFixed(1)} mm`) === true
        if (isRight && one.output.backs.map(({ to }) => to).join() === source) found.routed++
        look(seen, one.prompts, publicSight)
        const input = { question, without: [source] }
        const { output } = await play<PublicAnswer>(publicAgent, input, analysts('none'), tools)
        if (source === 'discovery' || source === 'analysis')
          found.named += output.failed !== undefined && output.report === null ? 1 : 0
        else found.ended += output.failed === undefined && output.rows.length > 0 ? 1 : 0
      }
    }
  } finally {
    rmSync(folder, { recursive: true })
  }
  return found
}

/** What is not installed here, in words. */
async function missing(): Promise<string | undefined> {
  const wall = (await sandboxSupport()).find(({ isAvailable }) => !isAvailable)
  if (wall !== undefined) return `no ${wall.language} here: ${wall.reason}`
  return spawnSync('g++', ['--version']).status === 0 ? undefined : 'no g++ here: nothing measured'
}

export const c15Pipelines: Experiment = {
  id: 'C15-PIPELINES',
  what: 'staged pipelines (MetaGPT, PaperCoder, Spec2RTL, PublicAgent) with scripted teams; code, C++ and SQL are run',
  bar: 'no prompt with a document that its stage may not see; PaperCoder 4 + 2F calls; a planted fault goes to its source ≥ .95 and is mended; without discovery or analysis a named failure, without intent or report an end',
  seeds: 5,
  async run(seeds) {
    const lacks = await missing()
    if (lacks !== undefined) return { measured: lacks, ok: false, lacks }
    const seen: Seen = { asked: 0, leaks: 0 }
    const identities = await papers(seen)
    const mended = await companies(seeds, seen)
    const hardware = await specifications(seeds, seen)
    const tables = await questions(seeds, seen)
    const runs = seeds * sources.length
    const shares = [mended / seeds, hardware.routed / runs, tables.routed / runs]
    const [meta, hard, table] = shares.map((share) => share.toFixed(3))
    return {
      measured: `${seen.leaks} of ${seen.asked} prompts with another document than theirs; 4 + 2F calls in ${identities} of 8; sent to the source and mended: MetaGPT ${meta}, Spec2RTL ${hard}, PublicAgent ${table}; with a critic that says anything in ${NOISE * 100} % (${hardware.strays} times not the source) Spec2RTL still ends right in ${(hardware.noisy / runs).toFixed(3)}; a named failure in ${tables.named} of ${2 * seeds}, an end in ${tables.ended} of ${2 * seeds}`,
      ok:
        seen.leaks === 0 &&
        identities === 8 &&
        shares.every((share) => share >= 0.95) &&
        tables.named === 2 * seeds &&
        tables.ended === 2 * seeds,
    }
  },
}
