/**
 * A scripted model that answers by its prompt: text, or an object, which is said as JSON.
 *
 *     const model = answering((prompt) => (prompt.includes('Outline') ? { sections: [] } : 'done'))
 *
 * The prompt is all its text, role by role (`promptText`). A call fails with what the script throws.
 */
import { promptText, scripted, type ScriptedModel } from './scripted.ts'

/** What a model says to a prompt. */
export type Says = (prompt: string) => string | object

export function answering(says: Says): ScriptedModel {
  return scripted(({ prompt }) => {
    const said = says(promptText(prompt))
    return typeof said === 'string' ? said : JSON.stringify(said)
  })
}
