/**
 * The reader's words: kinships and weights of English words. Plain tables and pure functions.
 *
 *     wordsIn('The ships sailed')   // [{ raw: 'The', … }, { raw: 'ships', stem: 'ship', at: 4 }, …]
 *     kinOf(stem('purchase'))   // the stems of buy, bought, pay …
 *
 * Invariants
 *   RW1. Kinship holds between stems, in both directions, and only within a group.
 *   RW2. The tables are general English; none was made from the words of a particular corpus.
 */

import { stem } from '../../kernel/stem.ts'

/** One word of a text with its place. */
export interface Word {
  /** As written. */
  readonly raw: string
  readonly stem: string
  /** First character in the text. */
  readonly at: number
}

const wordPattern = /[\p{L}\p{N}\p{M}]+(?:[.,](?=\p{N})[\p{N}]+)*/gu

/** The words of a text with their stems and places. `camelCase` and `snake_case` names also give their parts. */
export function wordsIn(text: string): Word[] {
  const words: Word[] = []
  for (const match of text.matchAll(wordPattern)) {
    words.push({ raw: match[0], stem: stem(match[0]), at: match.index })
    if (/\p{Ll}\p{Lu}/u.test(match[0]))
      for (const part of match[0].split(/(?<=\p{Ll})(?=\p{Lu})/u))
        words.push({ raw: part, stem: stem(part), at: match.index })
  }
  return words
}

/** Groups of words that answer for each other. Between groups there is no kinship. */
const kinGroups = `
begin start commence origin source|end finish close terminate conclude stop last|buy purchase acquire|pay spend cost price|sum amount total quantity number|big large great huge size extent
small little tiny|make create build construct produce form|get obtain receive gain acquire|give grant provide furnish supply award appropriate|show display view see inspect open
choose select pick elect|name call title|leader captain commander chief head|lead command conduct|boss owner proprietor keeper landlord|ship vessel boat steamer|country nation land state
city town port|war battle fight conflict|kill slay murder shoot|die death perish dead decease|begin born native birthplace|come native|travel voyage journey sail go run|explore discover expedition
help aid assist support|stop cease halt abort cancel|wrong error mistake fault fail failure|try attempt retry|let allow permit enable authorize|forbid ban prohibit deny
change alter modify amend transform turn|grow increase rise gain|shrink reduce decrease decline fall extinguish|send transmit dispatch convey|keep hold retain store save preserve
use utilize employ purpose|need require must|want wish desire intend|say tell state report declare announce|ask request query|answer reply respond response|think believe suppose consider
happen occur take become|throw raise occur|land ashore disembark|often frequent|quick fast rapid slow|begin set establish found|law act statute bill|money fund cash dollar|wage salary pay share|job work occupation trade
doctor surgeon physician|priest preacher minister clergy ministry|soldier troop army military|worker labourer|young youth|old age aged|picture image|word term|text string|list array
function method callback hook|setting option parameter configuration config|key secret|default standard|produce generate|delete remove drop|update refresh|begin launch
thick thickness|long length|high height tall|deep depth|wide width breadth|weigh weight|far distance mile|hurt wound injure|sick ill disease|cure heal remedy|mad insane crazy
frighten fear afraid|house home dwelling|inn tavern hotel|food dish meal supper|drink beverage|coin money piece|worth value|promise offer reward|sink lose wreck|rescue save pick
search seek look find|visit call|define definition mean|kind type sort class|reason cause because why|result effect consequence|risk danger|safe secure protect|hide mask conceal
compute calculate|copy duplicate|split divide|join merge combine|raw plain|outdated stale old|deprecated obsolete|experimental unstable|parallel concurrent simultaneous|prevent avoid
approve consent|reject refuse deny|agree treaty convention|border boundary line|king ruler monarch|governor president|independent independence|free liberty|double twice|debt loan
soldier volunteer|discharge dismiss release|expire end|mail post|shore coast|friend friendship|commerce trade|slave slavery|road way route
`
  .trim()
  .split(/[|\n]/)
  .map((group) => [
    ...new Set(
      group
        .trim()
        .split(/\s+/)
        .map((word) => stem(word)),
    ),
  ])

const kin = new Map<string, Set<string>>()
for (const group of kinGroups)
  for (const word of group)
    kin.set(word, new Set([...(kin.get(word) ?? []), ...group.filter((other) => other !== word)]))

const none: ReadonlySet<string> = new Set()

/** The stems that may stand for a stem. */
export function kinOf(word: string): ReadonlySet<string> {
  return kin.get(word) ?? none
}

/** True when two stems share a root that the stemmer does not see: one begins with the other, of four letters or more, and is at most three longer (survive, survivor; preach, preacher). */
export function isAkin(a: string, b: string): boolean {
  const [short, long] = a.length <= b.length ? [a, b] : [b, a]
  return short.length >= 4 && long.length - short.length <= 3 && long.startsWith(short) && /^[a-z]+$/.test(long)
}

/** Words that shape a question and rarely stand in its answer; they weigh little. */
export const framingWords: ReadonlySet<string> = new Set(
  'name call kind type sort mean happen become thing way exact possible many people person someone something year date day time place part first last new old make do go come get give take put set use need want know say tell happen change default according'
    .split(' ')
    .map((word) => stem(word)),
)

export const monthPattern =
  /\b(?:January|February|March|April|May|June|July|August|September|October|November|December)\b/
export const numberWordPattern =
  /\b(?:one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|thirteen|fourteen|fifteen|sixteen|seventeen|eighteen|nineteen|twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety|hundred|thousand|million|billion|dozen|score|half|third|quarter|once|twice|thrice|no|none|single)(?:s|th|ths)?\b/i
