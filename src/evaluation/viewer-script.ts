/**
 * The script of the viewer (viewer.ts): plain JavaScript for a browser, as a text. It builds the page from the log with
 * `textContent` and never with markup.
 */
export const viewerScript = `
'use strict'
const log = JSON.parse(document.getElementById('log').textContent)
const page = document.querySelector('main')
const svgSpace = 'http://www.w3.org/2000/svg'

function element(name, given = {}, ...children) {
  const made = document.createElement(name)
  for (const [key, value] of Object.entries(given)) {
    if (typeof value === 'function') made.addEventListener(key, value)
    else made.setAttribute(key, value)
  }
  made.append(...children.filter((child) => child !== null))
  return made
}
function drawn(name, given, text) {
  const made = document.createElementNS(svgSpace, name)
  for (const [key, value] of Object.entries(given)) made.setAttribute(key, value)
  if (text !== undefined) made.textContent = text
  return made
}
const number = (value, digits = 3) => value === null || value === undefined ? '–' : value.toLocaleString('en', { maximumFractionDigits: digits })
const share = (value) => value === null || value === undefined ? '–' : value.toFixed(3)
const cell = (text, kind) => element('td', kind ? { class: kind } : {}, text)
const heads = (titles) => element('thead', {}, element('tr', {}, ...titles.map(([title, kind]) => element('th', kind ? { class: kind, scope: 'col' } : { scope: 'col' }, title))))

page.append(
  element('h1', {}, 'Evaluation ' + log.id),
  element('p', {}, new Date(log.at).toISOString().slice(0, 16).replace('T', ' ') + ' UTC · ' + log.tasks.length + ' tasks · ' + log.solvers.length + ' solvers · ' + log.trials.length + ' tries · ' + log.epochs + (log.epochs === 1 ? ' epoch' : ' epochs') + (log.isComplete ? '' : ' · stopped before its end')),
  element('p', {}, 'Budget of a try: ' + (Object.entries(log.budget).map(([name, value]) => number(value) + ' ' + name).join(', ') || 'none')),
)

// Results
for (const task of log.tasks) {
  page.append(element('h2', {}, task.name + ' '), element('p', {}, task.description + (task.floor === undefined ? '' : ' Doing nothing scores ' + share(task.floor) + '.')))
  for (const scorer of task.scorers) {
    const results = log.results.filter((one) => one.task === task.name && one.scorer === scorer.name).toSorted((a, b) => (b.mean ?? -1) - (a.mean ?? -1))
    const k = String(log.epochs)
    page.append(
      element('div', { class: 'bar' }, element('span', { class: 'soft' }, 'Scored by ' + scorer.name), ...(scorer.isJudge ? [element('span', { class: 'tag' }, 'a model judges')] : [])),
      element('div', { class: 'wide' }, element('table', {},
        heads([['solver'], ['mean', 'n'], ['95 % interval', 'n'], ['samples', 'n'], ['pass@' + k, 'n'], ['pass^' + k, 'n'], ['tokens', 'n'], ['US $', 'n'], ['model calls', 'n'], ['ms', 'n'], ['Pareto']]),
        element('tbody', {}, ...results.map((one) => element('tr', {},
          cell(one.solver), cell(share(one.mean), 'n'), cell(one.interval === null ? '–' : share(one.interval[0]) + ' – ' + share(one.interval[1]), 'n'),
          cell(number(one.samples) + (one.unscored > 0 ? ' (' + one.unscored + ' unscored)' : ''), 'n'),
          cell(share(one.passAt[k]), 'n'), cell(share(one.passHat[k]), 'n'),
          cell(number(one.cost.tokens, 0), 'n'), cell(number(one.cost.usd, 4), 'n'), cell(number(one.cost.steps, 1), 'n'), cell(number(one.cost.ms, 0), 'n'),
          cell(one.isOnFront ? (one.isOnHull ? 'front, hull' : 'front') : ''))))),
      ),
    )
    if (results.length > 1 && results.some((one) => one.cost.tokens > 0)) page.append(plot(results, task.floor))
  }
}

/** Score against tokens, with the front and what doing nothing scores. */
function plot(results, floor) {
  const [width, height, left, bottom] = [640, 260, 44, 34]
  const most = Math.max(1, ...results.map((one) => one.cost.tokens)) * 1.05
  const x = (tokens) => left + (tokens / most) * (width - left - 90)
  const y = (score) => 24 + (1 - score) * (height - bottom - 24)
  const picture = drawn('svg', { viewBox: '0 0 ' + width + ' ' + height, role: 'img', 'aria-label': 'Score against tokens a try' })
  picture.append(drawn('line', { class: 'axis', x1: left, y1: y(0), x2: width - 90, y2: y(0) }), drawn('line', { class: 'axis', x1: left, y1: y(0), x2: left, y2: y(1) }))
  for (const tick of [0, 0.5, 1]) picture.append(drawn('text', { x: left - 8, y: y(tick) + 4, 'text-anchor': 'end' }, String(tick)))
  picture.append(drawn('text', { x: left, y: height - 6 }, '0'), drawn('text', { x: width - 90, y: height - 6, 'text-anchor': 'end' }, number(most / 1.05, 0) + ' tokens'))
  if (floor !== undefined) picture.append(drawn('line', { class: 'anchor', x1: left, y1: y(floor), x2: width - 90, y2: y(floor) }), drawn('text', { x: width - 86, y: y(floor) + 4 }, 'no-op'))
  const front = results.filter((one) => one.isOnFront).toSorted((a, b) => a.cost.tokens - b.cost.tokens)
  if (front.length > 1) picture.append(drawn('polyline', { class: 'front', points: front.map((one) => x(one.cost.tokens) + ',' + y(one.mean)).join(' ') }))
  const labels = new Map()
  for (const one of results) {
    if (one.mean === null) continue
    const place = Math.round(x(one.cost.tokens) / 12) + ' ' + Math.round(y(one.mean) / 12)
    labels.set(place, [...(labels.get(place) ?? []), one])
    const dot = drawn('circle', { class: one.isOnFront ? 'dot' : 'off', cx: x(one.cost.tokens), cy: y(one.mean), r: 5 })
    dot.append(drawn('title', {}, one.solver + ': ' + share(one.mean) + ' at ' + number(one.cost.tokens, 0) + ' tokens'))
    picture.append(dot)
  }
  for (const [one, ...others] of labels.values())
    picture.append(drawn('text', { x: x(one.cost.tokens) + 8, y: y(one.mean) - 6 }, [one, ...others].map(({ solver }) => solver).join(', ')))
  return picture
}

// Tries
const PAGE = 200
const state = { task: '', solver: '', only: '', text: '', shown: PAGE }
const body = element('tbody')
const more = element('button', { click: () => { state.shown += PAGE; list() } }, 'More')
const choose = (label, name, options) => element('select', { 'aria-label': label, change: (event) => { state[name] = event.target.value; state.shown = PAGE; list() } }, element('option', { value: '' }, label), ...options.map(([value, text]) => element('option', { value }, text)))
page.append(
  element('h2', {}, 'Tries'),
  element('div', { class: 'bar' },
    choose('All tasks', 'task', log.tasks.map((one) => [one.name, one.name])),
    choose('All solvers', 'solver', log.solvers.map((one) => [one.name, one.name])),
    choose('All ends', 'only', [['full', 'scored 1'], ['less', 'scored less'], ['unscored', 'not scored'], ['failed', 'ended with an error']]),
    element('input', { type: 'search', placeholder: 'Search', 'aria-label': 'Search', input: (event) => { state.text = event.target.value.toLowerCase(); state.shown = PAGE; list() } })),
  element('div', { class: 'wide' }, element('table', {}, heads([['task'], ['sample'], ['epoch', 'n'], ['solver'], ['score', 'n'], ['tokens', 'n'], ['steps', 'n'], ['ms', 'n'], ['end']]), body)),
  more,
)
const firstScore = (one) => one.scores[log.tasks.find((task) => task.name === one.task).scorers[0].name]
function isShown(one) {
  const value = firstScore(one)?.value
  if (state.task && one.task !== state.task || state.solver && one.solver !== state.solver) return false
  if (state.only === 'full' && !(value >= 1) || state.only === 'less' && !(value < 1 && value !== null)) return false
  if (state.only === 'unscored' && typeof value === 'number' || state.only === 'failed' && one.error === undefined) return false
  return state.text === '' || JSON.stringify(one).toLowerCase().includes(state.text)
}
function list() {
  const shown = log.trials.filter(isShown)
  body.replaceChildren(...shown.slice(0, state.shown).map(row))
  more.hidden = shown.length <= state.shown
}
function row(one) {
  const value = firstScore(one)?.value
  const open = () => {
    const next = line.nextElementSibling
    if (next !== null && next.classList.contains('open')) next.remove()
    else line.after(element('tr', { class: 'open' }, element('td', { colspan: '9' }, detail(one))))
  }
  const line = element('tr', { class: 'row', tabindex: '0', click: open, keydown: (event) => { if (event.key === 'Enter') open() } },
    cell(one.task), cell(one.sample), cell(String(one.epoch), 'n'), cell(one.solver), cell(share(value), 'n ' + (value >= 1 ? 'good' : value === null || value === undefined ? 'soft' : 'bad')),
    cell(number(one.usage.inputTokens + one.usage.outputTokens) + (one.unsettled === undefined ? '' : ' *'), 'n'), cell(number(one.episode === undefined ? one.usage.steps : one.episode.steps), 'n'), cell(number(one.ms, 0), 'n'),
    cell(one.error === undefined ? (one.episode !== undefined && !one.episode.done ? 'stopped early' : 'done') : one.error.code))
  return line
}
const text = (title, value) => value === undefined || value === null || value === '' ? null : element('div', {}, element('span', { class: 'soft' }, title), element('pre', {}, typeof value === 'string' ? value : JSON.stringify(value, null, 2)))
function detail(one) {
  return element('div', {},
    text('Asked', one.input), text('Wanted', one.target), text('Answered', one.output), text('Error', one.error),
    text('Scores', Object.entries(one.scores).map(([name, score]) => name + ': ' + share(score.value) + (score.explanation ? ' – ' + score.explanation : '')).join('\\n')),
    one.episode === undefined ? null : text('Episode', one.episode),
    element('p', {}, 'Process ' + one.pid + ' · ' + number(one.usage.calls) + ' calls, ' + number(one.usage.steps) + ' of models, ' + number(one.usage.children) + ' children' + (one.callsCut > 0 ? ' · the last ' + one.callsCut + ' calls are left out' : '')),
    one.unsettled === undefined ? null : element('p', {}, '* Of its tokens ' + number(one.unsettled.tokens) + ', of its cost $' + number(one.unsettled.usd, 4) + ', were set aside for calls of which a crash, a time-out or a kill left the cost unknown; they are charged whole.'),
    ...one.calls.map((call) => element('details', {},
      element('summary', {}, element('span', { class: 'soft' }, call.pid + '.' + call.n + ' '), call.call + ' ', element('span', { class: call.failed ? 'bad' : 'soft' }, call.args.slice(0, 90) + (call.ms === undefined ? '' : ' · ' + number(call.ms, 1) + ' ms') + (call.tokens === undefined ? '' : ' · ' + number(call.tokens) + ' tokens'))),
      text('With', call.args), text(call.failed ? 'Failed' : 'Gave', call.end))))
}
list()
`
