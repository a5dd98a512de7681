/**
 * The plots of the serving bench: what serving.ts found, drawn by Vega-Lite as SVG files for bench/README.md.
 *
 *     await drawPlots(summaries, people, folder)     // makespan.svg, growth.svg, turnaround.svg, people.svg
 *
 * Colours are those of Okabe and Ito (2008), told apart by the colour-blind too; every contestant has its own in all plots.
 * Ratios and times are on logarithmic scales, as they span two powers of ten: so they are drawn as points and lines, not bars.
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parse, View } from 'vega'
import type { TopLevelSpec } from 'vega-lite'
import { compile } from 'vega-lite'
import { percentile } from '../figures.ts'
import type { Summary } from './contest.ts'

/** People of the mixed workload with no flood beside them: their turnarounds, ms, sorted. */
export interface Alone {
  readonly agents: number
  readonly people: readonly number[]
}

export interface Plot {
  /** In the folder. */
  readonly file: string
  /** What it shows, for who cannot see it. */
  readonly title: string
}

const COLOURS = {
  serial: '#999999',
  'AIOS-like, 6': '#D55E00',
  'AIOS-like, 32': '#E69F00',
  unlimited: '#CC79A7',
  queue: '#F0E442',
  calls: '#56B4E9',
  agents: '#009E73',
  Polity: '#0072B2',
} as const
const colour = {
  field: 'contestant',
  type: 'nominal',
  title: null,
  scale: { domain: Object.keys(COLOURS), range: Object.values(COLOURS) },
} as const
interface Spec extends Record<string, unknown> {
  readonly title: string
}
/** Points of a curve: as many as an eye can tell apart. */
const CURVE_POINTS = 200

async function svgOf(spec: Spec): Promise<string> {
  const whole = {
    background: 'white',
    padding: 12,
    config: { font: 'sans-serif', axis: { labelFontSize: 11, titleFontSize: 12 }, legend: { labelFontSize: 12 } },
    ...spec,
  } as TopLevelSpec
  const view = new View(parse(compile(whole).spec), { renderer: 'none' })
  try {
    return await view.toSVG()
  } finally {
    view.finalize()
  }
}

/** Makespans to the lower bound: a row for each workload, a point for each contestant. */
function makespans(of: readonly Summary[]): Spec {
  return {
    title: `Makespan to the lower bound, ${(of[0] as Summary).agents.toLocaleString('en')} agents`,
    width: 560,
    height: { step: 34 },
    data: {
      values: of.flatMap(({ workload, boundMs, by }) =>
        [...by].map(([contestant, { makespanMs }]) => ({ workload, contestant, ratio: makespanMs / boundMs })),
      ),
    },
    mark: { type: 'point', filled: true, size: 110, opacity: 1 },
    encoding: {
      y: { field: 'workload', type: 'nominal', sort: null, title: null, axis: { grid: true, domain: false } },
      x: {
        field: 'ratio',
        type: 'quantitative',
        title: 'times the lower bound',
        scale: { type: 'log', domain: [0.95, 14], nice: false },
        axis: { values: [1, 1.5, 2, 3, 4, 6, 8, 12], format: '~r' },
      },
      color: colour,
    },
  }
}

/** Seconds an agent against the number of agents: what grows linearly is flat. */
function growth(summaries: readonly Summary[]): Spec {
  const sizes = [...new Set(summaries.map(({ agents }) => agents))]
  return {
    title: 'Makespan divided by the number of agents',
    data: {
      values: summaries.flatMap(({ workload, agents, by }) =>
        [...by].map(([contestant, { makespanMs }]) => ({
          workload,
          agents,
          contestant,
          seconds: makespanMs / agents / 1_000,
        })),
      ),
    },
    facet: { field: 'workload', type: 'nominal', title: null },
    columns: 5,
    spec: {
      width: 130,
      height: 180,
      mark: { type: 'line', point: { filled: true }, strokeWidth: 2 },
      encoding: {
        x: {
          field: 'agents',
          type: 'quantitative',
          scale: { type: 'log' },
          axis: { values: sizes, format: '~s', grid: false },
        },
        y: {
          field: 'seconds',
          type: 'quantitative',
          title: 's an agent',
          scale: { type: 'log' },
          axis: { values: [2, 4, 8, 16], format: '~r' },
        },
        color: colour,
      },
    },
  }
}

/** What share of the agents has ended within a time of their coming. */
function turnarounds({ workload, agents, by }: Summary): Spec {
  return {
    title: `${workload}, ${agents.toLocaleString('en')} agents: who has ended`,
    width: 560,
    height: 240,
    data: {
      values: [...by].flatMap(([contestant, { turnarounds: sorted }]) =>
        Array.from({ length: CURVE_POINTS + 1 }, (_, i) => ({
          contestant,
          share: i / CURVE_POINTS,
          seconds: percentile(sorted, i / CURVE_POINTS) / 1_000,
        })),
      ),
    },
    transform: [{ filter: 'datum.seconds > 0' }],
    mark: { type: 'line', strokeWidth: 2 },
    encoding: {
      x: {
        field: 'seconds',
        type: 'quantitative',
        title: 'seconds from its coming to its end',
        scale: { type: 'log' },
        axis: { format: '~s', tickCount: 6 },
      },
      y: { field: 'share', type: 'quantitative', title: 'share of the agents', axis: { format: '%' } },
      order: { field: 'share' },
      color: colour,
    },
  }
}

/** How long people wait beside a flood of batch agents, and what they would alone. */
function people({ agents, by }: Summary, alone: Alone): Spec {
  const p95 = (of: readonly number[]): number => percentile(of, 0.95) / 1_000
  return {
    title: `People beside ${agents.toLocaleString('en')} batch agents, 95th percentile of their turnaround`,
    width: 560,
    height: { step: 26 },
    layer: [
      {
        data: { values: [{ seconds: p95(alone.people), label: 'alone on the machine' }] },
        encoding: { x: { field: 'seconds', type: 'quantitative' } },
        layer: [
          { mark: { type: 'rule', strokeDash: [4, 4], color: '#444444' } },
          {
            mark: { type: 'text', align: 'left', dx: 5, y: 8, color: '#444444' },
            encoding: { text: { field: 'label' } },
          },
        ],
      },
      {
        data: { values: [...by].map(([contestant, one]) => ({ contestant, seconds: p95(one.people) })) },
        mark: { type: 'point', filled: true, size: 110, opacity: 1 },
        encoding: {
          y: { field: 'contestant', type: 'nominal', sort: '-x', title: null, axis: { grid: true, domain: false } },
          x: {
            field: 'seconds',
            type: 'quantitative',
            title: 'seconds',
            scale: { type: 'log' },
            axis: { format: '~s' },
          },
          color: { ...colour, legend: null },
        },
      },
    ],
  }
}

/**
 * Draws what was found into `folder`: the makespans and the turnarounds of the largest size at which all contestants but
 * `unlimited` ran everything, and how makespans grow over all sizes. `aloneOf` is empty where nobody ran the mixed workload.
 */
export async function drawPlots(
  summaries: readonly Summary[],
  aloneOf: readonly Alone[],
  folder: string,
): Promise<Plot[]> {
  const ran = ({ by }: Summary): number => by.size - (by.has('unlimited') ? 1 : 0)
  const most = Math.max(...summaries.map(ran))
  const isComplete = (size: number): boolean => summaries.every((one) => one.agents !== size || ran(one) === most)
  const size = Math.max(...summaries.map(({ agents }) => agents).filter(isComplete))
  const largest = summaries.filter(({ agents }) => agents === size)
  const mixed = largest.find(({ workload }) => workload === 'mixed')
  const alone = aloneOf.find(({ agents }) => agents === size)
  const specs: Record<string, Spec> = {
    makespan: makespans(largest),
    growth: growth(summaries),
    turnaround: turnarounds(largest[0] as Summary),
    ...(mixed !== undefined && alone !== undefined && { people: people(mixed, alone) }),
  }
  mkdirSync(folder, { recursive: true })
  const drawn: Plot[] = []
  for (const [name, spec] of Object.entries(specs)) {
    const file = `${name}.svg`
    writeFileSync(join(folder, file), await svgOf(spec))
    drawn.push({ file, title: spec.title })
  }
  return drawn
}
