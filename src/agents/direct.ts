/** One model call, no tools: the smallest agent, and the baseline that every other one has to beat. */
import { defineProgram } from '../kernel/program.ts'

export interface DirectInput {
  readonly question: string
  readonly instructions?: string
}

export const direct = defineProgram('direct', async (sys, { question, instructions }: DirectInput) => {
  const { text } = await sys.generate(
    instructions === undefined ? { prompt: question } : { prompt: question, instructions },
  )
  return text
})
