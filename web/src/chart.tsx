/** A chart of lines over time, drawn by uPlot. Lines differ by stroke and dash, not by colour alone. */
import { useEffect, useLayoutEffect, useRef } from 'react'
import uPlot from 'uplot'
import 'uplot/dist/uPlot.min.css'
import { clock } from './format.ts'
import { useTheme } from './theme.ts'

export interface ChartProps {
  readonly label: string
  readonly names: readonly string[]
  /** Seconds since 1970, then the values of each name. */
  readonly data: readonly (readonly number[])[]
  readonly write: (value: number) => string
  readonly max?: number
}

const HEIGHT = 190

export const strokes: readonly { readonly color: string; readonly dash: readonly number[] }[] = [
  { color: '--accent', dash: [] },
  { color: '--text', dash: [] },
  { color: '--muted', dash: [] },
  { color: '--accent', dash: [6, 4] },
  { color: '--text', dash: [6, 4] },
  { color: '--muted', dash: [2, 3] },
]

export function Chart({ label, names, data, write, max }: ChartProps) {
  const frame = useRef<HTMLDivElement>(null)
  const plot = useRef<uPlot>(undefined)
  const { isDark } = useTheme()
  const shape = names.join('\n')
  const latest = useRef({ data, write })
  latest.current = { data, write }

  useLayoutEffect(() => {
    const element = frame.current as HTMLDivElement
    const style = getComputedStyle(document.documentElement)
    const color = (name: string): string => style.getPropertyValue(name).trim()
    const font = '11px system-ui, sans-serif'
    const axis = { stroke: color('--muted'), font, ticks: { show: false }, grid: { stroke: color('--line'), width: 1 } }
    const made = new uPlot(
      {
        width: Math.max(100, element.clientWidth),
        height: HEIGHT,
        legend: { show: false },
        cursor: { show: false },
        padding: [8, 28, 0, 0],
        scales: { x: { time: true }, y: { range: (_, __, top) => [0, max ?? Math.max(10, top * 1.15)] } },
        axes: [
          { ...axis, grid: { show: false }, space: 90, size: 28, values: (_, at) => at.map((s) => clock(s * 1_000)) },
          { ...axis, size: 52, space: 34, values: (_, values) => values.map((value) => latest.current.write(value)) },
        ],
        series: [
          {},
          ...names.map((_, i) => {
            const { color: name, dash } = strokes[i % strokes.length] as (typeof strokes)[number]
            return { stroke: color(name), width: 1.5, dash: [...dash], points: { show: false } }
          }),
        ],
      },
      latest.current.data as unknown as uPlot.AlignedData,
      element,
    )
    plot.current = made
    const resized = new ResizeObserver(() =>
      made.setSize({ width: Math.max(100, element.clientWidth), height: HEIGHT }),
    )
    resized.observe(element)
    return () => {
      resized.disconnect()
      made.destroy()
    }
  }, [shape, isDark, max])

  useEffect(() => plot.current?.setData(data as unknown as uPlot.AlignedData), [data])

  return <div ref={frame} className="chart" role="img" aria-label={label} />
}

/** How a line looks, beside its name. */
export function Stroke({ index }: { readonly index: number }) {
  const { color, dash } = strokes[index % strokes.length] as (typeof strokes)[number]
  return (
    <svg className="stroke-mark" viewBox="0 0 22 6" aria-hidden="true">
      <line x1="0" x2="22" y1="3" y2="3" stroke={`var(${color})`} strokeWidth="2" strokeDasharray={dash.join(' ')} />
    </svg>
  )
}
