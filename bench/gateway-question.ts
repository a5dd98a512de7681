/** What the benches of the gateway ask, and what the model behind it answers. */

/** About 200 tokens, with a tool and a schema, as agents send them. */
export const question = {
  model: 'up/stream',
  messages: [
    { role: 'system', content: 'You are a careful assistant who answers in one paragraph.' },
    { role: 'user', content: 'word '.repeat(120) },
  ],
  tools: [
    {
      type: 'function',
      function: { name: 'look', parameters: { type: 'object', properties: { at: { type: 'string' } } } },
    },
  ],
  temperature: 0.2,
  max_tokens: 200,
}

export const said = 'word '.repeat(50)

/** The same as a whole answer of a model server. */
export const wholeAnswer = {
  id: 'x',
  object: 'chat.completion',
  model: question.model,
  choices: [{ index: 0, message: { role: 'assistant', content: said }, finish_reason: 'stop' }],
  usage: { prompt_tokens: 200, completion_tokens: 50, total_tokens: 250 },
}
