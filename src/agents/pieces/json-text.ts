/** The JSON object in a text, also between other words; undefined where there is none. */
export function jsonIn(text: string): unknown {
  try {
    return JSON.parse(/\{[\s\S]*\}/.exec(text)?.[0] ?? '') as unknown
  } catch {
    return undefined
  }
}
