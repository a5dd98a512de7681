/**
 * Makes a folder and those above it, one by one. Node's own `mkdir` with `recursive` never returns where a file system
 * refuses new folders as if they were missing (`/proc`; seen on Node 24).
 */
import { mkdirSync, statSync } from 'node:fs'
import { dirname } from 'node:path'

/** Throws the file system's own error (`code`) for the first folder that cannot be made. */
export function makeFolder(folder: string): void {
  if (isFolder(folder)) return
  makeFolder(dirname(folder))
  try {
    mkdirSync(folder)
  } catch (error) {
    // Somebody may have made it in the meantime; a file of that name is in the way.
    if (!isFolder(folder)) throw error
  }
}

function isFolder(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() === true
}
