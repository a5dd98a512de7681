/**
 * R1, deep research: planted corpora of 24 files, in which 24 facts of 8 things stand once each among sentences about other things with the same
 * words. A simulated model outlines, searches, extracts and writes, and errs: of what it extracts one in six has another number, one in six
 * cites another line, one in twelve a file that is not there, one in ten is left out; of what it writes one in ten has another number. Precision: claims of the
 * report that are true and stand in the line that they cite. Recall: planted facts that the report holds. The same without checks beside.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { deepResearch, type DeepResearch } from '../../src/agents/deep-research.ts'
import { hash32 } from '../../src/agents/pieces/text-hash.ts'
import { openFolderIndex } from '../../src/drivers/folder/folder-index.ts'
import { folderTools } from '../../src/drivers/folder/tools.ts'
import { promptText, scripted } from '../../src/drivers/llm/scripted.ts'
import { randomAt } from '../../src/kernel/clock.ts'
import type { Tool } from '../../src/kernel/types.ts'
import { boot, type Experiment } from './experiment.ts'

const KINDS = ['bridge', 'mill', 'tower', 'school']
const ABOUT = {
  opened: (name: string, kind: string, n: number) => `The ${kind} of ${name} was opened to the public in ${1700 + n}.`,
  cost: (name: string, kind: string, n: number) =>
    `Building the ${kind} of ${name} cost ${1000 + 7 * n} crowns altogether.`,
  height: (name: string, kind: string, n: number) => `The ${kind} of ${name} stands ${10 + n} metres above the ground.`,
}
type About = keyof typeof ABOUT
const abouts = Object.keys(ABOUT) as About[]
const ask: { readonly [about in About]: string } = { opened: 'When was', cost: 'What did', height: 'How high is' }

interface Fact {
  readonly name: string
  readonly kind: string
  readonly about: About
  readonly text: string
}

function plant(seed: number) {
  let drawn = 0
  const draw = (below: number) => Math.floor(randomAt(seed, 0, drawn++) * below)
  const named = () =>
    `${'BDFGHKLMNPRSTV'[draw(14)]}${'aeiou'[draw(5)]}${'lnrst'[draw(5)]}${'dkmv'[draw(4)]}${['en', 'or', 'ach', 'ine', 'um'][draw(5)]}`
  const names = [...new Set(Array.from({ length: 60 }, named))]
  const facts: Fact[] = names.slice(0, 8).flatMap((name) => {
    const kind = KINDS[draw(4)] as string
    return abouts.map((about) => ({ name, kind, about, text: ABOUT[about](name, kind, draw(200)) }))
  })
  const others = names
    .slice(8)
    .flatMap((name) => abouts.map((about) => ABOUT[about](name, KINDS[draw(4)] as string, draw(200))))
  const files = Array.from({ length: 24 }, () => [] as string[])
  for (const text of [...facts.map((fact) => fact.text), ...others]) files[draw(24)]?.push(text)
  for (const file of files) file.sort((a, b) => a.length - b.length || (a < b ? -1 : 1))
  return { facts, files }
}

const pointOf = ({ name, kind, about }: Fact): string => `${ask[about]} the ${kind} of ${name} (${about})?`
const changed = (text: string): string => text.replace(/\d+/, (n) => String(Number(n) + 1))

/** The model of one corpus; draws its errors one after another for each prompt, so that it does not matter which of several comes first. */
function modelOf(seed: number, facts: readonly Fact[]) {
  const drawn = new Map<string, number>()
  return scripted((call) => {
    const prompt = promptText(call.prompt)
    const draw = () => {
      const index = drawn.get(prompt) ?? 0
      drawn.set(prompt, index + 1)
      return randomAt(seed, hash32(prompt, 1), index)
    }
    if (prompt.includes('Outline a report')) {
      const names = [...new Set(facts.map(({ name }) => name))]
      return JSON.stringify({
        sections: names.map((name) => ({
          title: name,
          points: facts.filter((fact) => fact.name === name).map(pointOf),
        })),
      })
    }
    if (prompt.includes('Write search queries'))
      return JSON.stringify({
        queries: [...prompt.matchAll(/^\d+\. (.*)$/gm)].map(([, point]) => point?.replace(/[?()]/g, '')),
      })
    if (prompt.includes('Find facts')) {
      const lines = [...prompt.matchAll(/^\[(.+?):(\d+)\] (.*)$/gm)].map(([, path, line, text]) => ({
        path: path as string,
        line: Number(line),
        text: text as string,
      }))
      const claims = [...prompt.matchAll(/^(\d+)\. (.*)$/gm)].flatMap(([, number, point]) => {
        const fact = facts.find((one) => pointOf(one) === point)
        const there = lines.find(({ text }) => text === fact?.text)
        const chance = draw()
        if (there === undefined || chance > 0.9) return []
        const claim = { point: Number(number), ...there }
        if (chance < 1 / 6) return [{ ...claim, text: changed(claim.text) }]
        if (chance < 2 / 6)
          return [
            { ...claim, ...(({ path, line }) => ({ path, line }))(lines[Math.floor(draw() * lines.length)] ?? there) },
          ]
        return chance < 5 / 12 ? [{ ...claim, path: 'none.txt' }] : [claim]
      })
      return JSON.stringify({ claims })
    }
    const findings = [...prompt.matchAll(/^(.*\.) (\[.+?:\d+\])$/gm)]
    return findings.map(([, text, source]) => `${draw() < 0.1 ? changed(text as string) : text} ${source}`).join('\n')
  })
}

async function measure(seed: number) {
  const { facts, files } = plant(seed)
  const root = mkdtempSync(join(tmpdir(), 'polity-r1-'))
  try {
    for (const [i, lines] of files.entries()) writeFileSync(join(root, `file-${i}.txt`), lines.join('\n'))
    const index = await openFolderIndex(root, { indexPath: join(root, '.index') })
    const tools = folderTools(index).filter(({ name }) => name !== 'list') as unknown as Tool[]
    const kernel = await boot({ model: modelOf(seed, facts), tools })
    const run = async (support: number, rounds: number, parallel: boolean): Promise<DeepResearch> =>
      kernel.spawn(deepResearch, {
        question: `Tell of the buildings of corpus ${seed}.`,
        sections: 8,
        support,
        rounds,
        parallel,
      }).result
    const isTrue = ({ text, path, line }: DeepResearch['claims'][number]): boolean =>
      files[Number(/\d+/.exec(path)?.[0])]?.[line - 1] === text && facts.some((fact) => fact.text === text)
    const own = await run(0.6, 5, true)
    const once = await run(0.6, 1, false)
    await kernel.close()
    await index.close()
    return {
      claims: own.claims.length,
      good: own.claims.filter(isTrue).length,
      found: facts.filter(({ text }) => own.claims.some((claim) => claim.text === text)).length,
      once: facts.filter(({ text }) => once.claims.some((claim) => claim.text === text)).length,
      facts: facts.length,
      dropped: own.dropped,
      rounds: own.rounds,
    }
  } finally {
    rmSync(root, { recursive: true })
  }
}

export const r1: Experiment = {
  id: 'R1',
  what: 'deep research on planted corpora, a model that errs in half of what it extracts',
  bar: 'citation precision 1.0, recall ≥ .9',
  seeds: 12,
  async run(seeds) {
    const runs: Awaited<ReturnType<typeof measure>>[] = []
    for (let seed = 0; seed < seeds; seed++) runs.push(await measure(seed))
    const total = (of: (one: (typeof runs)[number]) => number) => runs.reduce((sum, one) => sum + of(one), 0)
    const [claims, good, found, facts] = [
      total((one) => one.claims),
      total((one) => one.good),
      total((one) => one.found),
      total((one) => one.facts),
    ]
    return {
      measured: `precision ${(good / claims).toFixed(3)} (${good} of ${claims}), recall ${(found / facts).toFixed(3)} after ${(total((one) => one.rounds) / seeds).toFixed(1)} rounds, ${(total((one) => one.once) / facts).toFixed(3)} after one; ${total((one) => one.dropped)} claims dropped`,
      ok: good === claims && found >= 0.9 * facts,
    }
  },
}
