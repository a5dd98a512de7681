/**
 * What a worker of the crowd reads of the cards of others that stand in a prompt (learned.ts writes them).
 *
 *     suited(asked)[0]?.name                       // whoever its card names as the best at the question's subject
 */
import type { Asked } from './voice.ts'

interface Card {
  readonly name: string
  readonly share: number
  readonly subjects: { readonly [subject: string]: number }
}

/** How a worker is called where it has a card. */
export function cardName(worker: number): string {
  return `Worker-${worker + 1}`
}

/** Whoever has a card in the prompt, by what it says of the question's subject, the best first. */
export function suited({ question, prompt }: Asked): readonly { readonly name: string; readonly share: number }[] {
  const fit = ({ subjects, share }: Card): number => subjects[question.topic] ?? share
  return cardsIn(prompt)
    .map((card) => ({ name: card.name, share: fit(card) }))
    .toSorted((a, b) => b.share - a.share)
}

/** The cards that stand in a prompt, each once, in their order: `Worker-3: Answers questions. Right on 46 % of others: law 86 %, music 52 %.` */
function cardsIn(prompt: string): readonly Card[] {
  const found = prompt.matchAll(/\b(Worker-\d+)\W+Answers questions\. Right on (\d+) % of others: ([^.]*)\./g)
  const cards = [...found].map(([, name = '', share, named = '']): Card => ({
    name,
    share: Number(share) / 100,
    subjects: Object.fromEntries(
      [...named.matchAll(/(\S[^,]*?) (\d+) %/g)].map(([, subject = '', at]) => [subject, Number(at) / 100]),
    ),
  }))
  return [...new Map(cards.map((card) => [card.name, card])).values()]
}
