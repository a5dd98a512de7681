/**
 * API keys: who may use a server, for what, and at what cost. Kept beside the store, in `<store>-keys`.
 *
 *     const { key } = createKey('polity.db', { principal: 'ada', scopes: ['models'] }, now)   // shown once; only its hash is kept
 *     const keys = openKeys('polity.db', { clock, isPrivate: true })
 *     keys.authenticate(request)                                                             // a Caller, or why not
 *
 * A key is `polity_<id>_<secret>`: the id finds its entry, the secret is 32 random bytes. It comes as `Authorization:
 * Bearer`, as `x-api-key`, or as the password of `Basic`. A key with a budget is an account of the kernel by its id.
 *
 * Invariants
 *   KE1. The file is written whole or not at all, with mode 0600, by one process at a time: no edit takes another's back.
 *   KE2. A running server sees every edit with the next request, and for answers that go on with the next heartbeat. What
 *        keeps it from that is tried again as soon, but for what is in the file, which stays until that changes.
 *   KE3. No key is needed only where the server is private (loopback, no other names) and never had one. A file that is
 *        damaged, can be read by others, or is gone after it held a key lets nobody in.
 */
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'
import { closeSync, fsyncSync, openSync, readFileSync, renameSync, rmSync, statSync, writeSync } from 'node:fs'
import type { IncomingMessage } from 'node:http'
import { createFolderOf, guarded, openConnection, realStorePath } from '../drivers/store/connection.ts'
import type { Clock } from '../kernel/clock.ts'
import { PolityError, fieldOf, invalid, messageOf, warn } from '../kernel/errors.ts'
import { checkPrincipal, isPrincipal } from '../kernel/principal.ts'
import type { Unknown } from './http.ts'
import { parseJson } from '../policy/json.ts'
import type { Caller, Scope } from './caller.ts'

/** What is kept of a key. Times in ms since 1970. */
export interface KeyEntry {
  readonly id: string
  /** SHA-256 of the key, hexadecimal. */
  readonly hash: string
  readonly principal: string
  readonly scopes: readonly Scope[]
  /** Most that everything done with the key may use, from its first day on. */
  readonly budget: KeyBudget
  /** Of its runs, and the highest that they may ask for. */
  readonly priority: number
  readonly label: string
  readonly createdAt: number
  readonly expiresAt: number | null
  readonly revokedAt: number | null
}

export interface KeyBudget {
  /** Input and output tokens together. */
  readonly tokens?: number
  /** US dollars, by the prices that the kernel knows. */
  readonly usd?: number
}

export interface KeyInput {
  /** On whose behalf its holder acts. */
  readonly principal: string
  readonly scopes: readonly Scope[]
  readonly budget?: KeyBudget
  /** @default 0 */
  readonly priority?: number
  /** @default '' */
  readonly label?: string
  /** @default never */
  readonly expiresAt?: number
}

/** All there are, in the order in which they are shown. */
export const scopes: readonly Scope[] = ['models', 'runs', 'memory', 'files', 'approvals', 'admin']

/** Keys of one file, also those that were revoked: each request may have to read them all anew. */
const KEYS_MAX = 10_000
/** Longest wait for another process that edits the file, ms; an edit takes a few. */
const LOCK_MS = 5_000
const LABEL_CHARS_MAX = 200
const KEY = /^polity_([0-9a-f]{8})_[A-Za-z0-9_-]{43}$/

// ------------------------------------------------------------------------------------------------------------- editing

/** Makes a key. The key itself is returned once and kept nowhere. Throws `INVALID_ARGUMENT`, `CONFIG_INVALID`. */
export function createKey(
  store: string,
  input: KeyInput,
  now: number,
): { readonly key: string; readonly entry: KeyEntry } {
  const { principal, budget = {}, priority = 0, label = '', expiresAt = null } = input
  checkPrincipal('a key: principal', principal)
  if (principal === 'nobody') throw invalid('a key: principal', 'a name other than that of who has no key', principal)
  if (input.scopes.length === 0) throw invalid('a key: scopes', `some of ${scopes.join(', ')}`, 'none')
  for (const scope of input.scopes)
    if (!scopes.includes(scope)) throw invalid('a key: scopes', `some of ${scopes.join(', ')}`, scope)
  for (const [name, amount] of Object.entries(budget))
    if (!isBudgetEntry(name, amount) || (name === 'tokens' && !Number.isInteger(amount)))
      throw invalid('a key: budget', 'tokens and usd of at least 0, tokens whole', { [name]: amount })
  if (!Number.isFinite(priority)) throw invalid('a key: priority', 'a number', priority)
  if (typeof label !== 'string' || label.length > LABEL_CHARS_MAX || /\p{Cc}/u.test(label))
    throw invalid('a key: label', `at most ${LABEL_CHARS_MAX} printable characters`, label)
  if (expiresAt !== null && !(expiresAt > now)) throw invalid('a key: expiresAt', 'a time to come', expiresAt)
  return edit(store, (entries) => {
    if (entries.length >= KEYS_MAX)
      throw new PolityError('LIMIT_EXCEEDED', `there are ${entries.length} keys; the limit is ${KEYS_MAX}`)
    let id = ''
    do id = randomBytes(4).toString('hex')
    while (entries.some((one) => one.id === id))
    const key = `polity_${id}_${randomBytes(32).toString('base64url')}`
    const entry: KeyEntry = {
      id,
      hash: hashOf(key).toString('hex'),
      principal,
      scopes: scopes.filter((scope) => input.scopes.includes(scope)),
      budget,
      priority,
      label,
      createdAt: now,
      expiresAt,
      revokedAt: null,
    }
    return { entries: [...entries, entry], result: { key, entry } }
  })
}

/** From now on the key opens nothing. Its entry stays. Throws `INVALID_ARGUMENT`. */
export function revokeKey(store: string, id: string, now: number): KeyEntry {
  return edit(store, (entries) => {
    const found = entries.find((one) => one.id === id)
    if (found === undefined)
      throw new PolityError('INVALID_ARGUMENT', `there is no key ${JSON.stringify(id)}; \`polity key list\` shows them`)
    const revoked = { ...found, revokedAt: found.revokedAt ?? now }
    return { entries: entries.map((one) => (one === found ? revoked : one)), result: revoked }
  })
}

/** The keys of a store, the oldest first. Throws `CONFIG_INVALID`. */
export function listKeys(store: string): readonly KeyEntry[] {
  return readEntries(pathOf(store))
}

/** Tells the keys of a store as they are now, and reads the file only where that has changed. What it returns throws `CONFIG_INVALID`. */
export function keysOf(store: string): () => readonly KeyEntry[] {
  const path = pathOf(store)
  let seen = ''
  let entries: readonly KeyEntry[] = []
  return () => {
    const now = fileNow(path)
    if (now !== seen) {
      entries = readEntries(path)
      seen = now
    }
    return entries
  }
}

/**
 * Tells what a key may do now, by its id: nothing once it is revoked or has expired. null is whoever needed none, who may do
 * everything until there is one. What it returns throws `CONFIG_INVALID`.
 */
export function scopesOfKeys(store: string, clock: Pick<Clock, 'now'>): (key: string | null) => readonly Scope[] {
  const keys = keysOf(store)
  let seen: readonly KeyEntry[] = []
  let byId: ReadonlyMap<string, KeyEntry> = new Map()
  let hadKey = false
  return (key) => {
    const now = keys()
    if (now !== seen) {
      byId = new Map(now.map((entry) => [entry.id, entry]))
      hadKey ||= byId.size > 0
      seen = now
    }
    if (key === null) return hadKey ? [] : scopes
    const entry = byId.get(key)
    return entry !== undefined && opens(entry, clock.now()) ? entry.scopes : []
  }
}

/** It was not revoked, and has not expired. */
export function opens({ revokedAt, expiresAt }: KeyEntry, now: number): boolean {
  return revokedAt === null && (expiresAt === null || now < expiresAt)
}

function edit<Result>(
  store: string,
  change: (entries: readonly KeyEntry[]) => { readonly entries: readonly KeyEntry[]; readonly result: Result },
): Result {
  createFolderOf(store)
  const path = pathOf(store)
  // A transaction on an empty file: the operating system drops it with the process, so no lock is ever stale.
  const lock = guarded(path, () => openConnection(`${path}-lock`, { busyMs: LOCK_MS }))
  try {
    guarded(path, () => lock.exec('BEGIN EXCLUSIVE'))
    const { entries, result } = change(readEntries(path))
    writeWhole(path, `${JSON.stringify({ format: 1, keys: entries }, null, 2)}\n`)
    return result
  } finally {
    lock.close()
  }
}

function writeWhole(path: string, text: string): void {
  const made = `${path}.${process.pid}.${randomBytes(4).toString('hex')}`
  try {
    const file = openSync(made, 'wx', 0o600)
    try {
      writeSync(file, text)
      fsyncSync(file)
    } finally {
      closeSync(file)
    }
    renameSync(made, path)
  } catch (error) {
    rmSync(made, { force: true })
    throw new PolityError('CONFIG_INVALID', `the keys ${path} cannot be written: ${messageOf(error)}`, { cause: error })
  }
}

// ------------------------------------------------------------------------------------------------------------- reading

function pathOf(store: string): string {
  return `${realStorePath(store)}-keys`
}

/** None where there is no file. Throws `CONFIG_INVALID`. */
function readEntries(path: string): readonly KeyEntry[] {
  const text = readText(path)
  return text === undefined ? [] : entriesIn(path, text)
}

/** undefined where there is no file. Throws `CONFIG_INVALID`. */
function readText(path: string): string | undefined {
  try {
    const text = readFileSync(path, 'utf8')
    if (process.platform !== 'win32' && (statSync(path).mode & 0o077) !== 0)
      throw new PolityError('CONFIG_INVALID', `others may read ${path}; make it yours alone: chmod 600`)
    return text
  } catch (error) {
    if (PolityError.isInstance(error)) throw error
    if (fieldOf(error, 'code') === 'ENOENT') return undefined
    throw new PolityError('CONFIG_INVALID', `the keys ${path} cannot be read: ${messageOf(error)}`, { cause: error })
  }
}

/** Throws `CONFIG_INVALID`: the file is damaged. */
function entriesIn(path: string, text: string): readonly KeyEntry[] {
  const damaged = (what: string, cause?: unknown): PolityError =>
    new PolityError(
      'CONFIG_INVALID',
      `the keys ${path} are damaged: ${what}; restore the file from a backup, or remove it and make new keys`,
      { cause },
    )
  let given: unknown
  try {
    given = parseJson(text)
  } catch (error) {
    throw damaged(`it is not JSON: ${messageOf(error)}`, error)
  }
  const keys = fieldOf(given, 'keys')
  if (fieldOf(given, 'format') !== 1 || !Array.isArray(keys)) throw damaged('expected {"format":1,"keys":[…]}')
  const wrong = keys.findIndex((one) => !isEntry(one))
  if (wrong >= 0) throw damaged(`entry ${wrong + 1} is not one of a key`)
  return keys as KeyEntry[]
}

function isEntry(given: unknown): given is KeyEntry {
  if (typeof given !== 'object' || given === null) return false
  const one = given as { readonly [Name in keyof KeyEntry]: unknown }
  const isTime = (time: unknown): boolean => Number.isFinite(time)
  return (
    typeof one.id === 'string' &&
    /^[0-9a-f]{8}$/.test(one.id) &&
    typeof one.hash === 'string' &&
    /^[0-9a-f]{64}$/.test(one.hash) &&
    isPrincipal(one.principal) &&
    Array.isArray(one.scopes) &&
    one.scopes.every((scope) => scopes.includes(scope)) &&
    typeof one.budget === 'object' &&
    one.budget !== null &&
    Object.entries(one.budget).every(([name, amount]) => isBudgetEntry(name, amount)) &&
    Number.isFinite(one.priority) &&
    typeof one.label === 'string' &&
    isTime(one.createdAt) &&
    (one.expiresAt === null || isTime(one.expiresAt)) &&
    (one.revokedAt === null || isTime(one.revokedAt))
  )
}

function isBudgetEntry(name: string, amount: unknown): boolean {
  return (name === 'tokens' || name === 'usd') && typeof amount === 'number' && amount >= 0 && amount < Infinity
}

// ------------------------------------------------------------------------------------------------------------- serving

/** The keys of a store as a server uses them. */
export interface Keys {
  authenticate(request: IncomingMessage): Caller | Unknown
}

export interface KeysOptions {
  /** Of expiry. */
  readonly clock: Pick<Clock, 'now'>
  /** Whether only this machine reaches the server. Otherwise a key is always needed. */
  readonly isPrivate: boolean
  /** Hears the keys at once and after every edit, before a request that uses the edit is let in. */
  readonly onKeys?: (entries: readonly KeyEntry[]) => void
}

/** Who everybody is where no key is needed. */
const local: Caller = Object.freeze({ principal: 'local', scopes: new Set<Scope>(scopes), key: null })

/** Throws `CONFIG_INVALID`: the file cannot be used, or the server is not private and no key opens anything. */
export function openKeys(store: string, { clock, isPrivate, onKeys }: KeysOptions): Keys {
  const path = pathOf(store)
  let seen = ''
  let byId: ReadonlyMap<string, KeyEntry & { readonly caller: Caller; readonly digest: Buffer }> = new Map()
  let isOpen = false
  let hadKey = false
  /** Why the file cannot be used. */
  let fault: PolityError | undefined

  function look(): void {
    const now = fileNow(path)
    if (now === seen) return
    seen = ''
    byId = new Map()
    isOpen = false
    try {
      const text = readText(path)
      // What is in the file is so until it changes; any other error may pass.
      seen = now
      if (text === undefined && hadKey) throw new PolityError('CONFIG_INVALID', `the keys ${path} are gone`)
      const entries = text === undefined ? [] : entriesIn(path, text)
      hadKey ||= entries.length > 0
      hear(entries)
      isOpen = isPrivate && !hadKey
      byId = new Map(entries.map((entry) => [entry.id, withCaller(entry)]))
      fault = undefined
    } catch (error) {
      const before = fault?.message
      fault = PolityError.isInstance(error) ? error : new PolityError('CONFIG_INVALID', messageOf(error))
      // One that is met with every request is told once.
      if (fault.message !== before || seen === now) warn('nobody is let in', fault)
    }
  }

  function hear(entries: readonly KeyEntry[]): void {
    try {
      onKeys?.(entries)
    } catch (error) {
      seen = ''
      throw error
    }
  }

  function authenticate(request: IncomingMessage): Caller | Unknown {
    look()
    if (isOpen) return local
    if (fault !== undefined)
      return { refused: 'the keys of this server cannot be read; its owner can see why', isFault: true }
    const given = keyIn(request)
    if (given === undefined)
      return {
        refused:
          'this server needs a key: send it as "Authorization: Bearer polity_…"; its owner makes one with `polity key create`',
      }
    const found = byId.get(KEY.exec(given)?.[1] ?? '')
    if (found === undefined || !timingSafeEqual(hashOf(given), found.digest))
      return { refused: 'this key is not known here; ask the owner of the server for another' }
    if (found.revokedAt !== null) return { refused: 'this key was revoked; ask the owner of the server for another' }
    if (found.expiresAt !== null && clock.now() >= found.expiresAt)
      return { refused: 'this key has expired; ask the owner of the server for another' }
    return found.caller
  }

  // At the start a fault is an error, not a warning.
  const entries = readEntries(path)
  if (!isPrivate && !entries.some((one) => opens(one, clock.now())))
    throw new PolityError(
      'CONFIG_INVALID',
      'a server that others can reach needs a key first: make one with `polity key create <principal>`, or serve on 127.0.0.1',
    )
  look()
  return { authenticate }
}

/** Changes with the file: every edit makes another. */
function fileNow(path: string): string {
  try {
    const stat = statSync(path, { throwIfNoEntry: false, bigint: true })
    return stat === undefined ? 'none' : `${stat.ino} ${stat.size} ${stat.mtimeNs} ${stat.ctimeNs}`
  } catch (error) {
    // Its folder cannot be looked into: reading it says why.
    return messageOf(error)
  }
}

function withCaller(entry: KeyEntry): KeyEntry & { readonly caller: Caller; readonly digest: Buffer } {
  const { id, principal, priority } = entry
  const held = entry.scopes.includes('admin') ? scopes : entry.scopes
  return {
    ...entry,
    caller: Object.freeze({ principal, scopes: new Set(held), key: id, priority }),
    digest: Buffer.from(entry.hash, 'hex'),
  }
}

/** What the request brings as a key; undefined where it brings nothing. */
function keyIn({ headers }: IncomingMessage): string | undefined {
  const brought: string[] = []
  const [, scheme, value] = /^(\w+) +(\S+) *$/.exec(headers.authorization ?? '') ?? []
  if (value !== undefined && /^bearer$/i.test(scheme ?? '')) brought.push(value)
  if (value !== undefined && /^basic$/i.test(scheme ?? '')) {
    const pair = Buffer.from(value, 'base64').toString('utf8')
    brought.push(pair.slice(pair.indexOf(':') + 1))
  }
  const header = headers['x-api-key']
  if (typeof header === 'string' && header !== '') brought.push(header)
  // Some clients send a stand-in in one place and the key in the other.
  return brought.find((one) => KEY.test(one)) ?? brought[0]
}

function hashOf(key: string): Buffer {
  return createHash('sha256').update(key).digest()
}
