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
import { answering, type Says } from './answering.ts'
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

export const c15Pipelines: Experiment = {
  id: 'C15-PIPELINES',
  what: 'staged pipelines (MetaGPT, PaperCoder, Spec2RTL, PublicAgent) with scripted teams; code, C++ and SQL are run',
  bar: 'no prompt with a document that its stage may not see; PaperCoder 4 + 2F calls; a planted fault goes to its source ≥ .95 and is mended; without discovery or analysis a named failure, without intent or report an end',
  seeds: 5,
  async run(seeds) {
    const walls = await sandboxSupport()
    const missing = walls.find(({ isAvailable }) => !isAvailable)
    if (missing !== undefined) return { measured: `no ${missing.language} here: ${missing.reason}`, ok: false }
    if (spawnSync('g++', ['--version']).status !== 0) return { measured: 'no g++ here: nothing measured', ok: false }
    const js = codeTools()
    const hardware = codeTools({ languages: ['python', 'shell'] })
    let [asked, leaks, identities, mended, wrongFiles] = [0, 0, 0, 0, 0]
    const look = (prompts: readonly string[], sight: Sight): void => {
      const workers = prompts.filter((prompt) => !isCritic(prompt))
      asked += workers.length
      leaks += unseemly(workers, sight)
    }

    for (let files = 1; files <= 8; files++) {
      const coded = await play<BuiltRepository>(
        paperCoder,
        { paper: 'Count in steps of 1.' },
        programmers(files, undefined),
        js,
      )
      if (coded.output.passed && coded.prompts.length === 4 + 2 * files) identities++
      look(coded.prompts, paperSight)
    }
    for (let seed = 0; seed < seeds; seed++) {
      const [files, wrong] = [2 + (seed % 4), 1 + (seed % (1 + (seed % 4)))]
      const built = await play<BuiltRepository>(metaGpt, { requirement: 'Count.' }, programmers(files, wrong), js)
      wrongFiles++
      const [back] = built.output.backs
      if (built.output.passed && back?.to === `code src/f${wrong}.js` && built.output.backs.length === 1) mended++
      look(built.prompts, metaSight)
    }

    const routed = { hardware: 0, tables: 0, noisy: 0 }
    let strays = 0
    for (let seed = 0; seed < seeds; seed++)
      await Promise.all(
        sources.map(async (source) => {
          const spec = plantedSpec(seed, source)
          const verdicts: string[] = []
          const says = hardwareTeam(spec, { onVerdict: (one) => verdicts.push(one) })
          const input = { specification: spec.text, vectors: 8 }
          const found = await play<Spec2Rtl>(spec2rtl, input, says, hardware)
          if (found.output.passed && verdicts.join() === source) routed.hardware++
          look(found.prompts, hardwareSight)
          const noisy = hardwareTeam(spec, { noise: NOISE, onVerdict: (one) => void (one === source || strays++) })
          const after = await play<Spec2Rtl>(spec2rtl, input, noisy, hardware)
          if (after.output.passed) routed.noisy++
        }),
      )

    const folder = mkdtempSync(join(tmpdir(), 'polity-pipelines-'))
    const without = { named: 0, ended: 0 }
    try {
      for (let seed = 0; seed < seeds; seed++) {
        const path = join(folder, `${seed}.db`)
        const data = plantTables(path, seed)
        const tools = tableTools({ path, datasets: data.datasets })
        for (const source of publicSources) {
          const found = await play<PublicAnswer>(publicAgent, { question: data.question }, analysts(source), tools)
          const isRight = found.output.report?.includes(`${data.mean.toFixed(1)} mm`) === true
          if (isRight && found.output.backs.map(({ to }) => to).join() === source) routed.tables++
          look(found.prompts, publicSight)
          const { output } = await play<PublicAnswer>(
            publicAgent,
            { question: data.question, without: [source] },
            analysts('none'),
            tools,
          )
          if (source === 'discovery' || source === 'analysis')
            without.named += output.failed !== undefined && output.report === null ? 1 : 0
          else without.ended += output.failed === undefined && output.rows.length > 0 ? 1 : 0
        }
      }
    } finally {
      rmSync(folder, { recursive: true })
    }

    const runs = seeds * sources.length
    const shares = [mended / wrongFiles, routed.hardware / runs, routed.tables / runs]
    const [meta, hard, tables] = shares.map((share) => share.toFixed(3))
    return {
      measured: `${leaks} of ${asked} prompts with another document than theirs; 4 + 2F calls in ${identities} of 8; sent to the source and mended: MetaGPT ${meta}, Spec2RTL ${hard}, PublicAgent ${tables}; with a critic that says anything in ${NOISE * 100} % (${strays} times not the source) Spec2RTL still ends right in ${(routed.noisy / runs).toFixed(3)}; a named failure in ${without.named} of ${2 * seeds}, an end in ${without.ended} of ${2 * seeds}`,
      ok:
        leaks === 0 &&
        identities === 8 &&
        shares.every((share) => share >= 0.95) &&
        without.named === 2 * seeds &&
        without.ended === 2 * seeds,
    }
  },
}
