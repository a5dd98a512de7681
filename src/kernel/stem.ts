/**
 * Stems of English words, so that «reserved» and «reserves» are one word.
 *
 *     stem('reserved')   // 'reserv'
 *     stem('children')   // 'child'
 *
 * Invariants
 *   RT1. The stem of a word is Porter's (M. F. Porter, «An algorithm for suffix stripping», 1980), after irregular forms are mapped to their base.
 *   RT2. Words that are not plain a to z keep all their letters, lower case, normalised to NFC.
 */

import { dropOldest } from './drop-oldest.ts'

/** Past tenses and plurals that suffixes do not show: each line is a base form, then its other forms. */
const irregular = new Map(
  `be am is are was were been being
begin began begun|break broke broken|bring brought|build built|buy bought|catch caught|choose chose chosen|come came|do did done does|draw drew drawn|drive drove driven|eat ate eaten
fall fell fallen|feel felt|fight fought|find found|fly flew flown|forget forgot forgotten|get got gotten|give gave given|go went gone|grow grew grown|have has had|hear heard|hold held
keep kept|know knew known|lead led|leave left|lose lost|make made|mean meant|meet met|pay paid|rise rose risen|run ran|say said|see saw seen|sell sold|send sent|shoot shot|show shown
sing sang sung|sink sank sunk|speak spoke spoken|spend spent|stand stood|steal stole stolen|swim swam swum|take took taken|teach taught|tell told|think thought|throw threw thrown
wear wore worn|win won|write wrote written|die died dying|lie lay lain
man men|woman women|child children|foot feet|tooth teeth|wife wives|life lives|half halves|leaf leaves|person people|index indices|vertex vertices`
    .split(/[|\n]/)
    .flatMap((line) => {
      const [base = '', ...forms] = line.trim().split(' ')
      return forms.map((form): [string, string] => [form, base])
    }),
)

const consonant = '[^aeiou]'
const vowel = '[aeiouy]'
const consonants = `${consonant}[^aeiouy]*`
const vowels = `${vowel}[aeiou]*`
const measureOver0 = new RegExp(`^(${consonants})?${vowels}${consonants}`)
const measureIs1 = new RegExp(`^(${consonants})?${vowels}${consonants}(${vowels})?$`)
const measureOver1 = new RegExp(`^(${consonants})?${vowels}${consonants}${vowels}${consonants}`)
const hasVowel = new RegExp(`^(${consonants})?${vowel}`)
const endsShort = new RegExp(`^${consonants}${vowel}[^aeiouwxy]$`)

const step2: readonly [string, string][] = [
  ['ational', 'ate'],
  ['tional', 'tion'],
  ['enci', 'ence'],
  ['anci', 'ance'],
  ['izer', 'ize'],
  ['bli', 'ble'],
  ['alli', 'al'],
  ['entli', 'ent'],
  ['eli', 'e'],
  ['ousli', 'ous'],
  ['ization', 'ize'],
  ['ation', 'ate'],
  ['ator', 'ate'],
  ['alism', 'al'],
  ['iveness', 'ive'],
  ['fulness', 'ful'],
  ['ousness', 'ous'],
  ['aliti', 'al'],
  ['iviti', 'ive'],
  ['biliti', 'ble'],
  ['logi', 'log'],
]
const step3: readonly [string, string][] = [
  ['icate', 'ic'],
  ['ative', ''],
  ['alize', 'al'],
  ['iciti', 'ic'],
  ['ical', 'ic'],
  ['ful', ''],
  ['ness', ''],
]
const step4 = [
  'ement',
  'ance',
  'ence',
  'able',
  'ible',
  'ment',
  'ant',
  'ent',
  'ism',
  'ate',
  'iti',
  'ous',
  'ive',
  'ize',
  'al',
  'er',
  'ic',
  'ou',
]

function porter(input: string): string {
  if (input.length < 3 || !/^[a-z]+$/.test(input)) return input
  let word = input[0] === 'y' ? `Y${input.slice(1)}` : input

  if (/(ss|i)es$/.test(word)) word = word.slice(0, -2)
  else if (/[^s]s$/.test(word)) word = word.slice(0, -1)

  if (word.endsWith('eed')) {
    if (measureOver0.test(word.slice(0, -3))) word = word.slice(0, -1)
  } else {
    const cut = /^(.+?)(ed|ing)$/.exec(word)?.[1]
    if (cut !== undefined && hasVowel.test(cut)) {
      word = cut
      if (/(at|bl|iz)$/.test(word)) word += 'e'
      else if (/([^aeiouylsz])\1$/.test(word)) word = word.slice(0, -1)
      else if (endsShort.test(word)) word += 'e'
    }
  }
  if (word.endsWith('y') && hasVowel.test(word.slice(0, -1))) word = `${word.slice(0, -1)}i`

  word = replaceSuffix(replaceSuffix(word, step2), step3)

  const suffix4 = step4.find((suffix) => word.endsWith(suffix))
  if (suffix4 !== undefined) {
    const cut = word.slice(0, -suffix4.length)
    if (measureOver1.test(cut)) word = cut
  } else if (/[st]ion$/.test(word) && measureOver1.test(word.slice(0, -3))) word = word.slice(0, -3)

  if (word.endsWith('e')) {
    const cut = word.slice(0, -1)
    if (measureOver1.test(cut) || (measureIs1.test(cut) && !endsShort.test(cut))) word = cut
  }
  if (word.endsWith('ll') && measureOver1.test(word)) word = word.slice(0, -1)
  return word.toLowerCase()
}

function replaceSuffix(word: string, table: readonly [string, string][]): string {
  const found = table.find(([suffix]) => word.endsWith(suffix))
  if (found === undefined) return word
  const cut = word.slice(0, -found[0].length)
  return measureOver0.test(cut) ? cut + found[1] : word
}

const stems = new Map<string, string>()
const stemsMax = 16_384

/** The stem of a word. */
export function stem(word: string): string {
  const known = stems.get(word)
  if (known !== undefined) return known
  const lower = word.normalize('NFC').toLowerCase()
  const found = porter(irregular.get(lower) ?? lower)
  if (stems.size >= stemsMax) dropOldest(stems)
  stems.set(word, found)
  return found
}

const forms = new Map<string, string[]>()
for (const [form, base] of irregular) forms.set(stem(base), [...(forms.get(stem(base)) ?? []), form])

/** The irregular forms that have a stem: `formsOf('go')` is went, gone and goes. */
export function formsOf(ofStem: string): readonly string[] {
  return forms.get(ofStem) ?? []
}
