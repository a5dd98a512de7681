/**
 * Research: a team that answers a question from a folder, with citations that were read once more before they are given.
 * Name a folder and a question to ask your own:  node examples/17-research.ts docs 'What survives a kill -9?'
 */
// prints: eleven lamps
import { mkdirSync, mkdtempDisposableSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { research } from '../src/agents/research.ts'
import { calculator } from '../src/drivers/calculator.ts'
import { openFolderIndex } from '../src/drivers/folder/folder-index.ts'
import { folderTools } from '../src/drivers/folder/tools.ts'
import { boot } from '../src/index.ts'

using scratch = mkdtempDisposableSync(join(tmpdir(), 'polity-research-'))
const [, , folder = lighthouse(), question = 'How many lamps has the lighthouse, and who is its keeper?'] = process.argv

/** A folder of two notes. */
function lighthouse(): string {
  const path = join(scratch.path, 'notes')
  mkdirSync(path)
  writeFileSync(
    join(path, 'lamps.md'),
    '# Lamps\n\nThe lighthouse has eleven lamps in two rows.\nOil is brought by boat in October.\n',
  )
  writeFileSync(join(path, 'keepers.md'), '# Keepers\n\nThe keeper of the lighthouse is Agnes Holm.\nShe has a dog.\n')
  return path
}

const index = await openFolderIndex(folder, { indexPath: join(scratch.path, 'index') })
const kernel = await boot({ tools: [...folderTools(index), calculator()] })
const run = kernel.spawn(research, { question }, { budget: { steps: 60, children: 8 } })

for await (const event of run.events) {
  if (event.type === 'process-start' && event.pid !== run.pid)
    console.log(`reader ${event.pid}:`, JSON.stringify(event.input))
}
const { answer, claims } = await run.result
console.log(`\n${question}\n${answer}\n`)
console.log(
  `${claims.length} claims; ${run.usage.steps} model calls, ${run.usage.calls} system calls, ${run.usage.children} readers`,
)
await kernel.close()
index.close()
