/** The ranking of a recall, the reading of its query, and the files that its quality is measured on. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { makeConversation, readStories } from '../bench/conversations.ts'
import { baselines } from '../bench/memory-baselines.ts'
import { checkConversations, timeOf } from '../bench/memory-file.ts'
import { embedderConformance } from '../src/drivers/embedder/conformance.ts'
import { wordsEmbedder } from '../src/drivers/embedder/words.ts'
import { readQuery, searchWords, tells } from '../src/kernel/query.ts'
import type { Candidate } from '../src/kernel/recall.ts'
import { rankNotes } from '../src/kernel/recall.ts'
import { dropOldest } from '../src/kernel/drop-oldest.ts'
import { stem } from '../src/kernel/stem.ts'
import type { Note } from '../src/kernel/types.ts'
import { countStems, wantedStems, wordsIn } from '../src/kernel/words.ts'

const root = join(import.meta.dirname, '..')
const signal = new AbortController().signal

/** A note with nothing but what is given. */
function note(id: string, text: string, more: Partial<Note> = {}): Note {
  return {
    id,
    text,
    at: Number(id.slice(1)),
    pid: 1,
    kind: 'note',
    trust: 'request',
    source: null,
    context: '',
    session: null,
    validFrom: 0,
    validTo: null,
    data: null,
    tags: [],
    labels: [],
    tools: [],
    keywords: [],
    parents: [],
    links: [],
    ...more,
  }
}

/** Turns of one session, each after the one before. */
function session(name: string, from: number, ...texts: string[]): Candidate[] {
  return texts.map((text, place) => ({
    note: note(`n${from + place}`, text, { session: name }),
    ...(place === 0 ? {} : { previous: `n${from + place - 1}` }),
  }))
}

const idsOf = (ranked: readonly { readonly note: Note }[]): string[] => ranked.map((one) => one.note.id)
const chat: readonly Candidate[] = [
  ...session(
    's1',
    1,
    'Ann: What did you do on Sunday?',
    'Bob: I looked into adoption agencies.',
    'Ann: Wow, good luck!',
  ),
  ...session(
    's2',
    10,
    'Bob: Did you paint the lake?',
    'Ann: Yes, at sunrise.',
    'Bob: And Ann, are the frames yours?',
    'Ann: My brother made them.',
  ),
]

describe('the ranking', () => {
  const words = ['harbour', 'ice', 'lake', 'painted', 'Sunday', 'race', '2023', 'the', 'what?']
  const texts = fc.array(fc.constantFrom(...words), { minLength: 1, maxLength: 8 }).map((all) => all.join(' '))
  const candidates = fc
    .array(
      fc.record({
        text: texts,
        speaker: fc.constantFrom('', 'Ann: ', 'Bob: '),
        session: fc.constantFrom(null, 's1', 's2'),
        lexical: fc.option(fc.double({ min: 0.1, max: 9, noNaN: true }), { nil: undefined }),
        vector: fc.option(fc.double({ min: -1, max: 1, noNaN: true }), { nil: undefined }),
        follows: fc.boolean(),
        link: fc.nat(30),
      }),
      { maxLength: 30, size: 'max' },
    )
    .map((all) =>
      all.map(({ text, speaker, session: of, lexical, vector, follows, link }, place): Candidate => ({
        note: note(`n${place}`, speaker + text, {
          session: of,
          links: [`n${link}`],
          parents: [`n${link}`],
          kind: link % 5 === 0 ? 'fact' : 'note',
        }),
        ...(lexical === undefined ? {} : { lexical }),
        ...(vector === undefined ? {} : { vector }),
        ...(follows && place > 0 ? { previous: `n${place - 1}` } : {}),
      })),
    )

  test('does not depend on the order in which candidates come', () => {
    fc.assert(
      fc.property(candidates, texts, fc.integer(), (all, query, seed) => {
        const mixed = fc.sample(fc.shuffledSubarray(all, { minLength: all.length }), { seed, numRuns: 1 })[0]!
        const round = (ranked: ReturnType<typeof rankNotes>): unknown =>
          ranked.map((one) => [one.note.id, one.score.toFixed(9)])
        assert.deepEqual(round(rankNotes(query, mixed, { limit: 30 })), round(rankNotes(query, all, { limit: 30 })))
      }),
      { numRuns: 300 },
    )
  })

  test('says of every note why it is there, and its score is the sum of that', () => {
    fc.assert(
      fc.property(candidates, texts, fc.integer({ min: 1, max: 40 }), (all, query, limit) => {
        const ranked = rankNotes(query, all, { limit })
        assert.ok(ranked.length <= limit)
        for (const [place, { score, why: reasons }] of ranked.entries()) {
          const why = reasons()
          assert.ok(place === 0 || ranked[place - 1]!.score >= score)
          assert.ok(why.length > 0 && why.every((reason) => reason.score > 0))
          assert.ok(Math.abs(why.reduce((sum, reason) => sum + reason.score, 0) - score) < 1e-9)
          assert.deepEqual(
            why,
            [...why].sort((a, b) => b.score - a.score),
          )
          for (const { through } of why) assert.ok(through === undefined || all.some((one) => one.note.id === through))
        }
      }),
      { numRuns: 300 },
    )
  })

  test('does not depend on how wide the cosines of an embedder lie', () => {
    const vectors = [0.9, 0.4, 0.2, 0.7, 0.1, 0.3, 0.5]
    const with_ = (of: (cosine: number) => number): Candidate[] =>
      chat.map((one, place) => ({ ...one, vector: of(vectors[place]!) }))
    const wide = rankNotes(
      'the lake',
      with_((cosine) => cosine),
      { limit: 9 },
    )
    const narrow = rankNotes(
      'the lake',
      with_((cosine) => 0.8 + cosine / 10),
      { limit: 9 },
    )
    assert.deepEqual(idsOf(narrow), idsOf(wide))
  })

  test('an answer is found by the question that it follows', () => {
    const [first] = rankNotes('What happened on Sunday?', chat, { limit: 1 })
    assert.equal(first!.note.text, 'Bob: I looked into adoption agencies.')
    assert.deepEqual([first!.why()[0]!.by, first!.why()[0]!.through], ['neighbour', 'n1'])
  })

  test('whom the query names is preferred, also by a short name, and the name is no word of it', () => {
    const said: Candidate[] = ['Melanie', 'Bob'].map((who, place) => ({
      note: note(`n${place}`, `${who}: I ran a race last week.`),
    }))
    for (const query of ['When did Melanie run the race?', "What was Mel's race?", 'the race of melanie'])
      assert.deepEqual(idsOf(rankNotes(query, said, { limit: 2 })), ['n0', 'n1'])
    assert.deepEqual(idsOf(rankNotes('When did Bob race?', said, { limit: 2 })), ['n1', 'n0'])
    const thanks: Candidate = { note: note('n7', 'Bob: Melanie, Melanie, Melanie!') }
    assert.deepEqual(idsOf(rankNotes('What did Melanie run?', [...said, thanks], { limit: 3 })).slice(0, 2), [
      'n0',
      'n1',
    ])
  })

  test('the wrong name does not hide what was said', () => {
    assert.equal(idsOf(rankNotes('Why did Ann look into adoption agencies?', chat, { limit: 1 }))[0], 'n2')
  })

  test('of two notes alike, that of the session about it comes first', () => {
    const alike = [
      ...session('s1', 1, 'We met there.', 'The harbour was full of boats.'),
      ...session('s2', 5, 'We met there.', 'The bread was warm.'),
    ]
    const ids = idsOf(rankNotes('Whom did we meet at the harbour?', alike, { limit: 4 }))
    assert.ok(ids.indexOf('n1') < ids.indexOf('n5'))
  })

  test('what was told at the time that is asked for comes first', () => {
    const said = ['2023-04-09', '2023-05-09'].map((day, place): Candidate => ({
      note: note(`n${place}`, 'We went camping.', { validFrom: Date.parse(day), at: 9 - place }),
    }))
    assert.equal(idsOf(rankNotes('Where did we go camping in April 2023?', said, { limit: 1 }))[0], 'n0')
    const ranked = rankNotes('Where did we go camping in May?', said, { limit: 1 })
    assert.equal(ranked[0]!.note.id, 'n1')
    assert.ok(ranked[0]!.why().some((reason) => reason.by === 'time'))
    assert.equal(idsOf(rankNotes('camping last month', said, { limit: 1, now: Date.parse('2023-06-03') }))[0], 'n1')
  })

  test('what tells a time comes first where the query asks when, and what tells a number where it asks how many', () => {
    const said = [
      'Ann: My old neighbour proposed.',
      'Ann: He proposed last Friday.',
      'Ann: He proposed to three of us.',
    ].map((text, place): Candidate => ({ note: note(`n${place}`, text) }))
    const best = (query: string): readonly [string, boolean] => {
      const [first] = rankNotes(query, said, { limit: 1 })
      return [first!.note.id, first!.why().some(({ by }) => by === 'form')]
    }
    for (const query of [
      'When was it that he proposed?',
      'Which day had he proposed?',
      'How long ago had he proposed?',
    ])
      assert.deepEqual(best(query), ['n1', true], query)
    assert.deepEqual(best('How many had he proposed to?'), ['n2', true])
    for (const query of ['Who proposed?', 'What did he propose when he was asked?'])
      assert.equal(best(query)[1], false, query)
  })

  test('a fact leads to what it was drawn from, and a note to what it is linked with', () => {
    const all: Candidate[] = [
      { note: note('n1', 'Ann: She moved in with us, and she barks.') },
      { note: note('n2', 'Ann has a dog.', { kind: 'fact', parents: ['n1'] }) },
      { note: note('n3', 'The vet is open on Mondays.', { links: ['n2'] }) },
      { note: note('n4', 'It rains.') },
    ]
    const ranked = rankNotes('Does Ann have a dog?', all, { limit: 4 })
    assert.deepEqual(idsOf(ranked), ['n2', 'n1', 'n3'])
    assert.deepEqual([ranked[1]!.why()[0]!.by, ranked[1]!.why()[0]!.through], ['derived', 'n2'])
    assert.deepEqual([ranked[2]!.why()[0]!.by, ranked[2]!.why()[0]!.through], ['link', 'n2'])
  })

  test('what only the store can cut into words is found all the same', () => {
    const all: Candidate[] = [
      { note: note('n1', '猫は窓のそばで寝ます'), lexical: 2 },
      { note: note('n2', '犬は庭にいます'), lexical: 0.5 },
    ]
    assert.deepEqual(idsOf(rankNotes('猫はどこですか', all, { limit: 2 })), ['n1', 'n2'])
  })

  test('a name that the store found is no word of the query, unless there is no other', () => {
    const all = chat.map((one) => (one.note.text.includes('Bob') ? { ...one, lexical: 3 } : one))
    assert.ok(!idsOf(rankNotes('What did Bob say about the lake?', all, { limit: 9 })).includes('n2'))
    assert.equal(idsOf(rankNotes('Bob?', all, { limit: 1 }))[0], 'n2')
  })

  test('of a long note what stands at its end is found too', () => {
    const long = { note: note('n1', `${'x '.repeat(5_000)} the harbour froze`), lexical: 4 }
    const ranked = rankNotes('the harbour', [long, { note: note('n2', 'the harbour'), lexical: 5 }], { limit: 2 })
    assert.deepEqual(idsOf(ranked), ['n2', 'n1'])
  })

  test('of what is equally near the newer comes first', () => {
    const twice = [note('n1', 'The code is 4411.'), note('n2', 'The code is 5522.')].map((one) => ({ note: one }))
    assert.deepEqual(idsOf(rankNotes('code', twice, { limit: 2 })), ['n2', 'n1'])
  })
})

describe('reading a query', () => {
  const read = (query: string, now?: string): ReturnType<typeof readQuery> =>
    readQuery(query, new Set(['Melanie', 'Dr. Ana Ruiz']), now === undefined ? undefined : Date.parse(now))

  test('keeps what it is about', () => {
    assert.deepEqual(read("What did Melanie's kids like about the children's museum?").stems, [
      'kid',
      'child',
      'museum',
    ])
    assert.deepEqual(searchWords('How long have you been married?'), ['long', 'married'])
    assert.deepEqual(read('In May 2023, where was the race of July?').stems, ['race', 'juli'])
    assert.equal(read('Where does Ana work?').speaker, 'Dr. Ana Ruiz')
    assert.equal(read('Where do Ana and Melanie work?').speaker, undefined)
  })

  test('knows what asks for a time or a number, and what tells one', () => {
    const asks = (query: string): string | undefined => readQuery(query, new Set(), undefined).asks
    for (const query of [
      'When did she leave?',
      'When’s the race?',
      'Since when have they had it?',
      'How long was she away?',
    ])
      assert.equal(asks(query), 'time', query)
    for (const query of ['How many dogs?', 'How old is he?', 'And how often?'])
      assert.equal(asks(query), 'number', query)
    for (const query of ['When he asked, what did she say?', 'Who left?', 'How does it work?'])
      assert.equal(asks(query), undefined, query)
    for (const text of ['for an hour', 'at noon', '5pm', 'the 8th', 'in Sept', 'in May', '3 March', 'last Friday'])
      assert.ok(tells(text, 'time'), text)
    for (const text of ['I may go there.', 'He will march on.', 'marching', 'nobody cares'])
      assert.ok(!tells(text, 'time'), text)
    for (const text of ['two of us', '17', 'a dozen']) assert.ok(tells(text, 'number'), text)
    for (const text of ['no one cares', 'someone']) assert.ok(!tells(text, 'number'), text)
  })

  test('has a word left whatever is in it', () => {
    assert.deepEqual(searchWords('Who is he?'), ['who', 'is', 'he'])
    assert.deepEqual(read('Melanie?').stems, ['melani'])
    assert.deepEqual(read('?!').stems, [])
    fc.assert(
      fc.property(fc.string(), (query) => {
        assert.equal(read(query).stems.length > 0, /[\p{L}\p{N}]/u.test(query.normalize('NFKC').toLowerCase()))
      }),
    )
  })

  test('knows of which time it speaks', () => {
    const table: [query: string, then: string[], other: string[]][] = [
      ['on 8 May, 2023', ['2023-05-08', '2023-05-09'], ['2023-05-12', '2022-05-08']],
      ['on May 8th', ['2023-05-08', '2021-05-08T23:00'], ['2023-06-08']],
      ['in sept 2022', ['2022-09-30'], ['2023-09-30']],
      ['since 2022-09-14', ['2022-09-14T13:00'], ['2022-09-16']],
      ['during June', ['2020-06-01'], ['2020-07-01']],
      ['in 2021', ['2021-01-01'], ['2022-01-01']],
      ['yesterday', ['2023-05-16T09:00'], ['2023-05-17', '2023-05-15']],
      ['two weeks ago', ['2023-05-03', '2023-05-01'], ['2023-05-10', '2023-04-20']],
      ['last Friday', ['2023-05-12T20:00'], ['2023-05-13', '2023-05-05']],
      ['last month', ['2023-04-10'], ['2023-05-17', '2023-02-10']],
      ['this week', ['2023-05-12', '2023-05-17T12:00'], ['2023-05-01']],
    ]
    for (const [query, then, other] of table) {
      const { isThen } = read(`What happened ${query}?`, '2023-05-17T12:00:00Z')
      for (const at of then) assert.ok(isThen!(Date.parse(at.length > 10 ? `${at}:00Z` : at)), `${query}: ${at}`)
      for (const at of other) assert.ok(!isThen!(Date.parse(at)), `${query}: not ${at}`)
    }
    for (const query of ['She may paint', 'What may one of us do in march or so?', 'decide', 'the last one'])
      assert.equal(read(query, '2023-05-17').isThen, undefined, query)
    assert.equal(read('yesterday').isThen, undefined)
  })
})

describe('words of a text', () => {
  test('case, accents, width and endings after an apostrophe change nothing', () => {
    assert.deepEqual(
      wordsIn("Café, didn’t we? I'll say: ANNA'S 2nd ｗａｙ"),
      'cafe didn we i say anna 2nd way'.split(' '),
    )
    assert.deepEqual(
      wordsIn("rock'n'roll o's2 'tis it's 𝒳𝒴 हिन्दी 猫です"),
      'rock n roll o s2 tis it xy हिन्दी 猫です'.split(' '),
    )
  })

  test('half a pair of UTF-16 is no letter, wherever it stands', () => {
    for (const half of ['\ud835', '\udcb3'])
      assert.deepEqual(wordsIn(`${half}one${half} ${half} two${half}three`), ['one', 'two', 'three'])
    assert.deepEqual(wordsIn('\ud835\udcb3one'), ['xone'])
  })

  test('a full table of words loses its oldest eighth, and no more', () => {
    const table = new Map(Array.from({ length: 32 }, (_, i) => [`w${i}`, i]))
    dropOldest(table)
    assert.deepEqual(
      [...table.keys()],
      Array.from({ length: 28 }, (_, i) => `w${i + 4}`),
    )
  })

  test('counting stems is stemming the words and counting', () => {
    const forms = [
      'go',
      'went',
      'Goes',
      'child',
      'CHILDREN',
      'opened',
      'open',
      'openly',
      'ties',
      'y',
      'yes',
      'is',
      'a1',
      'été',
      'naïve',
      "women's",
      '猫',
      'lay',
      'men',
      'ran',
    ]
    const text = fc
      .array(fc.constantFrom(...forms, ' ', ', ', "'", '-'), { maxLength: 20, size: 'max' })
      .map((all) => all.join(' '))
    fc.assert(
      fc.property(text, fc.uniqueArray(fc.constantFrom(...forms), { minLength: 1 }), (written, asked) => {
        const stems = [...new Set(asked.flatMap(wordsIn).map(stem))]
        const counts = new Uint16Array(stems.length)
        assert.equal(countStems(written, wantedStems(stems), counts, 0), wordsIn(written).length)
        const all = wordsIn(written).map(stem)
        assert.deepEqual(
          [...counts],
          stems.map((each) => all.filter((other) => other === each).length),
        )
      }),
      { numRuns: 500 },
    )
  })
})

describe('the words embedder', () => {
  embedderConformance({ make: wordsEmbedder, test: (name, fn) => test(name, fn) })

  test('knows words of one meaning, and leaves names out', async () => {
    const texts = [
      'Ann: The doctor is ill.',
      'a sick physician',
      'a broken bicycle',
      'Bob: the doctor, Ann, is ill',
      'Zed: ?!',
    ]
    const [doctor, physician, bicycle, other, nothing] = (await wordsEmbedder().embed(texts, { signal })) as number[][]
    const cosine = (a: number[], b: number[]): number => a.reduce((sum, value, i) => sum + value * b[i]!, 0)
    assert.ok(cosine(doctor!, physician!) > 0.5 && cosine(doctor!, bicycle!) < 0.3)
    assert.ok(cosine(doctor!, other!) > 0.999)
    assert.ok(nothing!.every((value) => value === 0))
  })
})

describe('quality', () => {
  const stories = readStories(readFileSync(join(root, 'bench/stories/held-out.txt'), 'utf8'))

  test('a seed makes one conversation, and evidence is in it', () => {
    assert.deepEqual(makeConversation(stories, 3), makeConversation(stories, 3))
    const { sessions, questions } = makeConversation(stories, 4)
    const ids = new Set(sessions.flatMap(({ turns }) => turns.map(({ id }) => id)))
    assert.ok(sessions.length > 15 && questions.length > 200)
    assert.ok(questions.every(({ evidence }) => evidence.length > 0 && evidence.every((id) => ids.has(id))))
    assert.ok(!/[{}|]/.test(JSON.stringify([sessions, questions]).replaceAll(/[{}](?=["[\],]|$)|(?<=[[,:])[{]/g, '')))
    assert.throws(() => readStories('# x\nA: hi\n? who -> nobody'), /no turn \[nobody\]/)
  })

  test('on stories that nothing was tuned on it is well ahead of words, of meaning, and of both', async () => {
    const { conversations } = checkConversations([makeConversation(stories, 1)], 'own')
    const { sessions, questions: all } = conversations[0]!
    // bench/memory.ts asks them all; a third shows what this test is there to show.
    const questions = all.filter((_, place) => place % 3 === 0)
    const embedder = wordsEmbedder()
    const turns = sessions.flatMap((one, place) => one.turns.map((turn) => ({ ...turn, session: place })))
    const vectors = await embedder.embed(
      turns.map(({ text }) => text),
      { signal },
    )
    const asked = await embedder.embed(
      questions.map(({ question }) => question),
      { signal },
    )
    const cosine = (a: readonly number[], b: readonly number[]): number =>
      a.reduce((sum, value, i) => sum + value * b[i]!, 0)
    const recallAt10 = (ids: (question: string, place: number) => readonly string[]): number =>
      questions.reduce((sum, { question, evidence }, place) => {
        const ten = ids(question, place).slice(0, 10)
        return sum + evidence.filter((id) => ten.includes(id)).length / evidence.length / questions.length
      }, 0)
    const notes = turns.map(({ id, speaker, text, session: place }, at): Candidate => ({
      note: note(id, `${speaker}: ${text}`, { at, session: String(place) }),
      ...(turns[at - 1]?.session === place ? { previous: turns[at - 1]!.id } : {}),
    }))
    const ours = recallAt10((question, place) =>
      idsOf(
        rankNotes(
          question,
          notes.map((one, at) => ({ ...one, vector: cosine(vectors[at]!, asked[place]!) })),
          { limit: 10 },
        ),
      ),
    )
    const others = Object.entries(baselines(turns, vectors)).map(
      ([name, rank]) => [name, recallAt10((question, place) => rank(question, asked[place]))] as const,
    )
    assert.equal(others.length, 5)
    for (const [name, theirs] of others)
      assert.ok(ours > theirs + 0.08, `${ours.toFixed(3)} against ${theirs.toFixed(3)} of ${name}`)
  })
})

describe('files of conversations', () => {
  const turn = { id: 'D1:1', speaker: 'Ann', text: 'Hi!' }
  const good = {
    sessions: [{ date: '1:56 pm on 8 May, 2023', turns: [turn] }],
    questions: [{ question: 'Who?', evidence: ['D1:1'] }],
  }

  test('one or a list, with what is left out counted', () => {
    assert.equal(checkConversations(good, 'f').conversations.length, 1)
    const asked = [
      { question: 'A', evidence: ['D1:1; D9:9'] },
      { question: 'B', evidence: [] },
      { question: 'C', evidence: ['D2:2'] },
    ]
    const { conversations, skipped } = checkConversations([good, { ...good, questions: asked }], 'f')
    assert.deepEqual(conversations[1]!.questions, [{ question: 'A', evidence: ['D1:1'] }])
    assert.deepEqual(skipped, { evidence: 2, questions: 2, turns: 0 })
  })

  test('what is wrong is said in a sentence', () => {
    const table: [value: unknown, says: RegExp][] = [
      [[], /f holds an empty list; expected at least one conversation/],
      ['x', /^Error: f: the conversation: expected object, received string$/],
      [{ questions: [] }, /^Error: f: sessions: expected array/],
      [
        [good, { ...good, questions: [{ question: 'A' }] }],
        /^Error: f: \[1\]\.questions\[0\]\.evidence: expected array/,
      ],
      [
        { ...good, sessions: [{ date: 'soon', turns: [turn] }] },
        /^Error: f: sessions\[0\]\.date: "soon" is no date; expected one such as/,
      ],
      [
        { ...good, sessions: [{ date: '2023-05-08', turns: [turn, turn] }] },
        /^Error: f: sessions\[0\]\.turns\[1\]\.id: "D1:1" is the id of an earlier turn too/,
      ],
    ]
    for (const [value, says] of table) assert.throws(() => checkConversations(value, 'f'), says)
  })

  test('dates are read as people and machines write them', () => {
    const table: [string, string | undefined][] = [
      ['1:56 pm on 8 May, 2023', '2023-05-08T13:56:00.000Z'],
      ['12:09 am on 13 September, 2023', '2023-09-13T00:09:00.000Z'],
      ['8 May 2023', '2023-05-08T12:00:00.000Z'],
      ['2023-05-08T13:56:00', '2023-05-08T13:56:00.000Z'],
      ['2023-05-08', '2023-05-08T00:00:00.000Z'],
      ['2023-05-08T13:56:00+02:00', '2023-05-08T11:56:00.000Z'],
      ['next week', undefined],
      ['31 February 2023', undefined],
      ['2023-02-31', undefined],
      ['2023-02-31T13:56:00Z', undefined],
      ['29 February 2024', '2024-02-29T12:00:00.000Z'],
      ['13:56 pm on 8 May, 2023', undefined],
    ]
    for (const [date, iso] of table) assert.equal(timeOf(date), iso === undefined ? undefined : Date.parse(iso), date)
  })

  test('a turn that is too long for a note is named', () => {
    const turns = [{ id: 'D1', speaker: 'Ann', text: 'x'.repeat(70_000) }]
    assert.throws(() => checkConversations({ sessions: [{ date: '8 May 2023', turns }], questions: [] }, 'a.json'), {
      message: /^a\.json: sessions\[0\]\.turns\[0\]: the turn "D1" has 70005 bytes .* at most 65536/,
    })
  })

  test('the bench ends with 2 and one line where the file is not there, or an option means nothing', () => {
    for (const [more, words] of [
      [[], /^bench:memory: nowhere\.json cannot be read: ENOENT[^\n]*\n$/],
      [['--seeds', '3'], /^bench:memory: --seeds [^\n]*means nothing beside a file[^\n]*\n$/],
    ] as const) {
      const { status, stdout, stderr } = spawnSync(
        process.execPath,
        [join(root, 'bench/memory.ts'), 'nowhere.json', ...more],
        { encoding: 'utf8' },
      )
      assert.deepEqual([status, stdout], [2, ''])
      assert.match(stderr, words)
    }
  })
})
