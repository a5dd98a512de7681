/**
 * Fork. Inside a program it returns twice, as in Unix. From outside, `kernel.fork(pid, { at })` makes a new process with
 * the past of another up to its call `at`: the same beginning, another end.
 */
// prints: call 1 onwards was lived again
import { scripted } from '../src/drivers/llm/scripted.ts'
import { boot, defineProgram } from '../src/index.ts'

let samples = 0
const kernel = await boot({ model: scripted(() => `idea ${++samples}`) })

const twoWays = defineProgram('two-ways', async (sys) => {
  const { text } = await sys.generate('a beginning')
  const child = await sys.fork()
  const { text: end } = await sys.generate(child === 0 ? 'try the left way' : 'try the right way')
  const mine = `${text} then ${end}`
  return child === 0 ? mine : [mine, await sys.wait<string>(child)]
})
console.log('inside:', await kernel.spawn(twoWays, null).result)

const story = defineProgram('story', async (sys) => {
  const first = await sys.generate('a beginning')
  const second = await sys.generate(`what follows ${first.text}?`)
  return `${first.text}, ${second.text}`
})
const original = kernel.spawn(story, null)
console.log('original:', await original.result)

const fork = await kernel.fork(original.pid, { at: 1 })
console.log('forked:  ', await fork.result, '(call 1 onwards was lived again)')
console.log(`its model calls: ${fork.usage.steps}; its origin: process ${fork.info().forkOf}`)
await kernel.close()
