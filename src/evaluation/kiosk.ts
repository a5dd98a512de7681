/**
 * `web.kiosk` as a world: real pages in a real Chromium, with the actions and the observation of BrowserGym.
 *
 *     const world = kioskWorld()                                    // the executable: POLITY_CHROMIUM, or where it is usual
 *     const task = worldTask(world, { seeds: 20, params: kioskTask })
 *
 * The pages are in src/environments/kiosk.ts, and need no browser to be drawn, asked and scored. Here they are opened: one
 * browser for a world, one window (context) for each environment that is open. It takes its time, so it is a `World` rather
 * than `Rules`. Needs the package playwright-core, which is loaded when the first environment opens.
 *
 * Invariants
 *   KW1. A page is decided by its task and the actions: a browser cannot be saved, so a state is the task, the actions so far
 *        and the hash of the document they led to; `restore` takes them again and refuses to go on where they lead elsewhere.
 *   KW2. No request leaves: the page is answered from here, everything else is refused, by interception, by the page's own
 *        policy and by a browser that resolves no name.
 *   KW3. An action that cannot be done is an error of the turn. Where its element is not there, hidden, covered, disabled or
 *        of another kind, that is told at once and not after a timeout, and the page is as it was.
 */
import { existsSync } from 'node:fs'
import type { Browser, BrowserContext, CDPSession, Page } from 'playwright-core'
import { canonical } from '../policy/canonical.ts'
import type { Action, ActionError, Turn } from '../environments/environment.ts'
import { badArguments, unknownAction } from '../environments/environment.ts'
import type { KioskTask } from '../environments/kiosk.ts'
import { KIOSK_AGENT, kiosk, kioskPages, pageOf } from '../environments/kiosk.ts'
import type { KioskMove } from '../environments/kiosk-actions.ts'
import { kioskActions, moveText, readMove } from '../environments/kiosk-actions.ts'
import type { KioskPage } from '../environments/kiosk-page.ts'
import { documentOf, isWanted } from '../environments/kiosk-page.ts'
import type { AxNode } from '../environments/kiosk-tree.ts'
import { readTree, writeTree } from '../environments/kiosk-tree.ts'
import { sha256 } from '../kernel/digest.ts'
import { PolityError, messageOf } from '../kernel/errors.ts'
import type { Json } from '../kernel/types.ts'
import type { EpisodeTask, OpenEnvironment, World } from './world.ts'

export interface KioskOptions {
  /** The executable of Chromium. @default POLITY_CHROMIUM, CHROME_PATH, or the first of /usr/bin/chromium, … that is there */
  readonly executable?: string
  /** Views have `screenshot`, a PNG in base64. @default false */
  readonly screenshot?: boolean
  /** @default all of src/environments/kiosk.ts */
  readonly pages?: readonly KioskPage[]
  /** For one action of the browser, ms. @default 10,000 */
  readonly timeoutMs?: number
}

/** Where the page is said to be; the name is reserved, and nothing is asked for it. */
const URL = 'http://kiosk.test/'
/** As in BrowserGym. */
const VIEWPORT = { width: 1280, height: 720 }
const policy =
  "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:; form-action 'none'"
const places = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome']

/** The Chromium that is used where none is named; undefined where none is found. */
export function findChromium(): string | undefined {
  return [process.env['POLITY_CHROMIUM'], process.env['CHROME_PATH'], ...places].find(
    (path) => path !== undefined && path !== '' && existsSync(path),
  )
}

/** The kiosk. Throws `CONFIG_INVALID` when an environment is opened and there is no Chromium or no playwright-core. */
export function kioskWorld({
  executable,
  screenshot = false,
  pages = kioskPages,
  timeoutMs = 10_000,
}: KioskOptions = {}): World {
  let browser: Promise<Browser> | undefined
  let open = 0

  async function window(): Promise<BrowserContext> {
    open++
    try {
      browser ??= launch(executable ?? findChromium())
      return await (
        await browser
      ).newContext({
        viewport: VIEWPORT,
        locale: 'en-US',
        timezoneId: 'UTC',
        reducedMotion: 'reduce',
        colorScheme: 'light',
        serviceWorkers: 'block',
        acceptDownloads: false,
      })
    } catch (error) {
      await left()
      throw error
    }
  }
  async function left(): Promise<void> {
    if (--open > 0) return
    const last = browser
    browser = undefined
    await last?.then(
      (one) => one.close(),
      () => {}, // it never opened, which was told to whoever asked for it
    )
  }

  return {
    id: kiosk.id,
    version: kiosk.version,
    description: kiosk.description,
    actions: () => kioskActions,
    agents: () => [KIOSK_AGENT],
    open: async () => openWindow(await window(), left, { screenshot, pages, timeoutMs }),
    oracle(given) {
      const { task, tree } = given as unknown as Saved
      const page = pageOf(task, pages)
      return [{ agent: KIOSK_AGENT, ...page.solve(task.content, readTree(tree)) }]
    },
  }
}

async function launch(executablePath: string | undefined): Promise<Browser> {
  if (executablePath === undefined || !existsSync(executablePath))
    throw new PolityError(
      'CONFIG_INVALID',
      `${kiosk.id} needs a Chromium, and there is none at ${executablePath ?? places.join(', ')}; install one (apt-get install chromium), or name its executable in POLITY_CHROMIUM`,
    )
  let library: typeof import('playwright-core')
  try {
    library = await import('playwright-core')
  } catch (cause) {
    throw new PolityError(
      'CONFIG_INVALID',
      `${kiosk.id} needs the package playwright-core, which does not load; run: npm install playwright-core`,
      { cause },
    )
  }
  try {
    return await library.chromium.launch({
      executablePath,
      // Nothing is resolved, not even an address; scrolling takes no time.
      args: [
        '--host-resolver-rules=MAP * ~NOTFOUND',
        '--disable-smooth-scrolling',
        '--disable-background-networking',
        '--disable-gpu',
      ],
    })
  } catch (cause) {
    throw new PolityError('CONFIG_INVALID', `${executablePath} does not start: ${messageOf(cause)}`, { cause })
  }
}

/** An episode as it is kept. */
interface Saved {
  readonly task: KioskTask
  /** One for each turn; null where nothing was done. */
  readonly taken: readonly (Omit<Action, 'agent'> | null)[]
  /** Of the document, what is filled in and where it is scrolled to. */
  readonly hash: string
  /** The accessibility tree, as the agent sees it. */
  readonly tree: string
  readonly focused: string | null
  readonly said: readonly string[]
  /** What was handed in; absent: nothing yet. */
  readonly record?: Json
  readonly reward: number
  readonly error: Omit<ActionError, 'agent'> | null
}

function openWindow(
  context: BrowserContext,
  left: () => Promise<void>,
  { screenshot, pages, timeoutMs }: Required<Pick<KioskOptions, 'screenshot' | 'pages' | 'timeoutMs'>>,
): OpenEnvironment {
  let at: { readonly page: Page; readonly session: CDPSession } | undefined
  let episode: Saved | undefined

  function begun(): Saved {
    if (episode === undefined)
      throw new PolityError('INVALID_ARGUMENT', `${kiosk.id} has no episode: call reset({ params, seed }) first`)
    return episode
  }

  async function stage(): Promise<{ readonly page: Page; readonly session: CDPSession }> {
    if (at !== undefined) return at
    context.setDefaultTimeout(timeoutMs)
    await context.route('**/*', (route) => {
      if (at !== undefined || route.request().url() !== URL) return route.abort('aborted')
      return route.fulfill({
        contentType: 'text/html; charset=utf-8',
        headers: { 'content-security-policy': policy },
        body: '<!doctype html>',
      })
    })
    const page = await context.newPage()
    await page.goto(URL)
    context.on('page', (other) => void other.close().catch(() => {}))
    at = { page, session: await context.newCDPSession(page) }
    return at
  }

  /** What the page shows; its elements have got their names by then. */
  async function look(): Promise<Pick<Saved, 'hash' | 'tree' | 'focused'> & { readonly record?: Json }> {
    const { page, session } = await stage()
    const { document, focused, record } = (await page.evaluate(lookScript)) as {
      document: string
      focused: string | null
      record?: Json
    }
    const [{ nodes }, { documents, strings }] = await Promise.all([
      session.send('Accessibility.getFullAXTree'),
      session.send('DOMSnapshot.captureSnapshot', { computedStyles: [] }),
    ])
    const bids = new Map<number, string>()
    const { attributes = [], backendNodeId = [] } = documents[0]?.nodes ?? {}
    for (const [i, pairs] of attributes.entries()) {
      for (let k = 0; k < pairs.length; k += 2)
        if (strings[pairs[k] as number] === 'bid')
          bids.set(backendNodeId[i] as number, strings[pairs[k + 1] as number] as string)
    }
    const tree = writeTree(nodes as unknown as readonly AxNode[], (node) => bids.get(node))
    return { hash: sha256(document), tree, focused, ...(record === undefined ? {} : { record }) }
  }

  async function turn(): Promise<Turn> {
    const { task, taken, tree, focused, said, reward, error } = begun()
    const isOver = hasEnded(begun())
    const isCut = !isOver && taken.length >= kiosk.stepsMax
    const toAct = isOver || isCut ? [] : [KIOSK_AGENT]
    const goal = pageOf(task, pages).goal(task.content)
    const last = taken.at(-1)
    const data = {
      goal,
      url: URL,
      axtree_txt: tree,
      focused_element_bid: focused ?? '',
      last_action: last === undefined || last === null ? '' : moveText(last),
      last_action_error: error?.message ?? '',
      chat_messages: said,
      ...(screenshot && at !== undefined ? { screenshot: (await at.page.screenshot()).toString('base64') } : {}),
    }
    const view = { text: `Goal: ${goal}\n\n${tree}`, data: data as unknown as Json, actions: kioskActions }
    return {
      toAct,
      views: toAct.length === 0 ? {} : { [KIOSK_AGENT]: view },
      reward: reward === 0 ? {} : { [KIOSK_AGENT]: reward },
      done: toAct.length === 0,
      ...(isCut ? { truncated: 'steps' as const } : {}),
      errors: error === null ? [] : [{ agent: KIOSK_AGENT, ...error }],
      steps: taken.length,
    }
  }

  async function begin(task: KioskTask): Promise<void> {
    const { page } = await stage()
    episode = undefined
    // The mouse of the last episode must not be over anything.
    await page.mouse.move(0, 0)
    await page.evaluate(`(${beginScript})(${JSON.stringify(documentOf(pageOf(task, pages), task.content))})`)
    episode = { task, taken: [], said: [], reward: 0, error: null, ...(await look()) }
  }

  /** One turn. */
  async function go(given: Omit<Action, 'agent'> | null): Promise<void> {
    const before = begun()
    const { task } = before
    const taken = [...before.taken, given]
    if (given === null) return void (episode = { ...before, taken, reward: 0, error: null })
    const read = readMove(given)
    if (read === undefined || 'wrong' in read) {
      const { code, message } =
        read === undefined ? unknownAction('', given.name, kioskActions) : badArguments('', read.wrong)
      return void (episode = { ...before, taken, reward: 0, error: { code, message } })
    }
    const { page } = await stage()
    // Until it is known where it stands, it stands nowhere.
    episode = undefined
    const problem = await take(page, read.move, timeoutMs)
    const { move } = read
    const said =
      move.name === 'send_msg_to_user'
        ? [...before.said, move.args.text]
        : move.name === 'report_infeasible'
          ? [...before.said, move.args.reason]
          : before.said
    const seen = await look()
    const about = pageOf(task, pages)
    const record =
      move.name === 'report_infeasible'
        ? null
        : about.asks === true && move.name === 'send_msg_to_user'
          ? move.args.text
          : seen.record
    episode = {
      ...seen,
      task,
      taken,
      said,
      ...(record === undefined ? {} : { record }),
      reward: record !== undefined && isWanted(about, task.content, record) ? 1 : 0,
      error: problem === undefined ? null : { code: 'NOT_POSSIBLE', message: problem },
    }
  }

  return {
    async reset({ params, seed }: EpisodeTask) {
      await begin(kiosk.read(params, seed, pages))
      return turn()
    },
    async step(actions) {
      if (hasEnded(begun()) || begun().taken.length >= kiosk.stepsMax)
        throw new PolityError('INVALID_ARGUMENT', `the episode of ${kiosk.id} is over: call reset or restore`)
      const own = actions.find(({ agent }) => agent === KIOSK_AGENT)
      await go(own === undefined ? null : { name: own.name, ...(own.args === undefined ? {} : { args: own.args }) })
      const told = await turn()
      const others = actions.filter((one) => one !== own)
      if (others.length === 0) return told
      const refused = others.map(({ agent }): ActionError => ({
        agent,
        code: 'NOT_YOUR_TURN',
        message: `to act is ${KIOSK_AGENT}, once`,
      }))
      return { ...told, errors: [...refused, ...told.errors] }
    },
    state: () => structuredClone(begun()) as unknown as Json,
    async restore(given) {
      const saved = given as unknown as Saved
      await begin(saved.task)
      for (const action of saved.taken) await go(action)
      if (canonical(begun() as unknown as Json) !== canonical(saved as unknown as Json))
        throw new PolityError(
          'DRIVER_INVALID',
          `${kiosk.id}: the ${saved.taken.length} actions taken again on page "${saved.task.page}" led elsewhere (document ${begun().hash.slice(0, 12)}, not ${saved.hash.slice(0, 12)}); the pages or the browser have changed since`,
        )
      return turn()
    },
    score: () => {
      const { record, task } = begun()
      return record !== undefined && isWanted(pageOf(task, pages), task.content, record) ? 1 : 0
    },
    metrics: () => ({ turns: begun().taken.length }),
    async close() {
      await context.close()
      await left()
    },
  }
}

function hasEnded({ record }: Saved): boolean {
  return record !== undefined
}

// --------------------------------------------------------------------------------------------------------------- actions

/** What is done by keys or by scrolling, and dropping, comes to the page with its next frame. */
const framed = new Set<KioskMove['name']>(['press', 'keyboard_press', 'scroll', 'drag_and_drop'])

/** Takes an action; why it cannot be done, where it cannot. */
async function take(page: Page, move: KioskMove, timeout: number): Promise<string | undefined> {
  // Whether the page goes elsewhere is not waited for: it cannot.
  const how = { timeout, force: true, noWaitAfter: true }
  const at = (bid: string) => page.locator(`[bid=${JSON.stringify(bid)}]`)
  /** Whether this can be done there, asked of the page: what it cannot do is told without waiting for it. */
  const possible = async (bid: string, what: string): Promise<string | undefined> => {
    const call = `(${possibleScript})(${JSON.stringify(bid)}, ${JSON.stringify(what)})`
    return ((await page.evaluate(call)) as string | null) ?? undefined
  }
  const act = async (bid: string, what: string, go: () => Promise<unknown>): Promise<string | undefined> => {
    const problem = await possible(bid, what)
    if (problem !== undefined) return problem
    await go()
    return undefined
  }
  let problem: string | undefined
  try {
    problem = await taken()
    if (problem === undefined) await page.evaluate(`(${settleScript})(${framed.has(move.name)})`)
  } catch (error) {
    problem = messageOf(error).split('\n')[0]
  }
  return problem

  async function taken(): Promise<string | undefined> {
    switch (move.name) {
      case 'noop':
        return void (await page.waitForTimeout(move.args.wait_ms))
      case 'click':
      case 'dblclick': {
        const { bid, button, modifiers } = move.args
        return act(bid, 'point', () => at(bid)[move.name]({ ...how, button, modifiers }))
      }
      case 'hover':
        return act(move.args.bid, 'point', () => at(move.args.bid).hover(how))
      case 'fill':
        return act(move.args.bid, 'fill', () => at(move.args.bid).fill(move.args.value, how))
      case 'clear':
        return act(move.args.bid, 'fill', () => at(move.args.bid).clear(how))
      case 'focus':
        return act(move.args.bid, 'focus', () => at(move.args.bid).focus({ timeout }))
      case 'press':
        return act(move.args.bid, 'focus', () =>
          at(move.args.bid).press(move.args.key_comb, { timeout, noWaitAfter: true }),
        )
      case 'keyboard_press':
        return void (await page.keyboard.press(move.args.key))
      case 'check':
      case 'uncheck':
        return act(move.args.bid, move.name, () => at(move.args.bid)[move.name](how))
      case 'select_option': {
        const options = [move.args.options].flat()
        const problem = await possible(move.args.bid, `select ${JSON.stringify(options)}`)
        if (problem !== undefined) return problem
        return void (await at(move.args.bid).selectOption(options, how))
      }
      case 'drag_and_drop': {
        const { from_bid: from, to_bid: to } = move.args
        return (
          (await possible(from, 'point')) ??
          (await possible(to, 'exist')) ??
          (await at(from)
            .dragTo(at(to), how)
            .then(() => undefined))
        )
      }
      case 'scroll':
        return void (await page.evaluate(
          `(${scrollScript})(${JSON.stringify(move.args.delta_x)}, ${JSON.stringify(move.args.delta_y)})`,
        ))
      case 'send_msg_to_user':
      case 'report_infeasible':
        return undefined
    }
  }
}

// ------------------------------------------------------------------------------------------------------------ in the page

/** A new document in the place of the old one, which takes its listeners along: far sooner there than by navigation. */
const beginScript = `(html) => {
  document.open()
  for (const name of ['kioskRecord', 'kioskBids', 'kioskMouse', 'kioskScroll']) delete window[name]
  document.write(html)
  document.close()
  scrollTo(0, 0)
}`

/** What is scrolled to, as the page is told of it with a frame: those of an action that scrolled are waited for. */
const settleScript = `async (isFramed) => {
  const place = () => [scrollX, scrollY].join()
  if (!isFramed && place() === (window.kioskScroll ?? '0,0')) return
  await new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)))
  window.kioskScroll = place()
}`

/** Names new elements, and tells what the document is: its markup, what is filled in, where it is scrolled to. */
const lookScript = `(() => {
  window.kioskBids ??= 0
  if (window.kioskMouse === undefined) {
    window.kioskMouse = { x: 0, y: 0 }
    addEventListener('mousemove', ({ clientX, clientY }) => (window.kioskMouse = { x: clientX, y: clientY }), true)
  }
  for (const one of document.querySelectorAll('*')) if (!one.hasAttribute('bid')) one.setAttribute('bid', window.kioskBids++)
  const filled = [...document.querySelectorAll('input, textarea, select, option')].map((one) => [one.value, one.checked, one.selected])
  const scrolled = [...document.querySelectorAll('*')].flatMap((one) => one.scrollTop || one.scrollLeft ? [[one.getAttribute('bid'), one.scrollLeft, one.scrollTop]] : [])
  const focused = document.activeElement?.getAttribute('bid') ?? null
  const record = window.kioskRecord
  return { document: JSON.stringify([document.documentElement.outerHTML, filled, scrolled, focused, record]), focused, record }
})()`

/** Why this cannot be done to an element; null where it can. */
const possibleScript = `(bid, what) => {
  const one = document.querySelector('[bid="' + CSS.escape(bid) + '"]')
  if (one === null) return 'there is no element [' + bid + '] on the page'
  const said = '[' + bid + '] ' + one.tagName.toLowerCase()
  const box = one.getBoundingClientRect()
  if (!one.checkVisibility({ visibilityProperty: true }) || box.width === 0 || box.height === 0) return said + ' is not visible'
  if (one.closest('[inert]') !== null) return said + ' is inert'
  if (what === 'exist' || what === 'focus') return null
  if (one.disabled === true) return said + ' is disabled'
  if (what === 'fill') {
    const plain = /^(text|search|email|password|number|tel|url|date|time|month|week|datetime-local|color|range)$/
    if (!one.isContentEditable && one.tagName !== 'TEXTAREA' && !(one.tagName === 'INPUT' && plain.test(one.type))) return said + ' cannot be filled in'
    return one.readOnly === true ? said + ' is read-only' : null
  }
  if (what.startsWith('select ')) {
    if (one.tagName !== 'SELECT') return said + ' is not a <select> element'
    const known = [...one.options].filter(({ disabled }) => !disabled).flatMap(({ value, label }) => [value, label])
    const missing = JSON.parse(what.slice(7)).find((option) => !known.includes(option))
    return missing === undefined ? null : said + ' has no option ' + JSON.stringify(missing)
  }
  if (what === 'check' || what === 'uncheck') {
    if (one.type !== 'checkbox' && one.type !== 'radio') return said + ' is not a checkbox or radio button'
    if (what === 'uncheck' && one.type === 'radio') return said + ' is a radio button: check another one'
    if (one.checked === (what === 'check')) return null
  }
  const [x, y] = [scrollX, scrollY]
  one.scrollIntoView({ block: 'nearest', inline: 'nearest' })
  const now = one.getBoundingClientRect()
  const hit = document.elementFromPoint(now.x + now.width / 2, now.y + now.height / 2)
  const isHit = hit !== null && (one.contains(hit) || hit.closest('label')?.control === one)
  if (!isHit) scrollTo(x, y)
  return isHit ? null : said + ' is covered' + (hit === null ? '' : ' by [' + hit.getAttribute('bid') + '] ' + hit.tagName.toLowerCase())
}`

/** Scrolls the nearest of what is under the mouse that can be scrolled that way. */
const scrollScript = `(x, y) => {
  let one = document.elementFromPoint(window.kioskMouse.x, window.kioskMouse.y) ?? document.documentElement
  for (; one !== null; one = one.parentElement) {
    const before = [one.scrollLeft, one.scrollTop]
    one.scrollBy({ left: x, top: y, behavior: 'instant' })
    if (one.scrollLeft !== before[0] || one.scrollTop !== before[1]) return
  }
  scrollBy({ left: x, top: y, behavior: 'instant' })
}`
