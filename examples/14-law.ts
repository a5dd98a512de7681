/**
 * The law: what no rule allows is denied. Rules are read in order and the first that matches decides; conditions speak of
 * the arguments as they were checked. The law is data, and it is read before anything of the call happens.
 */
// prints: denied by rule no-secrets
import { z } from 'zod'
import { PolityError, boot, decide, defineTool, parseLaw } from '../src/index.ts'

const fetchPage = defineTool({
  name: 'fetch_page',
  description: 'Reads a page.',
  effect: 'read',
  inputSchema: z.object({ url: z.string() }),
  execute: ({ url }) => `the text of ${url}`,
})
const deletePage = defineTool({
  name: 'delete_page',
  description: 'Deletes a page.',
  inputSchema: z.object({ url: z.string() }),
  execute: () => 'gone',
})

const law = parseLaw({
  rules: [
    { id: 'no-secrets', effect: 'deny', tool: '*', args: { url: { pattern: '^https://example\\.org/private' } } },
    { id: 'own-site', effect: 'allow', tool: 'fetch_page', args: { url: { pattern: '^https://example\\.org/' } } },
    { id: 'no-notes', effect: 'deny', call: 'remember', reason: 'this deployment keeps no notes' },
  ],
})

async function attempt(what: string, call: Promise<unknown>): Promise<void> {
  try {
    console.log(`${what}: ${JSON.stringify(await call)}`)
  } catch (error) {
    if (!PolityError.isInstance(error)) throw error
    const { rule } = error.detail as { rule: string | null }
    console.log(`${what}: ${rule === null ? 'denied, because no rule allows it' : `denied by rule ${rule}`}`)
  }
}

const kernel = await boot({ tools: [fetchPage, deletePage], law })
const run = kernel.spawn(async (sys) => {
  await attempt('the front page', sys.call('fetch_page', { url: 'https://example.org/' }))
  await attempt('a private page', sys.call('fetch_page', { url: 'https://example.org/private/keys' }))
  await attempt('another site', sys.call('fetch_page', { url: 'https://example.com/' }))
  await attempt('a deletion', sys.call('delete_page', { url: 'https://example.org/' }))
  await attempt('a note', sys.remember('the front page is short'))
  await attempt('a file', sys.write('front.txt', 'short')) // only rules forbid what is the process's own
}, null)
await run.result

// The same law as a pure function: try it on a request, without a kernel.
console.log(decide(law, { call: 'call', tool: 'fetch_page', args: {}, principal: 'local', program: 'any' }))
await kernel.close()
