/**
 * Which programs for media this machine has, with the reason.
 *
 *     for (const { program, isAvailable, reason } of await mediaSupport()) …
 */
import { existsSync } from 'node:fs'
import { findWalls } from '../sandbox/bubblewrap.ts'

export type MediaProgram = 'ffmpeg' | 'espeak-ng'

export interface MediaSupport {
  readonly program: MediaProgram
  readonly isAvailable: boolean
  /** Where it is, or what is missing and how to get it. */
  readonly reason: string
}

/** Folders that stand inside the walls. */
const FOLDERS = ['/usr/bin', '/usr/local/bin']

export async function mediaSupport(): Promise<readonly MediaSupport[]> {
  const { shell } = await findWalls()
  return (['ffmpeg', 'espeak-ng'] as const).map((program) => {
    const path = FOLDERS.map((folder) => `${folder}/${program}`).find((one) => existsSync(one))
    if (path === undefined) {
      const reason = `${program} is not installed; install it (Debian, Ubuntu: apt-get install --no-install-recommends ${program})`
      return { program, isAvailable: false, reason }
    }
    return { program, isAvailable: shell.isAvailable, reason: shell.isAvailable ? path : shell.reason }
  })
}
