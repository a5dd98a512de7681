/** Pages of the kiosk that are filled in: an account, a survey, settings, a checkout, dates, an airport, sliders. */
import { drawBelow, pick, shuffled } from './environment.ts'
import type { KioskPage } from './kiosk-page.ts'
import { clickOn, escapeHtml as h, fillIn, find, list, on, select, setTo, some, under } from './kiosk-page.ts'
import {
  cities,
  countries,
  firstNames,
  lastNames,
  products,
  questions,
  regions,
  settings,
  streets,
} from './kiosk-words.ts'

type SignUp = { fields: [string, string][]; country: string; newsletter: boolean; offered: boolean }
/** An account with text, a choice and a checkbox that may be checked already. */
export const signUp: KioskPage<SignUp> = {
  name: 'sign-up',
  draw(draw, level) {
    const [first, last] = [pick(draw, firstNames), pick(draw, lastNames)]
    const number = `${drawBelow(draw, 900) + 100}`
    const fields: [string, string][] = [
      ['First name', first],
      ['Last name', last],
      ['Email', `${first.toLowerCase()}${number}@example.org`],
      ['City', pick(draw, cities)],
      ['Phone', `555-0${number}`],
      ['Company', `${pick(draw, lastNames)} & Co`],
    ]
    return {
      fields: fields.slice(0, Math.min(2 + level, fields.length)),
      country: pick(draw, countries),
      newsletter: draw() < 0.5,
      offered: draw() < 0.5,
    }
  },
  goal: ({ fields, country, newsletter }) =>
    `Create an account. ${fields.map(([label, value]) => `${label}: ${value}.`).join(' ')} Country: ${country}. ${newsletter ? 'Subscribe to' : 'Do not subscribe to'} the newsletter.`,
  want: ({ fields, country, newsletter }) => ({ ...Object.fromEntries(fields), Country: country, newsletter }),
  html: ({ fields, offered }) => `<h1>Create your account</h1><form>
${fields.map(([label]) => `<label>${label}<input name="${label}" required autocomplete="off"></label>`).join('\n')}
<label>Country<select name="Country"><option>Choose one</option>${countries.map((one) => `<option>${one}</option>`).join('')}</select></label>
<label class="line"><input type="checkbox" name="newsletter"${offered ? ' checked' : ''}>Send me the newsletter</label>
<button class="main">Create account</button></form>`,
  script: `$('form').onsubmit = (event) => {
    event.preventDefault()
    submit(Object.fromEntries(all('[name]').map((one) => [one.name, one.type === 'checkbox' ? one.checked : one.value])))
  }`,
  solve: ({ fields, country, newsletter }, look) =>
    fields.map(([label, value]) => fillIn(look, label, value)).find((move) => move !== undefined) ??
    select(look, 'Country', country) ??
    setTo(find(look, 'checkbox'), newsletter) ??
    clickOn(look, 'button', 'Create account'),
}

type Survey = { asked: number[]; answers: string[]; comment: string }
/** Groups of radio buttons and a longer text. */
export const survey: KioskPage<Survey> = {
  name: 'survey',
  draw(draw, level) {
    const asked = some(
      draw,
      questions.map((_, i) => i),
      Math.min(2 + level, questions.length),
    )
    const answers = asked.map((i) => pick(draw, questions[i]?.[1] ?? []))
    return {
      asked,
      answers,
      comment: `The ${pick(draw, products)} was ${pick(draw, ['lovely', 'late', 'too small'])}.`,
    }
  },
  goal: ({ asked, answers, comment }) =>
    `Answer the survey: ${asked.map((i, k) => `"${questions[i]?.[0]}" ${answers[k]}`).join('; ')}. Comment: ${comment}`,
  want: ({ answers, comment }) => ({ answers, comment }),
  html: ({ asked }) => `<h1>Tell us what you think</h1><form>${asked
    .map((i, k) => {
      const [question, options] = questions[i] ?? ['', []]
      return `<fieldset><legend>${question}</legend>${options.map((one) => `<label class="line"><input type="radio" name="q${k}" value="${one}">${one}</label>`).join('')}</fieldset>`
    })
    .join('')}
<label>Comment<textarea rows="3"></textarea></label><button class="main">Send answers</button></form>`,
  script: `$('form').onsubmit = (event) => {
    event.preventDefault()
    submit({ answers: all('fieldset').map((one) => one.querySelector('input:checked')?.value ?? ''), comment: $('textarea').value })
  }`,
  solve({ asked, answers, comment }, look) {
    for (const [k, i] of asked.entries()) {
      const group = find(look, 'group', questions[i]?.[0])
      const radio = group && find(under(look, group), 'radio', answers[k])
      const move = setTo(radio, true)
      if (move !== undefined) return move
    }
    return fillIn(look, 'Comment', comment) ?? clickOn(look, 'button', 'Send answers')
  },
}

type Settings = { tabs: [string, [string, boolean][]][]; change: string[] }
/** Checkboxes behind tabs; what was changed and not yet saved stands below. */
export const preferences: KioskPage<Settings> = {
  name: 'preferences',
  draw(draw, level) {
    const names = shuffled(draw, settings)
    const tabs = ['General', 'Privacy', 'Alerts'].map((tab, i): [string, [string, boolean][]] => [
      tab,
      names.slice(i * 4, i * 4 + 4).map((name) => [name, draw() < 0.5]),
    ])
    return { tabs, change: some(draw, names, Math.min(1 + level, names.length)) }
  },
  goal: ({ tabs, change }) => {
    const was = new Map(tabs.flatMap(([, own]) => own))
    return `${change.map((name) => `Turn ${was.get(name) === true ? 'off' : 'on'} "${name}".`).join(' ')} Leave the rest as it is, and save.`
  },
  want: ({ change }) => change.toSorted(),
  html: ({ tabs }) => `<h1>Preferences</h1><div role="tablist">${tabs
    .map(([tab], i) => `<button role="tab" aria-selected="${i === 0}" aria-controls="panel${i}">${tab}</button>`)
    .join('')}</div>
${tabs
  .map(
    ([tab, own], i) =>
      `<section role="tabpanel" id="panel${i}" aria-label="${tab}"${i === 0 ? '' : ' hidden'}>${own.map(([name, is]) => `<label class="line"><input type="checkbox" value="${name}"${is ? ' checked' : ''}>${name}</label>`).join('')}</section>`,
  )
  .join('\n')}
<p class="note" id="changed">Nothing to save</p><button class="main" id="save">Save changes</button>`,
  script: `
    const changed = () => all('[type=checkbox]').filter((one) => one.checked !== one.defaultChecked).map((one) => one.value).sort()
    for (const tab of all('[role=tab]')) tab.onclick = () => {
      for (const one of all('[role=tab]')) one.setAttribute('aria-selected', one === tab)
      for (const one of all('[role=tabpanel]')) one.hidden = one.id !== tab.getAttribute('aria-controls')
    }
    document.onchange = () => ($('#changed').textContent = changed().length === 0 ? 'Nothing to save' : 'Not saved yet: ' + changed().join(', '))
    $('#save').onclick = () => submit(changed())`,
  solve({ tabs, change }, look) {
    const note = look.find(({ name }) => name.startsWith('Not saved yet: '))?.name.slice('Not saved yet: '.length)
    const changed = note?.split(', ') ?? []
    const wrong = [...change.filter((one) => !changed.includes(one)), ...changed.filter((one) => !change.includes(one))]
    const [name] = wrong
    if (name === undefined) return clickOn(look, 'button', 'Save changes')
    const box = find(look, 'checkbox', name)
    if (box !== undefined) return on(box, 'click')
    return clickOn(look, 'tab', tabs.find(([, own]) => own.some(([one]) => one === name))?.[0])
  },
}

type Checkout = { cart: [string, number, number][]; street: string; city: string; delivery: string }
const deliveries = ['Standard', 'Express', 'Collect in shop']
/** Four steps, of which the last shows all and lets one go back. */
export const checkout: KioskPage<Checkout> = {
  name: 'checkout',
  draw: (draw, level) => ({
    cart: some(draw, products, Math.min(1 + level, 6)).map((name) => [
      name,
      1 + drawBelow(draw, 3),
      1 + drawBelow(draw, 5),
    ]),
    street: `${1 + drawBelow(draw, 90)} ${pick(draw, streets)}`,
    city: pick(draw, cities),
    delivery: pick(draw, deliveries),
  }),
  goal: ({ cart, street, city, delivery }) =>
    `Order ${list(cart.map(([name, , n]) => `${n} x ${name}`))}, to ${street} in ${city}, with delivery "${delivery}".`,
  want: ({ cart, street, city, delivery }) => ({ cart: cart.map(([, , n]) => n), street, city, delivery }),
  html: ({
    cart,
  }) => `<section data-step="Cart"><h1>Your cart</h1><table><thead><tr><th>Product</th><th>Quantity</th></tr></thead>
<tbody>${cart.map(([name, had]) => `<tr><td>${name}</td><td><input type="number" aria-label="Quantity of ${name}" min="1" max="9" value="${had}"></td></tr>`).join('')}</tbody></table></section>
<section data-step="Address" hidden><h1>Address</h1><label>Street and number<input id="street"></label><label>City<input id="city"></label></section>
<section data-step="Delivery" hidden><h1>Delivery</h1><fieldset><legend>How shall it reach you?</legend>${deliveries.map((one, i) => `<label class="line"><input type="radio" name="delivery" value="${one}"${i === 0 ? ' checked' : ''}>${one}</label>`).join('')}</fieldset></section>
<section data-step="Review" hidden><h1>Review your order</h1><ul class="plain" id="review"></ul></section>
<div class="bar" style="margin-top:1.2em"><button class="main" id="go">Continue</button></div>`,
  script: `
    const steps = all('[data-step]')
    const values = () => ({ cart: all('[type=number]').map((one) => Number(one.value)), street: $('#street').value, city: $('#city').value, delivery: $('[name=delivery]:checked').value })
    const show = (at) => {
      steps.forEach((one, i) => (one.hidden = i !== at))
      $('#go').textContent = at === 3 ? 'Place order' : 'Continue'
      const { cart, street, city, delivery } = values()
      const rows = [['Cart', cart.join(', ')], ['Address', street + ', ' + city], ['Delivery', delivery]]
      if (at === 3) $('#review').replaceChildren(...rows.map(([name, text], i) => el('li', { class: 'row' }, el('span', {}, name + ': ' + text), el('button', { click: () => show(i) }, 'Edit ' + name.toLowerCase()))))
    }
    $('#go').onclick = () => {
      const at = steps.findIndex((one) => !one.hidden)
      at === 3 ? submit(values()) : show(at + 1)
    }`,
  solve({ cart, street, city, delivery }, look) {
    const go = clickOn(look, 'button', 'Continue')
    if (find(look, 'heading', 'Your cart'))
      return (
        cart
          .map(([name, , n]) => fillIn(look, `Quantity of ${name}`, String(n), 'spinbutton'))
          .find((move) => move !== undefined) ?? go
      )
    if (find(look, 'heading', 'Address'))
      return fillIn(look, 'Street and number', street) ?? fillIn(look, 'City', city) ?? go
    if (find(look, 'heading', 'Delivery')) return setTo(find(look, 'radio', delivery), true) ?? go
    const rows = [
      ['cart', `Cart: ${cart.map(([, , n]) => n).join(', ')}`],
      ['address', `Address: ${street}, ${city}`],
      ['delivery', `Delivery: ${delivery}`],
    ] as const
    const wrong = rows.find(([, text]) => find(look, 'StaticText', text) === undefined)
    return clickOn(look, 'button', wrong === undefined ? 'Place order' : `Edit ${wrong[0]}`)
  },
}

type Dates = { month: number; arrival: number; departure: number }
const DAY_MS = 86_400_000
const monthOf = (day: number): number => {
  const date = new Date(day * DAY_MS)
  return date.getUTCFullYear() * 12 + date.getUTCMonth()
}
const dateText = (day: number): string => new Date(day * DAY_MS).toISOString().slice(0, 10)
const monthText = (month: number): string =>
  `${new Date(Date.UTC(Math.floor(month / 12), month % 12)).toLocaleDateString('en-US', { month: 'long', timeZone: 'UTC' })} ${Math.floor(month / 12)}`
/** Two days of a calendar that shows a month. Days and months are counted (from 1970, from the year 0). */
export const booking: KioskPage<Dates> = {
  name: 'booking',
  draw(draw, level) {
    const start = Date.UTC(2026, drawBelow(draw, 24), 1) / DAY_MS
    const arrival = start + drawBelow(draw, 30 * level)
    return { month: monthOf(start), arrival, departure: arrival + 1 + drawBelow(draw, 20) }
  },
  goal: ({ arrival, departure }) => `Book a room from ${dateText(arrival)} to ${dateText(departure)} (year-month-day).`,
  want: ({ arrival, departure }) => [dateText(arrival), dateText(departure)],
  html: ({
    month,
  }) => `<h1>Choose your nights</h1><div class="bar" data-month="${month}"><button id="back">Previous month</button><h2 id="month"></h2><button id="on">Next month</button></div>
<div class="days" id="days"></div><p>Arrival: <span id="from">none</span></p><p>Departure: <span id="to">none</span></p>
<div class="bar"><button id="clear">Clear dates</button><button class="main" id="book">Book</button></div>`,
  script: `
    let month = Number($('[data-month]').dataset.month)
    const chosen = []
    const pad = (n) => String(n).padStart(2, '0')
    const draw = () => {
      const [year, at] = [Math.floor(month / 12), month % 12]
      const first = new Date(Date.UTC(year, at))
      $('#month').textContent = first.toLocaleDateString('en-US', { month: 'long', timeZone: 'UTC' }) + ' ' + year
      const last = new Date(Date.UTC(year, at + 1, 0)).getUTCDate()
      const days = Array.from({ length: last }, (_, i) => {
        const text = year + '-' + pad(at + 1) + '-' + pad(i + 1)
        return el('button', { 'aria-pressed': String(chosen.includes(text)), click: () => choose(text) }, String(i + 1))
      })
      const gap = Array.from({ length: (first.getUTCDay() + 6) % 7 }, () => el('i', { 'aria-hidden': 'true' }))
      $('#days').replaceChildren(...['Mo', 'Tu', 'We', 'Th', 'Fr', 'Sa', 'Su'].map((day) => el('span', {}, day)), ...gap, ...days)
      $('#from').textContent = chosen[0] ?? 'none'
      $('#to').textContent = chosen[1] ?? 'none'
    }
    const choose = (text) => {
      if (chosen.length === 2 || text < chosen[0]) chosen.length = 0
      chosen.push(text)
      draw()
    }
    $('#back').onclick = () => (month--, draw())
    $('#on').onclick = () => (month++, draw())
    $('#clear').onclick = () => ((chosen.length = 0), draw())
    $('#book').onclick = () => submit(chosen)
    draw()`,
  solve({ arrival, departure }, look) {
    const shown = (label: string): string | undefined => {
      const at = look.findIndex(({ name }) => name.startsWith(label))
      return look[at]?.name === label ? look[at + 1]?.name : look[at]?.name.slice(label.length + 1)
    }
    const [from, to] = [shown('Arrival:'), shown('Departure:')]
    const isFrom = from === dateText(arrival)
    if (isFrom && to === dateText(departure)) return clickOn(look, 'button', 'Book')
    if ((from !== 'none' && !isFrom) || to !== 'none') return clickOn(look, 'button', 'Clear dates')
    const day = isFrom ? departure : arrival
    const heading = look.filter(({ role }) => role === 'heading').at(1)?.name ?? ''
    const month = monthOf(day)
    if (heading === monthText(month)) return clickOn(look, 'button', String(new Date(day * DAY_MS).getUTCDate()))
    const isLater = Date.parse(`1 ${heading} UTC`) < day * DAY_MS
    return clickOn(look, 'button', isLater ? 'Next month' : 'Previous month')
  },
}

type Place = { city: string; county: string; airports: [string, string][] }
/** A field that suggests what goes on as it was begun; several places share a name. */
export const airport: KioskPage<Place> = {
  name: 'airport',
  draw(draw, level) {
    const airports = cities.flatMap((city) =>
      some(draw, regions, Math.min(1 + level, regions.length)).map((county): [string, string] => [city, county]),
    )
    const [city, county] = pick(draw, airports)
    return { city, county, airports }
  },
  goal: ({ city, county }) =>
    `Find flights to ${city}, ${county}: choose it from what the field suggests, then search.`,
  want: ({ city, county }) => `${city}, ${county}`,
  html: ({
    airports,
  }) => `<h1>Where to?</h1><label>Destination<input id="to" autocomplete="off" data-known="${h(JSON.stringify(airports.map((one) => one.join(', '))))}"></label>
<div role="listbox" class="suggestions" aria-label="Suggestions"></div><p><button class="main" id="search" disabled>Search flights</button></p>`,
  script: `
    const known = JSON.parse($('#to').dataset.known)
    let chosen = ''
    const choose = (text) => {
      chosen = $('#to').value = text
      $('.suggestions').replaceChildren()
      $('#search').disabled = false
    }
    $('#to').oninput = () => {
      chosen = ''
      $('#search').disabled = true
      const begun = $('#to').value.toLowerCase()
      const found = begun.length < 2 ? [] : known.filter((one) => one.toLowerCase().startsWith(begun)).slice(0, 8)
      $('.suggestions').replaceChildren(...found.map((one) => el('div', { role: 'option', tabindex: '0', click: () => choose(one) }, one)))
    }
    $('#search').onclick = () => submit(chosen)`,
  solve({ city, county }, look) {
    const [whole, field] = [`${city}, ${county}`, find(look, 'textbox', 'Destination')]
    const option = find(look, 'option', whole)
    if (option !== undefined) return on(option, 'click')
    const isChosen = field?.value === whole && find(look, 'button')?.properties['disabled'] !== 'True'
    return isChosen ? clickOn(look, 'button', 'Search flights') : on(field, 'fill', { value: city })
  },
}

type Mixer = { sliders: [string, number, number][] }
/** Sliders in steps of five, by keys or by value. */
export const mixer: KioskPage<Mixer> = {
  name: 'mixer',
  draw: (draw, level) => ({
    sliders: some(draw, ['Bass', 'Treble', 'Volume', 'Balance', 'Echo', 'Speed'], Math.min(1 + level, 6)).map(
      (name) => {
        const from = drawBelow(draw, 21)
        return [name, from * 5, ((from + 1 + drawBelow(draw, 20)) % 21) * 5]
      },
    ),
  }),
  goal: ({ sliders }) => `Set ${list(sliders.map(([name, , to]) => `${name} to ${to}`))}, and apply.`,
  want: ({ sliders }) => sliders.map(([, , to]) => to),
  html: ({ sliders }) =>
    `<h1>Mixer</h1>${sliders
      .map(([name, from]) => `<label>${name}<input type="range" min="0" max="100" step="5" value="${from}"></label>`)
      .join('')}<button class="main" id="apply">Apply</button>`,
  script: `$('#apply').onclick = () => submit(all('[type=range]').map((one) => Number(one.value)))`,
  solve({ sliders }, look) {
    for (const [name, , to] of sliders) {
      const slider = find(look, 'slider', name)
      const steps = (to - Number(slider?.value)) / 5
      if (Math.abs(steps) === 1) return on(slider, 'press', { key_comb: steps > 0 ? 'ArrowRight' : 'ArrowLeft' })
      if (steps !== 0) return on(slider, 'fill', { value: String(to) })
    }
    return clickOn(look, 'button', 'Apply')
  },
}
