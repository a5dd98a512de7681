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
 *   KW4. A browser that is gone, or does not answer in time, is thrown, as an environment that has failed; the next window
 *        opens in a new one.
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
import { inTime } from './in-time.ts'
import type { EpisodeTask, OpenEnvironment, World } from './world.ts'

export interface KioskOptions {
  /** The executable of Chromium. @default POLITY_CHROMIUM, CHROME_PATH, or the first of /usr/bin/chromium, … that is there */
  readonly executable?: string
  /** Views have `screenshot`, a PNG in base64. @default false */
  readonly screenshot?: boolean
  /** @default all of src/environments/kiosk.ts */
  readonly pages?: readonly KioskPage[]
  /** For one action of the browser, ms; a turn, which looks at the page besides, may take twice that. @default 10,000 */
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

  function running(): Promise<Browser> {
    if (browser !== undefined) return browser
    const own = launch(executable ?? findChromium())
    const forget = (): void => {
      if (browser === own) browser = undefined
    }
    own.then((one) => void one.once('disconnected', forget), forget)
    return (browser = own)
  }
  async function window(): Promise<BrowserContext> {
    open++
    try {
      return await (
        await running()
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
      // A signal is for whoever runs this, who ends in its own time: the browser would be closed, and the process ended, at once.
      handleSIGINT: false,
      handleSIGTERM: false,
      handleSIGHUP: false,
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

  /** What the browser does, as far as it does it. Throws `DRIVER_FAILED` and `DRIVER_TIMEOUT`. */
  async function answered<T>(work: Promise<T>): Promise<T> {
    try {
      return await inTime(2 * timeoutMs, work, () => `${kiosk.id}: the browser did not answer`)
    } catch (error) {
      if (PolityError.isInstance(error)) throw error
      throw new PolityError('DRIVER_FAILED', `${kiosk.id}: the browser failed: ${messageOf(error).split('\n')[0]}`, {
        cause: error,
      })
    }
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

  /** What the page shows after an action; its elements have got their names by then. */
  async function look(
    after: After,
  ): Promise<Pick<Saved, 'hash' | 'tree' | 'focused'> & { readonly record?: Json; readonly problem: string | null }> {
    const { session } = await stage()
    const { document, focused, record, problem } = await evaluated<{
      readonly document: string
      readonly focused: string | null
      readonly record?: Json
      readonly problem: string | null
    }>(session, `(${lookScript})(${JSON.stringify(after)})`)
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
    return { hash: sha256(document), tree, focused, problem, ...(record === undefined ? {} : { record }) }
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
    const { page, session } = await stage()
    episode = undefined
    // The mouse of the last episode must not be over anything.
    await page.mouse.move(0, 0)
    await evaluated(session, `(${beginScript})(${JSON.stringify(documentOf(pageOf(task, pages), task.content))})`)
    const { problem: _, ...seen } = await look({})
    episode = { task, taken: [], said: [], reward: 0, error: null, ...seen }
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
    const { page, session } = await stage()
    // Until it is known where it stands, it stands nowhere.
    episode = undefined
    const { move } = read
    const after = await take(page, session, move, timeoutMs).catch((error: unknown): After => ({
      problem: messageOf(error).split('\n')[0] as string,
    }))
    const said =
      move.name === 'send_msg_to_user'
        ? [...before.said, move.args.text]
        : move.name === 'report_infeasible'
          ? [...before.said, move.args.reason]
          : before.said
    const { problem, ...seen } = await look(after)
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
      error: problem === null ? null : { code: 'NOT_POSSIBLE', message: problem },
    }
  }

  return {
    async reset({ params, seed }: EpisodeTask) {
      await answered(begin(kiosk.read(params, seed, pages)))
      return answered(turn())
    },
    async step(actions) {
      if (hasEnded(begun()) || begun().taken.length >= kiosk.stepsMax)
        throw new PolityError('INVALID_ARGUMENT', `the episode of ${kiosk.id} is over: call reset or restore`)
      const own = actions.find(({ agent }) => agent === KIOSK_AGENT)
      const given = own === undefined ? null : { name: own.name, ...(own.args === undefined ? {} : { args: own.args }) }
      await answered(go(given))
      const told = await answered(turn())
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
      await answered(begin(saved.task))
      for (const action of saved.taken) await answered(go(action))
      if (canonical(begun() as unknown as Json) !== canonical(saved as unknown as Json))
        throw new PolityError(
          'DRIVER_INVALID',
          `${kiosk.id}: the ${saved.taken.length} actions taken again on page "${saved.task.page}" led elsewhere (document ${begun().hash.slice(0, 12)}, not ${saved.hash.slice(0, 12)}); the pages or the browser have changed since`,
        )
      return answered(turn())
    },
    score: () => {
      const { record, task } = begun()
      return record !== undefined && isWanted(pageOf(task, pages), task.content, record) ? 1 : 0
    },
    metrics: () => ({ turns: begun().taken.length }),
    async close() {
      try {
        await context.close()
      } finally {
        await left()
      }
    },
  }
}

function hasEnded({ record }: Saved): boolean {
  return record !== undefined
}

// --------------------------------------------------------------------------------------------------------------- actions

/** What is waited for, and looked at, after an action. */
interface After {
  /** Why it was not done. */
  readonly problem?: string
  /** Something was done: a page that was scrolled by it is told so with a frame. */
  readonly isDone?: boolean
  /** It comes to the page with its next frame anyway. */
  readonly isFramed?: boolean
  /** The element that has to be checked by now, or not to be. */
  readonly checked?: readonly [bid: string, is: boolean]
}
const DONE: After = { isDone: true }
/** What is done by keys or by scrolling, and dropping, comes to the page with its next frame. */
const FRAMED: After = { isDone: true, isFramed: true }

/** Where the mouse comes to an element; whether it is a text to be typed over, or is checked as it should be. */
interface Point {
  readonly x: number
  readonly y: number
  readonly isText?: boolean
  readonly isSo?: boolean
}
/** Whether something can be done with an element, and where. */
type Aim = Point | { readonly problem: string }

/** Takes an action. The page says whether it can be done, and where: what it cannot do is told without waiting for it. */
async function take(page: Page, session: CDPSession, move: KioskMove, timeout: number): Promise<After> {
  // Whether the page goes elsewhere is not waited for: it cannot.
  const how = { timeout, force: true, noWaitAfter: true }
  const at = (bid: string) => page.locator(`[bid=${JSON.stringify(bid)}]`)
  const aim = (bid: string, what: string): Promise<Aim> =>
    evaluated(session, `(${aimScript})(${JSON.stringify(bid)}, ${JSON.stringify(what)})`)
  const act = async (
    bid: string,
    what: string,
    go: (there: Point) => Promise<unknown>,
    after = DONE,
  ): Promise<After> => {
    const there = await aim(bid, what)
    if ('problem' in there) return there
    await go(there)
    return after
  }
  switch (move.name) {
    case 'noop':
      await page.waitForTimeout(move.args.wait_ms)
      return DONE
    case 'click':
    case 'dblclick': {
      const { bid, button, modifiers } = move.args
      return act(bid, 'point', async ({ x, y }) => {
        try {
          for (const key of modifiers) await page.keyboard.down(key)
          await page.mouse[move.name](x, y, { button })
        } finally {
          for (const key of modifiers) await page.keyboard.up(key)
        }
      })
    }
    case 'hover':
      return act(move.args.bid, 'point', ({ x, y }) => page.mouse.move(x, y))
    case 'fill':
    case 'clear': {
      const value = move.name === 'fill' ? move.args.value : ''
      return act(move.args.bid, 'fill', ({ isText }) => {
        // All of a text is selected by now, and is typed over.
        if (isText !== true) return at(move.args.bid).fill(value, how)
        return value === '' ? page.keyboard.press('Delete') : page.keyboard.insertText(value)
      })
    }
    case 'focus':
      return act(move.args.bid, 'focus', () => at(move.args.bid).focus({ timeout }))
    case 'press':
      return act(
        move.args.bid,
        'focus',
        () => at(move.args.bid).press(move.args.key_comb, { timeout, noWaitAfter: true }),
        FRAMED,
      )
    case 'keyboard_press':
      await page.keyboard.press(move.args.key)
      return FRAMED
    case 'check':
    case 'uncheck': {
      const { bid } = move.args
      const click = async ({ x, y, isSo }: Point) => (isSo === true ? undefined : page.mouse.click(x, y))
      return act(bid, move.name, click, { isDone: true, checked: [bid, move.name === 'check'] })
    }
    case 'select_option': {
      const options = [move.args.options].flat()
      return act(move.args.bid, `select ${JSON.stringify(options)}`, () => at(move.args.bid).selectOption(options, how))
    }
    case 'drag_and_drop': {
      const target = await aim(move.args.to_bid, 'exist')
      if ('problem' in target) return target
      const source = await aim(move.args.from_bid, 'point')
      if ('problem' in source) return source
      await page.mouse.move(source.x, source.y)
      await page.mouse.down()
      // The page may have changed by now.
      const there = await aim(move.args.to_bid, 'drop')
      if (!('problem' in there)) await page.mouse.move(there.x, there.y)
      await page.mouse.up()
      return 'problem' in there ? there : FRAMED
    }
    case 'scroll': {
      const { delta_x: x, delta_y: y } = move.args
      await evaluated(session, `(${scrollScript})(${JSON.stringify(x)}, ${JSON.stringify(y)})`)
      return FRAMED
    }
    case 'send_msg_to_user':
    case 'report_infeasible':
      return DONE
  }
}

/** What an expression comes to in the page: the browser is asked itself, which is sooner there than by the library. */
async function evaluated<T>(session: CDPSession, expression: string): Promise<T> {
  const { result, exceptionDetails } = await session.send('Runtime.evaluate', {
    expression,
    awaitPromise: true,
    returnByValue: true,
  })
  if (exceptionDetails === undefined) return result.value as T
  throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text)
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

/**
 * Waits until the page has been told of an action, as it is of scrolling with a frame. Then names new elements, and tells what
 * the document is: its markup, what is filled in, where it is scrolled to.
 */
const lookScript = `async ({ problem = null, isDone = false, isFramed = false, checked }) => {
  const place = () => [scrollX, scrollY].join()
  if (isFramed || isDone && place() !== (window.kioskScroll ?? '0,0')) {
    await new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)))
    window.kioskScroll = place()
  }
  if (checked !== undefined && document.querySelector('[bid="' + CSS.escape(checked[0]) + '"]')?.checked === !checked[1])
    problem = '[' + checked[0] + '] was clicked, and stayed ' + (checked[1] ? 'unchecked' : 'checked')
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
  return { document: JSON.stringify([document.documentElement.outerHTML, filled, scrolled, focused, record]), focused, record, problem }
}`

/** Whether this can be done to an element, and where the mouse comes to it. Of a text that is to be filled in, all is selected. */
const aimScript = `(bid, what) => {
  const one = document.querySelector('[bid="' + CSS.escape(bid) + '"]')
  if (one === null) return { problem: 'there is no element [' + bid + '] on the page' }
  const refused = (why) => ({ problem: '[' + bid + '] ' + one.tagName.toLowerCase() + ' ' + why })
  const box = one.getBoundingClientRect()
  const middle = ({ x, y, width, height }) => ({ x: x + width / 2, y: y + height / 2 })
  if (!one.checkVisibility({ visibilityProperty: true }) || box.width === 0 || box.height === 0) return refused('is not visible')
  if (one.closest('[inert]') !== null) return refused('is inert')
  if (what === 'exist' || what === 'focus') return middle(box)
  if (what === 'drop') {
    one.scrollIntoView({ block: 'nearest', inline: 'nearest' })
    return middle(one.getBoundingClientRect())
  }
  if (one.disabled === true) return refused('is disabled')
  if (what === 'fill') {
    const isText = one.tagName === 'TEXTAREA' || one.tagName === 'INPUT' && /^(text|search|email|password|tel|url)$/.test(one.type)
    const isSet = one.tagName === 'INPUT' && /^(number|date|time|month|week|datetime-local|color|range)$/.test(one.type)
    if (!isText && !isSet && !one.isContentEditable) return refused('cannot be filled in')
    if (one.readOnly === true) return refused('is read-only')
    if (isText) {
      one.select()
      one.focus()
    }
    return { ...middle(box), isText }
  }
  if (what.startsWith('select ')) {
    if (one.tagName !== 'SELECT') return refused('is not a <select> element')
    const known = [...one.options].filter(({ disabled }) => !disabled).flatMap(({ value, label }) => [value, label])
    const missing = JSON.parse(what.slice(7)).find((option) => !known.includes(option))
    return missing === undefined ? middle(box) : refused('has no option ' + JSON.stringify(missing))
  }
  if (what === 'check' || what === 'uncheck') {
    if (one.type !== 'checkbox' && one.type !== 'radio') return refused('is not a checkbox or radio button')
    if (what === 'uncheck' && one.type === 'radio') return refused('is a radio button: check another one')
    if (one.checked === (what === 'check')) return { ...middle(box), isSo: true }
  }
  const [left, top] = [scrollX, scrollY]
  one.scrollIntoView({ block: 'nearest', inline: 'nearest' })
  const { x, y } = middle(one.getBoundingClientRect())
  const hit = document.elementFromPoint(x, y)
  if (hit !== null && (one.contains(hit) || hit.closest('label')?.control === one)) return { x, y }
  scrollTo(left, top)
  return refused('is covered' + (hit === null ? '' : ' by [' + hit.getAttribute('bid') + '] ' + hit.tagName.toLowerCase()))
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
