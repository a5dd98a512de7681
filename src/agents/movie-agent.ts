/**
 * MovieAgent (Wu et al. 2025, "Automated movie generation via multi-agent CoT planning"): a film from a synopsis: a director, scene planners, shot
 * planners, and what they planned as films with sound.
 *
 *     spawn(movieAgent, { synopsis: 'Two friends …', characters: [{ name: 'Ada', description: '…', voice: { voice: 'en+f3' } }] })
 *         →   { shots: [{ place: [1, 1, 1], file: 'movie/shot-1-1-1.mp4', … }], movie: 'movie/movie.mp4', ms, made, backs }
 *
 * The plan is a tree: sub-scripts, scenes, shots, each made with the reasoning above it in view (pieces/screenplay.ts): 1 + sub-scripts + scenes calls. A shot
 * is its characters in their boxes, a camera, and lines that are spoken in the voice of each. The process holds the tools of src/drivers/media.ts.
 *
 * Changed: key frames are drawn from the plan, and the camera makes the motion, where the paper has models for pictures, motion and talking heads; portraits
 * may be given. Who has such a model gives it as a tool (`picture`), which is asked for a key frame of each shot.
 *
 * Invariants
 *   MV1. Shots come in the order of the tree, and a character of a shot is one of its scene, its sub-script and the bank.
 *   MV2. The film is as long as the shots together, and a shot as long as its lines.
 *   MV3. A plan that fails a gate too often makes no film, and says which gate, and why.
 */
import { z } from 'zod'
import { defineProgram } from '../kernel/program.ts'
import type { Json, Sys } from '../kernel/types.ts'
import { filmed, keepBytes, spoken, told, type FilmForm, type FilmPart, type Voice } from './pieces/media.ts'
import { directorStage, shotsOf, type PlacedShot } from './pieces/screenplay.ts'
import { shotImages, type Cast } from './pieces/shot-drawing.ts'
import { carryOutStages, type Back, type Documents, type Staged } from './staged.ts'

/** One of the character bank. */
export interface Character {
  readonly name: string
  readonly description: string
  /** SVG as text, or base64 of PNG or JPEG. @default a plain figure */
  readonly portrait?: string
  /** `#rrggbb`; of a plain figure. @default from the name */
  readonly colour?: string
  readonly voice?: Voice
}

export interface MovieAgentInput {
  readonly synopsis: string
  readonly characters: readonly Character[]
  /** Of lines that nobody of the bank says. */
  readonly narrator?: Voice
  /** Folder of the process, with `/` at its end. @default 'movie/' */
  readonly folder?: string
  /** Tool that gives a key frame: { shot, scene, characters, width, height } to { image }. @default drawn from the plan, with a camera that moves */
  readonly picture?: string
  /** Of a shot in which nobody speaks, ms. @default 2,000 */
  readonly silentMs?: number
  /** Pictures a second while the camera moves. @default 8 */
  readonly imagesPerSecond?: number
  /** Times that one gate sends back. @default 3 */
  readonly triesMax?: number
  /** @default 640 by 360, 24 frames a second */
  readonly film?: FilmForm
}

export interface FilmedShot extends PlacedShot {
  /** Path of its own film. */
  readonly file: string
  readonly ms: number
}

export interface Movie {
  readonly shots: readonly FilmedShot[]
  /** Path of the film; null where the plan failed. */
  readonly movie: string | null
  readonly ms: number
  /** The plan with its reasoning, document by document. */
  readonly plan: Documents
  readonly made: readonly string[]
  readonly backs: readonly Back[]
  readonly failed?: Staged['failed']
}

const drawn = z.looseObject({ image: z.string() })

export const movieAgent = defineProgram('movie-agent', async (sys, input: MovieAgentInput): Promise<Movie> => {
  const { synopsis, characters, folder = 'movie/', triesMax = 3 } = input
  const film: FilmForm = { width: 640, height: 360, fps: 24, ...input.film }
  const bank = characters.map(({ name, description }) => ({ name, description }))
  const director = directorStage(
    sys,
    bank.map(({ name }) => name),
  )
  const { documents, ...staged } = await carryOutStages({ synopsis, characters: bank }, [director], {
    backsMax: triesMax,
  })
  const { synopsis: _, characters: __, ...plan } = documents
  if (staged.failed !== undefined) return { shots: [], movie: null, ms: 0, plan, ...staged }

  const shots: FilmedShot[] = []
  const all: FilmPart[] = []
  for (const shot of shotsOf(documents)) {
    const parts = await partsOf(sys, shot, input, film)
    const { film: bytes, ms } = await filmed(sys, parts, film)
    const file = `${folder}shot-${shot.place.join('-')}.mp4`
    await keepBytes(sys, file, bytes)
    shots.push({ ...shot, file, ms })
    all.push(...parts)
  }
  const whole = await filmed(sys, all, film)
  const movie = `${folder}movie.mp4`
  await keepBytes(sys, movie, whole.film)
  return { shots, movie, ms: whole.ms, plan, ...staged }
})

/** A part for each line, or one without sound: the camera goes its way over all of them. */
async function partsOf(
  sys: Sys,
  shot: PlacedShot,
  { characters, narrator = {}, picture, silentMs = 2_000, imagesPerSecond = 8 }: MovieAgentInput,
  { width = 640, height = 360 }: FilmForm,
): Promise<readonly FilmPart[]> {
  const lines = await Promise.all(
    shot.subtitles.map(async ({ speaker, text }) => {
      const voice = characters.find(({ name }) => name === speaker)?.voice ?? narrator
      const { sound, ms } = await spoken(sys, { text, ...voice })
      return { sound, ms, subtitle: speaker === null ? text : `${speaker}: ${text}` }
    }),
  )
  const parts: readonly (FilmPart & { readonly ms: number })[] = (lines.length > 0 ? lines : [{ ms: silentMs }]).map(
    (line) => ({ images: [], ...line }),
  )
  if (picture !== undefined) {
    const { scene, place: _, ...own } = shot
    const asked = { shot: own as unknown as Json, scene, characters: shot.characters as unknown as Json, width, height }
    const { image } = await told(sys, picture, asked, drawn)
    return parts.map((part) => ({ ...part, images: [image] }))
  }
  const cast: Cast = Object.fromEntries(characters.map((one) => [one.name, one]))
  const stage = { width, height, mood: `${shot.scene.tone} ${shot.scene.style}`, props: shot.scene.props }
  const whole = parts.reduce((sum, { ms }) => sum + ms, 0)
  let at = 0
  return parts.map((part) => {
    const way = [at / whole, (at + part.ms) / whole] as const
    at += part.ms
    const count = Math.max(1, Math.round((part.ms * imagesPerSecond) / 1_000))
    return { ...part, images: shotImages(shot, cast, stage, count, way) }
  })
}
