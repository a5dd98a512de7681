/**
 * Regular expressions of the law, against V8's: the same language where both read them, refused where it is not regular,
 * linear in the text, and an exact algebra.
 */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { createAutomaton, findText, lengthWalker, listWalker } from '../src/policy/automaton.ts'
import type { Automaton } from '../src/policy/automaton.ts'
import { glob as matchGlob } from '../src/policy/glob.ts'
import { createMarking } from '../src/policy/marks.ts'
import { createMachine } from '../src/policy/places.ts'
import type { Regex } from '../src/policy/regex.ts'
import { globRegex, parseRegex, searching } from '../src/policy/regex.ts'
import type { Chance } from './policy-reference.ts'
import { anyRegex, anyText, chanceOf } from './policy-reference.ts'

const LONG = process.env['POLITY_LONG'] === '1'

const found = (source: string): Automaton => createAutomaton(searching(parseRegex(source)))
const whole = (source: string): Automaton => createAutomaton(parseRegex(source))

const marking = (tree: Regex): ((text: string) => boolean | undefined) =>
  createMarking(tree, createMachine(tree).alphabet)

/** What the deterministic states say, however many there are; undefined past 5,000. */
function byStates(tree: Regex, text: string): boolean | undefined {
  const walker = createAutomaton(tree).walker()
  let state: number | undefined = 0
  for (const char of text) {
    state = walker.step(state, walker.classOf(char.codePointAt(0) as number))
    if (state === undefined) return undefined
  }
  return walker.accepts(state)
}

/** Every text up to a length over some letters. */
function texts(letters: string, length: number): string[] {
  const all = ['']
  for (let i = 0; i < all.length; i++)
    if ((all[i] as string).length < length) for (const letter of letters) all.push((all[i] as string) + letter)
  return all
}

/** Something that is repeated up to hundreds of times, and texts of it. */
function counted(chance: Chance): { readonly source: string; text(): string[] } {
  const [part, ...texts] = chance.pick([
    ['a', 'a'],
    ['[ab]', 'a', 'b'],
    ['.', 'a', 'b', 'é', '😀'],
    ['(?:ab|b)', 'ab', 'b'],
    ['(?:ba|😀)', 'ba', '😀'],
    ['[^c]', 'a', 'é', '-'],
    ['\\w', 'a', 'b', 'c'],
    ['(?:a\\B|b)', 'ab', 'b'],
    ['(?:(?:ab)?b)', 'abb', 'b'],
  ] as const)
  const most = part.startsWith('(') ? 80 : 300
  const from = chance.below(chance.pick([4, 40, most]))
  const more = chance.below(chance.pick([3, 30, 40]))
  const counts = chance.pick([`{${from}}`, `{${from},${from + more}}`, `{${from},}`])
  const longest = counts.includes(',') ? from + more : from
  return {
    source: part + counts,
    text: () =>
      Array.from({ length: from + chance.below(longest - from + 1) }, () => chance.pick(texts)).flatMap((text) => [
        ...text,
      ]),
  }
}

/** The conjunction of what may be open. */
function both(x: boolean | undefined, y: boolean | undefined): boolean | undefined {
  return x === false || y === false ? false : x === undefined || y === undefined ? undefined : true
}

describe('a regular expression', () => {
  const count = LONG ? 15_000 : 2_000

  test(`means what it means to V8 (${count} generated ones, searching and whole)`, () => {
    for (let seed = 0; seed < count; seed++) {
      const chance = chanceOf(seed)
      const source = anyRegex(chance)
      const [search, match] = [found(source), whole(source)]
      const [v8Search, v8Match] = [new RegExp(source, 'u'), new RegExp(`^(?:${source})$`, 'u')]
      for (let i = 0; i < 20; i++) {
        // V8 finds `\B` in the middle of a surrogate pair, where ECMAScript has no place.
        const text = source.includes('\\B') ? anyText(chance, 6).replaceAll('😀', 'é') : anyText(chance, 6)
        const at = `seed ${seed}: ${JSON.stringify(source)} on ${JSON.stringify(text)}`
        assert.equal(search.accepts(text), v8Search.test(text), `search, ${at}`)
        assert.equal(match.accepts(text), v8Match.test(text), `whole, ${at}`)
      }
    }
  })

  test('that counts far means what it means to V8', () => {
    let accepted = 0
    for (let seed = 0; seed < count / 4; seed++) {
      const chance = chanceOf(seed)
      const [first, second] = [counted(chance), counted(chance)]
      const between = chance.pick(['', 'c', '-'])
      const source = `${chance.pick(['', '^'])}${first.source}${between}${second.source}${chance.pick(['', '$'])}`
      const tree = searching(parseRegex(source))
      const [ours, marks, v8] = [createAutomaton(tree), marking(tree), new RegExp(source, 'u')]
      for (let i = 0; i < 4; i++) {
        const points = [...chance.pick(['', 'b', 'ca']), ...first.text(), ...between, ...second.text()]
        // Half of them have some characters too few, or another one, somewhere.
        if (chance.oneIn(2))
          points.splice(chance.below(points.length + 1), chance.pick([1, 1, 300]), ...chance.pick(['', 'a', 'c']))
        const text = points.join('')
        const is = v8.test(text)
        if (is) accepted++
        assert.equal(ours.accepts(text), is, `seed ${seed}: ${source} on ${text}`)
        assert.equal(marks(text), is, `by marks, seed ${seed}: ${source} on ${text}`)
      }
    }
    assert.ok(accepted > count / 4, `only ${accepted} were accepted`)
  })

  test('means the same by marks as by states, on short texts and long', () => {
    let accepted = 0
    for (let seed = 0; seed < count / 2; seed++) {
      const chance = chanceOf(seed + 2_000_000)
      const source = anyRegex(chance)
      const tree = chance.oneIn(2) ? parseRegex(source) : searching(parseRegex(source))
      const marks = marking(tree)
      for (let i = 0; i < 8; i++) {
        const text = anyText(chance, i < 4 ? 6 : 200)
        const is = byStates(tree, text)
        if (is === true) accepted++
        assert.equal(marks(text), is, `seed ${seed}: ${source} on ${JSON.stringify(text)}`)
      }
    }
    assert.ok(accepted > count / 2, `only ${accepted} were accepted`)
  })

  test('that loops for long means the same by marks as by states', () => {
    const parts = [
      ['ab', 'ab'],
      ['b', 'b'],
      ['ba{1,3}', 'baa'],
      ['a\\b', 'a'],
      ['b\\B', 'b'],
      ['\\b-', '-'],
      ['-\\B', '-'],
      ['(?:-b)*a', '-b-ba'],
      ['\\w{3}', 'bab'],
      ['^b', 'b'],
      ['', '-a'],
    ] as const
    let accepted = 0
    for (let seed = 0; seed < count / 4; seed++) {
      const chance = chanceOf(seed + 3_000_000)
      const [one, two, three] = [chance.pick(parts), chance.pick(parts), chance.pick(parts)]
      const before = chance.pick(['^', 'x', '^x{0,40}', '^x*\\b', '^[^]{7}', '^[^]{32}'])
      const after = chance.pick(['$', '$', '-$', '\\B.{2}$', 'c'])
      const source = `${before}(?:${one[0]}|${two[0]}|${three[0]})${chance.pick(['*', '+', '{3,}'])}${after}`
      const tree = searching(parseRegex(source))
      const marks = marking(tree)
      for (let i = 0; i < 6; i++) {
        const pieces = [one[1], two[1], three[1]]
        const rounds = Array.from({ length: chance.below(90) }, () => chance.pick(pieces))
        const text = `${chance.pick(['', 'x', '-x'.repeat(9), 'x'.repeat(chance.below(70))])}${rounds.join('')}${chance.pick(['', 'c', '-'])}`
        const is = byStates(tree, text)
        if (is === true) accepted++
        assert.equal(marks(text), is, `seed ${seed}: ${source} on ${text}`)
      }
    }
    assert.ok(accepted > count / 10, `only ${accepted} were accepted`)
  })

  test('that loops from within a text does not begin at its edge', () => {
    const text = `${'y'.repeat(32)}bcacacax${'ca'.repeat(30)}`
    for (const [first, is] of [
      ['^b', false],
      ['\\Bb', true],
    ] as const)
      assert.equal(marking(parseRegex(`(?:[^]{32}|[^]{40})(?:${first}|ca)*x[^]*`))(text), is)
  })

  test('that nests repetitions counts as arithmetic does', () => {
    const chance = chanceOf(9)
    for (let i = 0; i < 60; i++) {
      const [a, b, c, d] = [1 + chance.below(5), chance.below(12), 1 + chance.below(4), chance.below(9)]
      const source = `(?:x?a{${a},${a + b}}){${c},${c + d}}`
      const [automaton, marks] = [whole(source), marking(parseRegex(source))]
      // From k times the least to k times the most, for some k that the outer counts allow.
      const isSum = (n: number): boolean =>
        Array.from({ length: d + 1 }, (_, k) => c + k).some((k) => n >= k * a && n <= k * (a + b))
      for (let n = 0; n < 230; n++) {
        assert.equal(automaton.accepts('a'.repeat(n)), isSum(n), `${source} on ${n}`)
        assert.equal(automaton.accepts(`x${'a'.repeat(n)}`), isSum(n), `${source} on x and ${n}`)
        assert.equal(marks('a'.repeat(n)), isSum(n), `by marks, ${source} on ${n}`)
      }
    }
  })

  test('that chooses between counts adds them up', () => {
    const chance = chanceOf(10)
    for (let i = 0; i < 60; i++) {
      const any = (): number => chance.below(chance.pick([3, 40, 140]))
      const choices = [0, 1, 2].map(() => [any(), any(), any()])
      const source = choices.map((counts) => `(?:${counts.map((n) => `a{${n}}`).join('|')})`).join('')
      const marks = marking(parseRegex(source))
      const sums = new Set([0])
      for (const counts of choices) {
        const before = [...sums]
        sums.clear()
        for (const n of counts) for (const sum of before) sums.add(sum + n)
      }
      for (let n = 0; n < 450; n++) assert.equal(marks('a'.repeat(n)), sums.has(n), `${source} on ${n}`)
    }
  })

  test('that chooses between texts with one ending is these texts', () => {
    const all = texts('ab', 7)
    for (let seed = 0; seed < 300; seed++) {
      const chance = chanceOf(seed)
      const any = (length: number): string => chance.pick(all.filter((text) => text.length <= length))
      const ending = any(3)
      const words = Array.from({ length: 2 + chance.below(2) }, () => any(4) + ending)
      const automaton = whole(words.join('|'))
      for (const text of all)
        assert.equal(automaton.accepts(text), words.includes(text), `${words.join('|')} on ${text}`)
    }
    // What they have in common is not taken out where that takes more states than there may be.
    assert.equal(whole('(?:baab|b){285}').accepts('baab'.repeat(285)), true)
  })

  test('made of any characters at all is refused where V8 refuses it, or means the same', () => {
    let read = 0
    for (let seed = 0; seed < count * 5; seed++) {
      const chance = chanceOf(seed)
      const pieces = [
        ...'ab-^$.*+?()[]{}|\\,019',
        '(?:',
        '\\b',
        '\\w',
        '\\D',
        '{1,2}',
        '\\x41',
        '\\u{62}',
        '\\cA',
        '\\0',
        '[^',
        '\\-',
        '(?<x>',
        '\\k<x>',
        '(?=',
        '\\1',
        '\\p{L}',
      ]
      const source = Array.from({ length: 1 + chance.below(7) }, () => chance.pick(pieces)).join('')
      let ours: Automaton
      try {
        ours = found(source)
      } catch (error) {
        assert.ok(error instanceof TypeError)
        continue
      }
      read++
      // The one liberty: `\-` and other punctuation may be escaped outside a class too.
      const v8 = new RegExp(
        source.replaceAll('\\\\', '\\x5c').replaceAll('\\-', '\\x2d').replaceAll('\\,', '\\x2c'),
        'u',
      )
      for (let i = 0; i < 10; i++) {
        const text = anyText(chance, 5)
        assert.equal(ours.accepts(text), v8.test(text), `seed ${seed}: ${source} on ${JSON.stringify(text)}`)
      }
    }
    assert.ok(read > count / 2, `only ${read} were read`)
  })

  test('knows every character that V8 puts into a class', () => {
    for (const source of [
      '\\d',
      '\\w',
      '\\s',
      '\\D',
      '\\W',
      '\\S',
      '.',
      '[^\\s\\w]',
      '\\u{1F600}',
      '\\uD83D\\uDE00',
      '[\\u{10000}-\\u{10FFFF}]',
    ]) {
      const ours = whole(source)
      const v8 = new RegExp(`^${source}$`, 'u')
      for (let point = 0; point < 0x20000; point++) {
        const char = String.fromCodePoint(point)
        if (ours.accepts(char) !== v8.test(char)) assert.fail(`${source} on U+${point.toString(16)}`)
      }
    }
  })

  test('reads a surrogate without its half as V8 does', () => {
    for (const source of ['\\uD83D', '[\\uD800-\\uDFFF]', '^.$', '\\uD83D.', '😀'])
      for (const text of ['\uD83D', '\uDE00', '😀', '\uDE00\uD83D', 'a\uD83D', '\uD83Da'])
        assert.equal(
          found(source).accepts(text),
          new RegExp(source, 'u').test(text),
          `${source} ${JSON.stringify(text)}`,
        )
  })

  test('that is not regular, or not understood, is refused with the reason and the place', () => {
    for (const [source, why] of [
      ['(?=a)', 'look-ahead'],
      ['(?!a)', 'look-ahead'],
      ['(?<=a)b', 'look-behind'],
      ['(?<!a)b', 'look-behind'],
      ['(a)\\1', 'back references'],
      ['(?<x>a)\\k<x>', 'back references'],
      ['\\p{L}', 'not supported'],
      ['(?i)a', 'both cases'],
      ['a\\', 'backslash'],
      ['[a', 'not closed'],
      ['(a', 'not closed'],
      ['a)', 'closes no group'],
      ['a{', 'must be escaped'],
      ['a{,3}', 'must be escaped'],
      ['a}', 'must be escaped'],
      ['a**', 'without a group'],
      ['*', 'nothing'],
      ['^*', 'assertion'],
      ['^{1}', 'assertion'],
      ['\\b{1,1}a', 'assertion'],
      ['\\Z', 'not supported'],
      ['[b-a]', 'out of order'],
      ['[\\w-a]', 'end of a range'],
      ['a{3,2}', 'out of order'],
      ['a{1001}', 'at most 1000'],
      ['(?:a{500}){500}', 'states'],
      ['(?:(?:(){1000}){1000}){1000}', 'states'],
      ['('.repeat(60), 'nested'],
      ['a'.repeat(2001), 'longer'],
    ] as const)
      assert.throws(
        () => parseRegex(source, 'rules[0].args.to.pattern'),
        (error: unknown) =>
          error instanceof TypeError &&
          error.message.startsWith('rules[0].args.to.pattern ') &&
          error.message.includes(why),
        source,
      )
  })
})

describe('time', () => {
  const a = 'a'.repeat(10_000)
  const chance = chanceOf(5)
  const mixed = Array.from({ length: 10_000 }, () => chance.pick(['a', 'b'])).join('')

  /** Texts of a loop that is in another state at each character. */
  const hard = Array.from({ length: 400 }, () => {
    const pick = (length: number): string => Array.from({ length }, () => chance.pick(['a', 'b'])).join('')
    return `${pick(11)}a${pick(12)}c`
  }).join('')

  test('is linear for patterns on which backtracking takes years', () => {
    const cases: readonly (readonly [string, string])[] = [
      ['^(a+)+$', `${a}!`],
      ['^(a|a)*$', `${a}!`],
      ['^(a|aa)+$', `${a}!`],
      ['(.*)*=', a],
      ['.*.*.*.*=.*', a],
      ['^((a{1,30}){1,30})$', `${a}!`],
      ['(?:(?:a{0,9}){0,9}){0,9}!', a],
      ['^(?:(?:a|b){1,30}c?){1,20}$', mixed],
      ['^(a|b)*a(a|b){20}$', mixed],
      ['a(a|b){400}c', mixed],
      ['a.{400}c', mixed],
      ['(x.{200}y){2}', `x${mixed}y`],
      ['a(ab|b){200}c', mixed.replaceAll('aa', 'a')],
      ['(a{0,50}){8}[cd]', mixed],
      ['a([ab]{1,3}c?){100}d', mixed],
      ['a[ab]{15}c|a([ab]?){400}d', mixed],
      ['^(?:ab|b|a\\B)*a(ab|b){200}c', mixed],
      ['^([ab]*a[ab]{12}c)*d', hard],
      ['(é|ü)*é(é|ü){400}x', mixed.replaceAll('a', 'é').replaceAll('b', 'ü')],
      ['\\b\\w+\\b!', a],
    ]
    for (const [source, text] of cases) {
      const automaton = found(source)
      automaton.accepts(text)
      const start = performance.now()
      for (let i = 0; i < 5; i++) automaton.accepts(text)
      const eachMs = (performance.now() - start) / 5
      // A loose bound, for a machine that others use too.
      assert.ok(eachMs < 250, `${source} took ${eachMs.toFixed(1)} ms on 10,000 characters`)
    }
  })

  test('does not change answers when there are more states than are kept', () => {
    const automaton = whole('(a|b)*a(a|b){20}')
    for (let i = 0; i < 30; i++) {
      const text = Array.from({ length: 400 }, () => chance.pick(['a', 'b'])).join('')
      assert.equal(automaton.accepts(text), text.at(-21) === 'a', text)
    }
    assert.equal(automaton.accepts(mixed), mixed.at(-21) === 'a')
    const wide = whole('(a|b)*a(a|b){40}')
    const pairs = whole('(a|😀)*a(a|😀){20}')
    for (let i = 0; i < 20; i++) {
      const text = Array.from({ length: 2_000 }, () => chance.pick(['a', 'b'])).join('')
      assert.equal(wide.accepts(text), text.at(-41) === 'a', text)
      assert.equal(pairs.accepts(text.replaceAll('b', '😀')), text.at(-21) === 'a', text)
    }
  })

  test('does not change answers when marks take too long, or too much room', () => {
    for (const [b, end, source] of [
      ['b', 'c', '([ab]*a[ab]{12}c)*'],
      ['😀', 'c', '([a😀]*a[a😀]{12}c)*'],
      ['b', '-', '(\\b[ab]*a[ab]{12}\\b-)*'],
    ] as const) {
      const tree = parseRegex(source)
      const text = hard.replaceAll('b', b).replaceAll('c', end)
      assert.equal(marking(tree)(text), undefined)
      const automaton = createAutomaton(tree)
      for (const part of text.split(end).slice(0, 20)) {
        assert.equal(automaton.accepts(`${part}${end}${text}`), true)
        assert.equal(automaton.accepts(`${part}${end}${text}${b.repeat(13)}${end}`), false)
      }
    }
    const many = parseRegex('[^]*a[ab]{300}[a-c]{300}[a-d]{300}[a-e]{300}')
    const long = mixed.repeat(100)
    assert.equal(marking(many)(long), undefined)
    assert.equal(createAutomaton(many).accepts(long), long.at(-1201) === 'a')
  })
})

describe('algebra', () => {
  const all = texts('ab-', 5)
  const count = LONG ? 1_500 : 600

  test(`finds a shortest text in one, in the other and in neither (${count} pairs, against all ${all.length} short texts)`, () => {
    let none = 0
    for (let seed = 0; seed < count; seed++) {
      const chance = chanceOf(seed + 1_000_000)
      const [p, q] = [anyRegex(chance, 2), anyRegex(chance, 2)]
      const [x, y] = [new RegExp(p, 'u'), new RegExp(q, 'u')]
      const max = chance.below(6)
      for (const [want, other] of [
        [true, true],
        [true, false],
        [false, false],
      ] as const) {
        const walkers = [found(p).walker(), found(q).walker(), lengthWalker(0, max)]
        const answer = findText(walkers, ([one, two, short]) =>
          both(
            both(one === undefined ? undefined : one === want, two === undefined ? undefined : two === other),
            short,
          ),
        )
        const isIn = (text: string): boolean =>
          x.test(text) === want && y.test(text) === other && [...text].length <= max
        const at = `seed ${seed}: ${p} ${want}, ${q} ${other}, at most ${max}`
        assert.notEqual(answer, 'unknown', at)
        const shortest = all.find(isIn)
        if (answer === undefined) {
          none++
          assert.equal(shortest, undefined, at)
        } else if (answer !== 'unknown') {
          assert.ok(isIn(answer.text), `${at}: ${JSON.stringify(answer.text)}`)
          if (shortest !== undefined) assert.ok([...answer.text].length <= shortest.length, at)
        }
      }
    }
    assert.ok(none > 20, `only ${none} were empty`)
  })

  test('prefers what can be read', () => {
    const text = (source: string): unknown => findText([whole(source).walker()], ([is]) => is)
    assert.deepEqual(text('[^]{3}'), { text: 'aaa' })
    assert.deepEqual(text('[^a-z]'), { text: '0' })
    assert.deepEqual(text('[\\x00-\\x7f]{2}'), { text: 'aa' })
    assert.deepEqual(text('\\s'), { text: ' ' })
    assert.deepEqual(text('[]'), undefined)
  })

  test('knows lists, lengths and globs', () => {
    const list = listWalker(['ab', 'abc', '😀', ''])
    const not = ([is]: readonly (boolean | undefined)[]): boolean | undefined => (is === undefined ? undefined : !is)
    assert.deepEqual(findText([list], not), { text: 'a' })
    assert.deepEqual(
      findText([listWalker([])], ([is]) => is),
      undefined,
    )
    assert.deepEqual(
      findText([list, lengthWalker(3, 3)], ([x, y]) => both(x, y)),
      { text: 'abc' },
    )
    const glob = createAutomaton(globRegex('a*.b*'))
    for (const text of texts('ab.', 5)) assert.equal(glob.accepts(text), /^a[^]*\.b[^]*$/u.test(text), text)
    // Halves of pairs too: what is proved of a glob is what it does.
    const halves = ['\ud83d', '\ude00', 'a']
    for (const pattern of ['\ud83d*', '*\ude00', '*\ud83d*', '\ud83d*\ude00', '😀*', '*a\ude00'])
      for (const one of ['', ...halves])
        for (const two of ['', ...halves, '😀'])
          for (const three of ['', ...halves]) {
            const text = one + two + three
            const says = createAutomaton(globRegex(pattern)).accepts(text)
            assert.equal(matchGlob(pattern)(text), says, JSON.stringify([pattern, text]))
          }
  })

  test('says unknown, and not none, when there are too many states', () => {
    const walkers = [whole('(a|b)*a(a|b){16}').walker(), whole('(a|b)*b(a|b){16}').walker(), whole('(a|b)*').walker()]
    assert.equal(
      findText(walkers, ([x, y]) => both(x, y)),
      'unknown',
    )
  })
})
