/**
 * What a person types to run this command again from the folder that they are in.
 *
 *     nameHere()      // 'polity', 'npx polity', 'node ~/polity/bin/polity.js' written out
 *
 * Invariant
 *   NH1. What it gives runs as it stands, in this folder and under a Node that is new enough: an alias cannot be seen from
 *        here, and a `node` on PATH that is not the one which runs may be too old.
 */
import { realpathSync } from 'node:fs'
import { basename, delimiter, join, relative, sep } from 'node:path'

export function nameHere(): string {
  const [, script] = process.argv
  if (script === undefined) return 'polity'
  const [project, isLink] = script.split(join(sep, 'node_modules', '.bin', sep))
  if (basename(script) === 'polity' && isLink === undefined) return 'polity'
  // npm finds it by name in a project, in one of its own caches and in a checkout, together with the Node that is pinned there.
  const isNpm = isLink !== undefined && (isWithin(project as string) || script.includes(join(sep, '_npx', sep)))
  if (isNpm || relative(process.cwd(), script) === join('bin', 'polity.js')) return 'npx polity'
  return `${isNodeOnPath() ? 'node' : quoted(process.execPath)} ${quoted(script)}`
}

/** A word for a shell. */
export function quoted(text: string): string {
  return /^[\w@%+=:,./\\-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`
}

function isWithin(folder: string): boolean {
  return `${process.cwd()}${sep}`.startsWith(`${folder}${sep}`)
}

/** Whether the `node` that a shell would find is the one that runs. */
function isNodeOnPath(): boolean {
  for (const folder of (process.env['PATH'] ?? '').split(delimiter)) {
    try {
      const found = realpathSync(join(folder, process.platform === 'win32' ? 'node.exe' : 'node'))
      return found === realpathSync(process.execPath)
    } catch {
      // Not in this folder.
    }
  }
  return false
}
