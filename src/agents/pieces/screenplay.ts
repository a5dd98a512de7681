/**
 * The stages of a film's plan (movie-agent.ts): sub-scripts, scenes, shots, each with the reasoning behind it, which is handed down.
 *
 *     const { documents } = await carryOutStages({ synopsis, characters }, [directorStage(sys, bank)])
 *     shotsOf(documents)      // in the order in which they are shown, with their places in the tree
 *
 * Documents: `script`, `scenes <i>` of each sub-script, `shots <i>.<s>` of each scene. Each is { reasoning, … }.
 *
 * Invariants
 *   SP1. Who is in a shot is in its scene, who is in a scene in its sub-script, and who is in that in the bank.
 *   SP2. Calls are 1 + sub-scripts + scenes, where no gate sends back.
 *   SP3. A stage sees its own line of the tree and the reasoning above it, and no other branch.
 */
import { z } from 'zod'
import type { Json, Sys } from '../../kernel/types.ts'
import { saysJson, type Documents, type Given, type Stage } from '../staged.ts'
import { cameras } from './shot-drawing.ts'

const DIRECTOR =
  'You are the director. Split the synopsis into sub-scripts: find its acts and turning points, cut there, check that the story goes forward, keep its characters consistent, and say why each cut stands where it does. Use only characters of the bank. Answer with JSON: {"reasoning": "…", "subScripts": [{"text": "…", "characters": ["name"], "why": "…"}]}.'
const SCENES =
  'You are the scene planner. Split the sub-script into scenes, each with its characters (of the sub-script), plot, emotional tone, visual style, key props, notes on cinematography and a description, and say why it ends where it does. Answer with JSON: {"reasoning": "…", "scenes": [{"characters": ["name"], "plot": "…", "tone": "…", "style": "…", "props": ["…"], "cinematography": "…", "description": "…", "boundary": "…"}]}.'
const SHOTS = `You are the shot planner. Split the scene into shots: what is seen, the characters with their boxes (x, y, width, height as parts of the frame, 0 to 1), the type of the shot, the movement of the camera (${cameras.join(', ')}), and the subtitles with who says them (null: a narrator). Answer with JSON: {"reasoning": "…", "shots": [{"description": "…", "characters": [{"name": "…", "box": [0.1, 0.2, 0.3, 0.7]}], "type": "medium", "camera": "static", "subtitles": [{"speaker": "name", "text": "…"}]}]}.`

const names = z.array(z.string())
const script = z.object({
  reasoning: z.string(),
  subScripts: z
    .array(z.object({ text: z.string(), characters: names, why: z.string() }))
    .min(1)
    .max(20),
})
const scene = z.object({
  characters: names,
  plot: z.string(),
  tone: z.string(),
  style: z.string(),
  props: names,
  cinematography: z.string(),
  description: z.string(),
  boundary: z.string(),
})
const scenes = z.object({ reasoning: z.string(), scenes: z.array(scene).min(1).max(20) })
const part = z.number().min(0).max(1)
const shot = z.object({
  description: z.string(),
  characters: z.array(z.object({ name: z.string(), box: z.tuple([part, part, part, part]) })),
  type: z.string(),
  camera: z.enum(cameras),
  subtitles: z.array(z.object({ speaker: z.string().nullable(), text: z.string().min(1) })),
})
const shots = z.object({ reasoning: z.string(), shots: z.array(shot).min(1).max(20) })

export type Scene = z.infer<typeof scene>
export type Shot = z.infer<typeof shot>

/** A shot with its place: the n-th of a scene of a sub-script, each from 1. */
export interface PlacedShot extends Shot {
  readonly place: readonly [subScript: number, scene: number, shot: number]
  readonly scene: Scene
}

export function directorStage(sys: Sys, bank: readonly string[]): Stage {
  return {
    name: 'script',
    sees: ['synopsis', 'characters'],
    make: saysJson(sys, DIRECTOR, script),
    check(document) {
      const { subScripts } = document as z.infer<typeof script>
      return strangers('sub-script', subScripts, bank, 'the bank')
    },
    opens: (document) =>
      (document as z.infer<typeof script>).subScripts.map((one, i) =>
        scenesStage(sys, i + 1, one, (document as z.infer<typeof script>).reasoning),
      ),
  }
}

function scenesStage(
  sys: Sys,
  i: number,
  subScript: z.infer<typeof script>['subScripts'][number],
  reasoning: string,
): Stage {
  const above = { 'reasoning of the director': reasoning, 'sub-script': subScript }
  return {
    name: `scenes ${i}`,
    sees: ['characters'],
    make: beside(above, saysJson(sys, SCENES, scenes)),
    check(document) {
      return strangers('scene', (document as z.infer<typeof scenes>).scenes, subScript.characters, 'its sub-script')
    },
    opens(document) {
      const { reasoning: own, scenes: all } = document as z.infer<typeof scenes>
      return all.map((one, s) =>
        shotsStage(sys, `shots ${i}.${s + 1}`, one, { ...above, 'reasoning of the scene planner': own, scene: one }),
      )
    },
  }
}

function shotsStage(sys: Sys, name: string, { characters }: Scene, above: Documents): Stage {
  return {
    name,
    sees: ['characters'],
    make: beside(above, saysJson(sys, SHOTS, shots)),
    check(document) {
      const all = (document as z.infer<typeof shots>).shots
      const seen = all.map((one) => ({ characters: one.characters.map((own) => own.name) }))
      const heard = all.map(({ subtitles }) => ({ characters: subtitles.flatMap(({ speaker }) => speaker ?? []) }))
      const outside = all.findIndex((one) =>
        one.characters.some(({ box: [x, y, w, h] }) => isOutside(x, w) || isOutside(y, h)),
      )
      if (outside >= 0) return { why: `A box of shot ${outside + 1} is empty or reaches out of the frame.` }
      return (
        strangers('shot', seen, characters, 'its scene') ??
        strangers('subtitles of shot', heard, characters, 'its scene')
      )
    },
  }
}

/** A stage that is shown more than the documents that it waits for. */
function beside(above: Documents, make: (given: Given) => Promise<Json | undefined>) {
  return (given: Given): Promise<Json | undefined> => make({ ...given, documents: { ...given.documents, ...above } })
}

const isOutside = (from: number, length: number): boolean => length <= 0 || from + length > 1 + 1e-9

function strangers(
  what: string,
  all: readonly { readonly characters: readonly string[] }[],
  known: readonly string[],
  where: string,
): { readonly why: string } | undefined {
  for (const [i, { characters }] of all.entries()) {
    const stranger = characters.find((name) => !known.includes(name))
    if (stranger !== undefined)
      return {
        why: `"${stranger}" of ${what} ${i + 1} is not in ${where}, where there is ${known.join(', ') || 'nobody'}.`,
      }
  }
  return undefined
}

/** All shots of a plan, in the order of the story. */
export function shotsOf(documents: Documents): readonly PlacedShot[] {
  const { subScripts } = documents['script'] as z.infer<typeof script>
  return subScripts.flatMap((_, i) =>
    (documents[`scenes ${i + 1}`] as z.infer<typeof scenes>).scenes.flatMap((own, s) =>
      (documents[`shots ${i + 1}.${s + 1}`] as z.infer<typeof shots>).shots.map((one, j): PlacedShot => ({
        ...one,
        place: [i + 1, s + 1, j + 1],
        scene: own,
      })),
    ),
  )
}
