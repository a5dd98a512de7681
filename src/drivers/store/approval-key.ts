/**
 * The key that approvals of a store are signed with: a file beside the store, `<store>-key`, that its owner alone may read.
 *
 *     const key = approvalKeyOf('clerk.db')      // made where there is none
 *
 * Who may read it can approve. It is not in the store, so a copy of the store, or write access to it, approves nothing.
 *
 * Invariant
 *   AK1. The file is made whole or not at all, with mode 0600; two that make it at once get the same key.
 */
import { randomBytes } from 'node:crypto'
import { linkSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { PolityError, fieldOf, messageOf } from '../../kernel/errors.ts'
import { realStorePath } from './connection.ts'

const KEY = /^[0-9a-f]{64}\n$/

export function approvalKeyOf(store: string): string {
  const path = `${realStorePath(store)}-key`
  try {
    const key = readFileSync(path, 'utf8')
    if (!KEY.test(key))
      throw new PolityError('CONFIG_INVALID', `${path} holds no key; remove it, and a new one is made`)
    if (process.platform !== 'win32' && (statSync(path).mode & 0o077) !== 0)
      throw new PolityError(
        'CONFIG_INVALID',
        `others may read ${path}, and so approve calls; make it yours alone: chmod 600`,
      )
    return key.trim()
  } catch (error) {
    if (PolityError.isInstance(error)) throw error
    if (fieldOf(error, 'code') !== 'ENOENT')
      throw new PolityError('CONFIG_INVALID', `the key ${path} cannot be read: ${messageOf(error)}`, { cause: error })
  }
  const made = `${path}.${process.pid}.${randomBytes(4).toString('hex')}`
  try {
    writeFileSync(made, `${randomBytes(32).toString('hex')}\n`, { mode: 0o600, flag: 'wx' })
    try {
      linkSync(made, path)
    } catch (error) {
      if (fieldOf(error, 'code') !== 'EEXIST') throw error
    }
    return readFileSync(path, 'utf8').trim()
  } catch (error) {
    throw new PolityError('CONFIG_INVALID', `the key ${path} cannot be made: ${messageOf(error)}`, { cause: error })
  } finally {
    rmSync(made, { force: true })
  }
}
