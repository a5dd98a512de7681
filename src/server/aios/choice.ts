/**
 * LLMs as AIOS names them, and the cores that they are.
 *
 *     llmsOf(['openai/gpt-x', 'local'])           // [{ name: 'gpt-x', backend: 'openai', … }, { name: 'local', … }]
 *     coresOf([{ name: 'gpt-x', backend: 'openai' }], cores)    // ['openai/gpt-x']; undefined where one is not there
 *
 * A core's name is `backend/name`. AIOS's SDK says `backend` where its server says `provider`: both are understood, and
 * both are told, so that what was listed can be sent back as it is.
 */
import type { LlmChoice } from './query.ts'

/** A core as AIOS lists it. */
export interface Llm {
  readonly name: string
  readonly backend: string
  readonly provider: string
}

/** The backend of a core whose name has none. */
const OWN_BACKEND = 'polity'

export function llmsOf(cores: readonly string[]): readonly Llm[] {
  return cores.map((core) => {
    const slash = core.indexOf('/')
    const backend = slash < 0 ? OWN_BACKEND : core.slice(0, slash)
    return { name: core.slice(slash + 1), backend, provider: backend }
  })
}

/** The cores that are meant, in that order: as in AIOS all have to be there. */
export function coresOf(choices: readonly LlmChoice[], cores: readonly string[]): readonly string[] | undefined {
  const llms = llmsOf(cores)
  const found = choices.map(({ name, backend, provider }) => {
    if (cores.includes(name)) return name
    const wanted = backend ?? provider
    return cores[llms.findIndex((llm) => llm.name === name && (wanted == null || llm.backend === wanted))]
  })
  return found.every((core) => core !== undefined) ? found : undefined
}
