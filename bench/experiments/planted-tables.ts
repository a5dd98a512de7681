/**
 * Planted public data: three real tables in a SQLite file, a question whose answer is known, and a scripted team of analysts of whom one goes wrong
 * once. Whoever is scripted knows nothing but its prompt.
 *
 *     const data = plantTables(path, 3)                          // { question, mean, datasets }
 *     const says = analysts(data, 'discovery')                   // what the model says to a prompt
 */
import { DatabaseSync } from 'node:sqlite'
import { randomAt } from '../../src/kernel/clock.ts'
import type { Dataset } from '../../src/drivers/tables.ts'

/** Where the fault is planted. */
export const publicSources = ['intent', 'discovery', 'analysis', 'report'] as const
export type PublicSource = (typeof publicSources)[number] | 'none'

export interface PlantedTables {
  readonly seed: number
  readonly question: string
  readonly city: string
  readonly year: number
  /** Mean of the months, mm. */
  readonly mean: number
  readonly sum: number
  readonly datasets: readonly Dataset[]
}

const CITIES = ['Oslo', 'Rome', 'Lima', 'Cairo', 'Quito']
const OLD_UNTIL = 1989

export function plantTables(path: string, seed: number): PlantedTables {
  const city = CITIES[Math.floor(randomAt(seed, 1, 0) * CITIES.length)] as string
  const year = 1995 + Math.floor(randomAt(seed, 1, 1) * 25)
  const months: number[] = []
  const database = new DatabaseSync(path)
  database.exec('create table rain (city text, year integer, month integer, mm real)')
  database.exec('create table rain_old (city text, year integer, month integer, mm real)')
  database.exec('create table museums (city text, visitors integer)')
  const rain = database.prepare('insert into rain values (?, ?, ?, ?)')
  const old = database.prepare('insert into rain_old values (?, ?, ?, ?)')
  const museums = database.prepare('insert into museums values (?, ?)')
  database.exec('begin')
  let drawn = 0
  for (const one of CITIES) {
    museums.run(one, Math.floor(randomAt(seed, 3, drawn++) * 1e6))
    for (let at = 1980; at < 2020; at++)
      for (let month = 1; month <= 12; month++) {
        const mm = Math.round(randomAt(seed, 2, drawn++) * 2_000) / 10
        ;(at <= OLD_UNTIL ? old : rain).run(one, at, month, mm)
        if (one === city && at === year) months.push(mm)
      }
  }
  database.exec('commit')
  database.close()
  const sum = months.reduce((all, mm) => all + mm, 0)
  return {
    seed,
    question: `How much did it rain in ${city} in ${year}?`,
    city,
    year,
    mean: sum / 12,
    sum,
    datasets: [
      {
        id: 'rainfall',
        table: 'rain',
        title: 'Rainfall by month',
        description: 'Rain in mm, by city, year and month, from 1990 on.',
      },
      {
        id: 'rainfall-archive',
        table: 'rain_old',
        title: 'Rainfall by month, archive',
        description: `Rain in mm, by city, year and month, until ${OLD_UNTIL}.`,
      },
      { id: 'museums', table: 'museums', title: 'Museums', description: 'Visitors of museums by city, rain or shine.' },
    ],
  }
}

/** Documents of a prompt by name. */
const part = (prompt: string, name: string): string => (prompt.split(`# ${name}\n`)[1] ?? '').split(/\n\n# /)[0] ?? ''

export interface AnalystOptions {
  /** Is told whom the critic blamed. */
  readonly onVerdict?: (stage: string) => void
}

/** Without an intent, how much it rained is a sum to them; who makes it precise knows that means of months are asked for here. */
export function analysts(source: PublicSource, { onVerdict }: AnalystOptions = {}) {
  return (prompt: string): object => {
    const isBack = prompt.includes('# Why it was sent back')
    const [, place = '', time = ''] = /rain in (\w+) in (\d+)\?/.exec(prompt) ?? []
    if (prompt.includes('Make the question precise'))
      return {
        measure: 'mean monthly rainfall',
        place: source === 'intent' && !isBack ? 'Atlantis' : place,
        time,
        grain: 'the year',
        filters: [],
      }
    const intent = part(prompt, 'intent')
    const city = /"place": "(\w+)"/.exec(intent)?.[1] ?? place
    const year = /"time": "(\d+)"/.exec(intent)?.[1] ?? time
    if (prompt.includes('Choose the data sets')) {
      const isWrong = source === 'discovery' && !isBack
      const tables = JSON.parse(part(prompt, 'data sets').replace(/\nassistant:[\s\S]*$/, '')) as {
        id: string
        description: string
      }[]
      const right = tables.find(({ description }) => /from 1990 on/.test(description))
      const wrong = tables.find(({ description }) => description.includes(`until ${OLD_UNTIL}`))
      const { id = '' } = (isWrong ? wrong : right) ?? {}
      return { datasets: [id], columns: [{ dataset: id, column: 'mm', means: 'rain' }] }
    }
    if (prompt.includes('Write the plan and one SELECT')) {
      const table = /"table": "(\w+)"/.exec(part(prompt, 'discovery'))?.[1] ?? 'rainfall_data'
      const column = source === 'analysis' && !isBack ? 'millimetres' : 'mm'
      const measure = intent.includes('mean monthly') ? 'avg' : 'sum'
      return {
        plan: measure,
        sql: `select ${measure}(${column}) as mm from ${table} where city = '${city}' and year = ${year}`,
      }
    }
    if (prompt.includes('cannot be right')) {
      const asked = /rain in (\w+) in/.exec(part(prompt, 'question'))?.[1]
      const isOld = part(prompt, 'discovery').includes(`until ${OLD_UNTIL}`) && Number(year) > OLD_UNTIL
      const stage = asked !== city ? 'intent' : isOld ? 'discovery' : 'analysis'
      onVerdict?.(stage)
      return { stage, why: 'It does not fit the question.' }
    }
    const value = Number(/"rows": \[\s*\[\s*([\d.]+)/.exec(part(prompt, 'result'))?.[1] ?? 12.3)
    const shown = (source === 'report' && !isBack ? value + 5 : value).toFixed(1)
    const [, dataset = 'rainfall'] = /"datasets": \[\s*"([\w-]+)"/.exec(part(prompt, 'discovery')) ?? []
    return { text: `In ${city} it rained ${shown} mm in ${year}.`, datasets: [dataset] }
  }
}
