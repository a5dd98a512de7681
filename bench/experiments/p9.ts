/**
 * P9, hybrid verification: pools of 26 patches to a problem, some right. Regression tests pass most patches, right or wrong; of the
 * generated tests some tell right from wrong and some do not, and in one problem of eight they favour a kind of wrong patch; the verifier's word leans
 * to what is right with much noise, and has its own liking for one wrong patch in four. The three ways to choose meet the same pools. Ties share.
 */
import { chosen, type Candidate, type Verification } from '../../src/evaluation/hybrid.ts'
import { randomAt } from '../../src/kernel/clock.ts'
import { mean } from '../figures.ts'
import { normal, type Experiment } from './experiment.ts'

const POOL = 26
const PROBLEMS = 500

interface Patch extends Candidate {
  readonly isRight: boolean
}

function pool(seed: number, problem: number): Patch[] {
  let drawn = 0
  const draw = () => randomAt(seed, problem, drawn++)
  // How often the agent is right: never for some problems, mostly for others.
  const rate = draw() < 0.15 ? 0 : draw() ** 1.5
  const telling = Math.floor(draw() * 4)
  const isMisled = draw() < 1 / 8
  return Array.from({ length: POOL }, () => {
    const isRight = draw() < rate
    const isDecoy = !isRight && draw() < 0.25
    const regression = Array.from({ length: 5 }, () => draw() < (isRight ? 0.99 : 0.9)).filter(Boolean).length
    let tests = Array.from({ length: telling }, () => draw() < (isRight ? 0.85 : 0.35)).filter(Boolean).length
    if (isMisled && isDecoy) tests += 2
    const leaning = (isRight ? 1.1 : 0) + (isDecoy ? 1 : 0) + 1.2 * normal(draw(), draw())
    return { isRight, regression, tests, verifier: 1 / (1 + Math.exp(-leaning)) }
  })
}

/** Share of the chosen that are right. */
const share = (patches: readonly Patch[], by: Verification): number => {
  const places = chosen(patches, by)
  return places.filter((at) => patches[at]?.isRight === true).length / places.length
}

export const p9: Experiment = {
  id: 'P9',
  what: 'choice of one patch in pools of 26, 500 problems a seed',
  bar: 'hybrid ≥ the better of tests and verifier + .03',
  seeds: 20,
  run(seeds) {
    const rows = Array.from({ length: seeds }, (_, seed) => {
      const pools = Array.from({ length: PROBLEMS }, (_, problem) => pool(seed, problem))
      return {
        tests: mean(pools.map((one) => share(one, 'execution-based'))),
        verifier: mean(pools.map((one) => share(one, 'execution-free'))),
        hybrid: mean(pools.map((one) => share(one, 'hybrid'))),
        any: mean(pools.map((one) => (one.some(({ isRight }) => isRight) ? 1 : 0))),
      }
    })
    const of = (key: keyof (typeof rows)[number]) => mean(rows.map((row) => row[key]))
    const [tests, verifier, hybrid] = [of('tests'), of('verifier'), of('hybrid')]
    return {
      measured: `hybrid ${hybrid.toFixed(3)}, tests ${tests.toFixed(3)}, verifier ${verifier.toFixed(3)}, any right ${of('any').toFixed(3)}`,
      ok: hybrid >= Math.max(tests, verifier) + 0.03,
    }
  },
}
