/**
 * Internet of Agents (Chen et al. 2024, "Internet of Agents: weaving a web of heterogeneous agents for collaborative
 * intelligence"): agents register with what they can do; a goal finds its team by capability; the team talks, and works, in a
 * conversation with states, until it is concluded.
 *
 *     const team = internetOfAgents({ agents: await findAgents({ server: 'https://agents.example' }) })
 *     spawn(team, { goal: 'Plan the trip.' })   →   { answer, team, tasks, messages }
 *
 * The conversation is led by a model, which at each turn says one of: `discussion`, somebody is asked to speak; `sync_task`,
 * some work and all wait; `async_task`, some work and the talk goes on; `pause`, until the named tasks have ended;
 * `conclude`. A task marked `team` is given to a team of its own, found anew, as deep as `depth` says.
 *
 * Invariants
 *   1. Only members speak and work; whoever is not one is refused to the model, in words.
 *   2. No reply is lost: what a task gave is in the conversation before it is concluded.
 *   3. A task is in progress, then completed or failed, and stays so. A failed member is a result like any other.
 *   4. It ends: after `turnsMax` turns the model is asked for the conclusion alone.
 */
import { PolityError, messageOf } from '../kernel/errors.ts'
import { defineProgram } from '../kernel/program.ts'
import type { Json, ModelChoice, Program, Sys } from '../kernel/types.ts'
import { createRegistry, type RegisteredAgent, type Registry } from './pieces/agent-registry.ts'
import { jsonIn } from './pieces/json-answer.ts'

export interface InternetOfAgentsOptions {
  /** The registry. Names are unique. */
  readonly agents: readonly RegisteredAgent[]
  /** @default 'internet-of-agents' */
  readonly name?: string
  /** The model that leads. @default the kernel's */
  readonly model?: ModelChoice
}

export interface InternetOfAgentsInput {
  readonly goal: string
  /** Turns of the conversation. Minimum 1. @default 20 */
  readonly turnsMax?: number
  /** How deep tasks may be given to teams of their own; 0: not at all. @default 1 */
  readonly depth?: number
}

export interface TeamTask {
  readonly id: string
  readonly task: string
  readonly assignees: readonly string[]
  readonly state: 'in-progress' | 'completed' | 'failed'
  /** What each of them gave, in their order. */
  readonly results: readonly string[]
}

export interface TeamMessage {
  readonly type:
    | 'discussion'
    | 'sync_task_assignment'
    | 'async_task_assignment'
    | 'pause'
    | 'inform_task_result'
    | 'conclusion'
  readonly from: string
  readonly content: string
}

export interface TeamConclusion {
  readonly answer: string
  readonly team: readonly string[]
  readonly tasks: readonly TeamTask[]
  readonly messages: readonly TeamMessage[]
}

/** As in the paper. */
const SEARCHES_MAX = 10
const SAID_CHARS_MAX = 4_000
/** Who leads the conversation. */
const MANAGER = 'manager'

/** A program that reaches its goal with a team out of the registry. It holds the tools of all who are registered. */
export function internetOfAgents({
  agents,
  name = 'internet-of-agents',
  model,
}: InternetOfAgentsOptions): Program<InternetOfAgentsInput, TeamConclusion> {
  const registry = createRegistry(agents)
  const program: Program<InternetOfAgentsInput, TeamConclusion> = defineProgram(
    name,
    async (sys, { goal, turnsMax = 20, depth = 1 }) => {
      const team = await formTeam(sys, registry, goal)
      const subteam = (task: string): Promise<number> => sys.spawn(program, { goal: task, turnsMax, depth: depth - 1 })
      return converse(sys, { goal, team, turnsMax, subteam: depth > 0 ? subteam : undefined })
    },
    {
      tools: [...new Set(agents.flatMap(({ program: { tools } }) => tools))],
      ...(model === undefined ? {} : { model }),
    },
  )
  return program
}

// ------------------------------------------------------------------------------------------------------- team formation

const FORM = `You form the team for a goal. Each time answer with one JSON object:
{"search": "what somebody should be able to do"} to find agents, or {"launch": ["name", …]} with agents that were found, once they are enough.`

async function formTeam(sys: Sys, registry: Registry, goal: string): Promise<readonly RegisteredAgent[]> {
  const found = new Map<string, RegisteredAgent>()
  const notes: string[] = []
  for (let searches = 0; searches < SEARCHES_MAX; searches++) {
    const said = await decide(sys, FORM, [`Goal: ${goal}`, ...notes])
    const launched = listOf(said['launch'])
    if (launched.length > 0) {
      const unknown = launched.filter((one) => !found.has(one))
      if (unknown.length === 0) return [...new Set(launched)].map((one) => found.get(one) as RegisteredAgent)
      notes.push(`Not found so far, and so no members: ${unknown.join(', ')}.`)
      continue
    }
    const query = textOf(said['search'])
    const hits = registry.find(query)
    for (const agent of hits) found.set(agent.name, agent)
    notes.push(`Search ${JSON.stringify(query)}: ${hits.map(describe).join('; ') || 'nobody'}.`)
  }
  if (found.size === 0)
    throw new PolityError('PROGRAM_FAILED', `no agent was found for ${JSON.stringify(goal.slice(0, 200))}`)
  return [...found.values()]
}

function describe({ name, description }: RegisteredAgent): string {
  return `${name} (${description})`
}

// --------------------------------------------------------------------------------------------------------- conversation

const LEAD = `You lead the conversation of a team. Each time answer with one JSON object, one of:
{"type": "discussion", "next": "member", "content": "what is asked of them"}
{"type": "sync_task", "tasks": [{"task": "…", "assignees": ["member", …], "team": false}]} and all wait until it is done
{"type": "async_task", "tasks": […]} and the conversation goes on
{"type": "pause", "until": ["task id", …]} waits for tasks that were given before
{"type": "conclude", "content": "the answer to the goal"}`

interface Conversation {
  readonly goal: string
  readonly team: readonly RegisteredAgent[]
  readonly turnsMax: number
  /** Starts a team of its own; undefined where that is deep enough. */
  readonly subteam: ((task: string) => Promise<number>) | undefined
}

type OpenTask = { -readonly [Key in keyof TeamTask]: TeamTask[Key] } & { ended: Promise<void> }

async function converse(sys: Sys, { goal, team, turnsMax, subteam }: Conversation): Promise<TeamConclusion> {
  const members = new Map(team.map((agent) => [agent.name, agent]))
  const messages: TeamMessage[] = []
  const tasks: OpenTask[] = []
  const say = (type: TeamMessage['type'], from: string, content: string): void =>
    void messages.push({ type, from, content: content.slice(0, SAID_CHARS_MAX) })
  const shown = (): string[] => [
    `Goal: ${goal}`,
    `Team: ${team.map(describe).join('; ')}`,
    ...messages.map(({ type, from, content }) => `${from} (${type}): ${content}`),
  ]

  /** What a member, or a team of its own, says to something; its failure in words. */
  async function ask(pid: Promise<number>): Promise<{ readonly isDone: boolean; readonly text: string }> {
    try {
      const value = await sys.wait(await pid)
      return { isDone: true, text: answerOf(value) }
    } catch (error) {
      return { isDone: false, text: `failed: ${messageOf(error)}` }
    }
  }

  function begin(type: 'sync_task_assignment' | 'async_task_assignment', given: unknown): readonly OpenTask[] | string {
    const wanted = (Array.isArray(given) ? given : []).map((one: unknown) => one as { readonly [key: string]: unknown })
    const strangers = wanted.flatMap((one) => listOf(one['assignees'])).filter((one) => !members.has(one))
    if (strangers.length > 0) return `No members: ${strangers.join(', ')}.`
    if (wanted.length === 0 || wanted.some((one) => listOf(one['assignees']).length === 0))
      return 'A task needs "task" and "assignees".'
    return wanted.map((one) => {
      const task = textOf(one['task'])
      const assignees = listOf(one['assignees'])
      const opened: OpenTask = {
        id: `t${tasks.length + 1}`,
        task,
        assignees,
        state: 'in-progress',
        results: [],
        ended: Promise.resolve(),
      }
      tasks.push(opened)
      say(type, MANAGER, `${opened.id}, ${assignees.join(', ')}: ${task}`)
      const work =
        one['team'] === true && subteam !== undefined
          ? [ask(subteam(task))]
          : assignees.map((name) => ask(sys.spawn((members.get(name) as RegisteredAgent).program, task)))
      opened.ended = Promise.all(work).then((ends) => {
        opened.results = ends.map(({ text }) => text)
        opened.state = ends.every(({ isDone }) => isDone) ? 'completed' : 'failed'
        say('inform_task_result', assignees.join(', '), `${opened.id} ${opened.state}: ${opened.results.join(' | ')}`)
      })
      return opened
    })
  }

  const wait = (which: readonly OpenTask[]): Promise<unknown> => Promise.all(which.map(({ ended }) => ended))

  for (let turn = 1; ; turn++) {
    const isLast = turn >= turnsMax
    if (isLast) await wait(tasks)
    const said = await decide(sys, isLast ? `${LEAD}\nThere is no time left: conclude.` : LEAD, shown())
    const type = isLast ? 'conclude' : said['type']
    const content = textOf(said['content'])
    if (type === 'conclude') {
      const open = tasks.filter(({ state }) => state === 'in-progress')
      if (open.length > 0) {
        await wait(open)
        say('pause', MANAGER, 'what was still under way has come in; conclude with it')
        continue
      }
      say('conclusion', MANAGER, content)
      return {
        answer: content,
        team: team.map(({ name }) => name),
        tasks: tasks.map(({ ended: _, ...task }) => task),
        messages,
      }
    }
    if (type === 'discussion') {
      const next = members.get(textOf(said['next']))
      say('discussion', MANAGER, `${next?.name ?? textOf(said['next'])}: ${content}`)
      if (next === undefined) say('discussion', MANAGER, `No member: ${textOf(said['next'])}.`)
      else say('discussion', next.name, (await ask(sys.spawn(next.program, shown().join('\n')))).text)
    } else if (type === 'sync_task' || type === 'async_task') {
      const begun = begin(`${type}_assignment`, said['tasks'])
      if (typeof begun === 'string') say('discussion', MANAGER, begun)
      else if (type === 'sync_task') await wait(begun)
    } else if (type === 'pause') {
      const until = listOf(said['until'])
      const waited = tasks.filter(({ id }) => until.includes(id))
      say('pause', MANAGER, waited.length === 0 ? `no task ${until.join(', ')} was given` : `until ${until.join(', ')}`)
      await wait(waited)
    } else say('discussion', MANAGER, `No such type: ${textOf(type)}.`)
  }
}

// -------------------------------------------------------------------------------------------------------------- model

/** One JSON object of the model; an empty one where it says something else. */
async function decide(
  sys: Sys,
  instructions: string,
  lines: readonly string[],
): Promise<{ readonly [key: string]: unknown }> {
  const { text } = await sys.generate({ instructions, prompt: lines.join('\n'), schema: { type: 'object' } })
  return (jsonIn(text) ?? {}) as { readonly [key: string]: unknown }
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : value === undefined ? '' : JSON.stringify(value)
}

function listOf(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.filter((one) => typeof one === 'string') : []
}

/** Of a team of its own: its answer. */
function answerOf(value: Json): string {
  const answer = typeof value === 'object' && value !== null && 'answer' in value ? value.answer : value
  return typeof answer === 'string' ? answer : JSON.stringify(answer)
}
