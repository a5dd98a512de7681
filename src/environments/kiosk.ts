/**
 * `web.kiosk`: small pages, each with something to be done on it, as BrowserGym and MiniWoB++ have them (Liu et al. 2018,
 * "Reinforcement learning on web interfaces using workflow-guided exploration"; the pages are our own).
 *
 *     kiosk.task(7)                       // { page: 'terms', content: { … } }: a page, and what was drawn for it
 *     documentOf(pageOf(task), task.content)       // its HTML
 *
 * Everything about the pages that needs no browser: which there are, drawing them, their solvers. They are opened by
 * src/evaluation/kiosk.ts, since a browser takes its time and environments do not.
 */
import { z } from 'zod'
import { PolityError } from '../kernel/errors.ts'
import type { Json } from '../kernel/types.ts'
import { checkLevel, checkTask, fields } from './define.ts'
import { drawAt } from './environment.ts'
import * as forms from './kiosk-forms.ts'
import * as gestures from './kiosk-gestures.ts'
import * as lists from './kiosk-lists.ts'
import type { KioskPage } from './kiosk-page.ts'

/** An instance of a page. */
export interface KioskTask {
  readonly page: string
  readonly content: Json
}

/** Who acts. */
export const KIOSK_AGENT = 'visitor'

export const kioskPages = [
  ...Object.values(forms),
  ...Object.values(lists),
  ...Object.values(gestures),
] as unknown as readonly KioskPage[]

/** The page of a task. Throws `INVALID_ARGUMENT`. */
export function pageOf({ page }: KioskTask, pages: readonly KioskPage[] = kioskPages): KioskPage {
  const found = pages.find(({ name }) => name === page)
  if (found !== undefined) return found
  throw new PolityError(
    'INVALID_ARGUMENT',
    `there is no page ${JSON.stringify(page)} in the kiosk; there are ${pages.map(({ name }) => name).join(', ')}`,
  )
}

/** As it is given; a page has a content of its own form. */
const taskForm = fields({ page: z.optional(z.string()), content: z.optional(z.json()), level: z.optional(z.number()) })

export const kiosk = {
  id: 'web.kiosk',
  version: '1',
  description: 'Do on a web page what you are asked to do.',
  /** Turns after which an episode is cut off. */
  stepsMax: 40,
  /** The solvers were tried on no more. */
  levelMax: 4,

  /** A task, drawn by seed: the pages take turns; `level` has more on them. Throws `INVALID_ARGUMENT`. */
  task(seed: number, level = 1, pages: readonly KioskPage[] = kioskPages): KioskTask & Json {
    checkLevel(kiosk.id, level, kiosk.levelMax)
    const page = pages[Math.abs(seed) % pages.length] as KioskPage
    return { page: page.name, content: page.draw(drawAt(seed, 0), level) }
  },

  /** A task as it is given; one that names a page only is drawn by the seed. Throws `INVALID_ARGUMENT`. */
  read(params: Json, seed: number, pages: readonly KioskPage[] = kioskPages): KioskTask {
    checkTask(kiosk.id, params ?? {}, taskForm)
    const { page, content, level = 1 } = (params ?? {}) as { page?: string; content?: Json; level?: number }
    checkLevel(kiosk.id, level, kiosk.levelMax)
    if (page === undefined) return kiosk.task(seed, level, pages)
    const found = pageOf({ page, content: null }, pages)
    return { page: found.name, content: content ?? found.draw(drawAt(seed, 0), level) }
  },
}
