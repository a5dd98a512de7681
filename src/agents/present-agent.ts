/**
 * PresentAgent (Shi et al. 2025, "PresentAgent: multimodal agent for presentation video generation"): a document as a talk: slides, what is said to
 * each, and a film in which each slide is shown exactly as long as it is spoken of.
 *
 *     spawn(presentAgent, { document: markdown, pictures: [{ caption: 'The lake', image: svg }] })
 *         →   { title, slides, video: 'presentation/video.mp4', page: 'presentation/slides.html', ms, skipped, made, backs }
 *
 * A planner writes the outline, which is held against the document; slides with a function (opening, contents, section headers, ending) come in between
 * where the template has such layouts. For each slide of the outline a layout is chosen and its elements are filled under their limits; to every slide
 * a paragraph is written and spoken (pieces/slide-stages.ts). The process holds the tools of src/drivers/media.ts.
 *
 * Changed: a layout draws itself from its elements (pieces/slides.ts), where the release has a coder edit a slide of PowerPoint; slides with a function are
 * filled from the slides that were made.
 *
 * Invariants
 *   PA1. There are as many slides as scripts and sounds, and the film is as long as the sounds together.
 *   PA2. Every section and every picture of an outline is one of the document's.
 *   PA3. A gate sends back at most `triesMax` times; then the slide is left out and told of, or the run fails. So is a slide that cannot be spoken.
 *   PA4. Slides with a function name what is there: they are made when the others are, from those that were.
 */
import { z } from 'zod'
import { PolityError, type ErrorCode } from '../kernel/errors.ts'
import { inputOf } from '../kernel/input-form.ts'
import { defineProgram } from '../kernel/program.ts'
import { filmed, keepBytes, spoken, type FilmForm, type Voice } from './pieces/media.ts'
import { sectionsOf, textUnder, type Section } from './pieces/sections.ts'
import { outlineStage, slideStages, withFunctions, type PlannedSlide, type TalkTerms } from './pieces/slide-stages.ts'
import {
  drawSlide,
  plainLayouts,
  slideLayout,
  slidesPage,
  type Picture,
  type SlideContent,
  type SlideLayout,
} from './pieces/slides.ts'
import { carryOutStages, type Back, type Staged } from './staged.ts'

export interface PresentAgentInput extends Partial<TalkTerms> {
  /** Markdown: its headings are its sections. */
  readonly document: string
  /** That slides may show, by their captions. @default none */
  readonly pictures?: readonly Picture[]
  /** The template. @default `plainLayouts` of pieces/slides.ts */
  readonly layouts?: readonly SlideLayout[]
  /** Folder of the process, with `/` at its end. @default 'presentation/' */
  readonly folder?: string
  /** Slides of the outline, at least and at most. @default [3, 7]; with opening, contents and ending the 5 to 10 of the paper */
  readonly slides?: readonly [least: number, most: number]
  /** Words that are said to a slide, at least and at most. @default [30, 40], as in the paper */
  readonly words?: readonly [least: number, most: number]
  /** How alike a name of the outline and one of the document are to be the same, 0 to 1. @default 0.5, as in the paper */
  readonly similarity?: number
  /** Who writes: a model, or nobody: a slide for each section, with sentences of the document word for word. @default 'model' */
  readonly planner?: 'model' | 'quotes'
  /** Times that one gate sends back. @default 3, as in the paper */
  readonly triesMax?: number
  /** What becomes of a slide that fails; sections for which there is no room are always left out. @default 'skip' */
  readonly failed?: 'skip' | 'raise'
  readonly voice?: Voice
  /** @default 1,280 by 720, 15 frames a second: slides stand still */
  readonly film?: FilmForm
}

export interface PresentedSlide {
  readonly purpose: string
  readonly layout: string
  readonly content: SlideContent
  readonly notes: string
  /** Path of its sound. */
  readonly speech: string
  readonly startMs: number
  /** Of its sound, and so of the slide in the film. */
  readonly ms: number
}

export interface Presented {
  readonly title: string
  readonly slides: readonly PresentedSlide[]
  /** Path of the film; null where there is no slide. */
  readonly video: string | null
  /** Path of one HTML file with all slides, sounds and scripts; null where there is no slide. */
  readonly page: string | null
  readonly ms: number
  readonly skipped: readonly { readonly purpose: string; readonly stage: string; readonly why: string }[]
  /** Documents in the order in which they were made, slide after slide. */
  readonly made: readonly string[]
  readonly backs: readonly Back[]
  /** Why there is no outline. */
  readonly failed?: Staged['failed']
}

/** A text that is none, and a voice that fails at it. What is wrong with every slide, such as a missing program, ends the run. */
const UNSPOKEN: ReadonlySet<ErrorCode> = new Set([
  'INVALID_ARGUMENT',
  'TOO_LARGE',
  'LIMIT_EXCEEDED',
  'TOOL_FAILED',
  'TOOL_INVALID',
  'TOOL_TIMEOUT',
] as const)

export const presentAgent = defineProgram(
  'present-agent',
  async (sys, input: PresentAgentInput): Promise<Presented> => {
    inputOf('present-agent', taken, input, "{ document: 'Markdown', planner?: 'model' or 'quotes', … } (docs/media.md)")
    const { document, pictures = [], folder = 'presentation/', triesMax = 3, failed = 'skip', voice = {} } = input
    const { slides = [3, 7], words = [30, 40], similarity = 0.5, planner = 'model' } = input
    const terms: TalkTerms = { slides, words, similarity, planner }
    const source = { ...sectionsOf(document), pictures, layouts: layoutsOf(input.layouts) }
    refuseNone(source.sections.length, terms)
    const options = { backsMax: triesMax }
    const given = { document: source.document, pictures: pictures.map(({ caption }) => caption) }
    const planned = await carryOutStages(given, [outlineStage(sys, source, terms)], options)
    const nothing = { title: source.title, slides: [], video: null, page: null, ms: 0, skipped: [], ...planned }
    const { documents, ...unmade } = nothing
    if (planned.failed !== undefined) return unmade

    const outline = documents['outline'] as unknown as { readonly slides: readonly PlannedSlide[] }
    const make = async (one: PlannedSlide) => {
      const { purpose, images, indexes } = one
      const about = { slide: { purpose, images }, text: textUnder(source.sections, indexes) }
      const staged = await carryOutStages(about, slideStages(sys, one, source, terms), options)
      if (staged.failed !== undefined) return { purpose, staged, failed: staged.failed }
      const layout = staged.documents['layout'] as unknown as SlideLayout
      const content = staged.documents['content'] as unknown as SlideContent
      const notes = staged.documents['notes'] as string
      try {
        return { purpose, staged, slide: { layout, content, notes, ...(await spoken(sys, { text: notes, ...voice })) } }
      } catch (error) {
        if (!PolityError.isInstance(error) || !UNSPOKEN.has(error.code)) throw error
        return { purpose, staged, failed: { stage: 'speech', why: error.message } }
      }
    }
    const told = await Promise.all(outline.slides.map(make))
    const kept = outline.slides.filter((_, i) => told[i]?.slide !== undefined)
    const shown = await Promise.all(
      withFunctions(kept, source).map((one) => told[outline.slides.indexOf(one)] ?? make(one)),
    )
    const all = [...told, ...shown.filter((one) => !told.includes(one))]
    const made = [...planned.made, ...all.flatMap(({ staged }) => staged.made)]
    const backs = [...planned.backs, ...all.flatMap(({ staged }) => staged.backs)]
    const faults = all.flatMap(({ purpose, failed: fault }) =>
      fault === undefined ? [] : [{ purpose, stage: fault.stage, why: fault.why }],
    )
    const skipped = [...faults, ...(planner === 'quotes' ? roomless(source.sections, slides[1]) : [])]
    const [first] = faults
    if (first !== undefined && failed === 'raise')
      throw new PolityError(
        'PROGRAM_FAILED',
        `present-agent: "${first.purpose}" failed at ${first.stage}: ${first.why}`,
      )
    const ready = shown.flatMap(({ purpose, slide }) => (slide === undefined ? [] : [{ purpose, ...slide }]))
    if (ready.length === 0) return { ...unmade, made, backs, skipped }

    const svgs = ready.map(({ layout, content }, i) =>
      drawSlide(layout, content, { number: i + 1, count: ready.length, pictures }),
    )
    const parts = ready.map(({ sound }, i) => ({ images: [svgs[i] as string], sound }))
    const film = await filmed(sys, parts, { fps: 15, ...input.film })
    const [video, page] = [`${folder}video.mp4`, `${folder}slides.html`]
    await keepBytes(sys, video, film.film)
    await sys.write(
      page,
      slidesPage(
        source.title,
        ready.map((one, i) => ({ ...one, svg: svgs[i] as string })),
      ),
    )
    const presented: PresentedSlide[] = []
    for (const [i, { purpose, layout, content, notes, ms, sound }] of ready.entries()) {
      const speech = `${folder}speech-${String(i + 1).padStart(2, '0')}.ogg`
      await keepBytes(sys, speech, sound)
      const startMs = film.parts[i]?.startMs ?? 0
      presented.push({ purpose, layout: layout.name, content, notes, speech, startMs, ms })
    }
    return { ...unmade, slides: presented, video, page, ms: film.ms, skipped, made, backs }
  },
)

/** A talk of quotes has a slide for each section, as far as there may be slides. */
function roomless(sections: readonly Section[], most: number): Presented['skipped'] {
  const why = `A talk has at most ${most} slides of the document; \`slides: [least, most]\` allows more.`
  return sections.slice(most).map(({ heading }) => ({ purpose: heading, stage: 'outline', why }))
}

const range = z.tuple([z.number(), z.number()]).optional()
const taken = z.strictObject({
  document: z.string(),
  pictures: z.array(z.object({ caption: z.string(), image: z.string() })).optional(),
  /** Is looked at by `layoutsOf`. */
  layouts: z.unknown().optional(),
  folder: z.string().endsWith('/').optional(),
  slides: range,
  words: range,
  similarity: z.number().min(0).max(1).optional(),
  planner: z.enum(['model', 'quotes']).optional(),
  triesMax: z.number().int().min(0).optional(),
  failed: z.enum(['skip', 'raise']).optional(),
  voice: z.object({}).optional(),
  film: z.object({}).optional(),
})

/** Throws `INVALID_ARGUMENT` for what no outline could meet. */
function refuseNone(sections: number, { slides, words }: TalkTerms): void {
  if (sections === 0)
    throw new PolityError(
      'INVALID_ARGUMENT',
      'present-agent: the document has no headings; give Markdown with sections (## …, or a line over === or ---)',
    )
  for (const [name, [least, most]] of Object.entries({ slides, words }))
    if (!(least >= 1 && most >= least))
      throw new PolityError(
        'INVALID_ARGUMENT',
        `present-agent: ${name} takes [least, most] from 1, not [${least}, ${most}]`,
      )
}

/** Throws `INVALID_ARGUMENT` where a layout is none. */
function layoutsOf(given: readonly SlideLayout[] = plainLayouts): readonly SlideLayout[] {
  return inputOf('present-agent: layouts', slideLayout.array().min(1), given)
}
