/** `polity uninstall <name>`: removes an installed agent with all its copies. */
import { agentsFolder, findName, removeName } from '../agent-store/installations.ts'
import { counted } from '../amounts.ts'
import { defineCommand } from '../command.ts'
import { exitCodes } from '../report.ts'

export const uninstall = defineCommand({
  name: 'uninstall',
  summary: 'remove an installed agent',
  usage: '<name>',
  positionals: [1, 1],
  options: {},
  details: 'Its earlier versions go too. Runs of it that were stopped cannot be resumed any more; their journals stay.',
  examples: ['polity uninstall ann/clerk'],
  run(context, { positionals: [given = ''] }) {
    const agents = agentsFolder(context.storePath)
    const { name } = findName(agents, given)
    const copies = removeName(agents, name)
    context.result(`uninstalled ${name} (${counted(copies, 'copy', 'copies')})`, { name, copies })
    return Promise.resolve(exitCodes.done)
  },
})
