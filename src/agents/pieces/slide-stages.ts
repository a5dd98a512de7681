/**
 * The stages of a talk (present-agent.ts): an outline that is held against its document, and for each slide a layout, what fills it, and what is said.
 *
 *     await carryOutStages({ document, pictures }, [outlineStage(sys, source, terms)], { backsMax: 3 })
 *     await carryOutStages({ slide, text }, slideStages(sys, planned, source, terms), { backsMax: 3 })
 *
 * Invariants
 *   SS1. Names in an outline that passed are the document's, letter for letter: what was alike enough is replaced by what it is like. Of sections with
 *        one heading each has a number (sections.ts), which is in no slide.
 *   SS2. A slide without a picture has no layout with one, and a slide with one may have either.
 */
import { z } from 'zod'
import type { Json, Sys } from '../../kernel/types.ts'
import { says, saysJson, type Stage } from '../staged.ts'
import { mostAlike } from './edit-similarity.ts'
import { quotedContent, quotedLayout, quotedNotes, quotedOutline } from './quoted-talk.ts'
import type { Section } from './sections.ts'
import { contentFault, functionOf, hasImage, type Picture, type SlideContent, type SlideLayout } from './slides.ts'
import { ellipsized, wordCount } from './word-limits.ts'

export interface TalkSource {
  readonly title: string
  readonly sections: readonly Section[]
  readonly pictures: readonly Picture[]
  readonly layouts: readonly SlideLayout[]
}

export interface TalkTerms {
  readonly slides: readonly [least: number, most: number]
  readonly words: readonly [least: number, most: number]
  readonly similarity: number
  /** 'quotes': no model is asked; everything is the document's, word for word (quoted-talk.ts). */
  readonly planner: 'model' | 'quotes'
}

const OUTLINE =
  'You plan a presentation of the document: LEAST to MOST slides. Say for each its purpose, the sections and subsections that it draws on, copied exactly, and the captions of pictures that it shows. Answer with JSON: {"slides": [{"purpose": "…", "indexes": {"section": ["subsection"]}, "images": ["caption"]}]}.'
const LAYOUT =
  'Choose the layout that suits the slide. One with a picture is for a slide that shows one. Answer with JSON: {"reason": "…", "layout": "name"}.'
const CONTENT =
  'Fill the elements of the layout from the text of the slide: for each a list of texts, at most so many and each of at most so many characters as it takes; for a picture its caption. Answer with JSON: {"elements": {"element": ["…"]}}.'
const NOTES =
  'Write what the speaker says to this slide: one paragraph of LEAST to MOST words, as it is spoken. No heading and no remark.'

const outlined = z.object({
  purpose: z.string(),
  indexes: z.record(z.string(), z.array(z.string())),
  images: z.array(z.string()).default([]),
})
const outline = z.object({ slides: z.array(outlined).min(1) })
const choice = z.object({ reason: z.string(), layout: z.string() })
const filling = z.object({ elements: z.record(z.string(), z.array(z.string())) })

/** A slide of an outline, or one with a function, which says already what it says. */
export interface PlannedSlide extends z.infer<typeof outlined> {
  readonly filled?: { readonly layout: SlideLayout; readonly content: SlideContent }
}

// ----------------------------------------------------------------------------------------------------------- outline

export function outlineStage(sys: Sys, { sections, pictures }: TalkSource, terms: TalkTerms): Stage {
  const { slides: range, similarity, planner } = terms
  const captions = pictures.map(({ caption }) => caption)
  const make = saysJson(sys, ranged(OUTLINE, range), outline)
  return {
    name: 'outline',
    sees: ['document', 'pictures'],
    async make(given) {
      if (planner === 'quotes') return { slides: quotedOutline(sections, captions, range[1]) } as unknown as Json
      const said = (await make(given)) as z.infer<typeof outline> | undefined
      if (said === undefined) return undefined
      return { slides: said.slides.map((one) => exact(one, sections, captions, similarity)) }
    },
    check(document) {
      const { slides } = document as z.infer<typeof outline>
      const [least, most] = planner === 'quotes' ? [1, range[1]] : range
      if (slides.length < least || slides.length > most)
        return { why: `There are ${slides.length} slides; ${least} to ${most} are wanted.` }
      const why = slides.map((one) => strangerIn(one, sections, captions)).find((one) => one !== undefined)
      return why === undefined ? undefined : { why }
    },
  }
}

/** Names by those that they are alike enough to; others stay as they are, and are found. */
function exact(
  { purpose, indexes, images }: z.infer<typeof outlined>,
  sections: readonly Section[],
  captions: readonly string[],
  similarity: number,
): z.infer<typeof outlined> {
  const named = (text: string, others: readonly string[]): string => {
    const best = mostAlike(text, others)
    return best !== undefined && best.similarity >= similarity ? best.text : text
  }
  const names = sections.map(({ name }) => name)
  const entries = Object.entries(indexes).map(([section, parts]) => {
    const own = named(section, names)
    const known = sections.find(({ name }) => name === own)?.parts.map(({ name }) => name) ?? []
    return [own, parts.map((part) => named(part, known))] as const
  })
  return { purpose, indexes: Object.fromEntries(entries), images: images.map((image) => named(image, captions)) }
}

function strangerIn(
  { purpose, indexes, images }: z.infer<typeof outlined>,
  sections: readonly Section[],
  captions: readonly string[],
): string | undefined {
  if (Object.keys(indexes).length === 0) return `The slide "${purpose}" draws on no section.`
  for (const [section, parts] of Object.entries(indexes)) {
    const found = sections.find(({ name }) => name === section)
    if (found === undefined)
      return `The document has no section "${section}"; it has ${sections.map(({ name }) => name).join(', ')}.`
    const stranger = parts.find((part) => !found.parts.some(({ name }) => name === part))
    if (stranger !== undefined) return `The section "${section}" has no subsection "${stranger}".`
  }
  const image = images.find((one) => !captions.includes(one))
  return image === undefined ? undefined : `There is no picture "${image}"; there is ${captions.join(', ') || 'none'}.`
}

// ----------------------------------------------------------------------------------------------------------- functions

/** Slides that were made with those that have a function, as far as the template has layouts for them; nothing opens a talk of nothing. */
export function withFunctions(
  slides: readonly PlannedSlide[],
  { title, sections, layouts }: TalkSource,
): readonly PlannedSlide[] {
  if (slides.length === 0) return []
  const sectionOf = ({ indexes }: PlannedSlide): string => Object.keys(indexes)[0] ?? ''
  const named = [...new Set(slides.map(sectionOf))].map((name) => headingOf(sections, name))
  const functional = (purpose: string, heading: string, more: readonly string[]): readonly PlannedSlide[] => {
    const layout = layouts.find((one) => functionOf(one) === purpose)
    return layout === undefined
      ? []
      : [{ purpose, indexes: {}, images: [], filled: { layout, content: filledWith(layout, [heading, ...more]) } }]
  }
  return [
    ...functional('opening', title, [named.join(' · ')]),
    ...functional('table of contents', 'Contents', named),
    ...slides.flatMap((one, i) => {
      const isNew = i === 0 || sectionOf(slides[i - 1] as PlannedSlide) !== sectionOf(one)
      return [...(isNew ? functional('section header', headingOf(sections, sectionOf(one)), [one.purpose]) : []), one]
    }),
    ...functional('ending', 'Thank you', [title]),
  ]
}

function headingOf(sections: readonly Section[], section: string): string {
  return sections.find(({ name }) => name === section)?.heading ?? section
}

/** The first text for the first element, the others for the next; cut where they are too long or too many. */
function filledWith({ elements }: SlideLayout, [heading = '', ...more]: readonly string[]): SlideContent {
  return Object.fromEntries(
    Object.entries(elements).map(([name, { itemsMax, charsMax }], i) => [
      name,
      (i === 0 ? [heading] : more.slice(0, itemsMax)).map((text) => ellipsized(text, charsMax)),
    ]),
  )
}

// ----------------------------------------------------------------------------------------------------------- slide

/** Layout and content of a slide of the outline, and what is said to any. */
export function slideStages(
  sys: Sys,
  { images, filled, indexes }: PlannedSlide,
  source: TalkSource,
  terms: TalkTerms,
): readonly Stage[] {
  const { layouts, pictures, sections } = source
  const isQuoted = terms.planner === 'quotes'
  const speak = says(sys, ranged(NOTES, terms.words), (text) => text.trim().replaceAll(/\s+/g, ' ') || undefined)
  const notes: Stage = {
    name: 'notes',
    sees: ['slide', 'text', 'content'],
    async make(given) {
      const { text, content } = given.documents
      if (!isQuoted) return speak(given)
      const [heading = '', ...more] = Object.values(content as unknown as SlideContent).flat()
      return quotedNotes(text === '' ? more.join('.\n\n') : (text as string), heading, terms.words[1])
    },
    check(document) {
      const count = wordCount(document as string)
      // A document says what it says.
      const [least, most] = isQuoted ? [1, terms.words[1]] : terms.words
      return count >= least && count <= most
        ? undefined
        : { why: `It has ${count} words; ${least} to ${most} are wanted.` }
    },
  }
  if (filled !== undefined) {
    const given = (name: string, document: unknown): Stage => ({ name, sees: [], make: async () => document as Json })
    return [given('layout', filled.layout), given('content', filled.content), notes]
  }

  const offered = layouts.filter((one) => functionOf(one) === undefined && (images.length > 0 || !hasImage(one)))
  const choose = saysJson(sys, LAYOUT, choice)
  const fill = saysJson(sys, CONTENT, filling)
  return [
    {
      name: 'layout',
      sees: ['slide', 'text'],
      async make(given) {
        if (isQuoted) return quotedLayout(offered, images) as Json | undefined
        const shown = offered.map(({ name, description }) => ({ name, description }))
        const said = await choose({ ...given, documents: { ...given.documents, layouts: shown } })
        const { layout } = (said ?? {}) as Partial<z.infer<typeof choice>>
        return (offered.find(({ name }) => name === layout) ?? layout) as Json | undefined
      },
      check: (document) =>
        typeof document === 'string'
          ? { why: `No layout "${document}" is offered; there is ${offered.map(({ name }) => name).join(', ')}.` }
          : undefined,
    },
    {
      name: 'content',
      sees: ['slide', 'text', 'layout'],
      async make(given) {
        if (!isQuoted) return ((await fill(given)) as z.infer<typeof filling> | undefined)?.elements
        const { layout, text } = given.documents
        const heading = headingOf(sections, Object.keys(indexes)[0] ?? '')
        return quotedContent(layout as unknown as SlideLayout, { heading, text: text as string, images }) as Json
      },
      check(document, { layout }) {
        const captions = pictures.map(({ caption }) => caption).filter((caption) => images.includes(caption))
        const why = contentFault(layout as unknown as SlideLayout, document as SlideContent, captions)
        return why === undefined ? undefined : { why }
      },
    },
    notes,
  ]
}

function ranged(text: string, [least, most]: readonly [number, number]): string {
  return text.replace('LEAST', `${least}`).replace('MOST', `${most}`)
}
