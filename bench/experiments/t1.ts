/**
 * T1, tool retrieval: 1,707 planted tools and 2,111 requests, the sizes of BFCL. A tool is what one of 24 verbs does to one of 72 things;
 * its description and a request each say the verb by a synonym of their own drawing, one request in seven says only what kind of thing
 * it is about, and each parameter that has a value is spoken of every second time. BFCL itself is not part of this repository: its
 * figures (R@1 .429, R@10 .827, MRR .556 with parameters, by BM25) are a reference, not measured here. The tools and user tasks of
 * AgentDojo are real, and measured beside, as they come with the repository: without the descriptions of their parameters.
 */
import { findTools, indexTools, packTools, schemaTokens } from '../../src/agents/pieces/tool-search.ts'
import { boot } from './experiment.ts'
import { scripted } from '../../src/drivers/llm/scripted.ts'
import { randomAt } from '../../src/kernel/clock.ts'
import { defineProgram } from '../../src/kernel/program.ts'
import type { ToolDescription } from '../../src/kernel/types.ts'
import { ownSuites } from '../../test/agentdojo.ts'
import type { Experiment } from './experiment.ts'

const TOOLS = 1_707
const REQUESTS = 2_111
const SHOWN_TOKENS = 2_000

const verbs =
  `get fetch retrieve obtain|create make generate produce|delete remove erase discard|update change modify edit|list show enumerate display|search find seek discover|send deliver dispatch transmit|calculate compute determine evaluate|convert transform translate turn|book reserve schedule arrange|cancel abort revoke annul|compare contrast match differentiate|predict forecast estimate anticipate|analyze examine inspect study|play start launch run|stop halt pause end|open unlock access enter|close lock shut seal|share publish post announce|download save store archive|verify check validate confirm|rank sort order arrange|track follow monitor watch|recommend suggest propose advise`
    .split('|')
    .map((one) => one.split(' '))
const things =
  `vehicle: car truck bicycle motorcycle|food: recipe restaurant meal ingredient|money: invoice payment loan budget|place: city hotel museum airport|weather: temperature rainfall wind humidity|music: song playlist concert album|sport: match tournament player league|health: medication diet workout appointment|travel: flight train cruise itinerary|science: molecule planet equation reaction|law: lawsuit contract patent statute|property: house apartment mortgage rent|media: movie series podcast newspaper|school: course exam student lecture|work: employee salary meeting project|shop: product order coupon refund|animal: dog cat bird fish|computer: server database file backup`
    .split('|')
    .flatMap((group) => {
      const [kind, names] = group.split(': ') as [string, string]
      return names.split(' ').map((name) => ({ kind, name }))
    })
const parameters =
  `date day when it happens|color shade wanted|duration length in minutes|currency code such as EUR|language tongue of the answer|radius distance in kilometers|quantity number of pieces|priority urgency from low to high|format kind of output|owner person it belongs to|latitude degrees north|category group it is in|rating stars from one to five|discount percent off|deadline latest time|channel where it is told|capacity seats or room|genre style of it|unit measure used|weight kilograms|altitude meters above sea|gender male or female|season part of the year|brand maker of it`
    .split('|')
    .map((one) => [one.slice(0, one.indexOf(' ')), one.slice(one.indexOf(' ') + 1)] as const)

interface Planted {
  readonly tool: ToolDescription
  readonly verb: readonly string[]
  readonly thing: (typeof things)[number]
  readonly takes: readonly (readonly [string, string])[]
}

function plant(seed: number): Planted[] {
  return Array.from({ length: TOOLS }, (_, i) => {
    let drawn = 0
    const draw = (below: number) => Math.floor(randomAt(seed, i, drawn++) * below)
    const verb = verbs[i % verbs.length] as string[]
    const thing = things[Math.floor(i / verbs.length)] as (typeof things)[number]
    const takes = Array.from(
      { length: 1 + draw(4) },
      () => parameters[draw(parameters.length)] as (typeof parameters)[number],
    )
    const named = thing.name[0]?.toUpperCase() + thing.name.slice(1)
    const tool = {
      name: draw(2) === 0 ? `${verb[0]}_${thing.name}` : `${thing.kind}.${verb[0]}${named}`,
      description: `${verb[draw(4)]} a ${thing.name} (${thing.kind}).`,
      inputSchema: {
        type: 'object',
        properties: Object.fromEntries(takes.map(([name, description]) => [name, { type: 'string', description }])),
      },
    }
    return { tool, verb, thing, takes }
  })
}

function requestsOf(planted: readonly Planted[], seed: number) {
  return Array.from({ length: REQUESTS }, (_, i) => {
    let drawn = 0
    const draw = (below: number) => Math.floor(randomAt(seed, TOOLS + i, drawn++) * below)
    const { tool, verb, thing, takes } = planted[draw(TOOLS)] as Planted
    const about = draw(7) === 0 ? thing.kind : thing.name
    const said = takes
      .filter(() => draw(2) === 0)
      .map(([name, description]) => `with ${draw(2) === 0 ? name : description} ${draw(99)}`)
    return { query: `Could you ${verb[draw(4)]} the ${about} for me ${said.join(' and ')}?`, wanted: [tool.name] }
  })
}

interface Ranked {
  readonly first: number
  readonly ten: number
  readonly mrr: number
  readonly cut: number
}

const rank = defineProgram(
  't1/rank',
  async (
    sys,
    {
      tools,
      requests,
      withParameters,
      tag,
    }: {
      tools: ToolDescription[]
      requests: { query: string; wanted: string[] }[]
      withParameters: boolean
      tag: string
    },
  ): Promise<Ranked> => {
    await indexTools(sys, tools, { tag, parameters: withParameters })
    const all = tools.reduce((sum, tool) => sum + schemaTokens(tool), 0)
    let [first, ten, mrr, shown] = [0, 0, 0, 0]
    for (const { query, wanted } of requests) {
      const found = await findTools(sys, query, { tag, limit: 10 })
      const places = wanted.map((name) => found.findIndex((tool) => tool.name === name)).filter((at) => at >= 0)
      if (places.includes(0)) first++
      ten += places.length / wanted.length
      if (places.length > 0) mrr += 1 / (1 + Math.min(...places))
      shown += packTools(found, SHOWN_TOKENS).reduce((sum, tool) => sum + schemaTokens(tool), 0)
    }
    const n = requests.length
    return { first: first / n, ten: ten / n, mrr: mrr / n, cut: 1 - shown / n / all }
  },
)

/** AgentDojo's tools and the user tasks that need one, as they come with the repository. */
function agentDojo() {
  const suites = Object.values(ownSuites())
  const tools = new Map(
    suites.flatMap((suite) =>
      suite.tools.map(
        ({ name, description, parameters: inputSchema }) => [name, { name, description, inputSchema }] as const,
      ),
    ),
  )
  const requests = suites
    .flatMap(({ userTasks }) => [...userTasks.values()])
    .filter(({ calls }) => calls.length > 0)
    .map(({ prompt, calls }) => ({ query: prompt, wanted: [...new Set(calls.map((call) => call.tool))] }))
  return { tools: [...tools.values()] as unknown as ToolDescription[], requests }
}

const figures = ({ first, ten, mrr }: Ranked): string =>
  `R@1 ${first.toFixed(3)} R@10 ${ten.toFixed(3)} MRR ${mrr.toFixed(3)}`

export const t1: Experiment = {
  id: 'T1',
  what: `tool retrieval, ${TOOLS} planted tools, ${REQUESTS} requests`,
  bar: 'with parameters R@1 ≥ .42, R@10 ≥ .82, MRR ≥ .55; schemas shown cut by ≥ 99 % (BFCL: not measured)',
  seeds: 1,
  async run() {
    const kernel = await boot({ model: scripted([]) })
    const planted = plant(1)
    const tools = planted.map(({ tool }) => tool)
    const requests = requestsOf(planted, 1)
    const bare = await kernel.spawn(rank, { tools, requests, withParameters: false, tag: 'bare' }).result
    const full = await kernel.spawn(rank, { tools, requests, withParameters: true, tag: 'full' }).result
    const dojo = agentDojo()
    const real = await kernel.spawn(rank, { ...dojo, withParameters: true, tag: 'dojo' }).result
    await kernel.close()
    return {
      measured: `${figures(full)}, without parameters ${figures(bare)}; cut ${(100 * full.cut).toFixed(1)} %; of AgentDojo’s ${dojo.tools.length} tools those of ${dojo.requests.length} tasks: ${figures(real)}`,
      ok: full.first >= 0.42 && full.ten >= 0.82 && full.mrr >= 0.55 && full.cut >= 0.99,
    }
  },
}
