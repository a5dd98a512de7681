/**
 * What a program, a tool or a request is given, held against the form of what it takes: a Standard Schema, such as zod's.
 *
 *     const { document } = inputOf('present-agent', form, input)
 *     // INVALID_ARGUMENT: present-agent: pictures.0.caption: Invalid input: expected string, received number
 *
 * Invariant
 *   IF1. What is wrong is told in one line, each thing with its place, and never more than the first ISSUES_MAX.
 */
import type { StandardSchemaV1 } from '@standard-schema/spec'
import { PolityError } from './errors.ts'

/** Things that are told of what is wrong: the others show when these are mended. */
const ISSUES_MAX = 5

/** The input as the form reads it. Throws `INVALID_ARGUMENT` with what is wrong, and what is taken where `takes` says it. */
export function inputOf<Form extends StandardSchemaV1>(
  at: string,
  form: Form,
  given: unknown,
  takes = '',
): StandardSchemaV1.InferOutput<Form> {
  return readAs(
    form,
    given,
    (what) => new PolityError('INVALID_ARGUMENT', `${at}: ${what}${takes === '' ? '' : `; it takes ${takes}`}`),
  )
}

/** A value as the form reads it; otherwise throws what `wrong` makes of what is wrong with it. */
export function readAs<Form extends StandardSchemaV1>(
  form: Form,
  value: unknown,
  wrong: (what: string) => PolityError,
): StandardSchemaV1.InferOutput<Form> {
  const result = form['~standard'].validate(value)
  if (result instanceof Promise) throw wrong('its schema checks asynchronously; it has to answer at once')
  if (result.issues !== undefined) throw wrong(issuesOf(result))
  return result.value as StandardSchemaV1.InferOutput<Form>
}

/** What is wrong with a value, each thing with its place, in one line. */
export function issuesOf({ issues }: Pick<StandardSchemaV1.FailureResult, 'issues'>): string {
  return issues
    .slice(0, ISSUES_MAX)
    .map(({ path = [], message }) => {
      const place = path.map((step) => String(typeof step === 'object' ? step.key : step)).join('.')
      return place === '' ? message : `${place}: ${message}`
    })
    .join('; ')
}
