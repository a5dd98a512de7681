/**
 * `craft.dag`: make a thing from other things, which are made from others, down to what lies about.
 *
 *     environmentOf(craft).reset({ params: craft.task(7, 3), seed: 7 })      // a made-up book of recipes, depth 3
 *     taskOf(recipesOf(textcraft), 'oak_boat')                               // a goal from TextCraft's own recipes
 *
 * The world of TextCraft (Prasad et al. 2024, "ADaPT", section 4), without its text parser: `get` takes what no recipe
 * makes, `craft` follows one recipe once, `inventory` looks. Several crafters share the work by `give`.
 *
 * Invariants
 *   C1. Things are made from what the crafter has, and are gone then.
 *   C2. A recipe's ingredients are at a smaller depth than what it makes (`recipesOf` leaves out the others, such as
 *       those that unpack a block into what it was packed from), so every goal can be reached.
 */
import { z } from 'zod'
import { PolityError } from '../kernel/errors.ts'
import type { Json } from '../kernel/types.ts'
import { defineWorld, fields } from './define.ts'
import {
  drawAt,
  drawBelow,
  oneByOne,
  pick,
  refused,
  shuffled,
  unknownAction,
  type Action,
  type Rules,
} from './environment.ts'

/** What one crafting takes and gives. */
export interface Recipe {
  readonly item: string
  /** Pieces that one crafting gives. */
  readonly count: number
  readonly ingredients: { readonly [item: string]: number }
  readonly [key: string]: Json
}

/** A goal with the recipes that an agent is shown: those it needs, and some that lead nowhere. */
export interface CraftTask {
  readonly recipes: readonly Recipe[]
  readonly goal: { readonly item: string; readonly count: number }
  readonly crafters: readonly string[]
  readonly [key: string]: Json
}

/** What everybody has. */
export interface CraftState {
  readonly task: CraftTask
  readonly inventory: { readonly [crafter: string]: { readonly [item: string]: number } }
  readonly [key: string]: Json
}

const piecesForm = z.record(z.string(), z.int().min(1))
const taskForm = fields({
  recipes: z.array(fields({ item: z.string(), count: z.int().min(1), ingredients: piecesForm })),
  goal: fields({ item: z.string(), count: z.int().min(1) }),
  crafters: z.array(z.string()).min(1),
})

/** Layers of a made-up book of recipes, things a layer, recipes shown that lead nowhere. */
const BOOK = { things: 6, distractors: 6, ingredientsMax: 3, piecesMax: 3 }
const TURNS_MAX = 400
/** Of a thousand goals of that depth, thirty-three take more turns than there are, and are drawn anew. */
const LEVEL_MAX = 8
const words = ['ash', 'birch', 'clay', 'copper', 'flint', 'glass', 'iron', 'linen', 'oak', 'reed', 'salt', 'wax']
const forms = ['bar', 'block', 'board', 'cord', 'dust', 'gear', 'lamp', 'plate', 'rod', 'sheet', 'tile', 'wheel']

/** The rules. Level: the depth of the goal; beyond 4 also the number of crafters grows. */
export const craft: Rules<CraftTask, CraftState> = defineWorld({
  id: 'craft.dag',
  version: '1',
  description: 'Make the goal: get what no recipe makes, craft the rest.',
  stepsMax: TURNS_MAX,
  levelMax: LEVEL_MAX,
  params: taskForm,
  task(seed, level = 2) {
    // What takes the oracle more turns than there are is no task; another is drawn.
    for (let attempt = 1; ; attempt++) {
      const task = drawnTask(seed, attempt, level)
      if (isMadeInTime(task)) return task
    }
  },
  start: opened,
  toAct: (state) => (isMade(state) ? [] : state.task.crafters),
  view({ task, inventory }, agent) {
    const { item, count } = task.goal
    return {
      text: [
        `Goal: ${count} ${item}.`,
        `You have: ${
          Object.entries(inventory[agent] ?? {})
            .map(([name, n]) => `${n} ${name}`)
            .join(', ') || 'nothing'
        }.`,
        bookOf(task.recipes).text,
      ].join('\n'),
      data: { goal: task.goal, inventory: inventory[agent] ?? {}, recipes: task.recipes },
      actions: task.crafters.length === 1 ? aloneActions : actions,
    }
  },
  step: (state, given) =>
    oneByOne(state, given, (at, action) => {
      const { agent, name } = action
      if (!actions.some((one) => one.name === name)) return refused(at, unknownAction(agent, name, actions))
      const done = act(at, action)
      return typeof done === 'string' ? refused(at, { agent, code: 'NOT_POSSIBLE', message: done }) : { state: done }
    }),
  score: (state) => (isMade(state) ? 1 : 0),
  oracle(state) {
    const [first] = state.task.crafters
    const next = nextStep(state, first as string)
    return next === undefined ? [] : [{ agent: first as string, ...next }]
  },
})

function drawnTask(seed: number, attempt: number, level: number): CraftTask {
  const draw = drawAt(seed, 1 - 2 * attempt)
  const names = shuffled(
    draw,
    words.flatMap((word) => forms.map((form) => `${word} ${form}`)),
  )
  const layers = Array.from({ length: level + 1 }, () => names.splice(0, BOOK.things))
  const recipes = layers.slice(1).flatMap((layer, depth) =>
    layer.map((item): Recipe => {
      const below = layers.slice(0, depth).flat()
      // At least one from the layer right below, so that the depth of the goal is its level.
      const items = new Set([pick(draw, layers[depth] as string[])])
      for (let i = drawBelow(draw, BOOK.ingredientsMax); i > 0 && below.length > 0; i--) items.add(pick(draw, below))
      const ingredients = Object.fromEntries([...items].map((one) => [one, 1 + drawBelow(draw, BOOK.piecesMax)]))
      return { item, count: 1 + drawBelow(draw, BOOK.piecesMax), ingredients }
    }),
  )
  const goal = { item: pick(draw, layers[level] as string[]), count: 1 + drawBelow(draw, 2) }
  return { ...taskOf(recipes, goal.item, goal.count, drawAt(seed, -2 * attempt)), crafters: crafterNames(level) }
}

function isMadeInTime(task: CraftTask): boolean {
  const agent = task.crafters[0] as string
  let state = opened(task)
  for (let turns = 0; turns < TURNS_MAX && !isMade(state); turns++)
    state = act(state, { agent, ...(nextStep(state, agent) as Pick<Action, 'name' | 'args'>) }) as CraftState
  return isMade(state)
}

function opened(task: CraftTask): CraftState {
  return { task, inventory: Object.fromEntries(task.crafters.map((crafter) => [crafter, {}])) }
}

const countOf = { type: 'integer', minimum: 1, maximum: 1_000 }
const aloneActions = [
  {
    name: 'get',
    description: 'Take pieces of something that no recipe makes.',
    input: { type: 'object', properties: { item: { type: 'string' }, count: countOf }, required: ['item', 'count'] },
    effect: 'write',
  },
  {
    name: 'craft',
    description: 'Follow the recipe for something once, with what you have.',
    input: { type: 'object', properties: { item: { type: 'string' } }, required: ['item'] },
    effect: 'write',
  },
] as const
const actions = [
  ...aloneActions,
  {
    name: 'give',
    description: 'Hand pieces over to another crafter.',
    input: {
      type: 'object',
      properties: { to: { type: 'string' }, item: { type: 'string' }, count: countOf },
      required: ['to', 'item', 'count'],
    },
    effect: 'write',
  },
] as const

/** The state after the action, or why it cannot be done. */
function act(state: CraftState, { agent, name, args = {} }: Action): CraftState | string {
  const { item, count = 1, to } = args
  if (typeof item !== 'string') return `${name} takes { item }, the name of a thing`
  if (typeof count !== 'number' || !Number.isInteger(count) || count < 1 || count > 1_000)
    return `${name} takes a count from 1 to 1000`
  const made = state.task.recipes.filter((recipe) => recipe.item === item)
  const own = state.inventory[agent] ?? {}
  if (name === 'get') {
    if (made.length > 0) return `"${item}" is made by a recipe: craft it`
    if (!isKnown(state.task, item)) return `nobody has heard of "${item}"`
    return withInventory(state, agent, changed(own, { [item]: count }))
  }
  if (name === 'give') {
    if (typeof to !== 'string' || to === agent || !state.task.crafters.includes(to))
      return `give takes { to }, another of ${state.task.crafters.join(', ')}`
    if ((own[item] ?? 0) < count) return `you have ${own[item] ?? 0} ${item}, not ${count}`
    const given = withInventory(state, agent, changed(own, { [item]: -count }))
    return withInventory(given, to, changed(given.inventory[to] ?? {}, { [item]: count }))
  }
  if (made.length === 0) return `no recipe makes "${item}"`
  const recipe = made.find(({ ingredients }) => Object.entries(ingredients).every(([one, n]) => (own[one] ?? 0) >= n))
  if (recipe === undefined) {
    const needs = Object.entries((made[0] as Recipe).ingredients).map(
      ([one, n]) => `${n} ${one} (you have ${own[one] ?? 0})`,
    )
    return `a recipe for ${item} needs ${needs.join(', ')}`
  }
  const used = Object.entries(recipe.ingredients).map(([one, n]) => [one, -n] as const)
  return withInventory(state, agent, changed(changed(own, Object.fromEntries(used)), { [item]: recipe.count }))
}

function isKnown({ recipes, goal }: CraftTask, item: string): boolean {
  return item === goal.item || recipes.some(({ ingredients }) => Object.hasOwn(ingredients, item))
}

function isMade({ task: { goal, crafters }, inventory }: CraftState): boolean {
  return crafters.some((crafter) => (inventory[crafter]?.[goal.item] ?? 0) >= goal.count)
}

function withInventory(state: CraftState, agent: string, own: { readonly [item: string]: number }): CraftState {
  return { ...state, inventory: { ...state.inventory, [agent]: own } }
}

function changed(own: { readonly [item: string]: number }, by: { readonly [item: string]: number }) {
  const next: { [item: string]: number } = { ...own }
  for (const [item, n] of Object.entries(by)) {
    const left = (next[item] ?? 0) + n
    if (left > 0) next[item] = left
    else delete next[item]
  }
  return next
}

/** What one crafter who sees everything does next on the way to the goal: the deepest ingredient first, so that what is made later takes nothing of it away. */
function nextStep({ task, inventory }: CraftState, agent: string): Pick<Action, 'name' | 'args'> | undefined {
  const own = inventory[agent] ?? {}
  const { best, depth } = bookOf(task.recipes)
  const step = (item: string, count: number): Pick<Action, 'name' | 'args'> | undefined => {
    const missing = count - (own[item] ?? 0)
    if (missing <= 0) return undefined
    const recipe = best.get(item)
    if (recipe === undefined) return { name: 'get', args: { item, count: missing } }
    const deepestFirst = Object.entries(recipe.ingredients).toSorted(
      ([a], [b]) => (depth.get(b) ?? 0) - (depth.get(a) ?? 0),
    )
    for (const [ingredient, n] of deepestFirst) {
      const before = step(ingredient, n)
      if (before !== undefined) return before
    }
    return { name: 'craft', args: { item } }
  }
  return step(task.goal.item, task.goal.count)
}

interface Book extends ReturnType<typeof depthsOf> {
  readonly text: string
}

const books = new WeakMap<readonly Recipe[], Book>()

/** What follows from the recipes of a task, which stay the same in all its states. */
function bookOf(recipes: readonly Recipe[]): Book {
  let book = books.get(recipes)
  if (book === undefined) {
    const lines = recipes.map(
      ({ count, item, ingredients }) =>
        `- ${count} ${item} from ${Object.entries(ingredients)
          .map(([name, n]) => `${n} ${name}`)
          .join(', ')}`,
    )
    books.set(recipes, (book = { ...depthsOf(recipes), text: ['Recipes:', ...lines].join('\n') }))
  }
  return book
}

/** Of every thing that can be made: how many layers of recipes it takes at least, and the recipe that does it. */
export function depthsOf(recipes: readonly Recipe[]): {
  readonly depth: ReadonlyMap<string, number>
  readonly best: ReadonlyMap<string, Recipe>
} {
  const makers = new Set(recipes.map(({ item }) => item))
  const depth = new Map<string, number>()
  const best = new Map<string, Recipe>()
  for (let layer = 1, found = true; found; layer++) {
    const reached = recipes.filter(
      ({ item, ingredients }) =>
        !depth.has(item) &&
        Object.keys(ingredients).every((one) => !makers.has(one) || (depth.get(one) ?? layer) < layer),
    )
    found = reached.length > 0
    for (const recipe of reached) {
      depth.set(recipe.item, layer)
      if (!best.has(recipe.item)) best.set(recipe.item, recipe)
    }
  }
  return { depth, best }
}

/** The pieces of what lies about that the goal takes, as the oracle makes it; what is left over is used. */
export function materialsOf(
  recipes: readonly Recipe[],
  item: string,
  count: number,
): { readonly [item: string]: number } {
  const { best, depth } = depthsOf(recipes)
  const needs = new Map([[item, count]])
  const materials: { [item: string]: number } = {}
  // The deepest first: when a thing's turn comes, all that needs it is known.
  for (;;) {
    const [next] = [...needs].toSorted(([a], [b]) => (depth.get(b) ?? 0) - (depth.get(a) ?? 0))
    if (next === undefined) return materials
    const [thing, n] = next
    needs.delete(thing)
    const recipe = best.get(thing)
    if (recipe === undefined) materials[thing] = n
    else
      for (const [one, each] of Object.entries(recipe.ingredients))
        needs.set(one, (needs.get(one) ?? 0) + each * Math.ceil(n / recipe.count))
  }
}

/** The task to make something: the recipes it takes, and others that use the same things or make like ones. */
export function taskOf(book: readonly Recipe[], item: string, count = 1, draw = drawAt(0, -2)): CraftTask {
  const { best } = depthsOf(book)
  if (!best.has(item))
    throw new PolityError(
      'INVALID_ARGUMENT',
      `no recipe makes "${item}" from what lies about; expected one of the ${best.size} things that can be made`,
    )
  const needed = new Set<Recipe>()
  const need = (thing: string): void => {
    const recipe = best.get(thing)
    if (recipe === undefined || needed.has(recipe)) return
    needed.add(recipe)
    for (const one of Object.keys(recipe.ingredients)) need(one)
  }
  need(item)
  const others = shuffled(
    draw,
    book.filter((recipe) => !needed.has(recipe) && best.get(recipe.item) === recipe),
  )
  const things = new Set([...needed].flatMap((recipe) => [recipe.item, ...Object.keys(recipe.ingredients)]))
  // What could be had by `get` must stay so: a recipe for a base thing of the goal would not be one of the best.
  const near = others.filter(({ ingredients }) => Object.keys(ingredients).some((one) => things.has(one)))
  const distractors = [...near, ...others.filter((recipe) => !near.includes(recipe))].slice(0, BOOK.distractors)
  const shown = [...needed, ...distractors]
  const closed = shown.filter(({ ingredients }) =>
    Object.keys(ingredients).every((one) => !best.has(one) || shown.some((recipe) => recipe.item === one)),
  )
  return { recipes: shuffled(draw, closed), goal: { item, count }, crafters: ['crafter'] }
}

function crafterNames(level: number): readonly string[] {
  return Array.from({ length: Math.max(1, level - 3) }, (_, i) => (i === 0 ? 'crafter' : `crafter ${i + 1}`))
}

/** TextCraft's recipes as its release has them: crafting recipes, shaped and shapeless; others, and those on a circle, are left out. */
export function recipesOf(textcraft: { readonly recipes: { readonly [name: string]: Json } }): readonly Recipe[] {
  const all: Recipe[] = []
  for (const given of Object.values(textcraft.recipes)) {
    const { type, pattern, key, ingredients, result } = given as unknown as TextCraftRecipe
    if (type !== 'minecraft:crafting_shaped' && type !== 'minecraft:crafting_shapeless') continue
    const parts =
      pattern === undefined
        ? (ingredients ?? [])
        : [...pattern.join('').replaceAll(' ', '')].map((sign) => key?.[sign] ?? {})
    const needs: { [item: string]: number } = {}
    for (const part of parts) {
      const { item, tag } = [part].flat()[0] as Ingredient
      const name = nameOf(item ?? tag ?? '')
      needs[name] = (needs[name] ?? 0) + 1
    }
    all.push({ item: nameOf(result.item), count: result.count ?? 1, ingredients: needs })
  }
  // A thing of which a block is packed, and which only unpacking that block would make, lies about.
  const unpacks = ({ item, ingredients }: Recipe): boolean =>
    Object.keys(ingredients).some((one) =>
      all.some(
        (other) =>
          other.item === one &&
          Object.hasOwn(other.ingredients, item) &&
          other.count < Object.values(other.ingredients).reduce((a, b) => a + b, 0),
      ),
    )
  const acyclic = all.filter((recipe) => !unpacks(recipe))
  const { depth } = depthsOf(acyclic)
  return acyclic.filter(
    ({ item, ingredients }) =>
      depth.has(item) && Object.keys(ingredients).every((one) => (depth.get(one) ?? 0) < (depth.get(item) as number)),
  )
}

interface Ingredient {
  readonly item?: string
  readonly tag?: string
}

interface TextCraftRecipe {
  readonly type: string
  readonly pattern?: readonly string[]
  readonly key?: { readonly [sign: string]: Ingredient | readonly Ingredient[] }
  readonly ingredients?: readonly (Ingredient | readonly Ingredient[])[]
  readonly result: { readonly item: string; readonly count?: number }
}

function nameOf(id: string): string {
  return id.replace('minecraft:', '').replaceAll('_', ' ')
}
