/**
 * Another operating-system process, which takes up generations that were interrupted in the first one:
 *
 *     node test/llama-elsewhere.ts <model> <state folder> < calls.json > answers.json
 */
import type { LanguageModelV4CallOptions } from '@ai-sdk/provider'
import { llama } from '../src/drivers/llm/llama.ts'
import { contextTokens, goOnFrom } from './llama-turns.ts'
import type { Piece } from './llama-turns.ts'

const [path = '', stateFolder = ''] = process.argv.slice(2)
const chunks: Buffer[] = []
for await (const chunk of process.stdin) chunks.push(chunk as Buffer)
const asked = JSON.parse(Buffer.concat(chunks).toString()) as { call: LanguageModelV4CallOptions; state: string }[]
const model = await llama(path, { gpu: false, contextTokens, stateFolder, format: 'chatML' })
const pieces: Piece[] = []
for (const { call, state } of asked) pieces.push(await goOnFrom(model, call, state))
process.stdout.write(JSON.stringify(pieces))
await model.close()
