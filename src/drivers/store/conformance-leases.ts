/**
 * What every lease store must do (H1 to H4 of kernel/drivers.ts): a suite that the makers of one run on theirs, in any test
 * framework.
 *
 *     import { test } from 'node:test'
 *     leaseConformance({ opener: () => leaseMemory(), test })
 *     leaseConformance({ opener: () => { const path = fresh(); return () => openLeaseFile(path) }, test })
 *
 * Not checked here, because no interface can: what the death of an operating-system process leaves (H2).
 */
import assert from 'node:assert/strict'
import type { LeaseStore } from '../../kernel/drivers.ts'

/** How the suite opens a lease store. */
export interface LeaseConformanceOptions {
  /** Makes an empty lease store; what it returns opens that one, as often as it is called. */
  readonly opener: () => () => LeaseStore
  /** The framework's own: takes a name and a function. */
  readonly test: (name: string, fn: () => Promise<void>) => unknown
  /** Goes in front of the names. @default 'lease store' */
  readonly name?: string
}

/** Declares the tests of the suite, with the `test` that it is given. */
export function leaseConformance({ opener, test, name = 'lease store' }: LeaseConformanceOptions): void {
  const check = (what: string, fn: (open: () => LeaseStore) => void): void => {
    test(`${name}: ${what}`, async () => {
      const openOne = opener()
      const all: LeaseStore[] = []
      try {
        fn(() => {
          const store = openOne()
          all.push(store)
          return store
        })
      } finally {
        for (const store of all) store.close()
      }
    })
  }
  const read = (store: LeaseStore, key: string): string | undefined => {
    let found: string | undefined
    store.update(key, (value) => {
      found = value
      return value ?? ''
    })
    return found === '' ? undefined : found
  }

  check('H1, H3: every update sees all that came before it, whoever made it', (open) => {
    const stores = [open(), open(), open()]
    for (let i = 0; i < 300; i++) stores[i % 3]?.update('n', (value) => `${Number(value ?? 0) + 1}`)
    for (const store of stores) assert.equal(read(store, 'n'), '300')
    assert.equal(read(stores[0] as LeaseStore, 'other'), undefined)
  })

  check('keys and values are any text, and keys do not touch each other', (open) => {
    const [a, b] = [open(), open()]
    const texts = ['', ' ', "' OR 1=1 --", '\u{1f600} ü \n', 'x'.repeat(100_000), '{"a":1}']
    for (const [i, text] of texts.entries()) a.update(`k${text.slice(0, 100)}`, () => `${i}${text}`)
    for (const [i, text] of texts.entries()) assert.equal(read(b, `k${text.slice(0, 100)}`), `${i}${text}`)
  })

  check('H4: an update that throws has changed nothing, and the next one goes well', (open) => {
    const [a, b] = [open(), open()]
    a.update('k', () => 'before')
    const error = new Error('no')
    assert.throws(
      () =>
        a.update('k', () => {
          throw error
        }),
      error,
    )
    assert.equal(read(b, 'k'), 'before')
    a.update('k', (value) => `${value} and after`)
    assert.equal(read(b, 'k'), 'before and after')
  })

  check('H2: a holder is alive until it closes, and its name is never given again', (open) => {
    const names = new Set<string>()
    const [a, b] = [open(), open()]
    for (const store of [a, b]) {
      assert.ok(!store.holder.includes('/'))
      names.add(store.holder)
      assert.ok(a.isAlive(store.holder) && b.isAlive(store.holder))
    }
    b.close()
    b.close()
    assert.ok(a.isAlive(a.holder) && !a.isAlive(b.holder))
    for (let i = 0; i < 5; i++) {
      const next = open()
      assert.ok(!names.has(next.holder), next.holder)
      names.add(next.holder)
      assert.ok(a.isAlive(next.holder) && next.isAlive(a.holder) && !next.isAlive(b.holder))
      next.close()
      assert.ok(!a.isAlive(next.holder))
    }
    assert.equal(a.isAlive('nobody'), false)
    assert.equal(a.isAlive('0.12345'), false)
  })

  check('entries stay when their makers have closed, and a closed store takes nothing', (open) => {
    const a = open()
    a.update('k', () => 'kept')
    a.close()
    assert.throws(() => a.update('k', () => 'lost'), { code: 'KERNEL_CLOSED' })
    assert.equal(read(open(), 'k'), 'kept')
  })
}
