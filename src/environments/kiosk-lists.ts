/** Pages of the kiosk on which something is looked for: tables, pages of a list, a shop, folders, a statement. */
import { drawBelow, pick, shuffled } from './environment.ts'
import type { KioskPage } from './kiosk-page.ts'
import { clickOn, escapeHtml as h, fillIn, find, on, select, setTo, some, under } from './kiosk-page.ts'
import { categories, files, firstNames, folders, lastNames, makers, products } from './kiosk-words.ts'

type Invoices = { limit: number; rows: [number, string, number, string][] }
/** Rows to be checked by what stands in them. */
export const invoices: KioskPage<Invoices> = {
  name: 'invoices',
  draw(draw, level) {
    const limit = (2 + drawBelow(draw, 5)) * 100
    const rows = some(draw, lastNames, 4 + 2 * level).map((name, i): [number, string, number, string] => [
      1_000 + i * 7 + drawBelow(draw, 7),
      name,
      50 + drawBelow(draw, 900),
      pick(draw, ['overdue', 'open', 'paid']),
    ])
    const row = rows[drawBelow(draw, rows.length)]
    if (row !== undefined) [row[2], row[3]] = [limit + 1 + drawBelow(draw, 200), 'overdue']
    return { limit, rows }
  },
  goal: ({ limit }) => `Select all invoices that are overdue and of more than ${limit} euros, no others, and pay them.`,
  want: ({ limit, rows }) =>
    rows.filter(([, , amount, status]) => amount > limit && status === 'overdue').map(([number]) => number),
  html: ({
    rows,
  }) => `<h1>Invoices</h1><table><thead><tr><th></th><th>Number</th><th>Customer</th><th class="number">Euros</th><th>Status</th></tr></thead>
<tbody>${rows.map(([number, name, amount, status]) => `<tr><td><input type="checkbox" value="${number}" aria-label="Select ${number}"></td><td>${number}</td><td>${h(name)}</td><td class="number">${amount}</td><td>${status}</td></tr>`).join('')}</tbody></table>
<button class="main" id="pay">Pay selected</button>`,
  script: `$('#pay').onclick = () => submit(all(':checked').map((one) => Number(one.value)))`,
  solve(task, look) {
    const want = invoices.want(task) as number[]
    return (
      task.rows
        .map(([number]) => setTo(find(look, 'checkbox', `Select ${number}`), want.includes(number)))
        .find((move) => move !== undefined) ?? clickOn(look, 'button', 'Pay selected')
    )
  },
}

const places = ['first', 'second', 'third', 'fourth']
const columns = ['Price', 'Weight', 'Stock'] as const
type Ranking = { column: number; place: number; rows: [string, number, number, number][] }
/** A table that is sorted by its heads. */
export const ranking: KioskPage<Ranking> = {
  name: 'ranking',
  draw(draw, level) {
    const count = 5 + 2 * level
    const numbers = columns.map(() =>
      some(
        draw,
        Array.from({ length: 90 }, (_, i) => i + 10),
        count,
      ),
    )
    const names = some(
      draw,
      makers.flatMap((maker) => products.slice(0, 4).map((one) => `${maker} ${one}`)),
      count,
    )
    const rows = names.map((name, i): Ranking['rows'][number] => [
      name,
      ...(numbers.map((column) => column[i] ?? 0) as [number, number, number]),
    ])
    return { column: drawBelow(draw, columns.length), place: drawBelow(draw, places.length), rows }
  },
  goal: ({ column, place }) =>
    `Open the product with the ${place === 0 ? '' : `${places[place]} `}lowest ${columns[column]?.toLowerCase()}.`,
  want: ({ column, place, rows }) =>
    rows.toSorted((a, b) => Number(a[column + 1]) - Number(b[column + 1]))[place]?.[0] ?? '',
  html: ({
    rows,
  }) => `<h1>Products</h1><table><thead><tr><th>Name</th>${columns.map((one) => `<th class="number"><button>${one}</button></th>`).join('')}<th></th></tr></thead>
<tbody>${rows.map(([name, ...own]) => `<tr><td>${name}</td>${own.map((one) => `<td class="number">${one}</td>`).join('')}<td><button aria-label="Open ${name}">Open</button></td></tr>`).join('')}</tbody></table>`,
  script: `
    all('th button').forEach((head, i) => (head.onclick = () => {
      const value = (row) => Number(row.cells[i + 1].textContent)
      const isUp = head.parentElement.getAttribute('aria-sort') === 'ascending'
      for (const one of all('th')) one.removeAttribute('aria-sort')
      head.parentElement.setAttribute('aria-sort', isUp ? 'descending' : 'ascending')
      $('tbody').append(...all('tbody tr').sort((a, b) => (value(a) - value(b)) * (isUp ? -1 : 1)))
    }))
    for (const one of all('td button')) one.onclick = () => submit(one.closest('tr').cells[0].textContent)`,
  /** Sorting shows the way; the row that is at its place is opened. */
  solve(task, look) {
    const want = String(ranking.want(task))
    const rows = look.filter(({ role }) => role === 'row')
    const at = rows.findIndex((row) => under(look, row).some(({ name }) => name === want))
    return clickOn(look, 'button', at === 1 + task.place ? `Open ${want}` : columns[task.column])
  },
}

const PAGE = 6
type Pages = { people: string[]; wanted: number }
/** A list of several pages. */
export const directory: KioskPage<Pages> = {
  name: 'directory',
  draw(draw, level) {
    const people = some(
      draw,
      firstNames.flatMap((first) => lastNames.map((last) => `${first} ${last}`)),
      PAGE * (2 + level),
    )
    return { people, wanted: drawBelow(draw, people.length) }
  },
  goal: ({ people, wanted }) => `Archive the entry of ${people[wanted]}.`,
  want: ({ people, wanted }) => people[wanted] ?? '',
  html: ({ people }) =>
    `<h1>Directory</h1><p class="note">${people.length} people</p><ul class="plain" id="list" data-people="${h(JSON.stringify(people))}"></ul><div class="bar" id="pages" style="margin-top:1em"></div>`,
  script: `
    const people = JSON.parse($('#list').dataset.people)
    const pages = Math.ceil(people.length / ${PAGE})
    const show = (page) => {
      $('#list').replaceChildren(...people.slice(page * ${PAGE}, page * ${PAGE} + ${PAGE}).map((name) =>
        el('li', { class: 'row' }, el('span', {}, name), el('button', { 'aria-label': 'Archive ' + name, click: () => submit(name) }, 'Archive'))))
      const to = (name, at, is) => el('button', { click: () => show(at), disabled: at < 0 || at >= pages, 'aria-pressed': is === true && 'true' }, name)
      $('#pages').replaceChildren(to('Previous', page - 1), ...Array.from({ length: pages }, (_, i) => to('Page ' + (i + 1), i, i === page)), to('Next', page + 1))
    }
    show(0)`,
  solve({ people, wanted }, look) {
    const button = find(look, 'button', `Archive ${people[wanted]}`)
    return button === undefined ? clickOn(look, 'button', `Page ${Math.floor(wanted / PAGE) + 1}`) : on(button, 'click')
  },
}

type Shop = { items: [string, string, number, boolean][]; query: string; category: string }
/** Search with a category; some of what is found is sold out. */
export const shop: KioskPage<Shop> = {
  name: 'shop',
  draw(draw, level) {
    const [query, category] = [pick(draw, products), pick(draw, categories)]
    const others = products.filter((one) => one !== query)
    const things = [query, ...some(draw, others, 2)]
    const items = some(
      draw,
      things.flatMap((thing) => makers.map((maker) => `${maker} ${thing}`)),
      12 + 4 * level,
    ).map((name, i): Shop['items'][number] => [
      name,
      pick(draw, categories),
      10 + i + 30 * drawBelow(draw, 8),
      draw() < 0.7,
    ])
    const sure = [
      ...items,
      [`Nova ${query}`, category, 9 + 30 * (1 + drawBelow(draw, 7)), true] as Shop['items'][number],
    ]
    return { items: shuffled(draw, sure), query, category }
  },
  goal: ({ query, category }) =>
    `Search the shop for "${query}" in the category ${category}, and put the cheapest that is in stock into the basket.`,
  want: ({ items, query, category }) =>
    items
      .filter(([name, own, , inStock]) => inStock && own === category && name.endsWith(` ${query}`))
      .toSorted((a, b) => a[2] - b[2])[0]?.[0] ?? '',
  html: ({
    items,
  }) => `<h1>Shop</h1><form class="bar" data-items="${h(JSON.stringify(items))}"><label>Search<input type="search" id="query" autocomplete="off"></label>
<label>Category<select id="category"><option>All</option>${categories.map((one) => `<option>${one}</option>`).join('')}</select></label><button class="main">Search</button></form>
<h2 id="found">What are you looking for?</h2><ul class="plain" id="list"></ul>`,
  script: `
    const items = JSON.parse($('form').dataset.items)
    $('form').onsubmit = (event) => {
      event.preventDefault()
      const [query, category] = [$('#query').value.toLowerCase().trim(), $('#category').value]
      const found = items.filter(([name, own]) => query !== '' && name.toLowerCase().includes(query) && (category === 'All' || own === category))
      $('#found').textContent = found.length + ' for "' + query + '" in ' + category
      $('#list').replaceChildren(...found.map(([name, own, price, inStock]) => el('li', { class: 'row' }, el('span', {}, name + ', ' + own),
        el('span', { class: 'note' }, price + ' euros' + (inStock ? '' : ', sold out')), el('button', { disabled: !inStock, 'aria-label': 'Add ' + name + ' to basket', click: () => submit(name) }, 'Add to basket'))))
    }`,
  solve(task, look) {
    const isFound = look.some(
      ({ role, name }) => role === 'heading' && name.endsWith(` for "${task.query}" in ${task.category}`),
    )
    if (isFound) return clickOn(look, 'button', `Add ${String(shop.want(task))} to basket`)
    return (
      fillIn(look, 'Search', task.query, 'searchbox') ??
      select(look, 'Category', task.category) ??
      on(find(look, 'searchbox', 'Search'), 'press', { key_comb: 'Enter' })
    )
  },
}

type Folders = { tree: [string, [string, string[]][]][]; path: [string, string, string] }
/** Folders in folders; files of one name are in several of them. */
export const explorer: KioskPage<Folders> = {
  name: 'explorer',
  draw(draw, level) {
    const names = shuffled(draw, folders)
    const tree = names
      .slice(0, 2 + level)
      .map((name, i): Folders['tree'][number] => [
        name,
        ['2024', '2025', '2026'].slice(i % 2).map((year) => [year, some(draw, files, 3)]),
      ])
    const [top, inside] = pick(draw, tree)
    const [year, own] = pick(draw, inside)
    return { tree, path: [top, year, pick(draw, own)] }
  },
  goal: ({ path }) => `Select the file ${path[2]} of the folder ${path[1]} in ${path[0]}, and open it.`,
  want: ({ path }) => path.join('/'),
  html: ({ tree }) =>
    `<h1>Files</h1>${tree
      .map(
        ([top, inside]) =>
          `<details><summary>${top}</summary>${inside.map(([year, own]) => `<details style="margin-left:1.4em"><summary>${year}</summary><ul class="plain" style="margin-left:1.4em">${own.map((file) => `<li><button data-path="${top}/${year}/${file}" aria-pressed="false">${file}</button></li>`).join('')}</ul></details>`).join('')}</details>`,
      )
      .join(
        '',
      )}<p class="note">Selected: <span id="path">nothing</span></p><button class="main" id="open" disabled>Open file</button>`,
  script: `
    const files = all('[data-path]')
    for (const file of files) file.onclick = () => {
      for (const one of files) one.setAttribute('aria-pressed', one === file)
      $('#path').textContent = file.dataset.path
      $('#open').disabled = false
    }
    $('#open').onclick = () => submit($('#path').textContent)`,
  solve({ path: [top, year, file] }, look) {
    if (look.some(({ name }) => name.endsWith(`${top}/${year}/${file}`))) return clickOn(look, 'button', 'Open file')
    // What is open has its folders and files behind it, up to the next folder of its kind.
    const at = look.findIndex((node) => node.role === 'DisclosureTriangle' && node.name === top)
    const outer = look[at]
    if (outer?.properties['expanded'] !== 'True') return on(outer, 'click')
    const rest = look.slice(at + 1)
    const inner = rest.findIndex((node) => node.role === 'DisclosureTriangle' && node.name === year)
    if (rest[inner]?.properties['expanded'] !== 'True') return on(rest[inner], 'click')
    return clickOn(rest.slice(inner), 'button', file)
  },
}

type Statement = { name: string; rows: [string, string, number][] }
/** What is to be told the user, and nothing to be handed in. */
export const statement: KioskPage<Statement> = {
  name: 'statement',
  draw(draw, level) {
    const people = some(draw, lastNames, 2 + level)
    const rows = Array.from({ length: 6 + 3 * level }, (_, i): Statement['rows'][number] => [
      `2026-03-${String(i + 1).padStart(2, '0')}`,
      pick(draw, people),
      5 + drawBelow(draw, 300),
    ])
    return { name: pick(draw, rows)[1], rows }
  },
  goal: ({ name }) => `How many euros did ${name} pay altogether? Tell the user the number.`,
  want: ({ name, rows }) => rows.reduce((sum, [, own, amount]) => sum + (own === name ? amount : 0), 0),
  asks: true,
  html: ({
    rows,
  }) => `<h1>Payments in March</h1><table><thead><tr><th>Day</th><th>Who</th><th class="number">Euros</th></tr></thead>
<tbody>${rows.map(([day, name, amount]) => `<tr><td>${day}</td><td>${h(name)}</td><td class="number">${amount}</td></tr>`).join('')}</tbody></table>`,
  solve: (task) => ({ name: 'send_msg_to_user', args: { text: String(statement.want(task)) } }),
}
