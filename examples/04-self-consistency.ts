/**
 * Self-consistency (Wang et al. 2022): sample n answers, return the most frequent. The whole architecture is one
 * function; the five calls run side by side.
 */
// prints: 42
import { scripted } from '../src/drivers/llm/scripted.ts'
import { boot, defineProgram } from '../src/index.ts'

const selfConsistency = defineProgram(
  'self-consistency',
  async (sys, { question, n = 5 }: { question: string; n?: number }) => {
    const answers = await Promise.all(
      Array.from({ length: n }, () => sys.generate({ prompt: question, temperature: 0.7 })),
    )
    return plurality(answers.map((answer) => answer.text))
  },
)

function plurality(answers: readonly string[]): { answer: string; votes: number; of: number } {
  const votes = new Map<string, number>()
  for (const answer of answers) votes.set(answer, (votes.get(answer) ?? 0) + 1)
  const [answer = '', most = 0] = [...votes].toSorted((a, b) => b[1] - a[1])[0] ?? []
  return { answer, votes: most, of: answers.length }
}

// A model that is right more often than not.
const said = ['42', '41', '42', '17', '42']
const kernel = await boot({ model: scripted((_call, index) => said[index % said.length]) })

const { answer, votes, of } = await kernel.spawn(selfConsistency, { question: 'What is six times seven?' }).result
console.log(`${answer} (${votes} of ${of} votes)`)
await kernel.close()
