/** One question to a model outside of any kernel: the text of its answer. */
import type { LanguageModel } from '../kernel/drivers.ts'

export async function say(model: LanguageModel, prompt: string): Promise<string> {
  const { content } = await model.doGenerate({
    prompt: [{ role: 'user', content: [{ type: 'text', text: prompt }] }],
    temperature: 0,
  })
  return content.map((part) => (part.type === 'text' ? part.text : '')).join('')
}
