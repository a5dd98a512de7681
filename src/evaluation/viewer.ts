/**
 * The viewer of a log: one HTML file that stands by itself, to be opened, mailed and kept.
 *
 *     writeFileSync('log.html', viewerHtml(log))
 *
 * It holds the log, its style and its script, and loads nothing: a policy in the page forbids all requests. It shows the
 * results with their intervals and costs, the Pareto front, every try, and of a try every call. What stands in a log was
 * written by models and worlds: it is put into the page as text, never as markup.
 */
import { sha256 } from '../kernel/digest.ts'
import type { Log } from './log.ts'
import { viewerScript } from './viewer-script.ts'

const style = `
:root { color-scheme: light dark; --text: light-dark(#1d2430, #dfe4ec); --soft: light-dark(#5b6675, #98a2b3); --line: light-dark(#d9dee6, #333b47);
  --page: light-dark(#fff, #14181f); --panel: light-dark(#f5f7fa, #1b212b); --good: light-dark(#1a7f4b, #4cc38a); --bad: light-dark(#b42332, #ff7b86); --mark: light-dark(#2b5fc2, #7aa7ff) }
* { box-sizing: border-box }
body { margin: 0 auto; max-width: 76rem; padding: 1.5rem; color: var(--text); background: var(--page); font: 15px/1.5 system-ui, sans-serif }
h1 { font-size: 1.4rem; margin: 0 0 .25rem } h2 { font-size: 1.05rem; margin: 2rem 0 .5rem } p { margin: .25rem 0; color: var(--soft) }
.wide { overflow-x: auto } table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums }
th, td { text-align: left; padding: .35rem .6rem; border-bottom: 1px solid var(--line); vertical-align: top } th { color: var(--soft); font-weight: 500; white-space: nowrap }
td.n, th.n { text-align: right; white-space: nowrap } tbody tr.row { cursor: pointer } tbody tr.row:hover, tbody tr.row:focus { background: var(--panel); outline: none }
pre { margin: .25rem 0; padding: .6rem; background: var(--panel); border-radius: 4px; overflow: auto; max-height: 24rem; white-space: pre-wrap; overflow-wrap: anywhere; font: 12.5px/1.45 ui-monospace, monospace }
select, input { font: inherit; color: inherit; background: var(--panel); border: 1px solid var(--line); border-radius: 4px; padding: .25rem .5rem }
.bar { display: flex; flex-wrap: wrap; gap: .5rem; margin: .5rem 0; align-items: center } .good { color: var(--good) } .bad { color: var(--bad) } .soft { color: var(--soft) }
.tag { border: 1px solid var(--line); border-radius: 3px; padding: 0 .35rem; font-size: .8rem; color: var(--soft) } details { margin: .2rem 0 } summary { cursor: pointer }
svg { display: block; width: 100%; max-width: 44rem; height: auto } svg text { fill: var(--soft); font: 12px system-ui, sans-serif } svg .axis { stroke: var(--line) }
svg .dot { fill: var(--mark) } svg .off { fill: var(--soft) } svg .front { fill: none; stroke: var(--mark); stroke-dasharray: 4 3 } svg .anchor { stroke: var(--bad); stroke-dasharray: 2 4 }
@media (max-width: 40rem) { body { padding: .75rem } }
`

/** The page. */
export function viewerHtml(log: Log): string {
  // In a script of data only "<" can end it.
  const data = JSON.stringify(log).replaceAll('<', '\\u003c')
  const csp = `default-src 'none'; script-src 'sha256-${hashOf(viewerScript)}'; style-src 'sha256-${hashOf(style)}'`
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="${csp}">
<title>Evaluation ${escaped(log.id)}</title>
<style>${style}</style>
</head>
<body>
<main></main>
<script type="application/json" id="log">${data}</script>
<script>${viewerScript}</script>
</body>
</html>
`
}

/** As a page's policy names it. */
function hashOf(text: string): string {
  return Buffer.from(sha256(text), 'hex').toString('base64')
}

function escaped(text: string): string {
  return text.replaceAll(/[&<>"]/g, (sign) => `&#${sign.codePointAt(0)};`)
}
