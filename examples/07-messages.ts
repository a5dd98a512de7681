/**
 * Messages: to a pid, or to a name. A name is a group: every running process of that name, of the same principal, gets
 * the message. Mailboxes are bounded, and a message that was accepted survives a crash.
 */
// prints: red said ready
import { boot, defineProgram } from '../src/index.ts'

const player = defineProgram('player', async (sys, colour: string) => {
  const { from } = await sys.receive()
  await sys.send(from, `${colour} said ready`)
  const { body } = await sys.receive({ from, timeoutMs: 10_000 })
  return `${colour} heard ${JSON.stringify(body)}`
})

const referee = defineProgram('referee', async (sys, colours: string[]) => {
  const players: number[] = []
  for (const colour of colours) players.push(await sys.spawn(player, colour, { name: 'team' }))

  const reached = await sys.send('team', 'ready?')
  for (let i = 0; i < reached; i++) console.log((await sys.receive()).body)
  await sys.send('team', { go: true, round: 1 })

  for (const pid of players) console.log(await sys.wait(pid))
  return reached
})

const kernel = await boot()
console.log('players:', await kernel.spawn(referee, ['red', 'blue', 'green']).result)
await kernel.close()
