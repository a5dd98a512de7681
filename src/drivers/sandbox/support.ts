/**
 * What code this machine can hold, language by language, with the reason. Tried for real; asked by the tools before
 * every action, and by `polity doctor`.
 *
 *     for (const { language, isAvailable, reason } of await sandboxSupport()) …
 */
import { findWalls } from './bubblewrap.ts'

export type Language = 'javascript' | 'python' | 'shell'

export interface LanguageSupport {
  readonly language: Language
  /** `L0`: an interpreter with no way out, in a process without rights. `L1`: the system's programs behind bubblewrap. */
  readonly level: 'L0' | 'L1'
  readonly isAvailable: boolean
  /** What it runs on, or what is missing and how to get it. */
  readonly reason: string
}

export async function sandboxSupport(): Promise<readonly LanguageSupport[]> {
  const { python, shell } = await findWalls()
  return [
    { language: 'javascript', level: 'L0', ...javaScriptSupport() },
    { language: 'python', level: 'L1', isAvailable: python.isAvailable, reason: python.reason },
    { language: 'shell', level: 'L1', isAvailable: shell.isAvailable, reason: shell.reason },
  ]
}

export function javaScriptSupport(): Pick<LanguageSupport, 'isAvailable' | 'reason'> {
  try {
    import.meta.resolve('quickjs-wasi/quickjs.wasm')
    return { isAvailable: true, reason: 'QuickJS in WebAssembly, in a process of its own' }
  } catch {
    return { isAvailable: false, reason: 'the package quickjs-wasi is not installed; run npm install' }
  }
}
