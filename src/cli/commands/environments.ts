/** `polity environments`: the worlds there are, and serving them to agents that others wrote. */
import { createInterface } from 'node:readline'
import { kiosk } from '../../environments/kiosk.ts'
import { worlds } from '../../environments/worlds.ts'
import { answering } from '../../environments/wire.ts'
import { environmentDoor } from '../../server/environments.ts'
import { startServer } from '../../server/http.ts'
import type { Context } from '../command.ts'
import { defineCommand } from '../command.ts'
import { usageError } from '../options.ts'
import { exitCodes } from '../report.ts'
import { table } from '../table.ts'
import { roomOf } from '../terminal.ts'

const PORT_MAX = 65_535

export const environments = defineCommand({
  name: 'environments',
  summary: 'list the worlds there are, or serve them to agents that others wrote',
  usage: '[serve [id]]',
  positionals: [0, 2],
  options: {
    port: {
      kind: 'whole',
      value: 'n',
      range: [0, PORT_MAX],
      help: 'serve all of them over HTTP, on loopback (0: any free port)',
    },
  },
  details:
    'With an id, serve answers one JSON message a line on stdin with one answer a line on stdout, until stdin ends. With --port it listens instead; AgentGym’s routes stand under /environments/<id>/agentgym. The messages are described in docs/environments.md.',
  examples: ['polity environments', 'polity environments serve craft.dag', 'polity environments serve --port 7080'],
  async run(context, { values, positionals: [verb, id] }) {
    if (verb === undefined) {
      if (values.port !== undefined) throw usageError('--port belongs to `polity environments serve`')
      return list(context)
    }
    if (verb !== 'serve') throw usageError(`environments takes serve, not "${verb}"`)
    if (values.port !== undefined) {
      if (id !== undefined) throw usageError('with --port all environments are served; leave out the id')
      return listen(context, values.port)
    }
    if (id === undefined) throw usageError('serve takes the id of an environment, or --port; see `polity environments`')
    return converse(context, id)
  },
})

function list(context: Context): number {
  const all = [...worlds.values(), kiosk].map(({ id, version, description }) => ({ id, version, description }))
  const rows = all.map(({ id, description }) => [id, description])
  const width = roomOf(context.out)
  const lines = table([{ title: 'ID' }, { title: 'WHAT IS TO BE DONE', widthMin: 20 }], rows, width)
  context.result(lines.join('\n'), all)
  return exitCodes.done
}

/** A line a message, until stdin ends. */
async function converse(context: Context, id: string): Promise<number> {
  if (id === kiosk.id)
    throw usageError(
      `${id} is not served: it takes a browser for each episode; see polity evaluate --environment ${id}`,
    )
  const rules = worlds.get(id)
  if (rules === undefined)
    throw usageError(`there is no environment "${id}"; there are ${[...worlds.keys()].join(', ')}`)
  const answer = answering(rules)
  const lines = createInterface({ input: process.stdin, terminal: false })
  context.interrupted.addEventListener('abort', () => lines.close(), { once: true })
  for await (const line of lines) {
    if (line.trim() === '') continue
    let message: unknown
    try {
      message = JSON.parse(line)
    } catch {
      message = line // refused as what it is
    }
    process.stdout.write(`${JSON.stringify(answer(message))}\n`)
  }
  return exitCodes.done
}

async function listen(context: Context, port: number): Promise<number> {
  const everybody = { principal: 'local', scopes: new Set(['runs'] as const), key: null }
  const server = await startServer({ doors: [environmentDoor(worlds)], authenticate: () => everybody, port })
  context.result(`${server.url}/environments`, { url: `${server.url}/environments` })
  await new Promise<void>((resolve) => {
    if (context.interrupted.aborted) resolve()
    context.interrupted.addEventListener('abort', () => resolve(), { once: true })
  })
  await server.close()
  return exitCodes.done
}
