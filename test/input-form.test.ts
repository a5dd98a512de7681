/** What is given, held against its form: one sentence for it in the kernel, at the doors, in programs and in worlds. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { z } from 'zod'
import { faultsIn } from '../src/agents/pieces/joint-plan.ts'
import { forage } from '../src/environments/forage.ts'
import { teamWorld } from '../src/evaluation/team-world.ts'
import { openStage, worldOf } from '../src/evaluation/world.ts'
import { PolityError } from '../src/kernel/errors.ts'
import { inputOf, issuesOf, readAs } from '../src/kernel/input-form.ts'
import { defineProgram } from '../src/kernel/program.ts'
import type { Json, Sys } from '../src/kernel/types.ts'
import { parseForeignTools } from '../src/server/foreign-tools.ts'
import { offersOf } from '../src/server/mcp/offers.ts'
import { createWorld } from './world.ts'

const picture = z.object({ pictures: z.array(z.object({ caption: z.string() })) })

describe('an input', () => {
  test('is what the form makes of it, or INVALID_ARGUMENT with the place, and what is taken', () => {
    assert.deepEqual(inputOf('lamp', z.object({ watt: z.number().default(5) }), {}), { watt: 5 })
    assert.throws(() => inputOf('show', picture, { pictures: [{ caption: 5 }] }, 'pictures with captions'), {
      code: 'INVALID_ARGUMENT',
      message:
        'show: pictures.0.caption: Invalid input: expected string, received number; it takes pictures with captions',
    })
  })

  test('of which much is wrong is told the first five things, and a whole that is wrong has no place', () => {
    const { error } = z.array(z.string()).safeParse([1, 2, 3, 4, 5, 6, 7])
    assert.deepEqual(
      issuesOf(error as z.ZodError)
        .split('; ')
        .map((one) => one.split(':')[0]),
      ['0', '1', '2', '3', '4'],
    )
    assert.throws(() => inputOf('lamp', picture, 5), { message: /^lamp: Invalid input: expected object/ })
  })

  test('is read with any library: places may be objects, or no text, and a check that is late is refused', () => {
    const issue = { message: 'is wrong', path: [{ key: 'a' }, 0, Symbol('s')] }
    assert.equal(issuesOf({ issues: [issue, { message: 'is empty' }] }), 'a.0.Symbol(s): is wrong; is empty')
    const late = z.string().refine(async () => true)
    const wrong = (what: string): PolityError => new PolityError('TOOL_INVALID', what)
    assert.throws(() => readAs(late, 'x', wrong), { code: 'TOOL_INVALID', message: /checks asynchronously/ })
  })
})

describe('the same sentence is said', () => {
  test('of a program’s input over MCP, with its place', () => {
    const { kernel } = createWorld()
    const program = defineProgram('show', async () => null)
    const offer = offersOf({ programs: [{ program, inputSchema: picture }] }).find(({ name }) => name === 'run_show')
    assert.throws(() => offer?.start(kernel, { pictures: [{ caption: 5 }] }, {}), {
      message: 'run_show: pictures.0.caption: Invalid input: expected string, received number',
    })
  })

  test('of tools of clients', () => {
    assert.throws(() => parseForeignTools({ pay: { outbound: 'yes' } }), {
      message:
        /^these are no tools of clients: pay\.outbound: Invalid input: expected boolean, received string; expected/,
    })
  })

  test('of a joint plan whose move has other arguments than its action', async () => {
    const input = z.toJSONSchema(z.object({ to: z.object({ x: z.number() }) })) as { [keyword: string]: Json }
    const player = { name: 'ann', text: '', data: null, actions: [{ name: 'go', description: '', input }] }
    const plan = [{ agent: 'ann', name: 'go', args: { to: { x: 'left' } } }]
    assert.deepEqual(await faultsIn({} as Sys, { players: [player], last: [] }, plan), [
      { agent: 'ann', message: 'go: to.x: Invalid input: expected number, received string' },
    ])
  })

  test('of a team’s action that is none', async () => {
    const stage = openStage(teamWorld(worldOf(forage)))
    const { state } = await stage.begin({ params: forage.task(1, 1), seed: 1 })
    const { turn } = await stage.step(state, [{ agent: 'team', name: 'act', args: { actions: [{ name: 'stay' }] } }])
    await stage.close()
    const [error] = turn.errors
    assert.match(JSON.stringify(error), /actions\.0\.agent: Invalid input: expected string, received undefined/)
  })
})
