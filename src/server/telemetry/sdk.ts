/**
 * The official packages of OpenTelemetry, loaded when telemetry is asked for: they are optional.
 *
 *     const sdk = await loadOtel()      // throws CONFIG_INVALID that names the packages
 */
import { PolityError, fieldOf } from '../../kernel/errors.ts'

export interface Otel {
  readonly api: typeof import('@opentelemetry/api')
  readonly resources: typeof import('@opentelemetry/resources')
  readonly trace: typeof import('@opentelemetry/sdk-trace')
  readonly metrics: typeof import('@opentelemetry/sdk-metrics')
  readonly otlpTraces: typeof import('@opentelemetry/exporter-trace-otlp-http')
  readonly otlpMetrics: typeof import('@opentelemetry/exporter-metrics-otlp-http')
}

const packages = [
  '@opentelemetry/api',
  '@opentelemetry/resources',
  '@opentelemetry/sdk-trace',
  '@opentelemetry/sdk-metrics',
  '@opentelemetry/exporter-trace-otlp-http',
  '@opentelemetry/exporter-metrics-otlp-http',
]

let loading: Promise<Otel> | undefined

export function loadOtel(): Promise<Otel> {
  return (loading ??= load())
}

async function load(): Promise<Otel> {
  try {
    const [api, resources, trace, metrics, otlpTraces, otlpMetrics] = await Promise.all([
      import('@opentelemetry/api'),
      import('@opentelemetry/resources'),
      import('@opentelemetry/sdk-trace'),
      import('@opentelemetry/sdk-metrics'),
      import('@opentelemetry/exporter-trace-otlp-http'),
      import('@opentelemetry/exporter-metrics-otlp-http'),
    ])
    return { api, resources, trace, metrics, otlpTraces, otlpMetrics }
  } catch (error) {
    loading = undefined
    if (fieldOf(error, 'code') !== 'ERR_MODULE_NOT_FOUND') throw error
    throw new PolityError(
      'CONFIG_INVALID',
      `export by OpenTelemetry needs packages that are not installed: npm i ${packages.join(' ')}`,
      { cause: error },
    )
  }
}
