/**
 * What a process ended with, as the result of a tool of MCP.
 *
 *     return toResult(await run.result, offer)
 *     return failure(error)
 */
import type { CallToolResult } from '@modelcontextprotocol/server'
import { fromErrorData, toErrorData } from '../../kernel/errors.ts'
import type { Json } from '../../kernel/types.ts'
import { isRetryable } from '../status.ts'
import type { Offer } from './offers.ts'

/** The value of a process as the result of a tool. Content as MCP has it, such as that of an outside server, is passed on. */
export function toResult(value: Json, { outputSchema }: Pick<Offer, 'outputSchema'>): CallToolResult {
  if (isContent(value)) return { content: value.content } as unknown as CallToolResult
  const text = typeof value === 'string' ? value : JSON.stringify(value)
  const isObject = typeof value === 'object' && value !== null && !Array.isArray(value)
  return {
    content: [{ type: 'text', text }],
    ...(outputSchema !== undefined || isObject ? { structuredContent: value as { [key: string]: unknown } } : {}),
  }
}

const contentTypes = new Set(['text', 'image', 'audio', 'resource', 'resource_link'])

function isContent(value: Json): value is { readonly content: readonly Json[] } {
  if (typeof value !== 'object' || value === null || Object.keys(value).join() !== 'content') return false
  const { content } = value as { readonly content?: Json }
  return (
    Array.isArray(content) &&
    content.every((one: Json) => contentTypes.has(String((one as { readonly type?: Json } | null)?.type)))
  )
}

/** What a call ended with; whether to make it again stands in `_meta`, where programs look. */
export function failure(error: unknown): CallToolResult {
  const data = toErrorData(error)
  const { code, message } = data
  return {
    isError: true,
    content: [{ type: 'text', text: `${code}: ${message}` }],
    _meta: { 'polity/error': { code, message, retryable: isRetryable(fromErrorData(data)) } },
  }
}
