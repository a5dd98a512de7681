/** The service desk: verified by its database and by what was told; the policy says more than the tools. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { environmentOf, oracleOf, play, stateHash, type Action } from '../src/environments/environment.ts'
import { retail, type RetailState } from '../src/environments/retail.ts'

const SEEDS = process.env['POLITY_LONG'] === '1' ? 1_000 : 30
const LOOKS = new Set(['reply', 'find_customer', 'get_customer', 'get_order', 'list_products', 'get_product'])

const taskOf = (seed: number) => ({ params: retail.task(seed, 1 + (seed % 3)), seed })
const solved = (seed: number): readonly Action[] => play(retail, taskOf(seed), oracleOf(retail)).actions.flat()

/** Plays these, one after another, until they or the episode end. */
function played(seed: number, actions: readonly Action[]) {
  const environment = environmentOf(retail)
  let turn = environment.reset(taskOf(seed))
  for (const action of actions) if (!turn.done) turn = environment.step([action])
  return { environment, turn, state: environment.state().state, score: environment.score() }
}

const clerk = (name: string, args: Action['args'] = {}): Action => ({ agent: 'clerk', name, args })
const say = (text: string): Action => clerk('reply', { text })

describe('desk.retail', () => {
  test('all that the oracle does but its last write scores 0', () => {
    for (let seed = 0; seed < SEEDS; seed++) {
      const actions = solved(seed)
      const last = actions.findLastIndex(({ name }) => !LOOKS.has(name))
      assert.ok(last >= 0, `seed ${seed} has nothing to write`)
      assert.equal(played(seed, actions.toSpliced(last, 1)).score, 0, `seed ${seed}`)
    }
  })

  test('who does what the policy forbids scores 0, though the tools let them', () => {
    const kinds = new Set<string>()
    for (let seed = 0; seed < Math.max(SEEDS, 90); seed++) {
      const { wishes } = retail.task(seed, 1 + (seed % 3)).visit
      const wish = wishes.find(({ isAllowed }) => !isAllowed)
      if (wish === undefined) continue
      kinds.add(wish.kind)
      const actions = solved(seed)
      const { score, environment } = played(seed, [...actions.slice(0, -1), { agent: 'clerk', ...wish.deed }])
      assert.equal(environment.metrics()['database'], 0, `seed ${seed}: ${wish.kind}`)
      assert.equal(score, 0)
    }
    assert.ok(kinds.size >= 9, `forbidden wishes of many kinds: ${[...kinds].join(', ')}`)
  })

  test('who writes everything and tells nothing scores 0 where something had to be told', () => {
    for (let seed = 0; seed < SEEDS; seed++) {
      const { wishes } = retail.task(seed, 1 + (seed % 3)).visit
      if (wishes.every(({ tell }) => tell.length === 0)) continue
      const writes = solved(seed).filter(({ name }) => name !== 'reply')
      const { score, environment } = played(seed, writes)
      assert.deepEqual([score, environment.metrics()['database']], [0, 1], `seed ${seed}`)
    }
  })

  test('the order of writes does not matter, nor the order in which items are named', () => {
    const swaps = Array.from({ length: 200 }, (_, seed) => seed).filter((seed) =>
      retail.task(seed, 2).visit.wishes.every(({ isAllowed, order }) => isAllowed && order !== null),
    )
    assert.ok(swaps.length > 0)
    for (const seed of swaps.slice(0, 5)) {
      const params = retail.task(seed, 2)
      const environment = environmentOf(retail)
      environment.reset({ params, seed })
      for (const { deed } of params.visit.wishes.toReversed()) environment.step([{ agent: 'clerk', ...deed }])
      assert.equal(environment.metrics()['database'], 1, `seed ${seed}`)
    }
  })

  test('the customer says who they are and what they know when they are asked, and nothing before', () => {
    for (let seed = 0; seed < 20; seed++) {
      const { params } = taskOf(seed)
      const { email, name } = params.shop.customers[params.visit.customer] as { email: string; name: string }
      const environment = environmentOf(retail)
      const before = environment.reset({ params, seed }).views['clerk']?.text ?? ''
      assert.ok(!before.includes(email) && !before.includes(name))
      const after = environment.step([say('Your email please, or name and postcode?')]).views['clerk']?.text ?? ''
      assert.ok(after.includes(email) || after.includes(name))
    }
  })

  test('a customer who asks for something else is not served before it is dealt with, and some insist', () => {
    const seed = Array.from({ length: 200 }, (_, i) => i).find(
      (i) => retail.task(i, 1).visit.wishes[0]?.insists,
    ) as number
    const params = retail.task(seed, 1)
    const environment = environmentOf(retail)
    environment.reset({ params, seed })
    const heard = (text: string): string => {
      environment.step([say(text)])
      return environment.state().state.said
    }
    assert.match(heard('Is there anything else?'), /First/)
    assert.match(heard(`I cannot do that for ${params.visit.wishes[0]?.order}. Anything else?`), /exception/)
    assert.match(heard(`I cannot do that for ${params.visit.wishes[0]?.order}. Anything else?`), /^Yes\. /)
  })

  test('to write without agreement, and to look before it is known who asks, are breaches', () => {
    const seed = 4
    const { params } = taskOf(seed)
    const order = Object.keys(params.shop.orders)[0] as string
    const breaches = (actions: readonly Action[]): number => played(seed, actions).state.breaches
    assert.equal(breaches(solved(seed)), 0)
    assert.equal(breaches([clerk('get_order', { order })]), 1)
    assert.equal(breaches([clerk('refund_shipping', { order })]), 1)
  })

  test('a tool that cannot do it says why, and the database stays as it was', () => {
    const { params } = taskOf(2)
    const [id, order] = Object.entries(params.shop.orders)[0] as [string, RetailState['shop']['orders'][string]]
    for (const bad of [
      clerk('cancel_order', { order: '#W0', reason: 'no longer needed' }),
      clerk('return_items', { order: id, items: ['none'], payment: order.payment }),
      clerk('return_items', { order: id, items: [], payment: order.payment }),
      clerk('return_items', { order: id, items: order.items, payment: 'cash' }),
      clerk('exchange_items', { order: id, items: order.items, new_items: [], payment: order.payment }),
      clerk('change_order_address', { order: id, street: 1 }),
      clerk('get_product', { product: 'constructor' }),
      clerk('find_customer', {}),
      say(''),
    ]) {
      const environment = environmentOf(retail)
      environment.reset({ params, seed: 2 })
      const saved = environment.state()
      const turn = environment.step([bad])
      assert.match(turn.errors[0]?.message ?? '', /\w+ \w+/, bad.name)
      assert.equal(stateHash({ ...environment.state(), steps: 0 }), stateHash(saved))
    }
  })
})
