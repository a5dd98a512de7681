/** An agent to be installed: it counts with a tool that it brings. `polity` and `zod` are there without being installed. */
import { defineProgram, defineTool } from 'polity'
import { z } from 'zod'

const count = defineTool({
  name: 'counter/count',
  description: 'Counts the words and the lines of a text.',
  effect: 'read',
  outbound: false,
  inputSchema: z.object({ text: z.string() }),
  outputSchema: z.object({ words: z.int(), lines: z.int() }),
  execute: ({ text }) => ({ words: text.split(/\s+/).filter(Boolean).length, lines: text.split('\n').length }),
})

export default defineProgram(
  'counter',
  async (sys, input) => {
    const { words, lines } = await sys.call('counter/count', { text: String(input ?? '') })
    return `${words} ${words === 1 ? 'word' : 'words'} in ${lines} ${lines === 1 ? 'line' : 'lines'}`
  },
  { tools: [count] },
)
