/**
 * T5, pruned pages: accessibility trees of pages that a real Chromium lays out (bench/context/pages.ts), pruned by agents/web-tree.ts. Tokens are
 * those of a published vocabulary (o200k). What may not be lost is read from the tree itself, line by line. The trajectories of the Agent Data
 * Protocol are not part of this repository; their trees are not measured here.
 */
import { existsSync } from 'node:fs'
import { countTokens } from 'gpt-tokenizer/encoding/o200k_base'
import { pruneTree } from '../../src/agents/pieces/web-tree.ts'
import { visits } from '../context/pages.ts'
import type { Experiment } from './experiment.ts'

const CHROMIUM = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find((path) =>
  existsSync(path),
)
const roles =
  'link|button|textbox|searchbox|combobox|checkbox|radio|switch|slider|spinbutton|listbox|option|menuitem|tab|treeitem'
const NODE = new RegExp(String.raw`^\t*\[(\w+)\] (${roles})\b(?: '(.*?)')?`, 'gm')

const interactive = (tree: string): string[] =>
  [...tree.matchAll(NODE)].map(([, id, role, name]) => `${id} ${role} ${(name ?? '').replaceAll(/\s+/g, ' ').trim()}`)

export const t5: Experiment = {
  id: 'T5',
  what: 'pruned accessibility trees of four kinds of pages',
  bar: 'tokens - ≥ 40 %, no node lost that can be acted on, pruning again changes nothing (trees of ADP: not measured)',
  seeds: 3,
  async run(seeds) {
    if (CHROMIUM === undefined)
      return { measured: 'no Chromium here: nothing measured', ok: false, lacks: 'it needs a Chromium' }
    let [before, after, nodes, lost, unstable, trees] = [0, 0, 0, 0, 0, 0]
    const shares = new Map<string, [number, number]>()
    for (let seed = 1; seed <= seeds; seed++)
      for await (const { site, tree } of visits(CHROMIUM, seed, { pages: 2, steps: 3 })) {
        const pruned = pruneTree(tree)
        const [long, short] = [countTokens(tree), countTokens(pruned)]
        trees++
        before += long
        after += short
        const own = shares.get(site) ?? [0, 0]
        shares.set(site, [own[0] + long, own[1] + short])
        const left = new Set(interactive(pruned))
        const needed = interactive(tree)
        nodes += needed.length
        lost += needed.filter((node) => !left.has(node)).length
        if (pruneTree(pruned) !== pruned) unstable++
      }
    const sites = [...shares].map(([site, [long, short]]) => `${site} - ${(100 * (1 - short / long)).toFixed(0)} %`)
    return {
      measured: `tokens - ${(100 * (1 - after / before)).toFixed(0)} % (${sites.join(', ')}), ${lost} of ${nodes} nodes lost, ${unstable} of ${trees} trees changed again`,
      ok: after <= 0.6 * before && lost === 0 && unstable === 0,
    }
  },
}
