/**
 * Layouts of moving objects (gen-mac.ts): what is designed, whose field is what, how it is drawn, and what of a demand is not to be seen.
 *
 *     layoutFrames(design, { width: 640, height: 360, imagesPerGroup: 8 })     // SVGs of each frame group
 *     mismatches(demands, seen)                                             // what of the demands the frames do not show, and whose it is
 *     corrected(design, 'temporal', correction)                             // with the fields of that expert alone
 *
 * Boxes are parts of the frame. An object has one box for each frame group: where it is placed, and how it moves from group to group. So no two experts
 * share a field: consistency has what an object looks like and which objects there are, spatial where they are placed, temporal how they move.
 *
 * Invariants
 *   LD1. A correction changes the fields of its expert, with the prompts and the guidance, and nothing else.
 *   LD2. Demands of one expert are judged by what its fields decide: relations where the film begins, motion by the way from there.
 */
import { z } from 'zod'
import { escaped, round } from './svg-text.ts'

export const shapes = ['rectangle', 'ellipse', 'triangle'] as const
export const experts = ['consistency', 'spatial', 'temporal'] as const
export type Expert = (typeof experts)[number]

const part = z.number().min(0).max(1)
const pair = z.tuple([part, part])
const colour = z.string().regex(/^#[0-9a-f]{6}$/, 'a colour as #rrggbb, small letters')
const look = { id: z.string().min(1), shape: z.enum(shapes), colour, size: pair }
const move = z.tuple([z.number().min(-1).max(1), z.number().min(-1).max(1)])
const wording = { prompt: z.string(), negative: z.string(), guidance: z.number().min(0).max(50) }

export const design = z.object({
  ...wording,
  background: colour,
  /** Frame groups. */
  groups: z.number().int().min(2).max(12),
  objects: z
    .array(z.object({ ...look, place: pair, moves: z.array(move) }))
    .min(1)
    .max(20),
})
export type Design = z.infer<typeof design>

/** What each expert may write. */
export const corrections = {
  consistency: z.object({ ...wording, objects: z.array(z.object(look)).min(1).max(20) }),
  spatial: z.object({ ...wording, places: z.record(z.string(), pair) }),
  temporal: z.object({ ...wording, moves: z.record(z.string(), z.array(move)) }),
} as const

/** In place of `prompt`, in words: what the frames have to show. */
export const demand = z.discriminatedUnion('kind', [
  z.object({
    kind: z.literal('object'),
    name: z.string(),
    colour,
    shape: z.enum(shapes),
    count: z.number().int().min(1).max(10),
  }),
  z.object({
    kind: z.literal('relation'),
    name: z.string(),
    relation: z.enum(['left of', 'right of', 'above', 'below']),
    other: z.string(),
  }),
  z.object({
    kind: z.literal('motion'),
    name: z.string(),
    direction: z.enum(['left', 'right', 'up', 'down', 'still']),
  }),
])
export type Demand = z.infer<typeof demand>

const region = z.looseObject({
  colour: z.string(),
  box: z.tuple([z.number(), z.number(), z.number(), z.number()]),
  fill: z.number(),
})
export const seen = z.looseObject({ frames: z.array(z.looseObject({ at: z.number(), regions: z.array(region) })) })
export type Seen = z.infer<typeof seen>['frames']

export interface Mismatch {
  readonly expert: Expert
  readonly what: string
}

type Box = readonly [x: number, y: number, width: number, height: number]

// ------------------------------------------------------------------------------------------------------------ design

/** Where an object is in a frame group, from 0. */
export function boxOf({ place, size, moves }: Design['objects'][number], group: number): Box {
  const way = moves.slice(0, group)
  const [dx, dy] = [way.reduce((sum, one) => sum + one[0], 0), way.reduce((sum, one) => sum + one[1], 0)]
  return [place[0] + dx, place[1] + dy, size[0], size[1]]
}

/** What is wrong with a design before it is drawn. */
export function faultOfDesign({ objects, groups }: Design): string | undefined {
  const twice = objects.find(({ id }, i) => objects.findIndex((one) => one.id === id) !== i)
  if (twice !== undefined) return `Two objects are called "${twice.id}".`
  const short = objects.find(({ moves }) => moves.length !== groups - 1)
  if (short !== undefined)
    return `"${short.id}" has ${short.moves.length} moves; between ${groups} groups there are ${groups - 1}.`
  for (const one of objects)
    for (let group = 0; group < groups; group++) {
      const [x, y, w, h] = boxOf(one, group)
      if (x < -1e-9 || y < -1e-9 || x + w > 1 + 1e-9 || y + h > 1 + 1e-9 || w <= 0 || h <= 0)
        return `The box of "${one.id}" in group ${group + 1} is empty or reaches out of the frame.`
    }
  return undefined
}

/** The design with what one expert wrote. Objects that are new stand in the middle and still; who is not named stays as it is. */
export function corrected(before: Design, expert: Expert, correction: unknown): Design | undefined {
  const { prompt, negative, guidance, ...own } = correction as z.infer<(typeof corrections)['consistency']> & {
    readonly places?: { readonly [id: string]: [number, number] }
    readonly moves?: { readonly [id: string]: [number, number][] }
  }
  const words = { prompt, negative, guidance }
  if (expert === 'consistency') {
    const still = Array.from({ length: before.groups - 1 }, (): [number, number] => [0, 0])
    const objects = own.objects.map((one) => {
      const old = before.objects.find(({ id }) => id === one.id)
      const middle: [number, number] = [(1 - one.size[0]) / 2, (1 - one.size[1]) / 2]
      return { ...one, place: old?.place ?? middle, moves: old?.moves ?? still }
    })
    return { ...before, ...words, objects }
  }
  const fields: { readonly [id: string]: unknown } = (expert === 'spatial' ? own.places : own.moves) ?? {}
  if (Object.keys(fields).some((id) => !before.objects.some((one) => one.id === id))) return undefined
  const field = expert === 'spatial' ? 'place' : 'moves'
  const objects = before.objects.map((one) =>
    Object.hasOwn(fields, one.id) ? { ...one, [field]: fields[one.id] } : one,
  )
  return { ...before, ...words, objects }
}

// ------------------------------------------------------------------------------------------------------------- drawn

export interface LayoutForm {
  readonly width: number
  readonly height: number
  readonly imagesPerGroup: number
}

/** Of each group its pictures: objects move evenly from their box to that of the next group, and stand still in the last. */
export function layoutFrames(
  made: Design,
  { width, height, imagesPerGroup }: LayoutForm,
): readonly (readonly string[])[] {
  return Array.from({ length: made.groups }, (_, group) =>
    Array.from({ length: imagesPerGroup }, (__, i) => {
      const objects = made.objects.map((one) => {
        const [here, next] = [boxOf(one, group), boxOf(one, Math.min(group + 1, made.groups - 1))]
        const now = here.map((value, axis) => value + (((next[axis] as number) - value) * i) / imagesPerGroup)
        return shapeOf(one, now as unknown as Box, width, height)
      })
      return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}"><rect width="${width}" height="${height}" fill="${made.background}"/>${objects.join('')}</svg>`
    }),
  )
}

function shapeOf(
  { shape, colour: fill }: Design['objects'][number],
  [x, y, w, h]: Box,
  width: number,
  height: number,
): string {
  const [left, top, wide, high] = [x * width, y * height, w * width, h * height].map(round) as [
    number,
    number,
    number,
    number,
  ]
  const own = `fill="${escaped(fill)}"`
  if (shape === 'rectangle') return `<rect x="${left}" y="${top}" width="${wide}" height="${high}" ${own}/>`
  if (shape === 'ellipse')
    return `<ellipse cx="${round(left + wide / 2)}" cy="${round(top + high / 2)}" rx="${round(wide / 2)}" ry="${round(high / 2)}" ${own}/>`
  return `<path d="M ${round(left + wide / 2)} ${top} L ${round(left + wide)} ${round(top + high)} L ${left} ${round(top + high)} Z" ${own}/>`
}

// -------------------------------------------------------------------------------------------------------------- seen

/** Part of its box that a shape takes up, and how far off it may be measured. */
const FILLS: { readonly [Shape in (typeof shapes)[number]]: number } = {
  rectangle: 1,
  ellipse: Math.PI / 4,
  triangle: 0.5,
}
const FILL_OFF = 0.1
/** What moves less stands still, part of the frame. */
const WAY_MIN = 0.04

/** What of the demands the frames, one of each group from its beginning, do not show. */
export function mismatches(demands: readonly Demand[], frames: Seen): readonly Mismatch[] {
  const objects = demands.filter((one) => one.kind === 'object')
  const colourOf = (name: string): string | undefined => objects.find((one) => one.name === name)?.colour
  const centreOf = (name: string, frame: number): readonly [number, number] | undefined => {
    const found = frames.at(frame)?.regions.find((one) => one.colour === colourOf(name))?.box
    return found === undefined ? undefined : [found[0] + found[2] / 2, found[1] + found[3] / 2]
  }
  return demands.flatMap((one): readonly Mismatch[] => {
    if (one.kind === 'object') {
      const wrong = frames.findIndex(({ regions }) => {
        const own = regions.filter((each) => each.colour === one.colour)
        return own.length !== one.count || own.some(({ fill }) => Math.abs(fill - FILLS[one.shape]) > FILL_OFF)
      })
      if (wrong < 0) return []
      const there = frames[wrong]?.regions.filter((each) => each.colour === one.colour) ?? []
      const shown =
        there.length === 0 ? 'nothing of that colour' : there.map(({ fill }) => nearestShape(fill)).join(', ')
      const what = `${one.name}: ${one.count} × ${one.shape} of ${one.colour} wanted; group ${wrong + 1} shows ${shown}.`
      return [{ expert: 'consistency', what }]
    }
    if (one.kind === 'relation') {
      const [own, other] = [centreOf(one.name, 0), centreOf(one.other, 0)]
      const isSo = own !== undefined && other !== undefined && stands(own, other, one.relation)
      return isSo
        ? []
        : [{ expert: 'spatial', what: `${one.name} is not ${one.relation} ${one.other} at the beginning.` }]
    }
    const [from, to] = [centreOf(one.name, 0), centreOf(one.name, -1)]
    const isSo = from !== undefined && to !== undefined && moved(from, to) === one.direction
    const shown = from === undefined || to === undefined ? 'it is not there' : `it moves ${moved(from, to)}`
    return isSo ? [] : [{ expert: 'temporal', what: `${one.name} has to move ${one.direction}; ${shown}.` }]
  })
}

type Point = readonly [number, number]

function stands(own: Point, other: Point, relation: string): boolean {
  const [dx, dy] = [own[0] - other[0], own[1] - other[1]]
  return relation === 'left of' ? dx < 0 : relation === 'right of' ? dx > 0 : relation === 'above' ? dy < 0 : dy > 0
}

function moved(from: Point, to: Point): string {
  const [dx, dy] = [to[0] - from[0], to[1] - from[1]]
  if (Math.hypot(dx, dy) < WAY_MIN) return 'still'
  return Math.abs(dx) >= Math.abs(dy) ? (dx < 0 ? 'left' : 'right') : dy < 0 ? 'up' : 'down'
}

function nearestShape(fill: number): string {
  return shapes.toSorted((a, b) => Math.abs(fill - FILLS[a]) - Math.abs(fill - FILLS[b]))[0] as string
}
