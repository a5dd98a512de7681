/**
 * Scripted teams for media (c15-media.ts, test/media-programs.test.ts): speakers of a document, a film crew, and designers of layouts. They know nothing but
 * their prompts; what is planted is a fault at one stage, which is mended where the prompt says what is wrong.
 */
import type { Demand, Design, Expert } from '../../src/agents/pieces/layout-design.ts'
import type { SlideLayout } from '../../src/agents/pieces/slides.ts'
import { randomAt } from '../../src/kernel/clock.ts'
import type { Says } from '../../src/drivers/llm/answering.ts'

/** Numbers from 0 up to 1, one after another, the same of the same seed. */
export function numbers(seed: number): () => number {
  let drawn = 0
  return () => randomAt(seed, 0, drawn++)
}

/** The document of that name in a prompt. */
function documentIn(prompt: string, name: string): string {
  const [, after = ''] = prompt.split(`# ${name}\n`)
  return after.split(/\n\n# (?=[a-zA-Z])/)[0] as string
}

// -------------------------------------------------------------------------------------------------------------- talk

export const lake = `# The lake and its ice

Notes of a winter.

## Why lakes freeze from above

Water is heaviest at four degrees. Colder water stays above, cools further and freezes there, while the deep water keeps its four degrees.

### The turning of the water

In autumn the whole lake turns over once it has four degrees everywhere.

## How thick ice has to be

Ten centimetres of clear ice carry a person, twenty carry a small car.

### White ice

White ice holds air and carries half as much.

## What lives below

Fish stand deep and hardly move. Light that comes through clear ice feeds algae all winter.
`

export const sketch =
  '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 400 300"><rect width="400" height="300" fill="#d9ecf7"/><rect y="90" width="400" height="40" fill="#ffffff" stroke="#7aa5c4"/><rect y="130" width="400" height="170" fill="#2f6f9f"/><text x="200" y="118" font-family="DejaVu Sans" font-size="24" text-anchor="middle">0 °C</text><text x="200" y="270" font-family="DejaVu Sans" font-size="24" fill="#ffffff" text-anchor="middle">4 °C</text></svg>'

/** Where a speaker is wrong at first. */
export type TalkFault = 'none' | 'outline' | 'picture' | 'layout' | 'content' | 'notes'

/** `times`: how often in a row; Infinity: whatever they are told. */
export function speakers(fault: TalkFault, times = 1): Says {
  let left = times
  const isWrong = (stage: TalkFault): boolean => fault === stage && left-- > 0
  return (prompt) => {
    if (prompt.includes('You plan a presentation')) {
      const sections = [...prompt.matchAll(/^## (.+)$/gm)].map(([, name]) => name as string)
      const wrong = isWrong('outline')
      const picture = isWrong('picture') ? 'A photograph of the harbour' : 'Ice above water'
      const slides = sections.map((name, i) => ({
        purpose: `say ${name.toLowerCase()}`,
        // Copied by a hand that errs by a letter, which is near enough.
        indexes: {
          [wrong && i === 1 ? 'The price of fish in autumn' : name.replace('freeze', 'frieze')]:
            i === 0 ? ['The turning of the water'] : [],
        },
        images: i === 0 ? [picture] : [],
      }))
      return { slides }
    }
    if (prompt.includes('Choose the layout')) {
      const { images } = JSON.parse(documentIn(prompt, 'slide')) as { images: string[] }
      if (isWrong('layout')) return { reason: 'I like it', layout: 'picture wall' }
      return { reason: 'it fits', layout: images.length > 0 ? 'picture and bullets' : 'bullets' }
    }
    if (prompt.includes('Fill the elements')) {
      const { images } = JSON.parse(documentIn(prompt, 'slide')) as { images: string[] }
      const { elements } = JSON.parse(documentIn(prompt, 'layout')) as SlideLayout
      const text = documentIn(prompt, 'text')
      const sentences = (text.replaceAll(/^#+ .*$/gm, ' ').match(/[^.]+\./g) ?? []).map((one) => one.trim())
      const heading = /^## (.+)$/m.exec(text)?.[1] ?? ''
      const long = isWrong('content')
      return {
        elements: Object.fromEntries(
          Object.entries(elements).map(([name, { type, charsMax, itemsMax }]) => {
            if (type === 'image') return [name, images]
            if (name === 'caption') return [name, images]
            if (type === 'text') return [name, [long ? 'word '.repeat(charsMax) : heading]]
            return [
              name,
              sentences
                .slice(0, itemsMax)
                .map((one) => (one.length > charsMax ? `${one.slice(0, charsMax - 1).replace(/\s\S*$/, '')}…` : one)),
            ]
          }),
        ),
      }
    }
    const words = documentIn(prompt, 'content')
      .replaceAll(/[^\p{L}\p{N}. ]+/gu, ' ')
      .trim()
      .split(/\s+/)
    const said = Array.from({ length: 34 }, (_, i) => words[i % words.length] as string).join(' ')
    return isWrong('notes') ? 'Too short.' : said
  }
}

// -------------------------------------------------------------------------------------------------------------- film

export const cast = [
  { name: 'Ada', description: 'a keeper of a lighthouse', colour: '#8a2d3b', voice: { voice: 'en+f3', pitch: 60 } },
  { name: 'Bo', description: 'a young fisherman', colour: '#1f6f5c', voice: { voice: 'en+m3', pitch: 35 } },
  { name: 'Cy', description: 'a dog that says nothing', colour: '#6b4f2a' },
] as const

/** How many scenes each sub-script has, and how many shots each of its scenes. */
export type Tree = readonly (readonly number[])[]

export type CrewFault = 'none' | 'script' | 'scenes' | 'shots' | 'voice' | 'box'

/** Plans a tree of that shape. A stranger is planted at one stage until it is told of. */
export function crew(tree: Tree, fault: CrewFault = 'none', times = 1): Says {
  let left = times
  const isWrong = (stage: CrewFault): boolean => fault === stage && left-- > 0
  const [ada, bo] = ['Ada', 'Bo']
  return (prompt) => {
    if (prompt.includes('You are the director')) {
      const stranger = isWrong('script')
      return {
        reasoning: 'cut where the weather turns',
        subScripts: tree.map((_, i) => ({
          text: `Part ${i + 1}: the storm`,
          characters: stranger && i === 0 ? [ada, 'Zoe'] : [ada, bo],
          why: `the weather turns for the time ${i + 1}`,
        })),
      }
    }
    if (prompt.includes('You are the scene planner')) {
      const [, i = '1'] = /Part (\d+)/.exec(prompt) ?? []
      const stranger = isWrong('scenes')
      return {
        reasoning: `part ${i} falls into places`,
        scenes: (tree[Number(i) - 1] ?? []).map((_, s) => ({
          characters: stranger && s === 0 ? [ada, bo, 'Cy'] : [ada, bo],
          plot: `plot ${i}.${s + 1}`,
          tone: s % 2 === 0 ? 'anxious' : 'calm',
          style: 'woodcut',
          props: ['lamp', 'boat'],
          cinematography: 'low light',
          description: `place ${i}.${s + 1}`,
          boundary: 'they leave the room',
        })),
      }
    }
    const [, i = '1', s = '1'] = /plot (\d+)\.(\d+)/.exec(prompt) ?? []
    const stranger = isWrong('shots')
    const unseen = isWrong('voice')
    const wide = isWrong('box')
    const count = tree[Number(i) - 1]?.[Number(s) - 1] ?? 0
    return {
      reasoning: `scene ${i}.${s} from far to near`,
      shots: Array.from({ length: count }, (_, j) => ({
        description: `shot ${i}.${s}.${j + 1}`,
        characters: [
          { name: ada, box: [0.12, 0.25, 0.3, 0.7] },
          { name: stranger && j === 0 ? 'Zoe' : bo, box: [wide ? 0.9 : 0.58, 0.3, 0.3, 0.65] },
        ],
        type: j === 0 ? 'wide' : 'close-up',
        camera: (['zoom in', 'static', 'pan right'] as const)[j % 3],
        subtitles:
          j === 1
            ? []
            : [
                { speaker: ada, text: 'Do you see the light?' },
                { speaker: unseen ? 'Zoe' : j === 0 ? bo : null, text: 'Nothing but rain.' },
              ],
      })),
    }
  }
}

// ----------------------------------------------------------------------------------------------------------- layouts

export interface PlantedLayout {
  readonly prompt: string
  readonly demands: readonly Demand[]
  /** Meets all demands. */
  readonly right: Design
}

const COLOURS = ['#d62828', '#1d4ed8', '#15803d', '#7c3aed'] as const
const pick = <One>(from: readonly One[], random: () => number): One => from[Math.floor(random() * from.length)] as One

/** Two or three objects, one beside another, one of which moves. */
export function plantedLayout(random: () => number): PlantedLayout {
  const shapes = ['rectangle', 'ellipse', 'triangle'] as const
  const count = 2 + Math.floor(random() * 2)
  const names = ['ball', 'box', 'tent'].slice(0, count)
  const direction = pick(['left', 'right', 'up', 'down', 'still'] as const, random)
  const step: { readonly [key: string]: [number, number] } = {
    left: [-0.07, 0],
    right: [0.07, 0],
    up: [0, -0.1],
    down: [0, 0.1],
    still: [0, 0],
  }
  const objects = names.map((id, i) => ({
    id,
    shape: pick(shapes, random),
    colour: COLOURS[i] as string,
    size: [0.12, 0.2] as [number, number],
    // Columns that no way of theirs leaves.
    place: [0.12 + 0.3 * i, 0.4] as [number, number],
    moves: Array.from({ length: 3 }, (): [number, number] =>
      i === 0 ? ((step[direction] as [number, number]).map((one) => one / 2.2) as [number, number]) : [0, 0],
    ),
  }))
  const demands: Demand[] = [
    ...objects.map(({ id, colour, shape }): Demand => ({ kind: 'object', name: id, colour, shape, count: 1 })),
    { kind: 'relation', name: 'ball', relation: 'left of', other: 'box' },
    { kind: 'motion', name: 'ball', direction },
  ]
  const right: Design = {
    prompt: 'objects',
    negative: 'blur',
    guidance: 7.5,
    background: '#ffffff',
    groups: 4,
    objects,
  }
  return {
    prompt: `A ${objects.map(({ id, shape }) => `${id} (${shape})`).join(', ')}; the ball is left of the box and moves ${direction}.`,
    demands,
    right,
  }
}

/** The design with a fault that one expert has to mend. */
export function spoilt({ right }: PlantedLayout, expert: Expert): Design {
  const [ball, box, ...rest] = right.objects as [
    Design['objects'][number],
    Design['objects'][number],
    ...Design['objects'],
  ]
  if (expert === 'consistency') {
    const shape = ball.shape === 'triangle' ? 'rectangle' : 'triangle'
    return { ...right, objects: [{ ...ball, shape }, box, ...rest] }
  }
  if (expert === 'spatial')
    return { ...right, objects: [{ ...ball, place: box.place }, { ...box, place: ball.place }, ...rest] }
  const isStill = ball.moves.every(([dx, dy]) => dx === 0 && dy === 0)
  const moves = ball.moves.map((): [number, number] => (isStill ? [0, 0.05] : [0, 0]))
  return { ...right, objects: [{ ...ball, moves }, box, ...rest] }
}

export interface Designers {
  /** What the first design is. */
  readonly first: Design
  /** Share of suggestions that name any expert, drawn by `random`. @default 0 */
  readonly noise?: number
  readonly random?: () => number
  readonly onExpert?: (expert: Expert) => void
  /** What corrections say in JSON, where it is not what it should be. */
  readonly structured?: (right: object) => string | object
}

/** A team that designs as told, reads out of mismatches whose fault they are, and knows the right design only field by field. */
export function designers(
  { demands, right }: PlantedLayout,
  { first, noise = 0, random = () => 0.5, onExpert, structured = (all) => all }: Designers,
): Says {
  return (prompt) => {
    if (prompt.includes('Read out of the prompt')) return { demands }
    if (prompt.includes('Design the video')) return first
    if (prompt.includes('Say what to change first')) {
      const wrong = documentIn(prompt, 'mismatches').split('\n')[0] as string
      const own: Expert = /wanted; group/.test(wrong)
        ? 'consistency'
        : /at the beginning/.test(wrong)
          ? 'spatial'
          : 'temporal'
      const expert = random() < noise ? pick(['consistency', 'spatial', 'temporal'] as const, random) : own
      onExpert?.(expert)
      return { suggestion: `mend: ${wrong}`, expert }
    }
    if (/Correct (what|where|how)/.test(prompt)) return 'Every object as the prompt has it.'
    const { prompt: words, negative, guidance, objects } = right
    const wording = { prompt: words, negative, guidance }
    if (prompt.includes('"objects": [{"id": "…", "shape"'))
      return structured({
        ...wording,
        objects: objects.map(({ id, shape, colour, size }) => ({ id, shape, colour, size })),
      })
    if (prompt.includes('"places"'))
      return structured({ ...wording, places: Object.fromEntries(objects.map(({ id, place }) => [id, place])) })
    return structured({ ...wording, moves: Object.fromEntries(objects.map(({ id, moves }) => [id, moves])) })
  }
}
