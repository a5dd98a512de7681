/**
 * Memory outlives the process: notes belong to a principal, and another process of the same principal finds them by
 * their words. Nobody sees the notes of another principal.
 */
// prints: the boiler was serviced in May
import { boot } from '../src/index.ts'

const kernel = await boot()

const learn = kernel.spawn(
  async (sys) => {
    await sys.remember({ text: 'the boiler was serviced in May', tags: ['house'], source: 'mail 17' })
    await sys.remember({ text: 'the neighbours have a spare key', tags: ['house'] })
    const wrong = await sys.remember('the plumber is called Otto')
    await sys.forget(wrong)
  },
  null,
  { principal: 'ada' },
)
await learn.result

async function asks(principal: string, query: string): Promise<void> {
  const run = kernel.spawn((sys, words: string) => sys.recall(words, { limit: 3 }), query, { principal })
  const notes = await run.result
  console.log(
    `${principal} asks “${query}”: ${notes.map((note) => `${note.text} (${note.source ?? 'no source'})`).join('; ') || 'nothing'}`,
  )
}

await asks('ada', 'when was the boiler service?') // “service” finds “serviced”: words are compared by their stems
await asks('ada', 'plumber')
await asks('bob', 'boiler')
await kernel.close()
