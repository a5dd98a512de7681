/**
 * P6, sub-goal trees: every goal of TextCraft's recipes, made in the real world by `ghost`'s decomposition and by a policy that
 * takes or makes random things of the book, 40 times; what it reaches where it only draws from the few things that a task shows is
 * printed too. Pieces gathered are held against the oracle's reckoning. The recipes of TextCraft are not part of this repository: with
 * its release at hand, `TEXTCRAFT=<its folder of recipes> node bench/experiments.ts P6` reads those, also from one file of them,
 * `{ "recipes": { "<name>": … } }`. Without it made-up books stand in, and the row says so.
 */
import { existsSync, readFileSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { boot } from './experiment.ts'
import { ghost, type Ghosted } from '../../src/agents/ghost.ts'
import { actionsOf, gathered, recipeTree, type MakingWay } from '../../src/agents/pieces/recipe-tree.ts'
import { scripted } from '../../src/drivers/llm/scripted.ts'
import { craft, depthsOf, materialsOf, recipesOf, taskOf, type CraftTask } from '../../src/environments/craft.ts'
import { environmentOf } from '../../src/environments/environment.ts'
import { spawnEpisode } from '../../src/evaluation/episode.ts'
import { worldOf } from '../../src/evaluation/world.ts'
import { randomAt } from '../../src/kernel/clock.ts'
import type { Json } from '../../src/kernel/types.ts'
import type { Experiment } from './experiment.ts'

/** Every so many goals one is made through the kernel, by the program; the others by its decomposition alone. */
const THROUGH_KERNEL = 10
const RANDOM_STEPS = 40

function tasks() {
  const path = process.env['TEXTCRAFT'] ?? ''
  if (path === '')
    return { list: Array.from({ length: 544 }, (_, seed) => craft.task(seed, 1 + (seed % 3))), from: 'made-up books' }
  const book = recipesOf(textcraftAt(path))
  return { list: [...depthsOf(book).best.keys()].map((item) => taskOf(book, item)), from: 'TextCraft' }
}

/** A folder with a recipe a file, as the release has it, or one file of them all. @throws where neither is there */
export function textcraftAt(path: string): Parameters<typeof recipesOf>[0] {
  if (!existsSync(path)) throw new Error(`TEXTCRAFT names ${path}, where there is nothing`)
  const read = (file: string) => JSON.parse(readFileSync(file, 'utf8'))
  if (!statSync(path).isDirectory()) return read(path)
  const files = readdirSync(path).filter((name) => name.endsWith('.json'))
  return { recipes: Object.fromEntries(files.toSorted().map((name) => [name, read(join(path, name)) as Json])) }
}

const waysIn = ({ recipes }: CraftTask): MakingWay[] =>
  recipes.map(({ item, count, ingredients }) => ({
    item,
    count,
    needs: Object.entries(ingredients).map(([one, n]) => ({ item: one, count: n })),
  }))

/** Whether the decomposition makes the goal, with the pieces that the oracle reckons. */
function decomposes(task: CraftTask): { readonly made: boolean; readonly exact: boolean } {
  const ways = waysIn(task)
  const tree = recipeTree(task.goal, (item) => ways.filter((way) => way.item === item))
  if (tree === undefined) return { made: false, exact: false }
  const environment = environmentOf(craft)
  let turn = environment.reset({ params: task, seed: 0 })
  for (const action of actionsOf(tree)) {
    if (turn.done) break
    const { item } = action
    const args: { readonly [name: string]: Json } = action.do === 'gather' ? { item, count: action.count } : { item }
    turn = environment.step([{ agent: 'crafter', name: action.do === 'gather' ? 'get' : 'craft', args }])
    if (turn.errors.length > 0) return { made: false, exact: false }
  }
  const reckoned = materialsOf(task.recipes, task.goal.item, task.goal.count)
  const pieces = gathered(tree)
  const exact =
    Object.keys(reckoned).length === pieces.size &&
    Object.entries(reckoned).every(([item, n]) => pieces.get(item) === n)
  return { made: environment.score() === 1, exact }
}

/** A policy that takes or makes a random one of these things, in random counts. */
function byChance(task: CraftTask, things: readonly string[], seed: number): number {
  const environment = environmentOf(craft)
  environment.reset({ params: task, seed })
  const made = new Set(task.recipes.map(({ item }) => item))
  for (let step = 0; step < RANDOM_STEPS; step++) {
    const item = things[Math.floor(randomAt(seed, 1, 2 * step) * things.length)] as string
    const count = 1 + Math.floor(randomAt(seed, 1, 2 * step + 1) * 4)
    const args: { readonly [name: string]: Json } = made.has(item) ? { item } : { item, count }
    if (environment.step([{ agent: 'crafter', name: made.has(item) ? 'craft' : 'get', args }]).done) break
  }
  return environment.score()
}

const thingsOf = (recipes: CraftTask['recipes']): string[] => [
  ...new Set(recipes.flatMap(({ item, ingredients }) => [item, ...Object.keys(ingredients)])),
]

export const p6: Experiment = {
  id: 'P6',
  what: 'sub-goal trees over recipes',
  bar: 'every goal made, pieces as the oracle reckons; a random policy ≤ 5 %',
  seeds: 1,
  async run() {
    const { list, from } = tasks()
    const kernel = await boot({ model: scripted([]) })
    const world = worldOf(craft)
    const book = thingsOf(list.flatMap(({ recipes }) => recipes))
    let [made, exact, asked, played, chance, shown] = [0, 0, 0, 0, 0, 0]
    for (const [i, task] of list.entries()) {
      const one = decomposes(task)
      if (one.made) made++
      if (one.exact) exact++
      chance += byChance(task, book, i)
      shown += byChance(task, thingsOf(task.recipes), i)
      if (i % THROUGH_KERNEL !== 0) continue
      asked++
      const input = { actions: { gather: 'get', make: 'craft' } }
      const run = await spawnEpisode(kernel, world, { params: task, seed: i }, { program: ghost, input })
      const { score, players } = await run.result
      const player = players['crafter']
      if (
        score === 1 &&
        player !== undefined &&
        'output' in player &&
        (player.output as unknown as Ghosted).replans === 0
      )
        played++
    }
    await kernel.close()
    return {
      measured: `${made} of ${list.length} goals of ${from} made, ${exact} with the oracle’s pieces; by the program ${played} of ${asked}; at random ${((100 * chance) / list.length).toFixed(1)} % over all ${book.length} things, ${((100 * shown) / list.length).toFixed(1)} % over those that the task shows`,
      ok: made === list.length && exact === list.length && played === asked && chance <= 0.05 * list.length,
      ...(from === 'TextCraft'
        ? {}
        : { lacks: 'it is about the recipes of TextCraft; name their folder by TEXTCRAFT' }),
    }
  },
}
