/**
 * The official MCP conformance suite, both ways: our server (`mcpDoor`) and our client (`openMcp`).
 *
 *     node test/conformance/mcp.ts            prints a line for each, and ends with 1 where something unexpected failed
 *     node test/conformance/mcp.ts node_modules/mcp-conformance-0.2      with another version, whose package lies there
 *
 * The suite is the package @modelcontextprotocol/conformance; what is known to fail stands in mcp/expected-failures.yml.
 * Its versions 0.2 know the revision 2026-07-28 too; what is known to fail there stands in mcp/expected-failures-0.2.yml.
 */
import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { startFixture } from './mcp/server.ts'

const folder = join(import.meta.dirname, 'mcp')
const installed = join(import.meta.dirname, '../../node_modules/@modelcontextprotocol/conformance')
const given = import.meta.main ? process.argv[2] : undefined
const suite = join(given === undefined ? installed : resolve(given), 'dist/index.js')
/** A scenario that takes longer has failed, ms. */
const SCENARIO_MS = 60_000

interface Result {
  readonly name: string
  readonly isPassed: boolean
}

export interface Outcome {
  /** Scenarios that passed. */
  readonly passed: readonly string[]
  /** Scenarios that failed and are not known to, with the checks that did. */
  readonly failed: readonly string[]
  /** Scenarios that failed as they are known to. */
  readonly expected: readonly string[]
  /** Scenarios that are known to fail and passed. */
  readonly stale: readonly string[]
  /** All that the suite printed. */
  readonly output: string
}

export async function testServer(): Promise<Outcome> {
  const server = await startFixture()
  try {
    const output = await run(['server', '--url', `${server.url}/mcp`, '--suite', 'all'])
    const results = [...output.matchAll(/^([✓✗]) (\S+): \d+ passed/gm)].map(([, mark, name]) => ({
      name: name as string,
      isPassed: mark === '✓',
    }))
    return outcomeOf('server', results, output)
  } finally {
    await server.close()
  }
}

/** Two at a time: all at once, as the suite would, the processor is the slowest part of each, and it measures times. */
export async function testClient(scenarios?: readonly string[]): Promise<Outcome> {
  const waiting = [...(scenarios ?? (await clientScenarios()))]
  const results: Result[] = []
  let output = ''
  const work = async (): Promise<void> => {
    for (let name = waiting.shift(); name !== undefined; name = waiting.shift()) {
      const command = `${process.execPath} ${join(folder, 'client.ts')}`
      const said = await run(['client', '--command', command, '--scenario', name, '--timeout', String(SCENARIO_MS)])
      const [, failed] = /^Passed: \d+\/\d+, (\d+) failed/m.exec(said) ?? []
      results.push({ name, isPassed: failed === '0' })
      output += said
    }
  }
  await Promise.all([work(), work()])
  return outcomeOf('client', results, output)
}

async function clientScenarios(): Promise<readonly string[]> {
  const [, names = ''] = (await run(['list'])).split(/^Client scenarios|^Authorization server scenarios/m)
  return [...names.matchAll(/^ +- (\S+) \[/gm)].map(([, name]) => name as string)
}

function run(args: readonly string[]): Promise<string> {
  // Its results are written where it runs.
  const child = spawn(process.execPath, [suite, ...args], { cwd: tmpdir(), stdio: ['ignore', 'pipe', 'pipe'] })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text) => (output += text))
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('close', () => resolve(output))
  })
}

function outcomeOf(side: 'server' | 'client', results: readonly Result[], output: string): Outcome {
  if (results.length === 0) throw new Error(`the suite printed no results:\n${output}`)
  const known = new Set(expectedFailures()[side])
  const names = (which: (one: Result) => boolean): string[] => results.filter(which).map(({ name }) => name)
  return {
    passed: names(({ isPassed }) => isPassed),
    failed: names(({ name, isPassed }) => !isPassed && !known.has(name)),
    expected: names(({ name, isPassed }) => !isPassed && known.has(name)),
    stale: names(({ name, isPassed }) => isPassed && known.has(name)),
    output,
  }
}

/** The file, of whose YAML it is enough to know lists of names. */
function expectedFailures(): { readonly server: readonly string[]; readonly client: readonly string[] } {
  const lists: { server: string[]; client: string[] } = { server: [], client: [] }
  let list: string[] = []
  const file = given === undefined ? 'expected-failures.yml' : 'expected-failures-0.2.yml'
  for (const line of readFileSync(join(folder, file), 'utf8').split('\n')) {
    const [, side] = /^(server|client):/.exec(line) ?? []
    if (side !== undefined) list = lists[side as 'server' | 'client']
    const [, name] = /^ +- (\S+)$/.exec(line) ?? []
    if (name !== undefined) list.push(name)
  }
  return lists
}

if (import.meta.main) {
  for (const [side, test] of [
    ['server', testServer],
    ['client', testClient],
  ] as const) {
    const { passed, failed, expected, stale, output } = await test()
    console.log(`MCP ${side}: passed ${passed.length}, failed ${failed.length}, expected failures ${expected.length}`)
    if (failed.length + stale.length === 0) continue
    process.exitCode = 1
    console.log(output)
    if (failed.length > 0) console.log(`failed: ${failed.join(', ')}`)
    if (stale.length > 0) console.log(`no longer fails, take it out of the expected failures: ${stale.join(', ')}`)
  }
}
