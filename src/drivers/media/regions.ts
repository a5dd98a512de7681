/**
 * What stands in a frame, measured: the connected regions of each of some colours, with their boxes.
 *
 *     regionsIn(readPpm(bytes), ['#d62828'], { tolerance: 60, shareMin: 0.001 })   // [{ colour: '#d62828', box: [.1, .2, .3, .4], fill: .79, share: .09 }]
 *
 * A pixel has the nearest of the colours, where it is within `tolerance` of it. `fill` is the part of its box that a region takes up: 1 for a
 * rectangle, π/4 for an ellipse, a half for a triangle.
 */
import { PolityError } from '../../kernel/errors.ts'

export interface Picture {
  readonly width: number
  readonly height: number
  /** Red, green, blue of each pixel, a byte each, row after row. */
  readonly pixels: Uint8Array
}

export interface Region {
  readonly colour: string
  /** x, y, width, height, as parts of the frame. */
  readonly box: readonly [x: number, y: number, width: number, height: number]
  readonly fill: number
  /** Part of the frame that it takes up. */
  readonly share: number
}

export interface Looking {
  /** Distance of colours, each of red, green and blue from 0 to 255. */
  readonly tolerance: number
  /** What is smaller is none, part of the frame. */
  readonly shareMin: number
}

/** Throws `TOOL_FAILED` for what is no PPM of 8 bits. */
export function readPpm(bytes: Buffer): Picture {
  const head = /^P6\s+(\d+)\s+(\d+)\s+255\s/.exec(bytes.toString('latin1', 0, 64))
  if (head === null)
    throw new PolityError('TOOL_FAILED', 'media: ffmpeg gave no frame there; ask for a time within the film')
  const [width, height] = [Number(head[1]), Number(head[2])]
  return { width, height, pixels: bytes.subarray(head[0].length, head[0].length + 3 * width * height) }
}

/** Regions of the first colour first, and of one colour the largest first. */
export function regionsIn(
  { width, height, pixels }: Picture,
  colours: readonly string[],
  { tolerance, shareMin }: Looking,
): readonly Region[] {
  const wanted = colours.map((colour) => [1, 3, 5].map((at) => Number.parseInt(colour.slice(at, at + 2), 16)))
  const kinds = new Int8Array(width * height).fill(-1)
  for (let i = 0; i < kinds.length; i++) {
    let nearest = tolerance * tolerance
    for (const [kind, [red = 0, green = 0, blue = 0]] of wanted.entries()) {
      const [r, g, b] = [pixels[3 * i] as number, pixels[3 * i + 1] as number, pixels[3 * i + 2] as number]
      const distance = (r - red) ** 2 + (g - green) ** 2 + (b - blue) ** 2
      if (distance > nearest) continue
      nearest = distance
      kinds[i] = kind
    }
  }

  const found: { kind: number; area: number; left: number; top: number; right: number; bottom: number }[] = []
  const open: number[] = []
  for (let i = 0; i < kinds.length; i++) {
    const kind = kinds[i] as number
    if (kind < 0) continue
    const region = { kind, area: 0, left: width, top: height, right: 0, bottom: 0 }
    const take = (at: number): void => {
      kinds[at] = -1
      open.push(at)
    }
    take(i)
    for (let at = open.pop(); at !== undefined; at = open.pop()) {
      const [x, y] = [at % width, Math.floor(at / width)]
      region.area++
      region.left = Math.min(region.left, x)
      region.right = Math.max(region.right, x + 1)
      region.top = Math.min(region.top, y)
      region.bottom = Math.max(region.bottom, y + 1)
      if (x > 0 && kinds[at - 1] === kind) take(at - 1)
      if (x + 1 < width && kinds[at + 1] === kind) take(at + 1)
      if (y > 0 && kinds[at - width] === kind) take(at - width)
      if (y + 1 < height && kinds[at + width] === kind) take(at + width)
    }
    found.push(region)
  }
  return found
    .filter(({ area }) => area >= shareMin * width * height)
    .toSorted((a, b) => a.kind - b.kind || b.area - a.area)
    .map(({ kind, area, left, top, right, bottom }) => ({
      colour: colours[kind] as string,
      box: [left / width, top / height, (right - left) / width, (bottom - top) / height].map(
        thousandths,
      ) as unknown as Region['box'],
      fill: thousandths(area / ((right - left) * (bottom - top))),
      share: thousandths(area / (width * height)),
    }))
}

function thousandths(value: number): number {
  return Math.round(value * 1_000) / 1_000
}
