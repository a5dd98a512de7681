/**
 * One of the operating-system processes that share a provider key: a kernel that asks as much as it may, until it is told to
 * stop or is killed. Started by leases.test.ts.
 *
 *     fork('member.ts', [file of the shared limits, url of the provider, its limits as JSON, margin in ms])
 */
import { Agent, request } from 'node:http'
import { memoryStore } from '../../src/drivers/store/memory.ts'
import { openLeaseFile } from '../../src/drivers/store/lease-file.ts'
import type { LanguageModel } from '../../src/kernel/drivers.ts'
import { createKernel } from '../../src/kernel/kernel.ts'
import type { Sys } from '../../src/kernel/types.ts'
import type { ProviderLimits, ProviderRequest } from './provider.ts'

/** Calls that this kernel has waiting at any time. */
const WAITING = 24
const OUTPUT_TOKENS = 60
const TAKES_TOKENS = 40

const [path = '', url = '', json = '{}', marginMs = ''] = process.argv.slice(2)
const { slots, requests, tokens, windowMs } = JSON.parse(json) as ProviderLimits
const agent = new Agent({ keepAlive: true })

const model: LanguageModel = {
  specificationVersion: 'v4',
  provider: 'loopback',
  modelId: 'loopback',
  supportedUrls: {},
  doStream: () => Promise.reject(new Error('this model does not stream')),
  doGenerate: ({ maxOutputTokens = 0, abortSignal }) =>
    new Promise((resolve, reject) => {
      // Of what the kernel reserves for it the answer alone: the words of the prompt cost nothing here.
      const body: ProviderRequest = {
        reserved: maxOutputTokens,
        takes: TAKES_TOKENS,
        sentAt: performance.timeOrigin + performance.now(),
      }
      const sent = request(
        url,
        {
          method: 'POST',
          agent,
          headers: { authorization: 'the key' },
          ...(abortSignal ? { signal: abortSignal } : {}),
        },
        (response) => {
          response.resume()
          response.on('end', () => {
            if (response.statusCode !== 200)
              return reject(
                Object.assign(new Error('refused'), {
                  statusCode: response.statusCode,
                  responseHeaders: response.headers,
                }),
              )
            resolve({
              content: [{ type: 'text', text: 'yes' }],
              finishReason: { unified: 'stop', raw: undefined },
              usage: {
                inputTokens: { total: 0, noCache: 0, cacheRead: 0, cacheWrite: 0 },
                outputTokens: { total: TAKES_TOKENS, text: TAKES_TOKENS, reasoning: 0 },
              },
              warnings: [],
            })
          })
        },
      )
      sent.on('error', reject)
      sent.end(JSON.stringify(body))
    }),
}

const perMinute = 60_000 / windowMs
const kernel = createKernel({
  store: memoryStore(),
  leases: openLeaseFile(path),
  models: {
    server: {
      model,
      key: 'the key',
      slots,
      requestsPerMinute: requests * perMinute,
      tokensPerMinute: tokens * perMinute,
      rateWindowMs: windowMs,
    },
  },
  limits: { leaseMarginMs: Number(marginMs) },
})

let served = 0
const ask = async (sys: Sys): Promise<null> => {
  for (;;) {
    await sys.generate({ prompt: 'x', maxOutputTokens: OUTPUT_TOKENS })
    served++
  }
}
for (let i = 0; i < WAITING; i++) kernel.spawn(ask, null).result.catch(() => {})
process.send?.('ready')
process.on('message', () => {
  void kernel.close().then(() => {
    process.send?.(served)
    process.disconnect()
  })
})
