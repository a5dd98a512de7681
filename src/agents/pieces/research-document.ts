/**
 * The research document of SciAgents, as Markdown: the path, and what each role wrote, under a heading of its own.
 *
 *     await sys.write('research.md', researchDocument(path, roles, documents))
 */
import type { z } from 'zod'
import type { Documents } from '../staged.ts'
import type { KnowledgePath } from './knowledge-path.ts'
import {
  STUDY,
  type defined,
  type Proposal,
  type Rating,
  type reviewed,
  type Role,
  type studied,
} from './research-roles.ts'

/** What was written, in the order of the roles; what is missing is left out. */
export function researchDocument({ concepts }: KnowledgePath, roles: readonly Role[], documents: Documents): string {
  const [first, last] = [concepts[0], concepts.at(-1)]
  const parts = [`# A research proposal between ${first} and ${last}`, `## Path\n\n${documents['path']}`]
  /** What nothing stands under is left out. */
  const under = (heading: string, ...paragraphs: readonly string[]): string => {
    const said = paragraphs.filter((one) => one !== '')
    return said.length === 0 ? '' : [heading, ...said].join('\n\n')
  }
  const add = (title: string, ...paragraphs: readonly string[]): void =>
    void parts.push(under(`## ${title}`, ...paragraphs))
  const bullets = (lines: readonly string[]): string => lines.map((one) => `- ${one}`).join('\n')
  for (const { name } of roles) {
    const document = documents[name]
    if (document === undefined || name === 'plan') continue
    if (name === 'definitions') {
      const { definitions, relations } = document as z.infer<typeof defined>
      add('Concepts', bullets(definitions.map(({ concept, meaning }) => `**${concept}**: ${meaning}`)))
      add('Relations', bullets(relations.map(({ relation, meaning }) => `**${relation}**: ${meaning}`)))
    } else if (name === 'proposal') {
      const draft = document as unknown as Proposal
      add('Proposal', ...Object.entries(draft).map(([aspect, said]) => under(`### ${titleOf(aspect)}`, said)))
    } else if (name === 'review') {
      const { summary, ...lists } = document as z.infer<typeof reviewed>
      add(
        'Review',
        summary,
        ...Object.entries(lists).map(([list, lines]) => under(`### ${titleOf(list)}`, bullets(lines))),
      )
    } else if (name === 'literature') {
      const { searches, novelty, feasibility, why } = document as unknown as Rating
      const grades = novelty === null ? 'Not rated.' : `Novelty ${novelty} of 10, feasibility ${feasibility} of 10.`
      add(
        'Literature',
        `${grades} ${why}`,
        bullets(searches.map(({ query, results }) => `searched "${query}": ${results.length} found`)),
      )
    } else if (name.startsWith(STUDY)) {
      const { question, steps } = document as z.infer<typeof studied>
      add(titleOf(name), question, steps.map((step, i) => `${i + 1}. ${step}`).join('\n'))
    } else add(titleOf(name), ...Object.values(document as { readonly [aspect: string]: string }))
  }
  return `${parts.filter((one) => one !== '').join('\n\n')}\n`
}

function titleOf(name: string): string {
  const words = name.replaceAll('_', ' ')
  return words.charAt(0).toUpperCase() + words.slice(1)
}
