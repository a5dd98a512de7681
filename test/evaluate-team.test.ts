/** `polity evaluate --team`: a world of several players with one agent that plays all of them, by the command. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { after, before, test } from 'node:test'
import { central, hmas2 } from '../src/agents/hmas.ts'
import type { Context } from '../src/cli/command.ts'
import { loadCommand } from '../src/cli/commands.ts'
import { parseCommandLine } from '../src/cli/options.ts'
import { advice } from '../src/environments/advice.ts'
import { auction } from '../src/environments/auction.ts'
import { forage } from '../src/environments/forage.ts'
import type { AnyRules } from '../src/environments/worlds.ts'
import { spawnEpisode } from '../src/evaluation/episode.ts'
import { evaluate } from '../src/evaluation/evaluate.ts'
import { exact } from '../src/evaluation/scorers.ts'
import { worldTask } from '../src/evaluation/task.ts'
import { openStage, worldOf, type World } from '../src/evaluation/world.ts'
import { teamWorld } from '../src/evaluation/team-world.ts'
import { verify } from '../src/evaluation/verify.ts'
import type { Log } from '../src/evaluation/log.ts'
import { nearest } from '../src/kernel/known-keys.ts'
import type { Json } from '../src/kernel/types.ts'
import { createWorld, endOf } from './world.ts'

const LONG = process.env['POLITY_LONG'] === '1'

let folder = ''
before(() => void (folder = mkdtempSync(join(tmpdir(), 'polity-team-'))))
after(() => rmSync(folder, { recursive: true, force: true }))

/** The command in a folder of its own. */
function polity(
  ...args: string[]
): Promise<{ readonly code: number | null; readonly out: string; readonly err: string }> {
  const bin = resolve(import.meta.dirname, '../bin/polity.js')
  return new Promise((resolved) => {
    const child = spawn(process.execPath, [bin, ...args], { cwd: folder })
    let [out, err] = ['', '']
    child.stdout.on('data', (text: Buffer) => void (out += text.toString()))
    child.stderr.on('data', (text: Buffer) => void (err += text.toString()))
    child.on('close', (code) => resolved({ code, out, err }))
  })
}

/** What an oracle does for both players of a field of food, as the team's actions. */
async function played(seed: number): Promise<Json> {
  const world = teamWorld(worldOf(forage))
  const params = forage.task(seed, 1)
  const stage = openStage(world)
  const actions: Json[] = []
  let { state, turn } = await stage.begin({ params, seed })
  while (!turn.done) {
    const joint = (await world.oracle?.(state)) ?? []
    actions.push(...(joint as unknown as Json[]))
    ;({ state, turn } = await stage.step(state, joint))
  }
  await stage.close()
  return { seed, level: 1, actions }
}

test('an agent plays a whole team by --team, is scored as the world scores, and recorded joint actions are replayed', async () => {
  // It asks for nothing that only a team has: whoever looks sees all players, and one action is that of all.
  writeFileSync(
    join(folder, 'looker.ts'),
    `export default async function looker(sys) {
      const { data } = await sys.call('episode_view', {})
      const players = data.players.map(({ name, actions }) => ({ agent: name, name: actions[0].name }))
      const check = await sys.call('episode_check', { actions: [{ agent: 'nobody', name: 'none' }] })
      for (let done = false; !done; ) ({ done } = await sys.call('act', { actions: players }))
      return { players: players.map(({ agent }) => agent), faults: check.faults.length }
    }\n`,
  )
  writeFileSync(join(folder, 'played.jsonl'), `${JSON.stringify(await played(1))}\n`)
  const place = ['--environment', 'forage', '--level', '1']
  const [team, replayed] = await Promise.all([
    polity(
      'evaluate',
      ...place,
      '--team',
      '--agent',
      './looker.ts',
      '--agent',
      'central',
      '--seeds',
      '2',
      '--budget-tokens',
      '9000',
      '--out',
      'team.json',
    ),
    polity('evaluate', ...place, '--team', '--actions', 'played.jsonl', '--json'),
  ])
  assert.equal(team.code, 0, team.err)
  const { trials } = JSON.parse(readFileSync(join(folder, 'team.json'), 'utf8')) as Log
  const looked = trials.filter(({ solver }) => solver === 'looker')
  assert.deepEqual(
    looked.map(({ task, output, error, scores }) => [task, output, error, scores['episode']?.value]),
    [1, 2].map(() => ['forage/team', { players: ['player 1', 'player 2'], faults: 1 }, undefined, 0]),
  )
  // A program that a file of another name holds, which plans for several; the offline model plans nothing.
  assert.match(team.out, /^forage\/team +central +episode +0\.000 /m)
  assert.match(replayed.out, /"score":1[,}]/)
})

test('a team’s world is verified as the world itself: what is left out is one player’s write, not a whole turn', async () => {
  const { kernel } = createWorld()
  for (const rules of [auction, advice] as unknown as readonly AnyRules[]) {
    const own = worldOf(rules)
    const of = async (world: World) =>
      (await verify(kernel, worldTask(world, { seeds: 20, params: (seed) => rules.task(seed, 1) }))).samples
    const [alone, team] = [await of(own), await of(teamWorld(own))]
    assert.deepEqual(team, alone, rules.id)
    assert.ok(team.every(({ scores }) => (scores['oracle minus last write'] ?? 1) < 1))
  }
})

/** What the command throws, in this process. */
async function refusal(...words: string[]): Promise<string> {
  const command = await loadCommand('evaluate')
  assert.ok(command !== undefined)
  const context = { interrupted: new AbortController().signal, storePath: ':memory:' } as Context
  const end = await endOf(command.run(context, parseCommandLine(command, words)))
  assert.ok('code' in end, 'it was taken')
  assert.equal(end.code, 'INVALID_ARGUMENT')
  return end.message
}

test('a team of one, another question than the world’s and a name in capitals are each refused with what to do', async () => {
  const place = ['--environment', 'craft.dag', '--agent', 'react', '--seeds', '1']
  for (const one of ['auction', 'desk.retail'])
    assert.match(
      await refusal('--environment', one, '--agent', 'react', '--team'),
      new RegExp(`--team is for several players, and ${one} never has more than one; leave out --team`),
    )
  assert.match(await refusal(...place, '--input', '{"question":"x"}'), /beside the question.*leave out "question"/)
  assert.equal(nearest('HMAS-2', ['hmas-1', 'react', 'hmas-2']), 'hmas-2')
  const { kernel } = createWorld()
  const task = { name: 'sums', samples: [{ id: '1', input: '6 x 7?', target: '42' }], scorers: [exact()] }
  const solver = { name: 'central', program: central, input: { question: 'x' } }
  await assert.rejects(evaluate(kernel, { tasks: [task], solvers: [solver] }), /leave out "question" of the input/)
  await assert.rejects(
    spawnEpisode(kernel, worldOf(forage), { params: forage.task(1, 1), seed: 1 }, solver),
    /leave out "question" of the input/,
  )
})

test('a program for a team says so where it stands in no team’s world, and what of its input is not of its form', async () => {
  const { kernel } = createWorld()
  const question = 'Bring all the food.'
  const played = async (world: World, program: typeof central, input?: { readonly [name: string]: Json }) => {
    const players = { program, ...(input === undefined ? {} : { input }) }
    const run = await spawnEpisode(kernel, world, { params: forage.task(1, 1), seed: 1 }, players)
    const [end] = Object.values((await run.result).players)
    return end !== undefined && 'error' in end ? `${end.error.code}: ${end.error.message}` : ''
  }
  const alone = /^INVALID_ARGUMENT: this program plays a team, .* add --team/
  const seen = await played(worldOf(forage), central)
  assert.match(seen, alone)
  assert.match(seen, /; what it sees is no turn of a team: players: Invalid input: expected array, .*; last: /)
  await assert.rejects(kernel.spawn(hmas2, { question }).result, (error: Error) =>
    /this program plays a team, .* add --team.*; it stands in no episode$/.test(error.message),
  )
  for (const [input, fault] of [
    [{ talk: 'feedbak' }, /^INVALID_ARGUMENT: the input of a team: talk: /],
    [{ retriesMax: 'two', models: 'one/model' }, /retriesMax: .*; models: /],
  ] as const)
    assert.match(await played(teamWorld(worldOf(forage)), hmas2, input), fault)
  await assert.rejects(kernel.spawn(central, {} as never).result, /question: /)
})

test(
  'without --team a player has no such world; verify takes it; and it is said where it has no meaning',
  { skip: !LONG && 'four commands, several seconds: POLITY_LONG=1' },
  async () => {
    writeFileSync(join(folder, 'questions.jsonl'), '{"input": "6 x 7?", "target": "42"}\n')
    writeFileSync(join(folder, 'actor.ts'), `export default async (sys) => sys.call('act', { actions: [] })\n`)
    const place = ['--environment', 'forage', '--level', '1']
    const [alone, verified, nowhere, unknown] = await Promise.all([
      polity('evaluate', ...place, '--agent', './actor.ts', '--seeds', '1', '--store', 'c.db', '--out', 'alone.json'),
      polity('evaluate', 'verify', ...place, '--team', '--seeds', '2', '--store', 'd.db'),
      polity('evaluate', '--data', 'questions.jsonl', '--team', '--agent', 'direct', '--store', 'e.db'),
      polity('evaluate', ...place, '--team', '--agent', 'hmas-3', '--store', 'f.db'),
    ])
    assert.equal(alone.code, 0, alone.err)
    const own = JSON.parse(readFileSync(join(folder, 'alone.json'), 'utf8')) as Log
    assert.deepEqual([own.trials[0]?.task, own.trials[0]?.error?.code], ['forage', 'NO_SUCH_TOOL'])
    assert.match(verified.out, /^forage\/team: 2 of 2 samples are sound$/m)
    assert.equal(nowhere.code, 2)
    assert.match(nowhere.err, /--team is of --environment/)
    assert.match(unknown.err, /no program "hmas-3"; did you mean hmas-[12]\?/)
  },
)
