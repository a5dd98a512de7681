/**
 * An operating-system process that opens a lease file at the same moment as others and counts an entry up. Started by
 * leases.test.ts.
 *
 *     fork('counter.ts', [file, steps])
 */
import { openLeaseFile } from '../../src/drivers/store/lease-file.ts'
import { PolityError } from '../../src/kernel/errors.ts'

const [path = '', steps = '0'] = process.argv.slice(2)

process.once('message', () => {
  const store = openLeaseFile(path)
  for (let i = 0; i < Number(steps);) {
    try {
      store.update('n', (value) => `${Number(value ?? 0) + 1}`)
      i++
    } catch (error) {
      // Another writes for too long: nothing has changed, so it is tried again (H4).
      if (!PolityError.isInstance(error) || error.code !== 'STORE_FAILED') throw error
    }
  }
  store.close()
  process.disconnect()
})
process.send?.('ready')
