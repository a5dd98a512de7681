/**
 * What a program or a tool is given, held against the form of what it takes.
 *
 *     const { document } = inputOf('present-agent', form, input)
 *     // INVALID_ARGUMENT: present-agent: pictures.0.caption: Invalid input: expected string, received number
 */
import type { z } from 'zod'
import { PolityError } from '../../kernel/errors.ts'

/** Things that are told of what is wrong; the first ones say enough. */
const ISSUES_MAX = 5

/** The input as the form reads it. Throws `INVALID_ARGUMENT` with what is wrong, and what is taken where `takes` says it. */
export function inputOf<Form extends z.ZodType>(at: string, form: Form, given: unknown, takes = ''): z.output<Form> {
  const { data, error } = form.safeParse(given)
  if (error === undefined) return data
  throw new PolityError('INVALID_ARGUMENT', `${at}: ${issuesOf(error)}${takes === '' ? '' : `; it takes ${takes}`}`)
}

/** What is wrong with it, each thing with its place, in one line. */
export function issuesOf({ issues }: z.ZodError): string {
  return issues
    .slice(0, ISSUES_MAX)
    .map(({ path, message }) => (path.length === 0 ? message : `${path.join('.')}: ${message}`))
    .join('; ')
}
