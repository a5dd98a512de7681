/**
 * GenMAC (Huang et al. 2024, "GenMAC: compositional text-to-video generation with multi-agent collaboration"): a film of several objects that is drawn,
 * looked at, and designed anew until it shows what was asked for.
 *
 *     spawn(genMac, { prompt: 'Two red balls left of a blue box that moves up.' })
 *         →   { film: 'gen-mac/video.mp4', aligned: true, unresolved: [2, 1, 0], experts: ['spatial', 'temporal'], design, made }
 *
 * A designer writes a layout (pieces/layout-design.ts), once; it is made a film; verification compares frames of that film with the prompt. Where they do not agree, a
 * suggestion says what to change and chooses one of three correctors (consistency, spatial, temporal), the corrector says how, and a structuring agent
 * makes JSON of it, which reaches the fields of that corrector alone. The process holds the tools of src/drivers/media.ts.
 *
 * Changed: the film is drawn from the layout, where the paper has a diffusion model that is guided by it; who has one gives it as a tool (`generate`).
 * Verification measures pixels against demands that were read out of the prompt, before there is a design; with `sight: 'model'` a model looks at the frames, as
 * in the paper.
 *
 * Invariants
 *   GM1. It ends with `aligned` where nothing is left that does not agree, and only there, or after `iterations` designs beyond the first.
 *   GM2. What is verified is the film: its frames, read from the file that is kept.
 *   GM3. The film that is returned is the one of which least was left, the earliest of equals; all of them are versions of its file.
 */
import { z } from 'zod'
import { defineProgram } from '../kernel/program.ts'
import type { Json, Sys } from '../kernel/types.ts'
import { jsonIn } from './pieces/json-answer.ts'
import {
  corrected,
  corrections,
  demand,
  design,
  experts,
  faultOfDesign,
  layoutFrames,
  mismatches,
  seen,
} from './pieces/layout-design.ts'
import type { Demand, Design, Expert, LayoutForm } from './pieces/layout-design.ts'
import { filmed, keepBytes, told } from './pieces/media.ts'
import { carryOutStages, promptOf, saysJson, type Given, type Stage, type Staged } from './staged.ts'

export interface GenMacInput {
  readonly prompt: string
  /** Designs beyond the first. @default 6: the release has a cap and the paper none that we know */
  readonly iterations?: number
  /** What verification looks with. @default 'measured' */
  readonly sight?: 'measured' | 'model'
  /** What the frames have to show, of whoever knows it better than a model; for `sight: 'measured'`. @default read out of the prompt by a model */
  readonly demands?: readonly Demand[]
  /** Tool that makes the film: { design, width, height, groupMs } to { film }, base64 of an MP4. @default drawn from the layout */
  readonly generate?: string
  /** Folder of the process, with `/` at its end. @default 'gen-mac/' */
  readonly folder?: string
  /** Of a frame group, ms. @default 800 */
  readonly groupMs?: number
  /** @default 640 by 360, 8 pictures a group */
  readonly form?: Partial<LayoutForm>
}

export interface GenMacFilm {
  /** Path of the film; null where there was no design. */
  readonly film: string | null
  readonly aligned: boolean
  /** What did not agree with the prompt, for each film in turn. */
  readonly unresolved: readonly number[]
  /** Who was chosen to correct, in turn. */
  readonly experts: readonly Expert[]
  /** Of the film that is returned. */
  readonly design: Design | null
  readonly made: readonly string[]
  readonly failed?: Staged['failed']
}

/** A film that was verified, and what did not agree. */
interface Tried {
  readonly version: number
  readonly wrong: readonly string[]
  readonly design: Design
}

const DEMANDS =
  'Read out of the prompt what the video has to show, and add nothing. Every object has a name, a colour of its own (#rrggbb, clearly apart from the others), a shape (rectangle, ellipse, triangle: the nearest) and a count. Answer with JSON: {"demands": [{"kind": "object", "name": "ball", "colour": "#d62828", "shape": "ellipse", "count": 1}, {"kind": "relation", "name": "ball", "relation": "left of" or "right of" or "above" or "below", "other": "box"}, {"kind": "motion", "name": "ball", "direction": "left" or "right" or "up" or "down" or "still"}]}.'
const DESIGN =
  'Design the video: its prompt, a negative prompt, the guidance scale, a background, the number of frame groups, and the objects. An object has an id, a shape, a colour, its size and the place of its upper left corner in the first group (parts of the frame, 0 to 1), and its moves from each group to the next. Answer with JSON: {"prompt": "…", "negative": "…", "guidance": 7.5, "background": "#ffffff", "groups": 4, "objects": [{"id": "ball", "shape": "ellipse", "colour": "#d62828", "size": [0.1, 0.18], "place": [0.1, 0.4], "moves": [[0.1, 0], [0.1, 0], [0.1, 0]]}]}.'
const LOOK =
  'Compare these frames, one of each frame group, with the prompt. List every mismatch: objects, attributes, counts, places, motion. Answer with JSON: {"mismatches": ["…"]}, an empty list where the alignment is good.'
const SUGGEST =
  'The video does not agree with its prompt. Say what to change first, and who has to: "consistency" for objects, colours, shapes, sizes and counts, "spatial" for where objects are placed, "temporal" for how they move. Answer with JSON: {"suggestion": "…", "expert": "consistency" or "spatial" or "temporal"}.'
const CORRECT: { readonly [Who in Expert]: string } = {
  consistency:
    'Correct what the objects are: which there are, and the shape, colour and size of each. Leave places and motion as they are. Say in words what each becomes.',
  spatial:
    'Correct where objects are placed in the first frame group. Leave everything else as it is. Say in words where each goes.',
  temporal:
    'Correct how objects move from frame group to frame group. Leave everything else as it is. Say in words how each moves.',
}
const STRUCTURE: { readonly [Who in Expert]: string } = {
  consistency: '"objects": [{"id": "…", "shape": "…", "colour": "#rrggbb", "size": [0.1, 0.1]}], all that there are',
  spatial: '"places": {"id": [0.1, 0.1]}, of those that change',
  temporal: '"moves": {"id": [[0.1, 0], …]}, of those that change, one move less than there are groups',
}

const demanded = z.object({ demands: z.array(demand).min(1) })
const looked = z.object({ mismatches: z.array(z.string()) })
const suggestion = z.object({ suggestion: z.string(), expert: z.enum(experts) })
const generated = z.looseObject({ film: z.string() })
const stills = z.looseObject({ images: z.array(z.string()) })

export const genMac = defineProgram('gen-mac', async (sys, input: GenMacInput): Promise<GenMacFilm> => {
  const { prompt, iterations = 6, sight = 'measured', folder = 'gen-mac/', demands } = input
  const file = `${folder}video.mp4`
  const chosen: Expert[] = []
  const films: Tried[] = []
  const [asked, designed] = [saysJson(sys, DEMANDS, demanded), saysJson(sys, DESIGN, design)]
  const stages: readonly Stage[] = [
    ...(sight === 'model'
      ? []
      : [
          {
            name: 'demands',
            sees: ['prompt'],
            make: demands === undefined ? asked : async () => ({ demands }) as unknown as Json,
          },
        ]),
    {
      name: 'design',
      sees: ['prompt'],
      make(given) {
        const last = films.at(-1)
        return last === undefined ? designed(given) : redesign(sys, given, last, chosen)
      },
      check(document) {
        const why = faultOfDesign(document as Design)
        return why === undefined ? undefined : { why }
      },
    },
    {
      name: 'film',
      sees: ['prompt', 'design'],
      needs: sight === 'model' ? [] : ['demands'],
      backsMax: iterations,
      async make({ documents }) {
        const film = await generate(sys, documents['design'] as Design, input)
        return { film, version: (await keepBytes(sys, file, film)).version }
      },
      async check(document, documents) {
        const { film, version } = document as { readonly film: string; readonly version: number }
        const own = documents['design'] as Design
        const wrong = await verify(sys, film, own, documents, input)
        films.push({ version, wrong, design: own })
        return wrong.length === 0 ? undefined : { to: 'design', why: wrong.join('\n') }
      },
    },
  ]
  const { made, failed } = await carryOutStages({ prompt }, stages)
  const unresolved = films.map(({ wrong }) => wrong.length)
  const best = films.find(({ wrong }) => wrong.length === Math.min(...unresolved))
  if (best !== undefined && best !== films.at(-1)) await sys.write(file, { from: file, version: best.version })
  return {
    film: best === undefined ? null : file,
    aligned: best?.wrong.length === 0,
    unresolved,
    experts: chosen,
    design: best?.design ?? null,
    made,
    ...(failed === undefined ? {} : { failed: { stage: failed.stage, why: failed.why } }),
  }
})

async function generate(sys: Sys, own: Design, { generate: tool, groupMs = 800, form }: GenMacInput): Promise<string> {
  const { width, height, imagesPerGroup } = { width: 640, height: 360, imagesPerGroup: 8, ...form }
  if (tool !== undefined)
    return (await told(sys, tool, { design: own as unknown as Json, width, height, groupMs }, generated)).film
  const groups = layoutFrames(own, { width, height, imagesPerGroup })
  return (
    await filmed(
      sys,
      groups.map((images) => ({ images, ms: groupMs })),
      { width, height, fps: 24 },
    )
  ).film
}

/** What does not agree with the prompt, a line each. */
async function verify(
  sys: Sys,
  film: string,
  { groups }: Design,
  documents: { readonly [name: string]: Json },
  { sight, groupMs = 800 }: GenMacInput,
): Promise<readonly string[]> {
  const at = Array.from({ length: groups }, (_, group) => group * groupMs)
  if (sight !== 'model') {
    const { demands } = documents['demands'] as unknown as { readonly demands: readonly Demand[] }
    const colours = [...new Set(demands.flatMap((one) => (one.kind === 'object' ? one.colour : [])))]
    const { frames } = await told(sys, 'media.regions', { film, at, colours }, seen)
    return mismatches(demands, frames).map(({ what }) => what)
  }
  const { images } = await told(sys, 'media.stills', { film, at, width: 320 }, stills)
  const shown = images.map((data) => ({
    type: 'file' as const,
    mediaType: 'image/png',
    data: { type: 'data' as const, data },
  }))
  const content = [{ type: 'text' as const, text: `# prompt\n${documents['prompt'] as string}` }, ...shown]
  const { text } = await sys.generate({ instructions: LOOK, messages: [{ role: 'user', content }], temperature: 0 })
  return looked.safeParse(jsonIn(text)).data?.mismatches ?? ['The verification gave no answer.']
}

/** Suggestion, correction, structure: one expert's fields of the design anew. */
async function redesign(
  sys: Sys,
  { documents, why }: Given,
  { design: before, wrong }: Tried,
  chosen: Expert[],
): Promise<Json | undefined> {
  const said = wrong.join('\n')
  const mismatched = why === said ? said : `${said}\n\nThe last correction could not be used: ${why}`
  const shown = { ...documents, design: before as unknown as Json, mismatches: mismatched }
  const suggested = await saysJson(sys, SUGGEST, suggestion)({ documents: shown, why: '' })
  if (suggested === undefined) return undefined
  const { expert, suggestion: change } = suggested as z.infer<typeof suggestion>
  chosen.push(expert)
  const prompt = promptOf({ documents: { ...shown, suggestion: change }, why: '' })
  const correction = await sys.generate({ instructions: CORRECT[expert], prompt, temperature: 0 })
  const form = `Write the correction as JSON: {"prompt": "…", "negative": "…", "guidance": 7.5, ${STRUCTURE[expert]}}.`
  const asked = { documents: { design: shown.design, correction: correction.text }, why: '' }
  const structured = await saysJson(sys, form, corrections[expert])(asked)
  return structured === undefined ? undefined : (corrected(before, expert, structured) as Json | undefined)
}
