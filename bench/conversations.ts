/**
 * Makes long conversations of two friends over many sessions, with questions and the turns that answer them.
 *
 *     const stories = readStories(await readFile('bench/stories/held-out.txt', 'utf8'))
 *     const conversation = makeConversation(stories, 7)     // the same for the same seed
 *
 * A story is told in episodes, which come in different sessions, between greetings, small talk and other people's stories;
 * some are lived by both friends, so that only who speaks tells them apart. Stories were written by hand, questions in other
 * words than the turns. Facts change ("Small change of plan"), are denied, or are told in an answer to a question. A part
 * of the questions names the wrong friend, as people do.
 *
 * The form of a story, in bench/stories/*.txt (what comes before the first `#` is ignored):
 *     # name of the story
 *     A: what the one says           B[key]: what the other says; questions name the key
 *     ---                            the next episode, in a later session
 *     ? question -> key, key         with {A} and {B} for the names; {a|b|c} is one of these, by chance
 *
 * Where `{…|…}` stands several times with the same words in a story, it is the same choice everywhere.
 */

/** What a conversation file holds. */
export interface Conversation {
  readonly sessions: readonly Session[]
  readonly questions: readonly Question[]
}

export interface Session {
  /** "1:56 pm on 8 May, 2023", or ISO 8601. */
  readonly date: string
  readonly turns: readonly Turn[]
}

export interface Turn {
  readonly id: string
  readonly speaker: string
  readonly text: string
}

export interface Question {
  readonly question: string
  /** Ids of the turns that answer it. */
  readonly evidence: readonly string[]
}

interface Line {
  readonly speaker: 'A' | 'B'
  readonly key: string | undefined
  readonly text: string
}

/** What happens to somebody, over several sessions. */
export interface Story {
  readonly name: string
  readonly episodes: readonly (readonly Line[])[]
  readonly questions: readonly { readonly question: string; readonly keys: readonly string[] }[]
}

/** The stories of a file. A line that is none of the form, or a key that no turn has, is an error. */
export function readStories(file: string): Story[] {
  return file
    .split(/^# /m)
    .slice(1)
    .map((block) => {
      const [name = '', ...lines] = block.trimEnd().split('\n')
      const episodes: Line[][] = [[]]
      const questions: { question: string; keys: string[] }[] = []
      const keys = new Set<string>()
      for (const line of lines.filter((each) => each.trim() !== '')) {
        const turn = /^([AB])(?:\[(\w+)\])?: (.+)$/.exec(line)
        const asked = /^\? (.+) -> (.+)$/.exec(line)
        if (line === '---') episodes.push([])
        else if (turn !== null) {
          if (turn[2] !== undefined) keys.add(turn[2])
          episodes.at(-1)!.push({ speaker: turn[1] as 'A' | 'B', key: turn[2], text: turn[3]! })
        } else if (asked !== null) questions.push({ question: asked[1]!, keys: asked[2]!.split(', ') })
        else throw new Error(`story "${name}": not a turn, a question or ---: ${line}`)
      }
      for (const { question, keys: wanted } of questions)
        for (const key of wanted)
          if (!keys.has(key)) throw new Error(`story "${name}": no turn [${key}], which answers: ${question}`)
      return { name, episodes, questions }
    })
}

/** How a conversation differs from story to story. */
export interface Shape {
  /** Share of the stories of which one episode is lived by the other friend too. */
  readonly shared: number
  /** Share of the questions asked once more with the wrong friend's name. The public data have about as many (446 of 1,986). */
  readonly misnamed: number
  /** Share of the questions asked once more with the month in which it was told. */
  readonly dated: number
  /** Turns of small talk between two episodes, at most. */
  readonly smallTalk: number
}

const usual: Shape = { shared: 0.2, misnamed: 0.28, dated: 0.1, smallTalk: 4 }

/** One conversation, all stories in it. The same seed makes the same. */
export function makeConversation(stories: readonly Story[], seed: number, shape: Shape = usual): Conversation {
  const random = randomOf(seed)
  const pick = <T>(from: readonly T[]): T => from[Math.floor(random() * from.length)]!
  const [one, two] = shuffled(speakers, random) as [string, string]
  const told: Told[] = []
  const questions: { question: string; keys: string[]; isDated?: true }[] = []

  for (const [place, story] of shuffled(stories, random).entries()) {
    const [a, b] = random() < 0.5 ? [one, two] : [two, one]
    const write = writer(a, b, random)
    const episodes = story.episodes.map((lines) =>
      lines.map(({ speaker, key, text }) => ({
        speaker: speaker === 'A' ? a : b,
        key: key === undefined ? undefined : `${place}/${key}`,
        text: write(text),
      })),
    )
    told.push({ episodes })
    const isShared = random() < shape.shared
    for (const each of story.questions) {
      const question = write(each.question)
      const keys = each.keys.map((key) => `${place}/${key}`)
      questions.push({ question, keys })
      // Of what both lived, the wrong name would be right.
      if (random() < shape.dated) questions.push({ question, keys: [keys[0]!], isDated: true })
      if (!isShared && random() < shape.misnamed) questions.push({ question: swap(question, a, b), keys })
    }
    if (isShared) {
      const other = writer(b, a, random)
      const lines = pick(story.episodes)
      told.push({
        episodes: [
          lines.map(({ speaker, text }) => ({ speaker: speaker === 'A' ? b : a, key: undefined, text: other(text) })),
        ],
      })
    }
  }

  // Each story starts at some session and goes on two to five sessions later each time.
  const count = Math.ceil(stories.length * 1.4) + 4
  const plan: (readonly Written[])[][] = Array.from({ length: count }, () => [])
  for (const { episodes } of told) {
    const gaps = Array.from({ length: episodes.length - 1 }, () => 2 + Math.floor(random() * 4))
    const span = gaps.reduce((sum, gap) => sum + gap, 0)
    let at = Math.floor(random() * Math.max(1, count - span))
    for (const [index, episode] of episodes.entries()) {
      plan[Math.min(at, count - 1)]!.push(episode)
      at += gaps[index] ?? 0
    }
  }

  let date = Date.UTC(2022, Math.floor(random() * 12), 1 + Math.floor(random() * 28), 9)
  const places = new Map<string, string>()
  const months = new Map<string, string>()
  const sessions = plan
    .filter((episodes) => episodes.length > 0)
    .map((episodes, index): Session => {
      date += (3 + Math.floor(random() * 14)) * 86_400_000 + Math.floor(random() * 36_000_000) - 18_000_000
      const turns: Turn[] = []
      const say = ({ speaker, key, text }: Written): void => {
        const id = `D${index + 1}:${turns.length + 1}`
        if (key !== undefined) {
          places.set(key, id)
          months.set(key, /\p{L}+, \d{4}$/u.exec(dateAsSaid(date))![0].replace(',', ''))
        }
        turns.push({ id, speaker, text })
      }
      const talk = (lines: readonly string[], first: string): void => {
        const second = first === one ? two : one
        const write = writer(first, second, random)
        for (const [turn, line] of lines.entries())
          say({ speaker: turn % 2 === 0 ? first : second, key: undefined, text: write(line) })
      }
      talk(pick(greetings), pick([one, two]))
      for (const episode of episodes) {
        for (const line of episode) say(line)
        const last = turns.at(-1)!.speaker
        const bits = shuffled(smallTalk, random).slice(0, Math.floor(random() * (shape.smallTalk / 2 + 1)))
        for (const bit of bits) talk(bit, last === one ? two : one)
      }
      talk(pick(partings), turns.at(-1)!.speaker === one ? two : one)
      return { date: dateAsSaid(date), turns }
    })
  return {
    sessions,
    questions: questions.map(({ question, keys, isDated }) => ({
      // "What did Ann make?": "In May 2023, what did Ann make?"
      question:
        isDated === true ? `In ${months.get(keys[0]!)!}, ${question[0]!.toLowerCase()}${question.slice(1)}` : question,
      evidence: keys.map((key) => places.get(key)!),
    })),
  }
}

interface Written {
  readonly speaker: string
  readonly key: string | undefined
  readonly text: string
}

interface Told {
  readonly episodes: readonly (readonly Written[])[]
}

/** Puts names for `{A}` and `{B}` and makes the choices, the same for the same list of words. */
function writer(a: string, b: string, random: () => number): (text: string) => string {
  const chosen = new Map<string, string>()
  return (text) =>
    text.replaceAll(/\{([^{}]*)\}/g, (_, inside: string) => {
      if (inside === 'A') return a
      if (inside === 'B') return b
      const options = inside.split('|')
      const key = options.toSorted().join('|')
      const known = chosen.get(key)
      if (known !== undefined) return known
      const choice = options[Math.floor(random() * options.length)]!
      chosen.set(key, choice)
      return choice
    })
}

function swap(text: string, a: string, b: string): string {
  return text.replaceAll(new RegExp(`\\b(${a}|${b})\\b`, 'g'), (name) => (name === a ? b : a))
}

/** "1:56 pm on 8 May, 2023" */
function dateAsSaid(time: number): string {
  const date = new Date(time)
  const hour = date.getUTCHours()
  const minute = String(date.getUTCMinutes()).padStart(2, '0')
  const month = date.toLocaleString('en', { month: 'long', timeZone: 'UTC' })
  return `${hour % 12 === 0 ? 12 : hour % 12}:${minute} ${hour < 12 ? 'am' : 'pm'} on ${date.getUTCDate()} ${month}, ${date.getUTCFullYear()}`
}

function shuffled<T>(items: readonly T[], random: () => number): T[] {
  const all = [...items]
  for (let i = all.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1))
    ;[all[i], all[j]] = [all[j]!, all[i]!]
  }
  return all
}

/** Numbers in [0, 1) from a seed (mulberry32, public domain, by Tommy Ettinger). */
export function randomOf(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}

const speakers = ['Caroline', 'Marcus', 'Joanna', 'Tim', 'Deborah', 'Sam', 'Evelyn', 'Ravi', 'Greta', 'Luis']

const greetings: readonly (readonly string[])[] = [
  ['Hey {B}! How have you been?', 'Hi {A}! Pretty good, thanks. And you?'],
  ['Hi {B}, good to see you again!', 'Good to see you too, {A}! What have you been up to?'],
  ['Hey, long time no see! How was your week?', 'Hey {A}! It was a rollercoaster, honestly.'],
  ["Morning, {B}! Hope you're doing well.", "Morning! I can't complain. How about you, {A}?"],
  ['Hey {B}, quick question, do you have a minute?', 'For you always, {A}! What is it?'],
  ['Yo {B}! What is new since we last talked?', 'Hey hey! Quite a lot, actually. You first!'],
  ["Hi {B}! Sorry I didn't answer, work was crazy.", 'No worries at all, {A}. Same here.'],
  ['Hello stranger!', 'Haha, hello {A}! I have been meaning to write you for days.'],
]

const partings: readonly (readonly string[])[] = [
  ['I have to run, talk soon, {B}!', 'Bye {A}, take care!'],
  ["It's late, I should sleep. Good night!", 'Sleep well, {A}! Talk to you soon.'],
  ['Thanks for listening, {B}. It means a lot.', "Anytime, {A}. That's what friends are for!"],
  ['Have to pick up the kids, see you!', 'Say hi to them from me!'],
  ['Keep me posted, okay?', 'Will do! Have a great day, {A}!'],
  ['Great talking to you as always.', 'Same here! Let us do it again soon.'],
]

const smallTalk: readonly (readonly string[])[] = [
  ["Wow, {B}, that's great! I'm so happy for you.", 'Thanks, {A}! Your support means the world to me.'],
  ['By the way, is it raining over there too?', "Non-stop since Monday. I haven't seen the sun in days."],
  ["That's so inspiring. You never give up, do you?", 'I have my moments, believe me. But thank you!'],
  ['I really admire how you handle all of this.', "Aw, thanks {A}. I couldn't do it without friends like you."],
  ['Did you watch the game last night?', 'Only the second half, I fell asleep on the couch.'],
  ["What's for dinner at your place?", 'Leftovers, I was too lazy to cook. You?', 'Pizza. It is Friday somewhere.'],
  ['Work has been so stressful lately.', 'Tell me about it. Three deadlines this week and none of them moved.'],
  [
    'I started a new series on the weekend and already finished it.',
    'Haha, no judgment. Is it any good?',
    'The ending was weak, but I liked it.',
  ],
  ['Remember when we got lost on that school trip?', 'How could I forget? We ended up at the wrong castle!'],
  ['I need a vacation so badly.', 'You deserve one, {A}. Where would you go?', 'Anywhere with a hammock.'],
  ['My phone battery dies every two hours.', 'Time for a new one, maybe?', 'Probably. I hate shopping for phones.'],
  ["It's amazing how time flies.", 'Right? It feels like the year just began.'],
  ["You're such a good friend, {B}.", 'Right back at you!'],
  ["I can't believe how expensive everything has become.", 'I know, I paid six for a coffee yesterday.'],
  ['The kids have been sick all week.', 'Oh no, poor things. I hope they feel better soon!'],
  ['I saw a photo of us from ten years ago. We looked so young!', 'Send it to me! Did I have that awful haircut?'],
  ['How are your parents?', 'They are fine, thanks for asking. Dad is complaining about the weather.'],
  ['That sounds like so much fun!', 'It really was. You have to come along next time, {A}!'],
  ['Sometimes I think we should all slow down a bit.', "So true. I'm trying to be more present these days."],
  ["I'm proud of you, really.", 'Thank you! It means a lot coming from you.'],
  ['Any plans for the weekend?', 'Sleeping, cleaning, maybe a walk if it stays dry.'],
  ['My neighbor practices the trumpet at midnight.', 'Oof. Have you tried earplugs?', 'I have tried everything.'],
  ['You seem happier lately.', 'I think I am! Small steps, you know?'],
  ['Nature always helps me to clear my head.', 'Same! A walk in the park and the world looks different.'],
]
