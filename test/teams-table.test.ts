/** The tables of teams in docs/programs.md: the exams, the crowd that answers them, who is asked, and what is said of it. */
import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { cardName } from '../bench/programs/cards.ts'
import { createCrowd, workerName } from '../bench/programs/crowd.ts'
import { entries, programs } from '../bench/programs/entries.ts'
import { EXAMS, exams, simulated, topicIn, type Exam, type Question } from '../bench/programs/exams.ts'
import { learnedFor, PAST } from '../bench/programs/learned.ts'
import { tableOf } from '../bench/programs/table.ts'
import { besideOne, sameTokens, teamTable } from '../bench/programs/team-table.ts'
import { taskOf, teamRuns, type Outcome, type TeamRun } from '../bench/programs/team-runs.ts'
import { notAsked, teamsOf } from '../bench/programs/teams.ts'
import { phi, recorded } from '../bench/experiments/c13.ts'
import { range } from '../bench/experiments/population.ts'
import { debate } from '../src/agents/debate.ts'
import { routing } from '../src/agents/routing.ts'
import { recruitingWeights, type SkillProfile } from '../src/agents/pieces/skill-recruiting.ts'
import { boot } from '../src/boot.ts'
import { hashingEmbedder } from '../src/drivers/embedder/hashing.ts'
import type { ScriptedModel } from '../src/drivers/llm/scripted.ts'
import type { Json, Program } from '../src/kernel/types.ts'
import { mean } from '../bench/figures.ts'

const LONG = process.env['POLITY_LONG'] === '1'
const crew = [0.6, 0.6, 0.6, 0.6, 0.6]
const exam = (sigma: number, questions: number): Exam =>
  simulated({ id: 'crew-x', what: 'a crew', skills: crew, sigma, questions, seed: 3 })

test('a worker is right as often as its skill says, alone or together with others, and says no more by being asked', () => {
  for (const [sigma, least, most] of [
    [0, -0.04, 0.04],
    [2, 0.3, 0.5],
  ] as const) {
    const many = exam(sigma, 6_000)
    const right = (worker: number): number[] =>
      many.questions.map((one) => Number(many.draft(one, worker, 0) === one.labels[0]))
    assert.ok(Math.abs(mean(right(0)) - 0.6) < 0.025, `sigma ${sigma}: ${mean(right(0))}`)
    const together = phi(right(0), right(1))
    assert.ok(together > least && together < most, `sigma ${sigma}: ${together}`)
    assert.ok(Math.abs(mean(many.questions.map((one) => many.judging(one))) - 0.8) < 0.02)
    // Which label is the right one says nothing.
    const first = mean(many.questions.map(({ labels }) => Number(labels[0]?.endsWith('-a') === true)))
    assert.ok(Math.abs(first - 0.25) < 0.03, String(first))
    assert.equal(many.draft(many.questions[7] as Question, 1, 2), many.draft(many.questions[7] as Question, 1, 2))
  }
})

test('answers of one worker go together as far as is planted, those of several no more for it, and no skill changes', () => {
  for (const [alike, least, most] of [
    [0, -0.04, 0.04],
    [1.5, 0.22, 0.36],
  ] as const) {
    const many = simulated({ id: 'x', what: '', skills: crew, sigma: 0, alike, questions: 6_000, seed: 3 })
    const right = (worker: number, sample: number): number[] =>
      many.questions.map((one) => Number(many.draft(one, worker, sample) === one.labels[0]))
    assert.ok(Math.abs(mean(right(0, 0)) - 0.6) < 0.025, `alike ${alike}: ${mean(right(0, 0))}`)
    const again = phi(right(0, 0), right(0, 1))
    assert.ok(again > least && again < most, `alike ${alike}, one worker twice: ${again}`)
    const others = phi(right(0, 0), right(1, 0))
    assert.ok(Math.abs(others) < 0.04, `alike ${alike}, two workers: ${others}`)
  }
})

test('of subjects each worker has one, in which it is good, and on all of them together nobody is better', () => {
  for (const one of exams({ questions: 2_100 }).filter(({ id }) => id.startsWith('subjects-'))) {
    const isRight = (question: Question, worker: number): number =>
      Number(one.draft(question, worker, 0) === question.labels[0])
    const subjects = [...Map.groupBy(one.questions, ({ topic }) => topic)]
    assert.deepEqual([subjects.length, one.workers], [7, 7])
    const good = subjects.map(([subject, those]) => {
      const shares = Array.from({ length: one.workers }, (_, worker) =>
        mean(those.map((each) => isRight(each, worker))),
      )
      const best = shares.indexOf(Math.max(...shares))
      const others = shares.filter((_share, worker) => worker !== best)
      assert.ok(Math.abs((shares[best] as number) - 0.85) < 0.07, `${one.id}, ${subject}: ${shares.join(' ')}`)
      assert.ok(Math.abs(mean(others) - 0.4) < 0.07, `${one.id}, ${subject}: ${shares.join(' ')}`)
      // What was learned names the same worker, and the question says its subject.
      const known = one.profiles.map((profile) => profile[subject] as number)
      assert.equal(known.indexOf(Math.max(...known)), best, `${one.id}, ${subject}: ${known.join(' ')}`)
      for (const { text } of those) assert.equal(topicIn(text), subject)
      return best
    })
    assert.equal(new Set(good).size, 7)
    const alone = mean(one.questions.map((each) => isRight(each, 0)))
    assert.ok(Math.abs(alone - (0.85 + 6 * 0.4) / 7) < 0.05, `${one.id}: ${alone}`)
  }
})

test('who chooses by the subject learns it from other questions alone, and asks the one who is good at it', async () => {
  const asked = exams({ questions: LONG ? 210 : 56 }).find(({ id }) => id === 'subjects-apart') as Exam
  const { questions, learn, profiles } = asked
  const numbers = new Set(questions.map(({ number }) => number))
  assert.ok(learn.length > 0 && learn.every(({ number }) => !numbers.has(number)))
  const choosers = ['routing, generative', 'router', 'agent-store, router', 'agent-store, manager']
  const [found] = await teamRuns({ exams: [asked], tokens: 20_000, names: choosers })
  const expert = ({ topic }: Question): number => {
    const known = profiles.map((profile) => profile[topic] as number)
    return known.indexOf(Math.max(...known))
  }
  for (const { name, trials } of found?.teams ?? [])
    for (const [i, { scores }] of trials.entries()) {
      const question = questions[i] as Question
      assert.equal(scores['right']?.answer, asked.draft(question, expert(question), 0), `${name}, q${i}`)
    }
  // Where what was learned is of other workers, others are asked: nothing but that is known of who is good at what.
  const turned = learn.map((question) => ({ ...question, right: question.right.toReversed() }))
  const [other] = await teamRuns({ exams: [{ ...asked, learn: turned }], tokens: 20_000, names: choosers })
  for (const { name, trials } of other?.teams ?? [])
    for (const [i, { scores }] of trials.entries()) {
      const question = questions[i] as Question
      const said = asked.draft(question, profiles.length - 1 - expert(question), 0)
      assert.equal(scores['right']?.answer, said, `${name}, q${i}`)
    }
})

test('symbolic-moe recruits by the subject as long as no single worker has all that its profiles count, right less wrong', () => {
  const drawn = (id: string): readonly number[] => {
    const { profiles } = exams({ questions: 300 }).find((one) => one.id === id) as Exam
    return Object.keys(profiles[0] as SkillProfile).map((subject) => {
      const known = profiles.map((profile) => profile[subject] as number)
      return recruitingWeights(profiles, [subject])[known.indexOf(Math.max(...known))] as number
    })
  }
  for (const id of ['subjects-apart', 'subjects-together-alike']) assert.ok(Math.min(...drawn(id)) > 0.85, id)
  // One is right on 101 of 200 questions to learn from, and the others on 100 at most.
  for (const id of ['subjects-together', 'subjects-apart-alike'])
    assert.ok(drawn(id).filter((share) => share < 0.2).length >= 5, id)
})

test('what is learned before the exam costs nothing, and what is tried or embedded within a try does', async () => {
  const asked = exams({ questions: 7 }).find(({ id }) => id === 'subjects-apart') as Exam
  const names = ['m3', 'agent-store, router', 'composer', 'routing, similarity']
  const [found] = await teamRuns({ exams: [asked], tokens: 20_000, names })
  const of = (name: string, what: 'steps' | 'inputTokens'): readonly number[] =>
    (found?.teams.find((one) => one.name === name)?.trials ?? []).map(({ usage }) => usage[what])
  // A vector of the question, and an answer.
  for (const name of ['m3', 'agent-store, router']) {
    assert.deepEqual(new Set(of(name, 'steps')), new Set([2]), name)
    assert.ok(
      of(name, 'inputTokens').every((count) => count < 3 * 80),
      name,
    )
  }
  // Skills and vectors, for each candidate three questions and a verdict, and the answer.
  for (const count of of('composer', 'steps')) assert.ok(count >= 7 && (count - 3) % 4 === 0, String(count))
  // Past questions of some 80 tokens, each embedded once, though it is known of seven workers how good they were at it.
  for (const count of of('routing, similarity', 'inputTokens'))
    assert.ok(count > PAST * 60 && count < PAST * 100, String(count))
})

/** Numbers of the questions that stand in some texts. */
function numbersIn(texts: readonly string[]): Set<number> {
  return new Set(texts.flatMap((text) => [...text.matchAll(/\bq(\d+)\b/g)].map(([, number]) => Number(number))))
}

/** A kernel for an exam that keeps every text that a model or its embedder is shown. */
async function watched(asked: Exam) {
  const texts: string[] = []
  const crowd = createCrowd(asked)
  const models = Object.entries(crowd.models).map(([name, model]): [string, ScriptedModel] => [
    name,
    Object.assign(Object.create(model) as ScriptedModel, {
      doGenerate: (call: Parameters<ScriptedModel['doGenerate']>[0]) => {
        texts.push(JSON.stringify(call.prompt))
        return model.doGenerate(call)
      },
    }),
  ])
  const hashing = hashingEmbedder()
  const kernel = await boot({
    models: Object.fromEntries(models),
    model: workerName(0),
    embedder: { ...hashing, embed: (all, options) => (texts.push(...all), hashing.embed(all, options)) },
  })
  return { texts, crowd, kernel }
}

test('LE1: what is learned has nothing of a question that is asked, nor of what is said to one', async () => {
  for (const one of exams({ questions: 21 }).filter(({ id }) => id === 'subjects-apart' || id === 'mmlu')) {
    const asked = new Set(one.questions.map(({ number }) => number))
    const said: number[] = []
    const sealed: Exam = {
      ...one,
      draft(question, worker, sample) {
        if (asked.has(question.number)) {
          said.push(question.number)
          throw new Error('this question is asked')
        }
        return one.draft(question, worker, sample)
      },
    }
    const members = Array.from({ length: one.workers }, (_, i) => ({ name: cardName(i), model: workerName(i) }))
    const learned = await learnedFor(sealed, members)
    assert.deepEqual(said, [], one.id)
    const shown = [...numbersIn([JSON.stringify(learned)])]
    assert.ok(shown.length > 0 && shown.every((number) => !asked.has(number)), `${one.id}: ${shown.join(' ')}`)
    for (const card of learned.cards) assert.equal(card.match(/ \d+ %[,.]/g)?.length, 2, card)
    // Who was not asked counts for nothing.
    const known = one.learn.slice(0, PAST).flatMap(({ right }) => right.filter((was) => was !== undefined))
    assert.equal(learned.history.length, known.length, one.id)
  }
})

test('in a try nobody reads of another question that is asked', async () => {
  const asked = exams({ questions: 14 }).find(({ id }) => id === 'subjects-together') as Exam
  const known = new Set(asked.learn.map(({ number }) => number))
  const { one, teams } = await teamsOf(asked)
  const { texts, crowd, kernel } = await watched(asked)
  try {
    for (const { number, text } of asked.questions.slice(0, 2))
      for (const { name, program, input } of [...one, ...teams]) {
        crowd.begin()
        texts.length = 0
        await kernel.spawn(program as Program<Json, unknown>, { question: text, ...input }).result
        const others = [...numbersIn(texts)].filter((shown) => shown !== number)
        assert.ok(
          others.every((shown) => known.has(shown)),
          `${name} on q${number}: ${others.join(' ')}`,
        )
        // And of those to learn from these two do, and nobody else.
        const isLearning = name === 'composer' || name === 'routing, similarity'
        assert.equal(others.length > 0, isLearning, `${name} on q${number}: ${others.join(' ')}`)
      }
  } finally {
    await kernel.close()
  }
})

test('routing embeds a text once, however many routes its history tells of', async () => {
  const asked = exam(0, 4)
  const { texts, kernel } = await watched(asked)
  const [question, ...past] = asked.questions.map(({ text }) => text) as [string, ...string[]]
  const candidates = ['x', 'y', 'z'].map((name) => ({ name, cost: 1 }))
  const history = [question, ...past, ...past].flatMap((one) =>
    candidates.map(({ name }) => ({ question: one, route: name, quality: Number(name === 'y') })),
  )
  try {
    for (const how of ['similarity', 'supervised', 'reinforcement'] as const) {
      texts.length = 0
      const { by } = await kernel.spawn(routing, { question, candidates, how, history }).result
      if (how !== 'reinforcement') assert.equal(by, 'y', how)
      assert.deepEqual(texts.slice(0, -1), [question, ...past], how)
    }
  } finally {
    await kernel.close()
  }
})

test('a cascade asks the best first, as all of them cost the same', async () => {
  const asked = exams({ questions: 20 }).find(({ id }) => id === 'uneven-together') as Exam
  const [found] = await teamRuns({ exams: [asked], tokens: 20_000, names: ['routing, judge', 'routing, agreement'] })
  for (const { name, trials } of found?.teams ?? []) {
    const times = name === 'routing, agreement' ? 3 : 1
    const inTurn = Array.from({ length: 7 }, (_, i) =>
      Array.from({ length: i < 6 ? times : 1 }, () => cardName(i)),
    ).flat()
    const ends = trials.map(({ output }) => output as { tried: string[]; spent: number })
    for (const { tried, spent } of ends) {
      assert.deepEqual(tried, inTurn.slice(0, tried.length), name)
      assert.equal(spent, tried.length)
    }
    assert.ok(new Set(ends.map(({ tried }) => tried.length)).size > 1, name)
  }
})

test('CR4: a leader passes on the answer that it judged right; who accepted none, or judges none, reads', async () => {
  // Judges who never fail, and readers who never turn: a leader that reads says what it said by itself.
  const skills = [0.3, 0.3, 0.3, 0.3, 0.3]
  const weak = simulated({ id: 'x', what: '', skills, sigma: 0, questions: 40, seed: 3 })
  const asked: Exam = { ...weak, judging: () => 1 }
  const names = ['magentic-one', 'agent-orchestra', 'internet-of-agents']
  const [found] = await teamRuns({ exams: [asked], tokens: 20_000, names, a: 0, b: 0 })
  for (const { name, trials } of found?.teams ?? []) {
    const count = { passed: 0, read: 0 }
    for (const [i, { scores }] of trials.entries()) {
      const question = asked.questions[i] as Question
      const [right] = question.labels
      const drafts = skills.map((_, worker) => asked.draft(question, worker, 0))
      const isAccepted = name !== 'internet-of-agents' && drafts.includes(right)
      if (!isAccepted) count.read++
      else if (drafts[0] !== right) count.passed++
      assert.equal(scores['right']?.answer, isAccepted ? right : drafts[0], `${name}, q${i}`)
    }
    const isJudging = name !== 'internet-of-agents'
    assert.ok(count.read > 3 && (isJudging ? count.passed > 10 : count.passed === 0), JSON.stringify(count))
  }
})

test('recorded workers say what was recorded: shares right, the best first by other questions than those that are asked', () => {
  const all = exams({ questions: 10_000 })
  assert.deepEqual(
    all.map(({ id }) => id),
    EXAMS,
  )
  for (const [id, asked, workers] of [
    ['gsm8k', 330, 4],
    ['mmlu', 122, 7],
  ] as const) {
    const one = all.find((each) => each.id === id) as Exam
    assert.deepEqual([one.questions.length, one.workers], [asked, workers])
    // What was learned is of the workers in their order.
    for (const question of one.learn)
      for (const [worker, right] of question.right.entries())
        if (right === undefined) assert.equal(one.draft(question, worker, 0), undefined, `${id}, ${question.text}`)
        else assert.equal(one.draft(question, worker, 0) === question.labels[0], right, `${id}, ${question.text}`)
    assert.deepEqual(
      one.shares,
      one.shares.toSorted((a, b) => b - a),
    )
    // Of what each was asked: on MMLU, where it was not asked is not where it was wrong.
    const ofAsked = range(workers).map((worker) => {
      const own = one.learn.map(({ right }) => right[worker]).filter((was) => was !== undefined)
      const right = own.filter(Boolean).length
      assert.equal(
        Object.values(one.profiles[worker] ?? {}).reduce((sum, each) => sum + each, 0),
        2 * right - own.length,
      )
      return right / own.length
    })
    assert.deepEqual(one.shares, ofAsked)
    assert.equal(
      one.learn.some(({ right }) => right.includes(undefined)),
      id === 'mmlu',
    )
    for (const question of one.questions)
      assert.equal(one.draft(question, 0, 0), one.draft(question, 0, 1), 'asked again it says the same')
    const judging = one.questions.map((question) => one.judging(question))
    assert.ok(Math.abs(mean(judging) - 0.8) < 1e-9 && Math.max(...judging) - Math.min(...judging) > 0.1, id)
  }
  const gsm = all.find(({ id }) => id === 'gsm8k') as Exam
  const shares = [0, 1, 2, 3].map((worker) =>
    mean(gsm.questions.map((q) => Number(gsm.draft(q, worker, 0) === q.labels[0]))),
  )
  // What experiment C13 reads from the same file: the best of the four over its second half.
  assert.equal(shares[0], recorded().best)
  assert.ok(shares.every((share) => share <= (shares[0] as number)))
})

/** What each of a crew's members says after each round of a debate about each question. */
async function debated(asked: Exam, a: number, b: number, rounds: number): Promise<readonly (readonly string[])[][]> {
  const crowd = createCrowd(asked, { a, b })
  const kernel = await boot({ models: crowd.models, model: workerName(0) })
  const members = crew.map((_, i) => ({ name: `m${i}`, model: workerName(i) }))
  const said: (readonly string[])[][] = []
  try {
    for (const { text } of asked.questions) {
      crowd.begin()
      const run = kernel.spawn(debate, { question: text, members, rounds, untilAgreed: false })
      said.push((await run.result).said.map((layer) => layer.map(({ reply }) => reply.answer)))
    }
  } finally {
    await kernel.close()
  }
  return said
}

test('who reads is swayed by what stands in the prompt, and by nothing else', async () => {
  const asked = exam(0, 60)
  const rightOf = (place: number): string => asked.questions[place]?.labels[0] as string
  for (const [first = [], second = []] of await debated(asked, 0, 0, 2)) assert.deepEqual(second, first)
  let [turned, stayed] = [0, 0]
  for (const [i, [first = [], second = []]] of (await debated(asked, 1, 0, 2)).entries())
    for (const [member, before] of first.entries()) {
      const after = second[member] as string
      if (before === rightOf(i)) assert.equal(after, before, 'nobody who is right turns')
      else if (!first.includes(rightOf(i))) assert.equal(after, before, 'what nobody says nobody learns')
      else if (after === rightOf(i)) turned++
      else {
        assert.equal(after, before)
        stayed++
      }
    }
  // With a = 1 it is the share of those who are right, about .56 of the five where one is wrong and another right.
  assert.ok(turned / (turned + stayed) > 0.4 && turned / (turned + stayed) < 0.72, `${turned} and ${stayed}`)
  for (const [i, [first = [], second = []]] of (await debated(asked, 0, 1, 2)).entries())
    for (const [member, after] of second.entries())
      if (first[member] !== rightOf(i)) assert.equal(after, first[member])
      else assert.ok(first.includes(after), 'who turns wrong takes an answer that it read')
})

/** What worker 1 says to this, asked in words or in a form. */
function asker(asked: Exam, options: { readonly a?: number; readonly b?: number }) {
  const crowd = createCrowd(asked, options)
  const say = async (text: string, temperature: number, form?: 'answer' | 'right' | 'best'): Promise<string> => {
    const schema = form === undefined ? undefined : ({ type: 'object', properties: { [form]: {} } } as const)
    const { content } = await (crowd.models[workerName(0)] as ScriptedModel).doGenerate({
      prompt: [{ role: 'user', content: [{ type: 'text', text }] }],
      temperature,
      ...(schema === undefined ? {} : { responseFormat: { type: 'json', schema } }),
    })
    const said = content.flatMap((part) => (part.type === 'text' ? part.text : [])).join('')
    return form === undefined ? (/q\d+-[a-z]$/.exec(said)?.[0] ?? said) : JSON.stringify(JSON.parse(said)[form])
  }
  return { crowd, say }
}

test('CR1: in the same words at temperature 0 a worker says the same, and else what the exam has for its next sample', async () => {
  const asked = exam(0, 40)
  const { crowd, say } = asker(asked, {})
  for (const one of asked.questions) {
    crowd.begin()
    const drafts = [0, 1, 2, 3].map((sample) => asked.draft(one, 0, sample))
    const said = [await say(one.text, 0), await say(one.text, 0), await say(one.text, 0.7), await say(one.text, 0.7)]
    said.push(await say(`${one.text} Again.`, 0), await say(one.text, 0))
    assert.deepEqual(said, [drafts[0], drafts[0], drafts[1], drafts[2], drafts[3], drafts[0]])
  }
})

test('CR2: who reads others counts a draft of its own among them, so that one who alone is right can be kept from turning', async () => {
  const asked = exam(0, 4_000)
  const { crowd, say } = asker(asked, { a: 1, b: 1 })
  const count = { right: 0, stayed: 0, wrong: 0, turned: 0 }
  for (const one of asked.questions) {
    const [right = '', ...wrong] = one.labels
    crowd.begin()
    if (asked.draft(one, 0, 0) === right) {
      count.right++
      // One of two is right: it turns with b · (1 - 1/2).
      if ((await say(`${one.text} ${wrong[0]}`, 0)) === right) count.stayed++
    } else {
      count.wrong++
      // And one of two where it was wrong: it turns with a · 1/2.
      if ((await say(`${one.text} ${right}`, 0)) === right) count.turned++
    }
  }
  assert.ok(Math.abs(count.stayed / count.right - 0.5) < 0.04, JSON.stringify(count))
  assert.ok(Math.abs(count.turned / count.wrong - 0.5) < 0.05, JSON.stringify(count))
})

test('CR3: a judgement is right as often as is planted, of a right answer and of a wrong one, and of several', async () => {
  const asked = simulated({ id: 'x', what: '', skills: crew, sigma: 0, judged: 0.7, questions: 3_000, seed: 3 })
  const { crowd, say } = asker(asked, {})
  let [accepted, refused, found] = [0, 0, 0]
  for (const one of asked.questions) {
    const [right, first, second] = one.labels
    crowd.begin()
    if ((await say(`${one.text} ${right}`, 0, 'right')) === 'true') accepted++
    if ((await say(`${one.text} ${first}`, 0, 'right')) === 'false') refused++
    if ((await say(`${one.text} ${first} ${right} ${second}`, 0, 'best')).startsWith('[2,')) found++
  }
  for (const count of [accepted, refused, found])
    assert.ok(Math.abs(count / 3_000 - 0.7) < 0.03, String([accepted, refused, found]))
})

test('a try has the budget that is said: what does not fit is refused, and is no right answer', async () => {
  const [found] = await teamRuns({ exams: [exam(0, 2)], tokens: 200, names: ['debate × 2'] })
  const [team] = found?.teams ?? []
  assert.equal(team?.refused, 2)
  for (const { usage, scores } of team?.trials ?? []) {
    assert.ok(usage.inputTokens + usage.outputTokens <= 200)
    assert.notEqual(scores['right']?.value, 1)
  }
})

test('every answering program answers on its exams, in its form, within the budget; and none is forgotten', async () => {
  const chosen = exams({ questions: LONG ? 12 : 1 }).filter(
    ({ id }) => LONG || id === 'subjects-together-alike' || id === 'mmlu',
  )
  const found = await teamRuns({ exams: chosen, tokens: 20_000 })
  const { one: alone, teams: together } = await teamsOf(chosen[0] as Exam)
  for (const { exam: asked, one, teams } of found) {
    assert.deepEqual(
      teams.map(({ name }) => name),
      together.map(({ name }) => name),
    )
    for (const { name, trials } of [...one, ...teams])
      for (const { error, scores, usage } of trials) {
        const told = `${asked.id}, ${name}: ${JSON.stringify([error, scores])}`
        assert.ok(usage.inputTokens + usage.outputTokens <= 20_000, told)
        // Seven turns of a ring, a search, and twenty moves may be more than the budget holds; the table says how often.
        const mayEnd = name === 'mallm debate' || name === 'halo' || name === 'aries'
        assert.ok(error === undefined || (mayEnd && error.code === 'BUDGET_EXCEEDED'), told)
        if (error !== undefined) continue
        if (!name.startsWith('mallm')) assert.match(String(scores['right']?.answer), /^q\d+-[a-z]$/, told)
      }
  }
  const asks = [...alone, ...together].map(({ program }) => (program as Program).name)
  const { left } = await entries()
  const answers = left.filter(({ why }) => why.startsWith('answers a question')).map(({ name }) => name)
  for (const name of answers)
    assert.ok(
      asks.includes(name) || notAsked[name] !== undefined,
      `say in bench/programs/teams.ts how ${name} is asked, or why it is not`,
    )
  const all = await programs()
  const made = [
    'agent-store',
    'router',
    'm3',
    'composer',
    'bandit',
    'i-agents',
    'magentic-one',
    'agent-orchestra',
    'internet-of-agents',
  ]
  for (const name of [...asks, ...Object.keys(notAsked)])
    assert.ok(all.has(name) || made.includes(name), `there is no program ${name}`)
})

const task = {
  name: 'crew-apart',
  version: '1',
  description: '',
  samples: 40,
  scorers: [{ name: 'right', isJudge: false }],
}

/** A program that spent so many tokens on each question, and was right on these. */
function outcome(asked: Exam, name: string, tokens: number, isRight: (i: number) => boolean): Outcome {
  return {
    name,
    task,
    refused: 0,
    trials: asked.questions.map((_, i) => ({
      task: task.name,
      solver: name,
      sample: `q${i}`,
      cluster: `q${i}`,
      epoch: 1,
      pid: i + 1,
      input: '',
      output: '',
      ms: 0,
      calls: [],
      callsCut: 0,
      scores: { right: { value: Number(isRight(i)) } },
      usage: { inputTokens: tokens, cachedTokens: 0, outputTokens: 0, usd: 0, steps: 1, calls: 1, children: 0 },
    })),
  }
}

test('a team is held against the one agent that spends as much, and it is said who loses', async () => {
  const asked = exam(0, 40)
  const one = [outcome(asked, 'one agent', 100, (i) => i < 20), outcome(asked, 'one agent × 3', 300, (i) => i < 30)]
  const run = (teams: readonly Outcome[]): TeamRun => ({ exam: { ...asked, id: 'crew-apart' }, one, teams })
  const dear = outcome(asked, 'dear', 5_000, (i) => i < 12)
  const cheap = outcome(asked, 'cheap', 200, (i) => i < 20)
  const cheaper = outcome(asked, 'cheaper', 50, () => true)
  const mixed = (team: Outcome) => (({ names, share, tokens }) => ({ names, share, tokens }))(sameTokens(team, one))
  // Half of the tries with one call and half with three cost as much as the cheap team; nothing costs as much as the other two.
  assert.deepEqual(mixed(cheap), { names: ['one agent', 'one agent × 3'], share: 0.5, tokens: 200 })
  assert.deepEqual(mixed(dear), { names: ['one agent × 3', 'one agent × 3'], share: 1, tokens: 300 })
  assert.deepEqual(mixed(cheaper), { names: ['one agent', 'one agent'], share: 1, tokens: 100 })
  assert.deepEqual(
    ['q5', 'q25', 'q35'].map((place) => sameTokens(cheap, one).valueOn(place)),
    [1, 0.5, 0],
  )
  const [loser, level] = besideOne([run([dear, cheap])])
  assert.ok(loser?.mean !== undefined && Math.abs((loser.mean ?? 0) - (12 - 30) / 40) < 1e-9)
  assert.ok(level?.mean !== undefined && Math.abs((level.mean ?? 0) - (20 - 25) / 40) < 1e-9)
  assert.deepEqual(
    [loser.tokens, level.tokens],
    [
      [5_000, 300],
      [200, 200],
    ],
  )
  const facts = { tokens: 9_000, a: 0.4, b: 0.2, judged: 0.8, alike: 1.5 }
  const text = teamTable([run([dear, cheap])], facts)
  assert.match(text, /^\| `dear` \| 5,000 \| 300 \| \*\*−0\.450 ± 0\.\d+\*\* \|$/m)
  assert.match(text, /^\| `one agent × 3` \| 0\.75 ± 0\.07 \| 300 \| 1\.0 \| 1 of 1 \| 0 of 40 \| 0 \|$/m)
  assert.equal(taskOf(asked).samples.length, 40)
})

test('what is said of a team is corrected for how many there are, and told over all columns', () => {
  const asked = exam(0, 40)
  const one = [outcome(asked, 'one agent', 100, (i) => i < 20)]
  // Six questions better and none worse is p = 1/32: below .05 alone, and not beside another.
  const slight = outcome(asked, 'slight', 100, (i) => i < 26)
  const run = (id: string, teams: readonly Outcome[]): TeamRun => ({ exam: { ...asked, id }, one, teams })
  const facts = { tokens: 9_000, a: 0.4, b: 0.2, judged: 0.8, alike: 1.5 }
  assert.match(
    teamTable([run('x-apart', [slight])], facts),
    /^\| `slight` \| 100 \| 100 \| \*\*\+0\.150 ± 0\.\d+\*\* \|$/m,
  )
  const others = [1, 2].map((place) => outcome(asked, `other ${place}`, 100, (i) => i < 20 + place))
  const text = teamTable([run('x-apart', [slight, ...others])], facts)
  assert.match(text, /^\| `slight` \| 100 \| 100 \| \+0\.150 ± 0\.\d+ \|$/m)
  assert.match(text, /Win: none\. Cannot be told apart: `slight`, `other 1`, `other 2`\./)
  const [good, bad] = [outcome(asked, 'turns', 100, () => true), outcome(asked, 'turns', 100, () => false)]
  const best = outcome(asked, 'best', 100, () => true)
  const all = teamTable([run('x-apart', [good, best]), run('x-apart-alike', [bad, best])], facts)
  assert.match(all, /Lose in each: none\. Win in each: `best`\. Lose in one and win in another: `turns`\./)
})

test('docs/programs.md says of what is left out what the programs say', async () => {
  const page = await readFile(join(import.meta.dirname, '../docs/programs.md'), 'utf8')
  const { acting, left, without } = await entries()
  const world = tableOf([], acting, { tokens: 1, seeds: 1, errs: 0, left, without })
  const team = teamTable([], { tokens: 1, a: 0, b: 0, judged: 1, alike: 0, left: notAsked })
  for (const [text, from, mark] of [
    [world, 'What goes on from forks', '\n\n<!-- programs end -->'],
    [team, 'Not asked:', '\n\n<!-- teams end -->'],
  ] as const)
    assert.ok(page.includes(text.slice(text.indexOf(from)) + mark), `make docs/programs.md anew: ${from} …`)
})
