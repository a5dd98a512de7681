/**
 * What stands in a frame, measured: the connected regions of each of some colours, with their boxes.
 *
 *     await regionsIn(readPpm(bytes), ['#d62828'], { tolerance: 60, shareMin: 0.001 }, signal)
 *     // [{ colour: '#d62828', box: [.1, .2, .3, .4], fill: .79, share: .09 }]
 *
 * A pixel has the nearest of the colours, where it is within `tolerance` of it. `fill` is the part of its box that a region takes up: 1 for a
 * rectangle, π/4 for an ellipse, a half for a triangle.
 */
import { setImmediate as nextTurn } from 'node:timers/promises'
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

/** What one call looks at: as many frames as it may ask for, each of the largest film that is made. */
const PIXELS_MAX = 64 * 1_920 * 1_080
/** Looked at before others have their turn: some milliseconds. */
const PIXELS_A_TURN = 65_536
/** A power of two. Drawn frames of a film have some thousands of colours. */
const KNOWN_COLOURS = 16_384
/** Of a frame; each is a line of some seventy characters. */
const REGIONS_MAX = 50_000

/** Throws `TOOL_FAILED` for what is no PPM of 8 bits. */
export function readPpm(bytes: Buffer): Picture {
  const head = /^P6\s+(\d+)\s+(\d+)\s+255\s/.exec(bytes.toString('latin1', 0, 64))
  if (head === null)
    throw new PolityError('TOOL_FAILED', 'media: ffmpeg gave no frame there; ask for a time within the film')
  const [width, height] = [Number(head[1]), Number(head[2])]
  const pixels = bytes.subarray(head[0].length, head[0].length + 3 * width * height)
  if (pixels.length < 3 * width * height)
    throw new PolityError('TOOL_FAILED', `media: ffmpeg gave a part of a frame of ${width}x${height}`)
  return { width, height, pixels }
}

/** Throws `LIMIT_EXCEEDED` for more pixels than are looked at in one call. */
export function checkPictures(pictures: readonly Picture[]): void {
  const pixels = pictures.reduce((sum, { width, height }) => sum + width * height, 0)
  if (pixels > PIXELS_MAX)
    throw new PolityError(
      'LIMIT_EXCEEDED',
      `media.regions: ${pixels} pixels in ${pictures.length} frames; a call looks at ${PIXELS_MAX}: ask for fewer times`,
    )
}

/** Regions of the first colour first, and of one colour the largest first. Others have their turn meanwhile; throws what `signal` says. */
export async function regionsIn(
  { width, height, pixels }: Picture,
  colours: readonly string[],
  { tolerance, shareMin }: Looking,
  signal: AbortSignal,
): Promise<readonly Region[]> {
  const size = width * height
  /** Of each pixel the number of its colour, from 1; 0 for none, and for what has been taken. */
  const kinds = new Uint8Array(size)
  const look = looking(pixels, kinds, nearestOf(colours, tolerance))
  for (let from = 0; from < size; from += PIXELS_A_TURN) {
    look(from, Math.min(size, from + PIXELS_A_TURN))
    await nextTurn()
    signal.throwIfAborted()
  }
  const regions = joining(kinds, width, shareMin * size)
  while (!regions.goOn(PIXELS_A_TURN)) {
    await nextTurn()
    signal.throwIfAborted()
  }
  return regions.found
    .toSorted((a, b) => a.kind - b.kind || b.area - a.area)
    .map(({ kind, area, left, top, right, bottom }) => ({
      colour: colours[kind - 1] as string,
      box: [left / width, top / height, (right - left) / width, (bottom - top) / height].map(
        thousandths,
      ) as unknown as Region['box'],
      fill: thousandths(area / ((right - left) * (bottom - top))),
      share: thousandths(area / size),
    }))
}

/** The number of the nearest colour within the tolerance, from 1, of the later one where two are as near; 0 for none. */
function nearestOf(
  colours: readonly string[],
  tolerance: number,
): (red: number, green: number, blue: number) => number {
  const wanted = Float64Array.from(
    colours.flatMap((colour) => [1, 3, 5].map((at) => Number.parseInt(colour.slice(at, at + 2), 16))),
  )
  const farthest = tolerance * tolerance
  return (red, green, blue) => {
    let nearest = farthest
    let kind = 0
    for (let i = 0; i < wanted.length; i += 3) {
      const [r, g, b] = [
        red - (wanted[i] as number),
        green - (wanted[i + 1] as number),
        blue - (wanted[i + 2] as number),
      ]
      const distance = r * r + g * g + b * b
      if (distance > nearest) continue
      nearest = distance
      kind = i / 3 + 1
    }
    return kind
  }
}

/** Says the kinds of some pixels. Colours of a drawn picture come again and again: each is compared once, as long as nothing has taken its place. */
function looking(
  pixels: Uint8Array,
  kinds: Uint8Array,
  kindOf: ReturnType<typeof nearestOf>,
): (from: number, to: number) => void {
  // A packed colour and its kind, at the place that its low bits say.
  const known = new Int32Array(KNOWN_COLOURS).fill(-1)
  const their = new Uint8Array(KNOWN_COLOURS)
  return (from, to) => {
    for (let i = from, at = 3 * from; i < to; i++, at += 3) {
      const red = pixels[at] as number
      const green = pixels[at + 1] as number
      const blue = pixels[at + 2] as number
      const packed = (red << 16) | (green << 8) | blue
      const place = (packed ^ (packed >>> 9)) & (KNOWN_COLOURS - 1)
      if (known[place] !== packed) {
        known[place] = packed
        their[place] = kindOf(red, green, blue)
      }
      kinds[i] = their[place] as number
    }
  }
}

interface Joined {
  readonly kind: number
  readonly area: number
  readonly left: number
  readonly top: number
  readonly right: number
  readonly bottom: number
}

/** Joins neighbours of one kind, some steps at a time: `goOn` says whether all have been joined. A pixel takes two steps at most. */
function joining(kinds: Uint8Array, width: number, areaMin: number) {
  const size = kinds.length
  const found: Joined[] = []
  /** Pixels of the region that is being joined whose neighbours have not been looked at; each comes here once. */
  const open = new Int32Array(size)
  let [depth, next] = [0, 0]
  let [kind, area, left, top, right, bottom] = [0, 0, 0, 0, 0, 0]

  const take = (at: number): void => {
    kinds[at] = 0
    open[depth++] = at
  }

  function begin(at: number): void {
    kind = kinds[at] as number
    if (kind === 0) return
    ;[area, left, top, right, bottom] = [0, width, size, 0, 0]
    take(at)
  }

  function end(): void {
    if (kind > 0 && area >= areaMin) found.push({ kind, area, left, top, right, bottom })
    if (found.length > REGIONS_MAX)
      throw new PolityError(
        'LIMIT_EXCEEDED',
        `media.regions: more than ${REGIONS_MAX} regions in a frame; ask for larger ones by shareMin`,
      )
  }

  function goOn(steps: number): boolean {
    for (let step = 0; step < steps; step++) {
      if (depth === 0) {
        end()
        if (next === size) return true
        begin(next++)
        continue
      }
      const at = open[--depth] as number
      const y = Math.floor(at / width)
      const x = at - y * width
      area++
      if (x < left) left = x
      if (x >= right) right = x + 1
      if (y < top) top = y
      if (y >= bottom) bottom = y + 1
      if (x > 0 && kinds[at - 1] === kind) take(at - 1)
      if (x + 1 < width && kinds[at + 1] === kind) take(at + 1)
      if (at >= width && kinds[at - width] === kind) take(at - width)
      if (at + width < size && kinds[at + width] === kind) take(at + width)
    }
    return false
  }
  return { found, goOn }
}

function thousandths(value: number): number {
  return Math.round(value * 1_000) / 1_000
}
