/**
 * A talk without a model: what a planner, an editor and a speaker would write, taken word for word from the document. For a machine without a model, and for
 * who wants nothing said that does not stand there.
 *
 *     quotedOutline(sections, captions, 7)              // a slide for each section
 *     quotedContent(layout, { heading, text, images })  // whole sentences, as many as fit
 *     quotedNotes(text, heading, 40)                    // its first sentences, up to 40 words
 *
 * Invariants
 *   QT1. Every word is the document's; what is cut ends with an ellipsis, on a slide, and at the end of a sentence where one is near, in speech.
 *   QT2. Words are counted in every script (words.ts), and one of more than 100 letters is cut: nobody can say it.
 */
import { isSpaced } from '../../kernel/words.ts'
import type { Section } from './sections.ts'
import type { PlannedSlide } from './slide-stages.ts'
import { hasImage, type SlideContent, type SlideLayout } from './slides.ts'
import { ellipsized, firstWords, wordCount } from './word-limits.ts'

/** The longest words of natural languages have fewer. */
const WORD_CHARS_MAX = 100

export function quotedOutline(
  sections: readonly Section[],
  captions: readonly string[],
  most: number,
): readonly PlannedSlide[] {
  return sections.slice(0, most).map(({ name, heading, text, parts }) => {
    const own = [text, ...parts.map((part) => part.text)].join('\n')
    const images = captions.filter((caption) => own.includes(caption)).slice(0, 1)
    return { purpose: heading, indexes: { [name]: parts.map((part) => part.name) }, images }
  })
}

/** The first layout with a list, and with a picture where there is one; the first of all where none is so. */
export function quotedLayout(offered: readonly SlideLayout[], images: readonly string[]): SlideLayout | undefined {
  const hasList = ({ elements }: SlideLayout): boolean => Object.values(elements).some(({ type }) => type === 'list')
  return offered.find((one) => hasList(one) && hasImage(one) === images.length > 0) ?? offered[0]
}

/** `text`: Markdown. The first text element has the heading, lists have sentences, other texts the caption or a sentence. */
export function quotedContent(
  { elements }: SlideLayout,
  { heading, text, images }: { readonly heading: string; readonly text: string; readonly images: readonly string[] },
): SlideContent {
  const sentences = sentencesIn(plainOf(text))
  const first = Object.keys(elements).find((name) => elements[name]?.type === 'text')
  return Object.fromEntries(
    Object.entries(elements).map(([name, { type, charsMax, itemsMax }]) => {
      const items = type === 'image' ? images : type === 'list' ? sentences : images.length > 0 ? images : sentences
      const said = (name === first ? [heading] : items).map((one) =>
        type === 'image' ? one : ellipsized(one, charsMax),
      )
      return [name, said.slice(0, itemsMax)]
    }),
  )
}

/** At most so many words: whole sentences where that leaves half of them at least. */
export function quotedNotes(text: string, heading: string, most: number): string {
  let [said, count] = ['', 0]
  for (const whole of [`${heading.replace(/[.?!。？！]$/, '')}.`, ...sentencesIn(plainOf(text))]) {
    const sentence = whole.replaceAll(/\S+/g, (word) => (isSpaced(word) ? ellipsized(word, WORD_CHARS_MAX) : word))
    const longer = `${said} ${sentence}`.trim()
    const more = wordCount(sentence, most + 1)
    if (count + more > most) return count >= most / 2 ? said : firstWords(longer, most)
    said = longer
    count += more
  }
  return said
}

/** Markdown without its marks; code, tables and headings are nothing to say. */
function plainOf(text: string): string {
  return text
    .replaceAll(/^[ \t]*(`{3,}|~{3,})[^]*?(?:^[ \t]*\1[`~]*[ \t]*$|(?![^]))/gm, '')
    .replaceAll(/^(#{1,6}\s|\|).*$/gm, '')
    .replaceAll(/!?\[([^\]]*)\]\([^)]*\)/g, '$1')
    .replaceAll(/^\s*([-*+>]|\d+\.)\s+/gm, '')
    .replaceAll(/[*_`]{1,3}(?=\S)|(?<=\S)[*_`]{1,3}/g, '')
}

/** Made when first asked for: it takes some MB, and whoever imports this may never speak. */
let sentenceBreaks: Intl.Segmenter | undefined

function sentencesIn(text: string): readonly string[] {
  const breaks = (sentenceBreaks ??= new Intl.Segmenter('en', { granularity: 'sentence' }))
  return text
    .split(/\n\s*\n/)
    .flatMap((paragraph) =>
      [...breaks.segment(paragraph.replaceAll(/\s+/g, ' '))]
        .map(({ segment }) => segment.trim())
        .filter((one) => /[\p{L}\p{N}]/u.test(one)),
    )
}
