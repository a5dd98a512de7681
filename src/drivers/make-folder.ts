/**
 * Makes a folder and those above it, one by one. Node's own `mkdir` with `recursive` never returns where a file system
 * refuses new folders as if they were missing (`/proc`; seen on Node 24).
 */
import { existsSync, mkdirSync } from 'node:fs'
import { dirname } from 'node:path'

/** Throws the file system's own error (`code`) for the first folder that cannot be made. */
export function makeFolder(folder: string): void {
  if (existsSync(folder)) return
  makeFolder(dirname(folder))
  try {
    mkdirSync(folder)
  } catch (error) {
    // Somebody made it in the meantime.
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  }
}
