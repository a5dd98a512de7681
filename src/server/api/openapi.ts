/**
 * The OpenAPI 3.1 document of the native API, made of its operations and their schemas.
 *
 *     openapiOf(operations)
 */
import { z } from 'zod'
import type { ErrorCode } from '../../kernel/errors.ts'
import { errorTable } from '../../kernel/errors.ts'
import type { Json } from '../../kernel/types.ts'
import { statusTable } from '../status.ts'
import type { Described } from './operation.ts'
import { API_PATH } from './operation.ts'
import { components, json as anything, named } from './schema.ts'

export const Document = named('Document', 'An OpenAPI 3.1 document', z.record(z.string(), anything))
export type Document = z.infer<typeof Document>

type Schema = { [key: string]: Json }

/** Errors that every operation with a key may answer. */
const common: readonly ErrorCode[] = ['INVALID_ARGUMENT', 'KERNEL_CLOSED']

export function openapiOf(operations: readonly Described[]): Schema {
  const paths: { [path: string]: { [method: string]: Json } } = {}
  for (const one of operations) {
    const path = API_PATH + one.path.replaceAll(/:(\w+)/g, '{$1}')
    ;(paths[path] ??= {})[one.method.toLowerCase()] = operationOf(one)
  }
  const { schemas } = z.toJSONSchema(components, { io: 'input', uri: refOf })
  return {
    openapi: '3.1.0',
    info: {
      title: 'Polity',
      version: '1',
      description: 'The native API of `polity serve`: processes, their journals, memory, and the machine.',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: '/' }],
    security: [{ key: [] }],
    paths,
    components: {
      securitySchemes: {
        key: {
          type: 'http',
          scheme: 'bearer',
          description: 'An API key of `polity key create`. A loopback server without keys needs none.',
        },
      },
      responses: {
        Error: {
          description: 'An error of the table (docs/errors.md).',
          content: { 'application/json': { schema: errorSchema } },
        },
      },
      schemas: Object.fromEntries(
        Object.entries(schemas).map(([id, schema]) => {
          const { $id: _, $schema: __, ...rest } = schema as Schema
          return [id, rest]
        }),
      ),
    },
  }
}

const errorSchema: Schema = {
  type: 'object',
  required: ['error'],
  properties: {
    error: {
      type: 'object',
      required: ['code', 'message', 'todo', 'retryable'],
      properties: {
        code: { type: 'string', enum: Object.keys(errorTable) },
        message: { type: 'string' },
        todo: { type: 'string', description: 'What can be done about it' },
        retryable: {
          type: 'boolean',
          description:
            'Whether the same request may succeed later without a change; `retry-after` says when, where that is known',
        },
        detail: { description: 'Facts for programs, such as the rule that denied' },
      },
    },
  },
}

function operationOf({
  id,
  path,
  scope,
  summary,
  description,
  query,
  body,
  status,
  reply,
  isStream,
  isOnce,
  errors = [],
}: Described): Json {
  const parameters = [
    ...[...path.matchAll(/:(\w+)/g)].map(([, name]) => ({
      name: name as string,
      in: 'path',
      required: true,
      schema: name === 'note' ? { type: 'string' } : { type: 'integer', minimum: 0 },
    })),
    ...(query === undefined ? [] : parametersOf(query)),
    ...(isStream === true
      ? [{ name: 'Last-Event-ID', in: 'header', required: false, schema: { type: 'integer' } }]
      : []),
    ...(isOnce === true
      ? [
          {
            name: 'Idempotency-Key',
            in: 'header',
            required: false,
            description:
              'Of the caller’s choice. Several tries with one key do it once and answer the same process, also after a restart, as long as that has a journal; another request with the key is refused',
            schema: { type: 'string', minLength: 1, maxLength: 200 },
          },
        ]
      : []),
  ]
  const content = isStream === true ? { 'text/event-stream': { schema: schemaOf(reply) } } : json(reply)
  return {
    operationId: id,
    summary,
    ...(description === undefined ? {} : { description }),
    tags: [path.split('/')[1] ?? ''],
    ...(scope === null ? { security: [] } : { 'x-scope': scope }),
    ...(parameters.length === 0 ? {} : { parameters: parameters as Json }),
    ...(body === undefined ? {} : { requestBody: { required: !body.safeParse({}).success, content: json(body) } }),
    responses: {
      [status ?? 200]: {
        description: isStream === true ? 'Events, each with data of this form' : 'The answer',
        content,
      },
      ...errorsOf(
        scope === null ? errors : [...common, ...errors, ...(isOnce === true ? (['KEY_REUSED'] as const) : [])],
      ),
      ...(scope === null
        ? {}
        : {
            401: { $ref: '#/components/responses/Error' },
            403: { $ref: '#/components/responses/Error' },
          }),
    },
  }
}

/** Responses that are errors, by their status. */
function errorsOf(codes: readonly ErrorCode[]): { [status: string]: Json } {
  return Object.fromEntries(codes.map((code) => [statusTable[code], { $ref: '#/components/responses/Error' }]))
}

function parametersOf(query: z.ZodObject): Json[] {
  const { properties = {}, required = [] } = schemaOf(query) as {
    properties?: { [name: string]: Schema }
    required?: string[]
  }
  return Object.entries(properties).map(([name, { description, ...schema }]) => ({
    name,
    in: 'query',
    required: required.includes(name),
    ...(description === undefined ? {} : { description }),
    schema,
  }))
}

function json(schema: z.ZodType): Schema {
  return { 'application/json': { schema: schemaOf(schema) } }
}

/** By reference where it is one of the named ones. */
function schemaOf(schema: z.ZodType): Schema {
  const known = components.get(schema)
  if (known !== undefined) return { $ref: refOf(known.id) }
  const { $schema: _, ...rest } = z.toJSONSchema(schema, { io: 'input' }) as Schema
  return rest
}

function refOf(id: string): string {
  return `#/components/schemas/${id}`
}
