/**
 * Long-term memories by name: the same three sentences through several of them, and what each makes of a question about
 * something that has changed. The models' part is played by a script of what a model would find in a sentence.
 */
// prints: temporal-graph: 2023-09-01 Ann lives in Bergen.
import { longTermMemory } from '../src/agents/long-term-memory.ts'
import { temporalGraph } from '../src/agents/temporal-graph.ts'
import { promptText, scripted } from '../src/drivers/llm/scripted.ts'
import { boot } from '../src/index.ts'

const said = [
  { text: 'Ann: I live in Oslo.', at: Date.UTC(2020, 0, 1) },
  { text: 'Bob: I bought a boat.', at: Date.UTC(2021, 5, 1) },
  { text: 'Ann: I moved to Bergen.', at: Date.UTC(2023, 8, 1) },
]

const model = scripted(({ prompt }) => {
  const text = promptText(prompt)
  if (text.includes('Find what a text says')) {
    const place = /Oslo|Bergen/.exec(text)?.[0]
    if (place === undefined) return '{"entities": [], "facts": []}'
    const fact = { subject: 'Ann', relation: 'lives in', object: place, fact: `Ann lives in ${place}.` }
    return JSON.stringify({ entities: ['Ann', place], facts: [fact] })
  }
  // Where a new fact meets the known ones, it is the later home that counts.
  if (text.includes('New facts meet')) return '{"facts": [{"fact": 0, "same_as": null, "contradicts": [0]}]}'
  // A-MEM: what a note is about; that neighbours may stay as they are.
  return text.includes('neighbours')
    ? '{"should_evolve": false, "actions": [], "suggested_connections": [], "tags_to_update": [], "new_context_neighborhood": [], "new_tags_neighborhood": []}'
    : '{"keywords": ["home", "moved"], "context": "Where somebody lives.", "tags": ["life"]}'
})

const kernel = await boot({ model })
const run = kernel.spawn(async (sys) => {
  const lines: string[] = []
  for (const name of ['plain', 'a-mem', 'layered', 'temporal-graph'] as const) {
    const memory = longTermMemory(name)
    for (const item of said) await memory.add(sys, item)
    // As of 2024. The layered memory has forgotten by then: nothing made these notes important.
    const [best] = await memory.recall(sys, 'Where is Ann’s home now?', { at: Date.UTC(2024, 0, 1), limit: 1 })
    const day = best === undefined ? '' : new Date(best.validFrom).toISOString().slice(0, 10)
    lines.push(`${name}: ${best === undefined ? 'forgotten' : `${day} ${best.text}`}`)
  }
  const before = { subject: 'Ann', relation: 'lives in', at: Date.UTC(2022, 0, 1) }
  for (const fact of await temporalGraph().factsAt(sys, before)) lines.push(`in 2022: ${fact.text}`)
  return lines
}, null)
for (const line of await run.result) console.log(line)
await kernel.close()
