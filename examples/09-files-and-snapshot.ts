/**
 * Files are versioned and confined to the process tree. A snapshot is one id for state, notes and files; `restore` goes
 * back to it, and the `snapshot` call returns a second time, as `fork` does in Unix.
 */
// prints: back at the snapshot
import { boot } from '../src/index.ts'

const kernel = await boot()

const run = kernel.spawn(async (sys) => {
  const first = await sys.write('report.md', 'A careful draft.')
  const snapshot = await sys.snapshot()

  if (snapshot.restored === 0) {
    await sys.write('report.md', 'A reckless rewrite.')
    await sys.write('scratch.txt', 'noise')
    await sys.remember('rewriting went badly')
    console.log('before:', (await sys.list()).map((file) => file.path).join(', '), '—', await sys.read('report.md'))
    await sys.restore(snapshot.id) // never returns
  }

  console.log(
    'back at the snapshot:',
    (await sys.list()).map((file) => file.path).join(', '),
    '—',
    await sys.read('report.md'),
  )
  console.log('notes about rewriting:', (await sys.recall('rewriting')).length)
  console.log('by version:', await sys.read('report.md', { version: first.version }))
  return snapshot.restored
}, null)

console.log('restored', await run.result, 'time')
await kernel.close()
