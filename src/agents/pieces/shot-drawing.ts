/**
 * Shots as pictures: characters in their boxes before a stage, seen by a camera that stands, pans or zooms.
 *
 *     shotImages(shot, cast, { width: 640, height: 360, mood: 'calm', props: ['boat'] }, 24)     // 24 SVGs, one after another
 *
 * Invariants
 *   SD1. A character stands in its box, whatever its portrait is; the frame cuts what the camera does not see.
 *   SD2. A camera that stands gives one picture.
 */
import { dataUrl } from './slides.ts'
import { escaped, fitted, heightOf, round, textLines } from './svg-text.ts'
import { hash32 } from './text-hash.ts'

/** x, y, width, height as parts of the frame. */
export type Box = readonly [x: number, y: number, width: number, height: number]

export const cameras = ['static', 'pan left', 'pan right', 'tilt up', 'tilt down', 'zoom in', 'zoom out'] as const
export type Camera = (typeof cameras)[number]

export interface Drawn {
  readonly characters: readonly { readonly name: string; readonly box: Box }[]
  readonly camera: Camera
}

export interface Cast {
  readonly [name: string]: {
    /** SVG as text, or base64 of PNG or JPEG. @default a plain figure */
    readonly portrait?: string
    /** `#rrggbb` @default from the name */
    readonly colour?: string
  }
}

export interface Stage {
  readonly width: number
  readonly height: number
  /** Gives the colours. */
  readonly mood: string
  readonly props: readonly string[]
}

/** Part of the frame over which a camera moves. */
const WAY = 0.18

/** Pictures of a shot from its part `from` to its part `to`, each 0 to 1. */
export function shotImages(
  { characters, camera }: Drawn,
  cast: Cast,
  stage: Stage,
  count: number,
  [from, to]: readonly [number, number] = [0, 1],
): readonly string[] {
  const { width, height } = stage
  const inside = [
    scenery(stage),
    ...characters.map(({ name, box }) => figure(name, box, cast[name] ?? {}, stage)),
  ].join('')
  const places = camera === 'static' ? [0] : Array.from({ length: count }, (_, i) => from + ((to - from) * i) / count)
  return places.map(
    (part) =>
      `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="${view(camera, part, stage)}" preserveAspectRatio="xMidYMid slice">${inside}</svg>`,
  )
}

/** What the camera sees at a part of its way. */
function view(camera: Camera, part: number, { width, height }: Stage): string {
  const moved = (axis: number): number => WAY * axis * (part - 0.5)
  const scale = camera === 'zoom in' ? 1 - WAY * part : camera === 'zoom out' ? 1 - WAY * (1 - part) : 1
  const [dx, dy] =
    camera === 'pan left'
      ? [moved(-1), 0]
      : camera === 'pan right'
        ? [moved(1), 0]
        : camera === 'tilt up'
          ? [0, moved(-1)]
          : camera === 'tilt down'
            ? [0, moved(1)]
            : [0, 0]
  const [x, y] = [width * (dx + (1 - scale) / 2), height * (dy + (1 - scale) / 2)]
  return [x, y, width * scale, height * scale].map(round).join(' ')
}

/** Sky, ground and props; it goes on beyond the frame, where a camera may look. */
function scenery({ width, height, mood, props }: Stage): string {
  const hue = hash32(mood, 7) % 360
  const horizon = height * 0.62
  // High up and away from the edges, which a camera that moves cuts off.
  const chip = width / 7.5
  const drawn = props.slice(0, 4).map((prop, i) => {
    const [x, y] = [width * 0.12 + i * (chip + width * 0.02), height * 0.12]
    const { size, lines } = fitted([prop], { width: chip - 12, height: height * 0.08 }, height * 0.045)
    const box = `<rect x="${round(x)}" y="${round(y)}" width="${round(chip)}" height="${round(height * 0.09)}" rx="6" fill="#ffffff" opacity=".55"/>`
    return box + textLines(lines, { x: x + chip / 2, y: y + height * 0.012, size, colour: '#222222', anchor: 'middle' })
  })
  return [
    `<rect x="${-width}" y="${-height}" width="${3 * width}" height="${3 * height}" fill="hsl(${hue},45%,78%)"/>`,
    `<rect x="${-width}" y="${round(horizon)}" width="${3 * width}" height="${2 * height}" fill="hsl(${(hue + 40) % 360},30%,55%)"/>`,
    `<circle cx="${round(width * 0.84)}" cy="${round(height * 0.2)}" r="${round(height * 0.07)}" fill="#fff6d6"/>`,
    ...drawn,
  ].join('')
}

function figure(name: string, [x, y, w, h]: Box, { portrait, colour }: Cast[string], { width, height }: Stage): string {
  const [left, top, wide, high] = [x * width, y * height, w * width, h * height]
  const own = colour ?? `hsl(${hash32(name, 3) % 360},60%,42%)`
  // The name stands on the figure, where a camera that comes near does not cut it off.
  const label = Math.min(high * 0.16, height * 0.075)
  const { size, lines } = fitted([name], { width: Math.max(wide * 0.9, 40), height: label }, label * 0.7, true)
  const middle = left + wide / 2
  const [half, under] = [Math.min(wide / 2, high * 0.27), top + high * 0.72]
  const chip = `<rect x="${round(middle - half * 0.9)}" y="${round(under)}" width="${round(half * 1.8)}" height="${round(label)}" rx="5" fill="#ffffff" opacity=".85"/>`
  const place = {
    x: middle,
    y: under + (label - heightOf(lines, size)) / 2,
    size,
    colour: '#1a1a1a',
    bold: true,
  } as const
  const text = chip + textLines(lines, { ...place, anchor: 'middle' })
  if (portrait !== undefined) {
    const [x0, y0, w0, h0] = [left, top, wide, high].map(round)
    return `<image x="${x0}" y="${y0}" width="${w0}" height="${h0}" preserveAspectRatio="xMidYMid meet" href="${dataUrl(portrait)}"/>${text}`
  }
  const head = Math.min(high * 0.17, wide * 0.28)
  const shoulders = top + 1.95 * head
  const eye = (side: number): string =>
    `<circle cx="${round(middle + side * head * 0.38)}" cy="${round(top + head * 0.9)}" r="${round(head * 0.11)}" fill="#1a1a1a"/>`
  return [
    `<path d="M ${round(middle - half)} ${round(top + high)} V ${round(shoulders + half * 0.6)} Q ${round(middle - half)} ${round(shoulders)} ${round(middle)} ${round(shoulders)} Q ${round(middle + half)} ${round(shoulders)} ${round(middle + half)} ${round(shoulders + half * 0.6)} V ${round(top + high)} Z" fill="${escaped(own)}"/>`,
    `<circle cx="${round(middle)}" cy="${round(top + head)}" r="${round(head)}" fill="#f1cfae" stroke="${escaped(own)}" stroke-width="${round(head * 0.12)}"/>`,
    eye(-1),
    eye(1),
    text,
  ].join('')
}
