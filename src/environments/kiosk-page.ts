/**
 * Pages of the kiosk: what one is, and the frame that makes a document of it.
 *
 *     const page: KioskPage<{ name: string }> = {
 *       name: 'greeting',
 *       draw: (draw) => ({ name: pick(draw, ['Ada', 'Alan']) }),
 *       goal: ({ name }) => `Say that your name is ${name}.`,
 *       want: ({ name }) => name,
 *       html: () => '<label>Name <input id="name"></label><button id="send">Send</button>',
 *       script: `$('#send').onclick = () => submit($('#name').value)`,
 *       solve: ({ name }, look) => fillIn(look, 'Name', name) ?? clickOn(look, 'button', 'Send'),
 *     }
 *     documentOf(page, page.draw(draw, 1))
 *
 * A page is a pure function of what was drawn. Its script is JavaScript for a browser, as a text; it may use `$`, `all`, `el`
 * and `submit(record)`, which hands in what was done and ends the episode: the record has to be what is wanted. The solver
 * looks at nothing but the tree an agent sees, and says what to do next from wherever that is.
 */
import { canonical } from '../policy/canonical.ts'
import type { Json } from '../kernel/types.ts'
import type { Draw } from './environment.ts'
import { shuffled } from './environment.ts'
import type { TreeNode } from './kiosk-tree.ts'

/** A kind of page. */
export interface KioskPage<T extends Json = Json> {
  readonly name: string
  /** What is on it and what is to be done; `level` makes it more. */
  draw(draw: Draw, level: number): T
  /** What the agent is told. */
  goal(task: T): string
  /** The record that is to be handed in; of a page that asks something, the number that is to be told. */
  want(task: T): Json
  /** It asks for a number, which is told with `send_msg_to_user`. @default false */
  readonly asks?: boolean
  /** The inside of `main`. */
  html(task: T): string
  /** @default none */
  readonly script?: string
  solve(task: T, look: readonly TreeNode[]): Move
}

/** An action of BrowserGym, without who takes it. */
export interface Move {
  readonly name: string
  readonly args: { readonly [name: string]: Json }
}

/** Whether this is the record, or the message, that was wanted. */
export function isWanted(page: KioskPage, task: Json, record: Json): boolean {
  const want = page.want(task)
  if (page.asks !== true) return canonical(record) === canonical(want)
  const numbers = String(record)
    .replaceAll(/(?<=\d),(?=\d{3})/g, '')
    .match(/\d+(?:\.\d+)?/g)
  return numbers?.length === 1 && Number(numbers[0]) === want
}

// ------------------------------------------------------------------------------------------------------------- the frame

/** So many of them, in random order. */
export function some<T>(draw: Draw, from: readonly T[], n: number): T[] {
  return shuffled(draw, from).slice(0, n)
}

/** `a, b and c`. */
export function list(parts: readonly string[]): string {
  return parts.length < 2 ? parts.join('') : `${parts.slice(0, -1).join(', ')} and ${parts.at(-1)}`
}

/** Text as it may stand in markup. */
export function escapeHtml(text: string | number): string {
  const named: { readonly [letter: string]: string } = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' }
  return String(text).replaceAll(/[&<>"]/g, (letter) => named[letter] as string)
}

/** The whole document. */
export function documentOf(page: KioskPage, task: Json): string {
  const title = page.name[0]?.toUpperCase() + page.name.slice(1).replaceAll('-', ' ')
  const hue = [...page.name].reduce((sum, letter) => (sum * 31 + letter.charCodeAt(0)) % 360, 7)
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>${escapeHtml(title)}</title><style>:root { --hue: ${hue} }${style}</style></head>
<body><header><b aria-hidden="true"></b>${escapeHtml(title)}</header>
<main>${page.html(task)}</main>
<script>(() => { ${frameScript}
${page.script ?? ''} })()</script></body></html>`
}

const frameScript = `
'use strict'
const $ = (selector) => document.querySelector(selector)
const all = (selector, within = document) => [...within.querySelectorAll(selector)]
const el = (name, given = {}, ...children) => {
  const made = document.createElement(name)
  for (const [key, value] of Object.entries(given)) {
    if (typeof value === 'function') made['on' + key] = value
    else if (value === true) made.setAttribute(key, '')
    else if (value !== false) made.setAttribute(key, value)
  }
  made.append(...children)
  return made
}
const submit = (record) => {
  window.kioskRecord = record
  $('main').replaceChildren(el('div', { class: 'done', role: 'status' }, el('h1', {}, 'Thank you'), 'Your entry was received.'))
}`

const style = `
* { box-sizing: border-box }
body { margin: 0; font: 16px/1.5 'Inter', 'Noto Sans', 'DejaVu Sans', 'Liberation Sans', sans-serif; color: #1d2733; background: hsl(var(--hue) 30% 96%) }
header { display: flex; gap: .7em; align-items: center; padding: .8em 2em; background: #fff; border-bottom: 1px solid #dde3ea; font-weight: 650 }
header b { width: 1.1em; height: 1.1em; border-radius: .35em; background: hsl(var(--hue) 60% 45%) }
main { max-width: 860px; margin: 2em auto; padding: 1.6em 2em 2em; background: #fff; border: 1px solid #dde3ea; border-radius: 12px; box-shadow: 0 2px 10px #1d27330f }
h1 { margin: 0 0 .7em; font-size: 1.45em; line-height: 1.25 } h2 { margin: 0 0 .5em; font-size: 1.1em }
label { display: block; margin: 0 0 .9em; font-weight: 550 } label.line { display: flex; gap: .6em; align-items: center; font-weight: 400; margin-bottom: .5em }
fieldset { border: 1px solid #dde3ea; border-radius: 8px; margin: 0 0 1em; padding: .6em 1em } legend { font-weight: 600; padding: 0 .4em }
input:not([type=checkbox], [type=radio], [type=range]), select, textarea { display: block; width: 100%; margin-top: .25em; padding: .5em .7em; font: inherit; font-weight: 400; color: inherit; background: #fff; border: 1px solid #b6c2cf; border-radius: 8px }
input[type=checkbox], input[type=radio] { width: 1.1em; height: 1.1em; accent-color: hsl(var(--hue) 60% 40%) } input[type=range] { width: 100%; accent-color: hsl(var(--hue) 60% 40%) }
:focus-visible { outline: 2px solid hsl(var(--hue) 70% 50%); outline-offset: 1px }
button { padding: .5em 1em; font: inherit; font-weight: 550; color: #1d2733; background: #f1f4f7; border: 1px solid #c6d0da; border-radius: 8px; cursor: pointer }
button.main { color: #fff; background: hsl(var(--hue) 60% 38%); border-color: transparent } button:disabled { opacity: .45; cursor: default }
button[aria-pressed=true], button[aria-selected=true] { color: #fff; background: hsl(var(--hue) 45% 35%) }
table { width: 100%; border-collapse: collapse; margin: 0 0 1em } th, td { padding: .45em .6em; text-align: left; border-bottom: 1px solid #e5eaf0 } th { font-size: .88em; color: #54616f }
th button { padding: .1em .5em; font-size: 1em } td.number, th.number { text-align: right; font-variant-numeric: tabular-nums }
ul.plain { list-style: none; margin: 0; padding: 0 } .row { display: flex; gap: .8em; align-items: center; justify-content: space-between; padding: .5em 0; border-bottom: 1px solid #e5eaf0 }
.bar { display: flex; flex-wrap: wrap; gap: .6em; align-items: end; margin: 0 0 1.1em } .bar label { margin: 0; flex: 1 } .bar button { white-space: nowrap }
.columns { display: grid; grid-auto-columns: 1fr; grid-auto-flow: column; gap: 1em; margin-bottom: 1.2em }
[role=listbox] { min-height: 9em; padding: .6em; background: hsl(var(--hue) 25% 95%); border: 1px solid #dde3ea; border-radius: 10px } [role=option] { padding: .5em .8em; margin: .35em 0; background: #fff; border: 1px solid #ccd6e0; border-radius: 8px; cursor: grab }
.suggestions { min-height: 0; padding: .2em .5em } .suggestions [role=option] { cursor: pointer } .suggestions:empty { display: none }
[role=menubar], [role=toolbar] { display: flex; gap: .3em; padding: .3em; margin-bottom: 1em; background: #f1f4f7; border-radius: 8px } [role=menu] { position: absolute; z-index: 5; min-width: 13em; padding: .35em; margin: 0; background: #fff; border: 1px solid #ccd6e0; border-radius: 10px; box-shadow: 0 8px 24px #1d273330 }
[role=menu] [role=menu] { left: 100%; top: 0 } [role=menuitem] { position: relative; padding: .35em .9em; border-radius: 6px; cursor: pointer } [role=menuitem]:hover { background: hsl(var(--hue) 40% 92%) }
[role=tablist] { display: flex; gap: .4em; margin-bottom: 1.2em } [role=treeitem] { padding: .15em .4em; border-radius: 6px; cursor: pointer } [role=group] { margin-left: 1.5em }
.days { display: grid; grid-template-columns: repeat(7, 1fr); gap: .25em; max-width: 26em } .days button { padding: .45em 0 } .days span { text-align: center; color: #54616f; font-size: .85em }
dialog { border: 0; border-radius: 12px; padding: 1.6em 2em; box-shadow: 0 12px 48px #1d273355 } dialog::backdrop { background: #1d273366 }
.banner { position: fixed; inset: 0; z-index: 9; display: grid; place-items: end center; background: #1d273340 } .banner > div { width: 100%; padding: 1.2em 2em; background: #fff; display: flex; gap: 1em; align-items: center; justify-content: space-between }
.scroll { height: 13em; overflow: auto; padding: .4em 1.1em; margin-bottom: 1em; border: 1px solid #ccd6e0; border-radius: 8px } .note { color: #54616f } .done { text-align: center; padding: 2em } [hidden] { display: none !important }`

// ------------------------------------------------------------------------------------------------------------ for solvers

/** The n-th node of that role and name; of any name where none is given. */
export function find(look: readonly TreeNode[], role: string, name?: string, n = 0): TreeNode | undefined {
  return look.filter((node) => node.role === role && (name === undefined || node.name === name))[n]
}

/** What stands below the node. */
export function under(look: readonly TreeNode[], node: TreeNode): readonly TreeNode[] {
  const from = look.indexOf(node) + 1
  const length = look.slice(from).findIndex(({ depth }) => depth <= node.depth)
  return look.slice(from, length === -1 ? undefined : from + length)
}

/** To take that action on a node. An action without a node is one that cannot be done, and is told so. */
export function on(node: TreeNode | undefined, name: string, more: Move['args'] = {}): Move {
  return { name, args: { bid: node?.bid ?? '', ...more } }
}

export function clickOn(look: readonly TreeNode[], role: string, name?: string): Move {
  return on(find(look, role, name), 'click')
}

/** To fill in a field, unless it says so already. */
export function fillIn(look: readonly TreeNode[], name: string, value: string, role = 'textbox'): Move | undefined {
  const field = find(look, role, name)
  return field?.value === value || (value === '' && field?.value === undefined)
    ? undefined
    : on(field, 'fill', { value })
}

/** To select what is not selected. */
export function select(look: readonly TreeNode[], name: string, option: string): Move | undefined {
  const field = find(look, 'combobox', name)
  return field?.value === option ? undefined : on(field, 'select_option', { options: option })
}

/** To check, or uncheck, what is not so. */
export function setTo(node: TreeNode | undefined, isChecked: boolean): Move | undefined {
  if (node !== undefined && (node.properties['checked'] === 'true') === isChecked) return undefined
  return on(node, isChecked ? 'check' : 'uncheck')
}
