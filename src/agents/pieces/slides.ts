/**
 * Slides: layouts with what each takes, contents that are held against them, and their pictures as SVG.
 *
 *     contentFault(layout, content, captions)                    // 'The element "bullets" takes 1 to 5 items, not 7.'; undefined where all is well
 *     drawSlide(layout, content, { number: 2, count: 7, pictures })   // an SVG of 1280 by 720
 *     slidesPage('Title', slides)                                // one HTML file with all of them, sounds and scripts
 *
 * A content is a list of texts for each element; of an image, its caption.
 *
 * Invariants
 *   SL1. A content without a fault stands within the boxes of its layout, whatever its letters: it is made smaller until it does.
 *   SL2. Nothing that a model wrote is markup in what comes out; a picture is data, which refers to nothing.
 */
import { z } from 'zod'
import { editSimilarity } from './edit-similarity.ts'
import { escaped, fitted, heightOf, round, textLines } from './svg-text.ts'

export const SLIDE = { width: 1_280, height: 720 } as const

const element = z.object({
  type: z.enum(['text', 'list', 'image']),
  /** x, y, width, height in pixels. */
  box: z.array(z.number().min(0)).length(4),
  /** Of the largest letters, pixels. */
  size: z.number().min(10).optional(),
  bold: z.boolean().optional(),
  /** Of one item. */
  charsMax: z.number().int().min(1),
  itemsMax: z.number().int().min(1),
})
export const slideLayout = z.object({
  name: z.string(),
  description: z.string(),
  elements: z.record(z.string(), element),
})
export type SlideElement = z.infer<typeof element>
export type SlideLayout = z.infer<typeof slideLayout>

export interface SlideContent {
  readonly [element: string]: readonly string[]
}

export interface Picture {
  readonly caption: string
  /** SVG as text, or base64 of PNG or JPEG. */
  readonly image: string
}

/** Layouts whose place in a presentation is known. */
export const functions = ['opening', 'table of contents', 'section header', 'ending'] as const
export type SlideFunction = (typeof functions)[number]
/** From here on two names are of one layout: PPTAgent's, on which PresentAgent builds. */
const NAME_SIMILARITY = 0.7

const title: SlideElement = { type: 'text', box: [80, 50, 1_120, 100], size: 48, bold: true, charsMax: 70, itemsMax: 1 }
const middle: SlideElement = {
  type: 'text',
  box: [120, 200, 1_040, 180],
  size: 68,
  bold: true,
  charsMax: 90,
  itemsMax: 1,
}
const under: SlideElement = { type: 'text', box: [120, 410, 1_040, 120], size: 34, charsMax: 140, itemsMax: 1 }

/** A plain template. There is none for section headers: in a talk of two minutes they would take a third of it. */
export const plainLayouts: readonly SlideLayout[] = [
  { name: 'opening', description: 'The first slide.', elements: { title: middle, subtitle: under } },
  {
    name: 'table of contents',
    description: 'What is to come.',
    elements: {
      title,
      sections: { type: 'list', box: [80, 190, 1_120, 450], size: 38, charsMax: 70, itemsMax: 8 },
    },
  },
  {
    name: 'bullets',
    description: 'A title and short points. For text alone.',
    elements: { title, bullets: { type: 'list', box: [80, 190, 1_120, 450], size: 36, charsMax: 110, itemsMax: 5 } },
  },
  {
    name: 'statement',
    description: 'One sentence that is to be kept in mind, with a line below it. For text alone.',
    elements: { statement: { ...middle, box: [120, 180, 1_040, 220], charsMax: 120 }, explanation: under },
  },
  {
    name: 'picture and bullets',
    description: 'A picture on the right with its caption, points on the left.',
    elements: {
      title,
      bullets: { type: 'list', box: [80, 190, 540, 450], size: 32, charsMax: 90, itemsMax: 4 },
      picture: { type: 'image', box: [660, 190, 540, 400], charsMax: 200, itemsMax: 1 },
      caption: { type: 'text', box: [660, 600, 540, 50], size: 22, charsMax: 90, itemsMax: 1 },
    },
  },
  {
    name: 'picture',
    description: 'A large picture with a title.',
    elements: { title, picture: { type: 'image', box: [140, 170, 1_000, 480], charsMax: 200, itemsMax: 1 } },
  },
  { name: 'ending', description: 'The last slide.', elements: { title: middle, subtitle: under } },
]

export const hasImage = ({ elements }: SlideLayout): boolean =>
  Object.values(elements).some(({ type }) => type === 'image')

/** The function of a layout by its name; undefined where it is for contents. */
export function functionOf({ name }: SlideLayout): SlideFunction | undefined {
  return functions.find((one) => editSimilarity(one, name) > NAME_SIMILARITY)
}

/** What of a content does not fit its layout. */
export function contentFault(
  { name, elements }: SlideLayout,
  content: SlideContent,
  captions: readonly string[],
): string | undefined {
  const stranger = Object.keys(content).find((one) => !Object.hasOwn(elements, one))
  if (stranger !== undefined)
    return `The layout "${name}" has no element "${stranger}"; it has ${Object.keys(elements).join(', ')}.`
  for (const [one, { type, charsMax, itemsMax }] of Object.entries(elements)) {
    const items = content[one] ?? []
    if (items.length < 1 || items.length > itemsMax)
      return `The element "${one}" takes 1${itemsMax === 1 ? ' item' : ` to ${itemsMax} items`}, not ${items.length}.`
    const long = items.find((item) => [...item].length > charsMax)
    if (long !== undefined) return `"${long}" has ${[...long].length} characters; "${one}" takes ${charsMax}.`
    if (items.some((item) => item.trim() === '')) return `An item of "${one}" is empty.`
    const missing = type === 'image' ? items.find((item) => !captions.includes(item)) : undefined
    if (missing !== undefined) return `There is no picture "${missing}"; there is ${captions.join(', ') || 'none'}.`
  }
  return undefined
}

const COLOURS = { back: '#fbfaf7', ink: '#1f2933', accent: '#1d5c8f', quiet: '#6b7680' } as const

export function drawSlide(
  layout: SlideLayout,
  content: SlideContent,
  {
    number,
    count,
    pictures,
  }: { readonly number: number; readonly count: number; readonly pictures: readonly Picture[] },
): string {
  const { width, height } = SLIDE
  const own = functionOf(layout)
  const isFront = own !== undefined && own !== 'table of contents'
  const drawn = Object.entries(layout.elements).map(([name, one]) =>
    drawElement(one, content[name] ?? [], pictures, isFront),
  )
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}">`,
    `<rect width="${width}" height="${height}" fill="${isFront ? COLOURS.accent : COLOURS.back}"/>`,
    isFront ? '' : `<rect width="16" height="${height}" fill="${COLOURS.accent}"/>`,
    ...drawn,
    `<rect y="${height - 8}" width="${round((width * number) / count)}" height="8" fill="${isFront ? '#ffffff' : COLOURS.accent}" opacity=".6"/>`,
    isFront
      ? ''
      : `<text x="${width - 40}" y="${height - 24}" font-family="DejaVu Sans, sans-serif" font-size="18" fill="${COLOURS.quiet}" text-anchor="end">${number} / ${count}</text>`,
    '</svg>',
  ].join('')
}

function drawElement(
  { type, box, size = 36, bold = false }: SlideElement,
  items: readonly string[],
  pictures: readonly Picture[],
  isFront: boolean,
): string {
  const [x = 0, y = 0, width = 0, height = 0] = box
  if (type === 'image') {
    const picture = pictures.find(({ caption }) => caption === items[0])
    if (picture === undefined) return ''
    return `<image x="${x}" y="${y}" width="${width}" height="${height}" preserveAspectRatio="xMidYMid meet" href="${dataUrl(picture.image)}"/>`
  }
  const colour = isFront ? '#ffffff' : bold ? COLOURS.accent : COLOURS.ink
  if (type === 'text') {
    const { size: own, lines } = fitted(items, { width, height }, size, bold)
    const top = y + (height - heightOf(lines, own)) / (isFront ? 2 : 4)
    const place = { x: isFront ? x + width / 2 : x, y: top, size: own, colour, bold }
    return textLines(lines, { ...place, anchor: isFront ? 'middle' : 'start' })
  }
  const indent = size
  const { size: own, lines } = fitted(items, { width: width - indent, height }, size)
  const mark = (at: number): string =>
    `<circle cx="${round(x + own * 0.3)}" cy="${round(at)}" r="${round(own * 0.16)}" fill="${COLOURS.accent}"/>`
  return textLines(lines, { x: x + indent, y, size: own, colour }, mark)
}

/** A picture as an address that holds it. */
export function dataUrl(image: string): string {
  if (/^[\s\ufeff]*</.test(image)) return `data:image/svg+xml;base64,${Buffer.from(image).toString('base64')}`
  return `data:image/${image.startsWith('/9j/') ? 'jpeg' : 'png'};base64,${image.replaceAll(/[^A-Za-z0-9+/=]/g, '')}`
}

/** All slides as one page. A slide is an image, in which no script runs. */
export function slidesPage(
  heading: string,
  slides: readonly { readonly svg: string; readonly notes: string; readonly sound: string }[],
): string {
  const figures = slides.map(
    ({ svg, notes, sound }, i) =>
      `<figure><img alt="Slide ${i + 1}" src="${dataUrl(svg)}"><audio controls preload="none" src="data:audio/ogg;base64,${sound}"></audio><figcaption>${escaped(notes)}</figcaption></figure>`,
  )
  return `<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; media-src data:; style-src 'unsafe-inline'"><title>${escaped(heading)}</title><style>body{margin:0 auto;max-width:80rem;padding:1rem;font-family:sans-serif;background:#e8e8e4}figure{margin:0 0 2rem}img{width:100%;display:block}audio{width:100%}</style></head><body>${figures.join('\n')}</body></html>\n`
}
