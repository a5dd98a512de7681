/** Pages of the kiosk that take more than a click: menus that open under the mouse, dialogs, drag and drop, scrolling. */
import { drawBelow, pick, shuffled } from './environment.ts'
import type { KioskPage } from './kiosk-page.ts'
import { clickOn, escapeHtml as h, fillIn, find, list, on, setTo, some, under } from './kiosk-page.ts'
import { chores, files, folders } from './kiosk-words.ts'

type Menus = { menus: [string, [string, string[]][]][]; path: [string, string, string] }
const menuWords = ['File', 'Edit', 'View', 'Insert', 'Tools']
const subWords = ['Export', 'Import', 'Arrange', 'Share', 'Print', 'Convert']
const leafWords = ['as PDF', 'as image', 'as text', 'by email', 'to printer', 'to archive', 'by name', 'by date']
/** Menus that open while the mouse is over them. */
export const editor: KioskPage<Menus> = {
  name: 'editor',
  draw(draw, level) {
    const menus = menuWords
      .slice(0, 2 + level)
      .map((name): Menus['menus'][number] => [
        name,
        some(draw, subWords, 2 + drawBelow(draw, 2)).map((sub) => [sub, some(draw, leafWords, 3)]),
      ])
    const [menu, subs] = pick(draw, menus)
    const [sub, leaves] = pick(draw, subs)
    return { menus, path: [menu, sub, pick(draw, leaves)] }
  },
  goal: ({ path }) => `Choose ${path.join(' > ')} from the menu.`,
  want: ({ path }) => path,
  html({ menus }) {
    const item = (name: string, inside = ''): string =>
      `<div role="menuitem" tabindex="-1" aria-label="${name}"${inside === '' ? '' : ' aria-haspopup="menu"'}>${name}${inside === '' ? '' : `<div role="menu" aria-label="${name}" hidden>${inside}</div>`}</div>`
    return `<h1>Untitled document</h1><div role="menubar">${menus
      .map(([name, subs]) =>
        item(name, subs.map(([sub, leaves]) => item(sub, leaves.map((leaf) => item(leaf)).join(''))).join('')),
      )
      .join('')}</div><p class="note" style="min-height:14em">Start writing.</p>`
  },
  script: `
    for (const item of all('[role=menuitem]')) {
      const menu = item.querySelector('[role=menu]')
      item.onmouseenter = () => menu && (menu.hidden = false)
      item.onmouseleave = () => menu && (menu.hidden = true)
      item.onclick = (event) => {
        event.stopPropagation()
        if (menu) return
        const path = []
        for (let one = item; one; one = one.parentElement.closest('[role=menuitem]')) path.unshift(one.getAttribute('aria-label'))
        submit(path)
      }
    }`,
  solve({ path: [menu, sub, leaf] }, look) {
    const outer = find(look, 'menuitem', menu)
    const inside = outer === undefined ? [] : under(look, outer)
    const middle = find(inside, 'menuitem', sub)
    if (middle === undefined) return on(outer, 'hover')
    const last = find(under(inside, middle), 'menuitem', leaf)
    return last === undefined ? on(middle, 'hover') : on(last, 'click')
  },
}

type Rename = { names: string[]; from: string; to: string }
/** A menu of the right button, and a name that is changed in its place. */
export const rename: KioskPage<Rename> = {
  name: 'rename',
  draw(draw, level) {
    const names = some(draw, files, Math.min(3 + level, files.length))
    const from = pick(draw, names)
    return { names, from, to: `${pick(draw, folders).toLowerCase()}-${drawBelow(draw, 90) + 10}.${from.split('.')[1]}` }
  },
  goal: ({ from, to }) => `Rename the file ${from} to ${to}. The menu of a file opens with the right mouse button.`,
  want: ({ from, to }) => ({ rename: from, to }),
  html: ({ names }) =>
    `<h1>Documents</h1><ul class="plain" style="min-height:16em">${names.map((name) => `<li class="row" style="justify-content:start;position:relative"><button data-file="${name}">${name}</button></li>`).join('')}</ul>`,
  script: `
    const act = (verb, button) => {
      const file = button.dataset.file
      close()
      if (verb !== 'Rename') return submit({ [verb.toLowerCase()]: file })
      const field = el('input', { 'aria-label': 'New name', value: file, keydown: (event) => {
        if (event.key === 'Enter') submit({ rename: file, to: field.value })
        if (event.key === 'Escape') field.replaceWith(button)
      } })
      button.replaceWith(field)
      field.focus()
      field.select()
    }
    const close = () => $('[role=menu]')?.remove()
    document.onclick = close
    for (const button of all('[data-file]')) button.oncontextmenu = (event) => {
      event.preventDefault()
      close()
      button.parentElement.append(el('div', { role: 'menu', 'aria-label': 'File menu', style: 'left:8em;top:1.6em' },
        ...['Rename', 'Duplicate', 'Delete'].map((verb) => el('div', { role: 'menuitem', tabindex: '-1', click: (e) => (e.stopPropagation(), act(verb, button)) }, verb))))
    }`,
  solve({ from, to }, look) {
    const field = find(look, 'textbox', 'New name')
    if (field !== undefined) {
      // Whose field it is can be seen by who is missing.
      if (find(look, 'button', from) !== undefined) return on(field, 'press', { key_comb: 'Escape' })
      return fillIn(look, 'New name', to) ?? on(field, 'press', { key_comb: 'Enter' })
    }
    const item = find(look, 'menuitem', 'Rename')
    const button = find(look, 'button', from)
    const isOpen = item !== undefined && button !== undefined && look.indexOf(item) > look.indexOf(button)
    const isNext =
      isOpen && look.slice(look.indexOf(button) + 1, look.indexOf(item)).every(({ role }) => role !== 'button')
    return isNext ? on(item, 'click') : on(button, 'click', { button: 'right' })
  },
}

type Removal = { names: string[]; target: string; accept: boolean }
/** A banner that covers the page, and a dialog that has to be answered by typing. */
export const projects: KioskPage<Removal> = {
  name: 'projects',
  draw(draw, level) {
    const names = some(draw, folders, Math.min(2 + level, folders.length))
    return { names, target: pick(draw, names), accept: draw() < 0.5 }
  },
  goal: ({ target, accept }) =>
    `${accept ? 'Accept' : 'Reject'} cookies. Then delete the project ${target}; it asks for its name to be sure.`,
  want: ({ target, accept }) => ({ cookies: accept ? 'accepted' : 'rejected', deleted: target }),
  html: ({
    names,
  }) => `<h1>Projects</h1><ul class="plain">${names.map((name) => `<li class="row"><span>${name}</span><button data-name="${name}" aria-label="Delete ${name}">Delete</button></li>`).join('')}</ul>
<div class="banner" role="region" aria-label="Cookies"><div><span>May we keep cookies on your device?</span><span><button data-cookies="rejected">Reject cookies</button> <button class="main" data-cookies="accepted">Accept cookies</button></span></div></div>
<dialog aria-label="Delete project"><h2 id="ask"></h2><label>Type its name<input id="sure" autocomplete="off"></label><button id="cancel">Cancel</button> <button class="main" id="yes" disabled>Delete for ever</button></dialog>`,
  script: `
    let cookies = ''
    let asked = ''
    for (const one of all('[data-cookies]')) one.onclick = () => { cookies = one.dataset.cookies; $('.banner').remove() }
    for (const one of all('[data-name]')) one.onclick = () => {
      asked = one.dataset.name
      $('#ask').textContent = 'Delete ' + asked + '?'
      $('#sure').value = ''
      $('#yes').disabled = true
      $('dialog').showModal()
    }
    $('#sure').oninput = () => ($('#yes').disabled = $('#sure').value !== asked)
    $('#cancel').onclick = () => $('dialog').close()
    $('#yes').onclick = () => submit({ cookies, deleted: asked })`,
  solve({ target, accept }, look) {
    const banner = find(look, 'button', `${accept ? 'Accept' : 'Reject'} cookies`)
    if (banner !== undefined) return on(banner, 'click')
    const asked = look.find(({ role, name }) => role === 'heading' && name.startsWith('Delete '))
    if (asked === undefined) return clickOn(look, 'button', `Delete ${target}`)
    if (asked.name !== `Delete ${target}?`) return clickOn(look, 'button', 'Cancel')
    return fillIn(look, 'Type its name', target) ?? clickOn(look, 'button', 'Delete for ever')
  },
}

const columns = ['To do', 'In progress', 'Done']
type Board = { cards: [string, number][]; moves: [string, number][] }
/** Cards that are dragged from column to column. */
export const board: KioskPage<Board> = {
  name: 'board',
  draw(draw, level) {
    const cards = some(draw, chores, Math.min(4 + level, chores.length)).map((name): [string, number] => [
      name,
      drawBelow(draw, 3),
    ])
    const moves = some(draw, cards, Math.min(level, cards.length)).map(([name, at]): [string, number] => [
      name,
      (at + 1 + drawBelow(draw, 2)) % 3,
    ])
    return { cards, moves }
  },
  goal: ({ moves }) => `Move ${list(moves.map(([name, to]) => `"${name}" to ${columns[to]}`))}, and save the board.`,
  want: ({ cards, moves }) => Object.fromEntries([...cards, ...moves]),
  html: ({ cards }) =>
    `<h1>Board</h1><div class="columns">${columns
      .map(
        (column, i) =>
          `<section><h2>${column}</h2><div role="listbox" aria-label="${column}" tabindex="0">${cards
            .filter(([, at]) => at === i)
            .map(([name]) => `<div role="option" draggable="true">${name}</div>`)
            .join('')}</div></section>`,
      )
      .join('')}</div><button class="main" id="save">Save board</button>`,
  script: `
    let dragged
    for (const card of all('[draggable]')) card.ondragstart = () => (dragged = card)
    for (const column of all('[role=listbox]')) {
      column.ondragover = (event) => event.preventDefault()
      column.ondrop = (event) => { event.preventDefault(); column.append(dragged) }
    }
    $('#save').onclick = () => submit(Object.fromEntries(all('[role=listbox]').flatMap((column, i) => all('[role=option]', column).map((card) => [card.textContent, i]))))`,
  solve({ cards, moves }, look) {
    for (const [name, to] of new Map([...cards, ...moves])) {
      const column = find(look, 'listbox', columns[to])
      const card = find(look, 'option', name)
      if (column === undefined || find(under(look, column), 'option', name) === undefined)
        return { name: 'drag_and_drop', args: { from_bid: card?.bid ?? '', to_bid: column?.bid ?? '' } }
    }
    return clickOn(look, 'button', 'Save board')
  },
}

type Queue = { tracks: [string, number][] }
/** A list that is put in order by dragging. */
export const playlist: KioskPage<Queue> = {
  name: 'playlist',
  draw: (draw, level) => {
    const minutes = some(
      draw,
      Array.from({ length: 12 }, (_, i) => i + 1),
      Math.min(2 + level, 12),
    )
    const tracks = some(draw, chores, minutes.length).map((name, i): [string, number] => [name, minutes[i] ?? 0])
    // Never in order from the start.
    if (tracks.every(([, own], i) => own >= (tracks[i - 1]?.[1] ?? 0))) tracks.reverse()
    return { tracks }
  },
  goal: () => 'Put the list into order, the shortest first: what is dropped on another takes its place. Then save it.',
  want: ({ tracks }) => tracks.toSorted((a, b) => a[1] - b[1]).map(([name]) => name),
  html: ({ tracks }) =>
    `<h1>Today</h1><div role="listbox" aria-label="Order" tabindex="0">${tracks
      .map(([name, minutes]) => `<div role="option" draggable="true" data-name="${name}">${name}, ${minutes} min</div>`)
      .join('')}</div><p><button class="main" id="save">Save order</button></p>`,
  script: `
    let dragged
    for (const one of all('[draggable]')) {
      one.ondragstart = () => (dragged = one)
      one.ondragover = (event) => event.preventDefault()
      one.ondrop = (event) => {
        event.preventDefault()
        const list = all('[draggable]')
        list.indexOf(dragged) < list.indexOf(one) ? one.after(dragged) : one.before(dragged)
      }
    }
    $('#save').onclick = () => submit(all('[draggable]').map((one) => one.dataset.name))`,
  solve({ tracks }, look) {
    const options = look.filter(({ role }) => role === 'option')
    const wanted = tracks.toSorted((a, b) => a[1] - b[1]).map(([name, minutes]) => `${name}, ${minutes} min`)
    const at = options.findIndex(({ name }, i) => name !== wanted[i])
    if (at === -1) return clickOn(look, 'button', 'Save order')
    const one = options.find(({ name }) => name === wanted[at])
    return { name: 'drag_and_drop', args: { from_bid: one?.bid ?? '', to_bid: options[at]?.bid ?? '' } }
  },
}

type Terms = { parts: string[]; agree: boolean }
/** A long text that has to be scrolled through. */
export const terms: KioskPage<Terms> = {
  name: 'terms',
  draw: (draw, level) => ({ parts: shuffled(draw, chores).slice(0, 8 + level), agree: draw() < 0.7 }),
  goal: ({ agree }) =>
    agree
      ? 'Scroll to the end of the terms, confirm that you have read them, and agree to them.'
      : 'Scroll to the end of the terms, confirm that you have read them, and decline them.',
  want: ({ agree }) => (agree ? 'agreed' : 'declined'),
  html: ({ parts }) =>
    `<h1>Terms of use</h1><p class="note" id="state">Please scroll to the end</p>${parts
      .map(
        (part, i) =>
          `<h2>${i + 1}. ${h(part)}</h2><p style="margin-bottom:4em">Whoever uses this service agrees to “${h(part.toLowerCase())}” in good time, and to tell the others when it is done.</p>`,
      )
      .join(
        '',
      )}<label class="line"><input type="checkbox" id="read" disabled>I have read all of this</label><button id="no" disabled>Decline</button> <button class="main" id="yes" disabled>Agree</button>`,
  script: `
    document.onscroll = () => {
      if (innerHeight + scrollY < document.documentElement.scrollHeight - 4) return
      $('#read').disabled = false
      $('#state').textContent = 'Thank you for reading'
    }
    $('#read').onchange = () => { for (const one of all('button')) one.disabled = !$('#read').checked }
    $('#no').onclick = () => submit('declined')
    $('#yes').onclick = () => submit('agreed')`,
  solve({ agree }, look) {
    if (find(look, 'checkbox')?.properties['disabled'] === 'True')
      return { name: 'scroll', args: { delta_x: 0, delta_y: 10_000 } }
    return setTo(find(look, 'checkbox'), true) ?? clickOn(look, 'button', agree ? 'Agree' : 'Decline')
  },
}
