/**
 * Agents of two servers find each other and work as a team over A2A: each server shows its programs as agents with cards; a
 * third kernel registers them, finds those who can do what the goal needs, and leads their conversation.
 */
// prints: Sail at 9: the wind is 4 and boat 7 is free.
import { findAgents } from '../src/drivers/a2a.ts'
import { promptText, scripted } from '../src/drivers/llm/scripted.ts'
import { internetOfAgents } from '../src/agents/internet-of-agents.ts'
import type { Program } from '../src/index.ts'
import { boot, defineProgram } from '../src/index.ts'
import type { Described } from '../src/server/a2a/door.ts'
import { a2aDoor } from '../src/server/a2a/door.ts'
import { startServer } from '../src/server/http.ts'

// Two servers; `polity serve weather.ts` is the same on the command line.
async function serveAgent(program: Program<string, string>, card: Described) {
  const kernel = await boot()
  const doors = [a2aDoor({ kernel, programs: [program as Program], cards: { [program.name]: card } })]
  const authenticate = () => ({ principal: 'team', scopes: new Set(['runs'] as const), key: null })
  const server = await startServer({ doors, authenticate, port: 0 })
  return { url: server.url, close: () => server.close().then(() => kernel.close()) }
}
const forecast = defineProgram('forecast', async (_sys, task: string) =>
  task.includes('wind') ? 'the wind is 4' : 'no storms',
)
const harbour = defineProgram('harbour', async () => 'boat 7 is free')
const coast = await serveAgent(forecast, { description: 'Knows the weather: wind, waves and storms.' })
const port = await serveAgent(harbour, { description: 'Lends boats to sailors.' })

// The model that leads; here it is a script of what a model would say.
const said = [
  { search: 'weather and wind at sea' },
  { search: 'boats to sail with' },
  { launch: ['forecast', 'harbour'] },
  { type: 'async_task', tasks: [{ task: 'find a free boat', assignees: ['harbour'] }] },
  { type: 'discussion', next: 'forecast', content: 'What about storms, and wind?' },
  { type: 'sync_task', tasks: [{ task: 'the wind at 9', assignees: ['forecast'] }] },
  { type: 'pause', until: ['t1'] },
]
const manager = scripted(({ prompt }) => {
  const next = said.shift()
  if (next !== undefined) return JSON.stringify(next)
  const results = [...promptText(prompt).matchAll(/t\d completed: (.*)/g)].map(([, result]) => result)
  return JSON.stringify({ type: 'conclude', content: `Sail at 9: ${results.toSorted().toReversed().join(' and ')}.` })
})

const agents = [...(await findAgents({ server: coast.url })), ...(await findAgents({ server: port.url }))]
const kernel = await boot({ model: manager })
const run = kernel.spawn(internetOfAgents({ agents }), { goal: 'Shall we sail today?' })
const { answer, team, messages } = await run.result
for (const { type, from, content } of messages) console.log(`${from.padEnd(8)} ${type.padEnd(21)} ${content}`)
console.log(`${team.join(' and ')}: ${answer}`)
await kernel.close()
await Promise.all([coast.close(), port.close()])
