/**
 * AgentOccam's observations (Yang et al. 2024, "AgentOccam: a simple yet strong baseline for LLM-based web agents", section
 * 3.2): the accessibility tree of a page without what tells an agent nothing.
 *
 *     openContext({ compaction: webTree() })
 *     pruneTree("[1] RootWebArea 'Shop'\n\t[2] link 'Cart' focusable: True\n\t\t[3] StaticText 'Cart'")
 *     // "RootWebArea 'Shop'\n\t[2] link 'Cart'"
 *
 * A tree is text as WebArena or BrowserGym writes it: a line a node, `[id] role 'name' properties`, tabs for depth. Text that its parent
 * says already is dropped, other text goes into the parent; nodes that only hold others make way for them; rows of tables
 * become one line; what cannot be acted on loses its id and its properties. The paper's choice of pivotal nodes, which asks
 * the model, is not in here.
 *
 * Invariants
 *   T1. Every node that can be acted on keeps its id, its role and its name.
 *   T2. `pruneTree(pruneTree(tree))` is `pruneTree(tree)`.
 */
import type { Compaction } from '../../kernel/context.ts'
import { recent } from '../../kernel/context.ts'
import type { Message } from '../../kernel/types.ts'

/** Another compaction, for windows in which accessibility trees are pruned as they come. */
export function webTree(inner: Compaction = recent): Compaction {
  return {
    ...inner,
    enter(message, turns) {
      const given = inner.enter?.(message, turns) ?? message
      return given.role === 'tool' ? pruned(given) : given
    },
  }
}

function pruned(message: Message & { readonly role: 'tool' }): Message {
  let changed = false
  const content = message.content.map((part) => {
    if (part.type !== 'tool-result' || part.output.type !== 'text' || !isTree(part.output.value)) return part
    const value = pruneTree(part.output.value)
    if (value.length >= part.output.value.length) return part
    changed = true
    return { ...part, output: { ...part.output, value } }
  })
  return changed ? { ...message, content } : message
}

interface Node {
  /** undefined: it cannot be acted on. */
  id: string | undefined
  role: string
  name: string
  properties: string
  children: Node[]
}

/** What a page lets one act on; `clickable` is what else takes the focus. */
const interactive = new Set(
  'link button textbox searchbox combobox checkbox radio switch slider spinbutton listbox option menuitem menuitemcheckbox menuitemradio tab treeitem PopUpButton MenuListPopup DisclosureTriangle ColorWell Date clickable'.split(
    ' ',
  ),
)
/** They only hold others. */
const holders = new Set(
  'generic none presentation group paragraph list listitem rowgroup LayoutTable LayoutTableRow LayoutTableCell Section section LabelText strong emphasis mark code superscript subscript term definition figure ignored'.split(
    ' ',
  ),
)
const cells = new Set(['cell', 'gridcell', 'columnheader', 'rowheader', 'LayoutTableCell'])
const texts = new Set(['StaticText', 'text'])
/** Nothing, where what they are called stands above them already. */
const echoesOf = new Set([...texts, 'image', 'img'])
/** The letters of a text again, or its bullet. */
const echoes = new Set(['InlineTextBox', 'ListMarker', 'LineBreak'])

const line = /^(\t*)(?:\[(-?\w+)\] )?([A-Za-z]+)(?: '(.*)')?((?: [A-Za-z]+: \S.*)?)$/
const literal = String.raw`'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"`
/** As BrowserGym writes what is behind a name: ` value='7', checked='true', focused`. */
const gymLine = new RegExp(
  `^(\\t*)(?:\\[(\\w+)\\] )?([A-Za-z]+)(?: (${literal}))?((?: value=(?:${literal}|[^\\s,]+))?(?:, \\w+(?:=(?:${literal}|[^\\s,]+))?)*)$`,
)

/** Depth in tabs, id, role, name and properties of a line; undefined where it is no node. */
function partsOf(text: string): readonly (string | undefined)[] | undefined {
  const [, tabs, id, role, name, properties] = gymLine.exec(text) ?? []
  if (role === undefined || (properties === '' && name?.startsWith('"') !== true)) return line.exec(text)?.slice(1)
  const inside = name?.slice(1, -1)
  return [tabs, id, role, name?.startsWith('"') ? inside?.replaceAll("'", "\\'") : inside, properties]
}

/** Whether a text is such a tree: its first line is a node, and so are nine of ten. */
export function isTree(text: string): boolean {
  const lines = text.trimEnd().split('\n')
  if (!/^(\[\w+\] [A-Za-z]+|RootWebArea) '/.test(lines[0] ?? '')) return false
  return lines.filter((one) => partsOf(one) !== undefined).length >= lines.length * 0.9
}

/** The tree in short. Text that is no tree comes back as it is. */
export function pruneTree(tree: string): string {
  let text = tree
  for (let pass = 0; pass < PASSES_MAX; pass++) {
    const shorter = prunedOnce(text)
    if (shorter === text) break
    text = shorter
  }
  return text
}

/** What one pass brings together the next may merge; each makes the text shorter, and two or three are usual. */
const PASSES_MAX = 50

function prunedOnce(text: string): string {
  const roots = parse(text)
  return roots === undefined ? text : write(roots.flatMap((root) => simplified(root, true)))
}

function parse(text: string): Node[] | undefined {
  const roots: Node[] = []
  const path: { depth: number; node: Node }[] = []
  for (const one of text.trimEnd().split('\n')) {
    const [tabs, id, role, name = '', properties = ''] = partsOf(one) ?? []
    if (role === undefined) {
      // A name with line breaks in it goes on here.
      const last = path.at(-1)?.node
      if (last === undefined) return undefined
      last.name = `${last.name} ${one.trim()}`.trim()
      continue
    }
    const depth = tabs?.length ?? 0
    while ((path.at(-1)?.depth ?? -1) >= depth) path.pop()
    const focusable = /focusable: True|, clickable\b/.test(properties) && role !== 'RootWebArea'
    const isInteractive = id !== undefined && (interactive.has(role) || focusable)
    const node: Node = {
      id: isInteractive ? id : undefined,
      role: isInteractive && !interactive.has(role) ? 'clickable' : role,
      name: name.replaceAll(/\s+/g, ' ').trim(),
      properties: isInteractive
        ? properties.replaceAll(
            /(?: (?:focusable|focused|hasPopup|describedby|roledescription|multiline|autocomplete): \S+)|(?:, (?:focused\b|clickable\b|(?:hasPopup|describedby|roledescription|autocomplete)='[^']*'))/g,
            '',
          )
        : '',
      children: [],
    }
    const parent = path.at(-1)?.node
    if (parent === undefined) roots.push(node)
    else parent.children.push(node)
    path.push({ depth, node })
  }
  return roots
}

/** What stands in the place of a node: itself, its children, or nothing. */
function simplified(node: Node, isRoot: boolean): Node[] {
  if (echoes.has(node.role)) return node.children.flatMap((child) => simplified(child, false))
  const children = joined(
    node.children
      .flatMap((child) => simplified(child, false))
      .filter((child) => !(echoesOf.has(child.role) && child.children.length === 0 && says(node.name, child.name))),
  )
  node.children = children
  if (texts.has(node.role)) return node.name === '' ? children : [{ ...node, role: 'text', children: [] }, ...children]
  if (node.role === 'row') asOneLine(node)
  const [first] = children
  // A name that only a text below gives.
  if (
    node.name === '' &&
    children.length === 1 &&
    first !== undefined &&
    texts.has(first.role) &&
    first.children.length === 0 &&
    !cells.has(node.role)
  ) {
    node.name = first.name
    node.children = []
  }
  if (isRoot || node.id !== undefined) return [node]
  if (holders.has(node.role)) {
    if (node.name !== '') return [{ ...node, role: 'text', children: [] }, ...node.children]
    // A list item of several parts keeps them together.
    return node.role === 'listitem' && node.children.length > 1 ? [node] : node.children
  }
  return node.name === '' && node.children.length === 0 && !cells.has(node.role) ? [] : [node]
}

/** Texts beside each other are one; what is said twice in a row is said once. */
function joined(children: readonly Node[]): Node[] {
  const out: Node[] = []
  for (const child of children) {
    const last = out.at(-1)
    if (last !== undefined && texts.has(child.role) && child.children.length === 0) {
      if (says(last.name, child.name)) continue
      if (texts.has(last.role) && last.children.length === 0) {
        last.name = `${last.name} ${child.name}`
        continue
      }
    }
    out.push(child)
  }
  return out
}

/** A row of cells: their texts in one line, with what can be acted on below. */
function asOneLine(row: Node): void {
  if (!row.children.some(({ role }) => cells.has(role))) return
  const columns = row.children.map((cell) => {
    if (!cells.has(cell.role)) return ''
    const inside = cell.children.flatMap((child) => (texts.has(child.role) ? child.name : []))
    return [...(cell.name === '' ? [] : [cell.name]), ...inside].join(' ')
  })
  row.name = columns.join(' | ').trim()
  row.children = row.children.flatMap((cell) =>
    cells.has(cell.role)
      ? cell.id === undefined
        ? cell.children.filter(({ role }) => !texts.has(role))
        : [cell]
      : [cell],
  )
}

function says(name: string, text: string): boolean {
  return text === '' || ` ${name} `.toLowerCase().includes(` ${text} `.toLowerCase())
}

function write(nodes: readonly Node[], depth = 0): string {
  return nodes
    .flatMap(({ id, role, name, properties, children }) => {
      const own = `${'\t'.repeat(depth)}${id === undefined ? '' : `[${id}] `}${role}${name === '' ? '' : ` '${name}'`}${properties}`
      return children.length === 0 ? own : [own, write(children, depth + 1)]
    })
    .join('\n')
}
