/** All experiments: what the files of this folder that are named after one export, in the order of their ids. */
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import type { Experiment } from './experiment.ts'

/** @throws where such a file exports no experiment under its own name */
export async function experiments(): Promise<readonly Experiment[]> {
  const files = readdirSync(import.meta.dirname).filter((name) => /^[a-z]\d+.*\.ts$/.test(name))
  const all = await Promise.all(files.map(experimentOf))
  return all.sort((a, b) => a.id.localeCompare(b.id, 'en', { numeric: true }))
}

/** Of a file, what it exports under its own name: `p4` of p4.ts, `c8Choosers` of c8-choosers.ts. */
async function experimentOf(file: string): Promise<Experiment> {
  const name = file.replace(/\.ts$/, '').replaceAll(/-(\w)/g, (_, letter: string) => letter.toUpperCase())
  const exported = (await import(join(import.meta.dirname, file))) as { [name: string]: unknown }
  const found = exported[name] as Experiment | undefined
  if (found === undefined) throw new Error(`bench/experiments/${file} exports no experiment "${name}"`)
  return found
}
