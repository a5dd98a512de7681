/** The research team, on real files with the offline reader: what it says of the parts that it cannot answer. */
import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import type { Research, ResearchInput } from '../src/agents/research.ts'
import { notFound, research } from '../src/agents/research.ts'
import { openFolderIndex } from '../src/drivers/folder/folder-index.ts'
import { folderTools } from '../src/drivers/folder/tools.ts'
import { boot } from '../src/index.ts'
import type { Tool } from '../src/kernel/types.ts'

let folder = ''

before(() => {
  folder = mkdtempSync(join(tmpdir(), 'polity-research-'))
  mkdirSync(join(folder, 'notes'))
  writeFileSync(join(folder, 'notes/lamps.md'), '# Lamps\n\nThe lighthouse has eleven lamps in two rows.\n')
  writeFileSync(join(folder, 'notes/keepers.md'), '# Keepers\n\nThe keeper of the lighthouse is Agnes Holm.\n')
})

after(() => rmSync(folder, { recursive: true, force: true }))

/** Asks the team; a reader that searches for one of the words `deadly` is killed. */
async function ask(input: ResearchInput, deadly = /^$/): Promise<Research> {
  const index = await openFolderIndex(join(folder, 'notes'), { indexPath: join(folder, 'index') })
  const [search, ...more] = folderTools(index)
  const kernel = await boot({
    tools: [
      {
        ...search,
        execute(query: { query: string }, context) {
          if (deadly.test(query.query)) kernel.kill(context.pid, 'it took too long')
          return search.execute(query, context)
        },
      } as Tool<{ query: string }>,
      ...more,
    ] as unknown as readonly Tool[],
  })
  try {
    return await kernel.spawn(research, input).result
  } finally {
    await kernel.close()
    index.close()
  }
}

const lamps = 'How many lamps has the lighthouse'

test('each part that found nothing is said, and the others keep their citations', async () => {
  const { answer, claims, found, unanswered } = await ask({ question: `${lamps}, and who discovered penicillin?` })
  assert.equal(
    answer,
    'The lighthouse has eleven lamps in two rows. [lamps.md:3]\nI found nothing in these files that answers "Who discovered penicillin?".',
  )
  assert.equal(claims.length, 1)
  assert.equal(found, true)
  assert.deepEqual(unanswered, ['Who discovered penicillin?'])
})

test('a part whose reader fails is said to be open, and one that no reader was left for', async () => {
  const question = `${lamps}, and who discovered penicillin, and who is the keeper?`
  const { answer } = await ask({ question, readers: 2 }, /penicillin/i)
  const [found, failed, left, ...more] = answer.split('\n')
  assert.match(found ?? '', /eleven lamps in two rows\. \[lamps\.md:3\]$/)
  assert.match(failed ?? '', /^I could not look for "Who discovered penicillin\?": .*it took too long\.$/)
  assert.match(
    left ?? '',
    /^I did not look for "Who is the keeper\?": the question has more parts than there are readers\.$/,
  )
  assert.deepEqual(more, [])
})

test('where nothing is found at all one sentence says so; where a reader failed besides, the run fails', async () => {
  const question = 'Who painted the Mona Lisa, and who discovered penicillin?'
  const { answer, found, unanswered } = await ask({ question })
  assert.deepEqual([answer, found, unanswered.length], [notFound, false, 2])
  await assert.rejects(ask({ question }, /penicillin/i), /it took too long/)
})
