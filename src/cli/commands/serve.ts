/** `polity serve [file.ts…]`: the kernel as a service that other people's agents run on. */
import type { Price } from '../../kernel/types.ts'
import { messageOf } from '../../kernel/errors.ts'
import type { Kernel } from '../../kernel/kernel.ts'
import type { Limits } from '../../kernel/limits.ts'
import { nearest } from '../../kernel/known-keys.ts'
import { checkLimits, defaultLimits } from '../../kernel/limits.ts'
import { listKeys, opens } from '../../server/keys.ts'
import type { ServerLimits } from '../../server/limits.ts'
import { checkServerLimits, defaultServerLimits } from '../../server/limits.ts'
import { checkServe, serve as serveKernel } from '../../server/serve.ts'
import { counted } from '../amounts.ts'
import type { Context } from '../command.ts'
import { defineCommand } from '../command.ts'
import { embedderOption, priceOf, usageError } from '../options.ts'
import { exitCodeOfSignal } from '../report.ts'
import type { Serving } from '../serving.ts'
import { bootServing } from '../serving.ts'
import { modelDefault } from '../setup.ts'
import { cacheDefault, ownerOf } from '../store-file.ts'

const PORT = 7070
const FILES_MAX = 1_000
/** Of the 5 s after which a command that was interrupted is ended (main.ts), what clients get to hear their answers, ms. */
const DRAIN_MS = 2_500
/** How often the store is looked after, ms: a kernel whose store has failed serves nothing more. */
const HEALTH_MS = 1_000

export const serve = defineCommand({
  name: 'serve',
  summary: 'serve models and programs to other agents over HTTP',
  usage: '[file.ts…]',
  positionals: [0, FILES_MAX],
  options: {
    port: {
      kind: 'whole',
      value: 'n',
      range: [0, 65_535],
      help: `port to listen on; 0 takes any free one (default ${PORT})`,
    },
    host: {
      kind: 'text',
      value: 'address',
      help: 'address to listen on (default 127.0.0.1); beyond this machine it needs a key',
    },
    model: {
      kind: 'texts',
      value: 'provider/model',
      help: `a model to serve, the first by default (default ${modelDefault})`,
    },
    ...embedderOption,
    in: { kind: 'texts', value: 'path', help: 'a folder or file that programs may search and read' },
    law: { kind: 'text', value: 'file', help: 'a law: which calls are allowed' },
    'client-tools': {
      kind: 'text',
      value: 'file',
      help: 'what calls of the tools of clients mean to the law: JSON, by name or pattern',
    },
    price: {
      kind: 'texts',
      value: '[model=]in/out',
      help: 'US dollars for a million tokens in and out, of one model or of all',
    },
    'allow-origin': {
      kind: 'texts',
      value: 'origin',
      help: 'a web page may use the server, such as https://app.example.com',
    },
    'allow-host': {
      kind: 'texts',
      value: 'name',
      help: 'a name under which others reach the server, such as that of a proxy',
    },
    push: {
      kind: 'flag',
      help: 'tell webhooks that A2A clients name what becomes of their tasks',
    },
    cache: {
      kind: 'whole',
      value: 'MiB',
      range: [1],
      help: `RAM for what is read again and again of notes and searches (default ${cacheDefault})`,
    },
    limit: {
      kind: 'texts',
      value: 'name=n',
      help: 'another limit of the kernel or the server than its default, such as processesKeptMax=10000 or bodyBytesMax=16000000',
    },
    'push-host': {
      kind: 'texts',
      value: 'host',
      help: 'a host of this machine or a private network that webhooks may be on; implies --push',
    },
    otlp: {
      kind: 'flag',
      help: 'send traces and metrics to the OpenTelemetry collector that OTEL_EXPORTER_OTLP_ENDPOINT names (default http://localhost:4318)',
    },
  },
  details:
    'Without a file only models are served. All programs that the files export can be run by name: those of defineProgram and defineAgent, and an async function by default. Everything is written into the store, as with `polity run`; Ctrl-C stops what runs, so that it can be resumed. ' +
    'On this machine no key is needed until there is one; `polity key create` makes it.',
  examples: [
    'polity serve',
    'polity serve clerk.ts --model openai/gpt-5-mini --price 0.25/2 --law clerk.json',
    'polity serve --host 0.0.0.0 --allow-host agents.example.com',
    'OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:4318 polity serve --otlp',
  ],
  async run(context, { values, positionals }) {
    const port = values.port ?? PORT
    // An address behind --otlp would be taken for a file.
    const address = values.otlp ? positionals.find((one) => /^https?:\/\//.test(one)) : undefined
    if (address !== undefined)
      throw usageError(`--otlp takes no address: OTEL_EXPORTER_OTLP_ENDPOINT=${address} polity serve --otlp`)
    const limits = limitsOf(values.limit)
    const place = {
      store: context.storePath,
      port,
      ...(values.host === undefined ? {} : { host: values.host }),
      allowHosts: values['allow-host'],
      clock: context.clock,
    }
    // Before a store is made, or anything goes on in it. One that another kernel has is told of first: no port helps there.
    if (!ownerOf(context.storePath).isOwned) await checkServe(place)
    const serving = await bootServing(context, {
      files: positionals,
      models: values.model,
      embedder: values.embedder,
      prices: pricesOf(values.price),
      law: values.law,
      clientTools: values['client-tools'],
      in: values.in,
      cache: values.cache,
      limits: limits.kernel,
      serverLimits: limits.server,
      otlp: values.otlp,
      pushHosts: values.push || values['push-host'].length > 0 ? values['push-host'] : undefined,
    })
    const { kernel, doors, sources } = serving
    try {
      if (sources !== undefined) context.note(context.err.paint('dim', sources.summary))
      const server = await serveKernel({
        ...place,
        kernel,
        doors,
        allowOrigins: values['allow-origin'],
        limits: { drainMs: DRAIN_MS, ...limits.server },
        onError: (error, { method, url }) => {
          if (context.isDebug) console.error(error)
          context.warn(`polity: ${method} ${url?.split('?')[0]}: ${messageOf(error)}`)
        },
      })
      describe(context, serving, server.url)
      const failed = await ended(context, kernel)
      if (failed === undefined) context.note('stopping; once more leaves at once')
      await server.close()
      if (failed !== undefined) throw failed
      return exitCodeOfSignal(context.interrupted.reason)
    } finally {
      await serving.close()
    }
  },
})

/** Resolves when a person, or what started the command, ends it; with an error when the kernel has come to an end. */
function ended({ clock, interrupted }: Context, kernel: Kernel): Promise<unknown> {
  return new Promise((resolve) => {
    let timer = clock.after(HEALTH_MS, look)
    function look(): void {
      kernel.flush().then(
        () => void (timer = clock.after(HEALTH_MS, look)),
        (error: unknown) => resolve(error),
      )
    }
    const stop = (): void => {
      timer.cancel()
      resolve(undefined)
    }
    if (interrupted.aborted) stop()
    else interrupted.addEventListener('abort', stop, { once: true })
  })
}

function describe(context: Context, { kernel, programs, models, sources, telemetry }: Serving, url: string): void {
  const entries = listKeys(context.storePath)
  const keys = entries.filter((one) => opens(one, context.clock.now())).length
  // As in openKeys: one that opens nothing any more is reason enough that one is needed.
  const needsKey = entries.length > 0
  const names = [...new Set(programs.map(({ name }) => name))]
  const stopped = kernel.ps().filter(({ parent, state }) => parent === null && state === 'stopped')
  const lines = [
    `${context.out.paint('bold', url)}  ${context.storePath}`,
    `models    ${models.join(', ')}`,
    ...(names.length === 0 ? [] : [`programs  ${names.join(', ')}`]),
    ...(sources === undefined
      ? []
      : ['folders   for programs, such as research; a model that is called by itself does not read them']),
    `keys      ${keysText(context, keys, needsKey)}`,
    ...(telemetry === undefined ? [] : [`telemetry ${telemetry}`]),
    ...(stopped.length === 0
      ? []
      : [
          `stopped   ${counted(stopped.length, 'run')} of an earlier life, such as ${stopped[0]?.pid} (${stopped[0]?.program}); go on with one in the dashboard, or: ${context.commandLine(`resume ${stopped[0]?.pid}`)}`,
        ]),
    'To run another agent on it:',
    `export OPENAI_BASE_URL=${url}/v1`,
    `export OPENAI_API_KEY=${needsKey ? 'polity_…' : 'none'}`,
  ]
  context.result(lines.join('\n'), { url, store: context.storePath, models, programs: names, keys, needsKey })
}

/** `open`: how many open something now. */
function keysText({ commandLine }: Context, open: number, needsKey: boolean): string {
  const create = commandLine('key create <principal>')
  if (!needsKey) return `none: everybody on this machine may do everything; ${create} ends that`
  if (open === 0) return `all were revoked or have expired: nobody is let in; ${create} makes another`
  return `${counted(open, 'key')}: ${commandLine('key list')}`
}

function pricesOf(given: readonly string[]): ReadonlyMap<string, Price> {
  return new Map(
    given.map((text) => {
      const at = text.lastIndexOf('=')
      return [at < 0 ? '' : text.slice(0, at), priceOf(text.slice(at + 1)) as Price]
    }),
  )
}

/** Throws `CONFIG_INVALID` where a value is no good one. */
function limitsOf(given: readonly string[]): {
  readonly kernel: Partial<Limits>
  readonly server: Partial<ServerLimits>
} {
  const kernel: { [name: string]: number } = {}
  const server: { [name: string]: number } = {}
  for (const text of given) {
    const [, name, value] = /^(\w+)=(.+)$/.exec(text) ?? []
    if (name === undefined || !(Number(value) > 0))
      throw usageError(`--limit takes a name and a number above 0, such as processesKeptMax=10000, not ${text}`)
    if (Object.hasOwn(defaultLimits, name)) kernel[name] = Number(value)
    else if (Object.hasOwn(defaultServerLimits, name)) server[name] = Number(value)
    else {
      const near = nearest(name, [...Object.keys(defaultLimits), ...Object.keys(defaultServerLimits)])
      throw usageError(
        `there is no limit ${name}; ${near === undefined ? 'those of the kernel are in docs/kernel/limits.md, those of the server in docs/server.md' : `did you mean ${near}?`}`,
      )
    }
  }
  checkLimits(kernel)
  checkServerLimits(server)
  return { kernel, server }
}
