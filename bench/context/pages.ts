/**
 * Accessibility trees of pages that a real Chromium laid out, as a web agent sees them step after step: a shop, a forum, an
 * admin's table of orders, a page of documentation. A visit stays on a page for some steps (types, ticks, sorts, opens a
 * menu) and then goes to another.
 *
 *     for await (const { url, tree } of visits(chromiumPath, 7)) …
 */
import { chromium } from 'playwright-core'
import { drawing } from './alfworld.ts'

export interface Seen {
  readonly url: string
  readonly tree: string
}

const words =
  'light cotton steel travel classic garden compact wireless folding natural large mini winter kitchen office garden water sport leather wooden smart portable vintage organic'.split(
    ' ',
  )
const nouns =
  'lamp shirt kettle bag chair hose speaker desk soap pot heater coat knife folder bottle ball belt shelf watch charger mirror tea'.split(
    ' ',
  )

const frame = (
  body: string,
): string => `<!doctype html><html lang="en"><head><title>One Stop Market</title></head><body>
<header><a href="#c">Skip to Content</a><ul><li><a href="#a">My Account</a></li><li><a href="#w">My Wish List <span>0 items</span></a></li><li><a href="#o">Sign Out</a></li><li><span>Welcome, Emma Lopez!</span></li></ul>
<a href="#h" aria-label="store logo"><img alt="one_stop_market_logo"></a><a href="#cart">My Cart <span class="cart">0</span><span> items</span></a>
<form role="search"><label for="q">Search</label><input id="q" type="search" placeholder="Search entire store here..."><a href="#adv">Advanced Search</a><button>Search</button></form></header>
<nav><button id="menu" aria-haspopup="true" aria-expanded="false">Departments</button><ol><li><a href="#h">Home</a></li><li><span>›</span><strong>Results</strong></li></ol></nav>
<main id="c">${body}</main>
<footer><ul><li><a href="#p">Privacy and Cookie Policy</a></li><li><a href="#s">Search Terms</a></li><li><a href="#x">Contact Us</a></li></ul><form><label>Sign Up for Our Newsletter:<input type="email"></label><button>Subscribe</button></form><small>Copyright © 2013-present One Stop Market. All rights reserved.</small></footer></body></html>`

type Made = (draw: (below: number) => number) => string

const shop: Made = (draw) => {
  const items = Array.from({ length: 12 }, (_, i) => ({
    i,
    name:
      Array.from({ length: 3 + draw(6) }, () => words[draw(words.length)]).join(' ') + ` ${nouns[draw(nouns.length)]}`,
    price: 5 + draw(9_000) / 100,
    stars: draw(101),
    reviews: 1 + draw(40),
  }))
  return `<h1>Home &amp; Kitchen</h1><div><strong>View as</strong><a href="#g">Grid</a><a href="#l">List</a><p>Items <span>1</span>-<span>12</span> of <span>${400 + draw(900)}</span></p><label>Sort By<select><option>Position</option><option>Product Name</option><option>Price</option></select></label></div>
<ol class="items">${items
    .map(
      ({ i, name, price, stars, reviews }) =>
        `<li data-price="${price}"><div><a href="#p${i}"><img alt="Image"></a><div><strong><a href="#p${i}">${name}</a></strong><div><span>Rating:</span><div title="${stars}%"><span><span>${stars}</span>%</span></div><a href="#r${i}">${reviews} <span>Reviews</span></a></div><div><span><span>$${price.toFixed(2)}</span></span></div><div><button title="Add to Cart"><span>Add to Cart</span></button><a href="#w${i}" role="button"><span>Add to Wish List</span></a><a href="#c${i}" role="button"><span>Add to Compare</span></a><label><input type="checkbox" class="tick">compare</label></div></div></div></li>`,
    )
    .join('')}</ol>`
}

const forum: Made = (draw) =>
  `<h1>/f/technology</h1><ul><li><a href="#hot">Hot</a></li><li><a href="#new">New</a></li><li><button>Sort by: <strong>Hot</strong></button></li></ul>${Array.from(
    { length: 15 },
    (_, i) => {
      const title = Array.from({ length: 6 + draw(9) }, () => words[draw(words.length)]).join(' ')
      return `<article><h2><a href="#t${i}">${title}</a> <span>(<a href="#d${i}">example.org</a>)</span></h2><p>Submitted by <a href="#u${i}"><strong>user_${draw(999)}</strong></a> <time datetime="2023-03-0${1 + draw(9)}">${1 + draw(9)} months ago</time> in <a href="#f">technology</a></p><nav><ul><li><a href="#c${i}"><strong>${draw(200)} comments</strong></a></li></ul></nav><form><button title="Upvote" aria-label="Upvote" class="tick" aria-pressed="false"><span></span></button><span>${draw(5_000)}</span><button title="Downvote" aria-label="Downvote"></button></form></article>`
    },
  ).join('')}<nav><ul><li><a href="#more">More</a></li></ul></nav>`

const admin: Made = (draw) => {
  const rows = Array.from({ length: 20 }, (_, i) => ({ i, id: 300 - i * (1 + draw(2)), total: draw(30_000) / 100 }))
  return `<h1>Orders</h1><button>Create New Order</button><div><label>Actions<select><option>Cancel</option><option>Hold</option><option>Print Invoices</option></select></label><span>${rows.length} records found</span></div><table><thead><tr><th><label><input type="checkbox"><span></span></label></th><th><span>ID</span></th><th><span>Purchase Date</span></th><th><span>Bill-to Name</span></th><th><span>Grand Total</span></th><th><span>Status</span></th><th><span>Action</span></th></tr></thead><tbody class="items">${rows
    .map(
      ({ i, id, total }) =>
        `<tr data-price="${total}"><td><label><input type="checkbox" class="tick"></label></td><td><div>${String(id).padStart(9, '0')}</div></td><td><div>May ${1 + draw(30)}, 2023 ${1 + draw(12)}:${10 + draw(50)}:${10 + draw(50)} AM</div></td><td><div>${['Grace Nguyen', 'Samantha Jones', 'Lily Potter', 'Alex Thomas', 'Ava Brown'][draw(5)]}</div></td><td><div>$${total.toFixed(2)}</div></td><td><div>${['Complete', 'Pending', 'Canceled'][draw(3)]}</div></td><td><a href="#v${i}">View</a></td></tr>`,
    )
    .join('')}</tbody></table>`
}

const article: Made = (draw) =>
  `<article><h1>How to set up ${words[draw(words.length)]} ${nouns[draw(nouns.length)]}s</h1>${Array.from(
    { length: 6 },
    (_, i) =>
      `<section><h2 id="s${i}"><a href="#s${i}">Step ${i + 1}</a></h2><p>${Array.from({ length: 30 + draw(40) }, () => words[draw(words.length)]).join(' ')} <code>--${words[draw(words.length)]}</code> and then <em>${nouns[draw(nouns.length)]}</em>, see <a href="#r${i}">the reference</a>.</p><ul>${Array.from({ length: 3 }, () => `<li><p>${nouns[draw(nouns.length)]} of the ${words[draw(words.length)]} kind</p></li>`).join('')}</ul></section>`,
  ).join('')}</article>`

const sites: readonly (readonly [string, Made])[] = [
  ['shop', shop],
  ['forum', forum],
  ['admin', admin],
  ['docs', article],
]

/** Trees of one visit after another: `pages` pages of each site, `steps` observations on each. */
export async function* visits(
  executablePath: string,
  seed: number,
  { pages = 3, steps = 5 }: { pages?: number; steps?: number } = {},
): AsyncGenerator<Seen & { readonly site: string }> {
  const browser = await chromium.launch({ executablePath, args: ['--no-sandbox'] })
  try {
    const page = await browser.newPage({ viewport: { width: 1_280, height: 720 } })
    const session = await page.context().newCDPSession(page)
    const draw = drawing(seed)
    for (const [site, make] of sites) {
      for (let at = 0; at < pages; at++) {
        await page.setContent(frame(make(drawing(seed * 1_000 + at))), { waitUntil: 'domcontentloaded' })
        for (let step = 0; step < steps; step++) {
          if (step > 0)
            await page.evaluate(
              `(${change})(${JSON.stringify({ what: draw(5), which: draw(12), noun: nouns[draw(22)] })})`,
            )
          const { nodes } = await session.send('Accessibility.getFullAXTree')
          yield { site, url: `${site}/${at}`, tree: treeOf(nodes as readonly AxNode[]) }
        }
      }
    }
  } finally {
    await browser.close()
  }
}

/** What one action of an agent changes; runs in the page. */
const change = String.raw`({ what, which, noun }) => {
  const all = (selector) => [...document.querySelectorAll(selector)]
  const [list] = all('.items')
  if (what === 0) for (const one of all('.cart')) one.textContent = String(Number(one.textContent) + 1)
  else if (what === 1) all('#q').forEach((one) => (one.value = noun))
  else if (what === 2) {
    const [menu] = all('#menu')
    const isOpen = menu.getAttribute('aria-expanded') === 'true'
    menu.setAttribute('aria-expanded', String(!isOpen))
    const items = ['Beauty', 'Sports', 'Clothing', 'Home', 'Office', 'Tools', 'Patio', 'Electronics', 'Phones']
    const html = items.map((one) => '<li role="menuitem" tabindex="0"><a href="#' + one + '">' + one + '</a></li>')
    if (isOpen) menu.nextElementSibling.remove()
    else menu.insertAdjacentHTML('afterend', '<ul role="menu">' + html.join('') + '</ul>')
  } else if (what === 3 && list !== undefined) {
    const sorted = [...list.children].toSorted((a, b) => a.dataset.price - b.dataset.price)
    // A list that is sorted already is turned round.
    list.replaceChildren(...(sorted[0] === list.children[0] ? sorted.toReversed() : sorted))
  } else {
    const ticks = all('.tick')
    const tick = ticks[which % Math.max(1, ticks.length)]
    if (tick?.hasAttribute('aria-pressed')) tick.setAttribute('aria-pressed', 'true')
    else tick?.click()
  }
}`

interface AxNode {
  readonly nodeId: string
  readonly backendDOMNodeId?: number
  readonly ignored?: boolean
  readonly role?: { readonly value?: string }
  readonly name?: { readonly value?: string }
  readonly properties?: readonly { readonly name: string; readonly value: { readonly value?: unknown } }[]
  readonly childIds?: readonly string[]
}

/** As WebArena writes it: a line a node, ignored nodes left out, properties behind the name. */
function treeOf(nodes: readonly AxNode[]): string {
  const byId = new Map(nodes.map((node) => [node.nodeId, node]))
  const lines: string[] = []
  const visit = (node: AxNode | undefined, depth: number): void => {
    if (node === undefined) return
    const role = node.role?.value ?? 'none'
    const isShown = node.ignored !== true && role !== 'InlineTextBox' && role !== 'none'
    if (isShown) {
      const properties = (node.properties ?? []).flatMap(({ name, value }) =>
        (['focusable', 'required', 'checked', 'expanded', 'selected', 'hasPopup', 'pressed', 'editable'].includes(
          name,
        ) &&
          value.value !== false &&
          value.value !== 'false') ||
        name === 'expanded'
          ? ` ${name}: ${value.value === true ? 'True' : value.value === false ? 'False' : String(value.value)}`
          : [],
      )
      const name = String(node.name?.value ?? '').replaceAll(/\s+/g, ' ')
      lines.push(
        `${'\t'.repeat(depth)}[${node.backendDOMNodeId ?? node.nodeId}] ${role} '${name}'${properties.join('')}`,
      )
    }
    for (const child of node.childIds ?? []) visit(byId.get(child), depth + (isShown ? 1 : 0))
  }
  visit(nodes[0], 0)
  return lines.join('\n')
}
