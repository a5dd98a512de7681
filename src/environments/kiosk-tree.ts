/**
 * Pages as agents read them: a browser's accessibility tree as text, a line a node, in the form of BrowserGym (Le Sellier De
 * Chezelles et al. 2024, "The BrowserGym ecosystem for web agent research"; its `flatten_axtree_to_str`).
 *
 *     writeTree(nodes, bidOf)
 *     // RootWebArea 'Sign up', focused
 *     // 	[12] textbox 'First name' value='Ada', required
 *     // 	[14] button 'Create account'
 *     readTree(text).find(({ role }) => role === 'button')?.bid        // '14'
 *
 * Tabs for depth, `[bid]` in front of what is an element of the page, then role, name, value and properties, quoted as Python
 * quotes. Nodes that only hold others and text that its parent says already are left out.
 *
 * Invariants
 *   KT1. `readTree` gives back every bid, role, name and value that `writeTree` wrote, whatever characters are in them.
 */

/** A node as browsers tell it (Chrome DevTools Protocol, `Accessibility.AXNode`); only what is read here. */
export interface AxNode {
  readonly nodeId: string
  readonly ignored?: boolean
  readonly role?: { readonly value?: unknown }
  readonly name?: { readonly value?: unknown }
  readonly value?: { readonly value?: unknown }
  readonly properties?: readonly { readonly name: string; readonly value?: { readonly value?: unknown } }[]
  readonly childIds?: readonly string[]
  readonly backendDOMNodeId?: number
}

/** A line of a tree. */
export interface TreeNode {
  /** undefined: no element of the page. */
  readonly bid: string | undefined
  readonly role: string
  readonly name: string
  readonly value: string | undefined
  /** Values as they stand there; of those that are just named (`focused`), True. */
  readonly properties: { readonly [name: string]: string }
  /** Nodes above it. */
  readonly depth: number
}

const rolesIgnored = new Set(['LineBreak', 'InlineTextBox', 'ListMarker'])
const propertiesIgnored = new Set(['editable', 'readonly', 'level', 'settable', 'multiline', 'invalid', 'focusable'])
/** Told only where they are so, by their name alone. */
const flags = new Set(['required', 'focused', 'atomic'])

/** The tree as text. `bidOf` names the element of a node by its DOM node; undefined where it has no name. */
export function writeTree(nodes: readonly AxNode[], bidOf: (domNode: number) => string | undefined): string {
  const byId = new Map(nodes.map((node) => [node.nodeId, node]))
  const lines: string[] = []

  function write(node: AxNode, depth: number, above: string): void {
    const role = String(node.role?.value ?? '')
    const name = node.name === undefined ? undefined : String(node.name.value ?? '')
    const properties = propertiesOf(node)
    const isSkipped =
      node.ignored === true ||
      name === undefined ||
      rolesIgnored.has(role) ||
      (role === 'generic' && properties.length === 0) ||
      (role === 'StaticText' && above.includes(name))
    if (!isSkipped) {
      const bid = role === 'StaticText' ? undefined : bidOf(node.backendDOMNodeId ?? -1)
      const said = role === 'generic' && name === '' ? role : `${role} ${quoted(name.trim())}`
      const value = node.value?.value === undefined ? '' : ` value=${quoted(node.value.value)}`
      lines.push(
        `${'\t'.repeat(depth)}${bid === undefined ? '' : `[${bid}] `}${[said + value, ...properties].join(', ')}`,
      )
    }
    for (const id of node.childIds ?? []) {
      const child = byId.get(id)
      if (child !== undefined) write(child, isSkipped ? depth : depth + 1, isSkipped ? above : name)
    }
  }
  const [root] = nodes
  if (root !== undefined) write(root, 0, '')
  return lines.join('\n')
}

function propertiesOf({ properties = [] }: AxNode): string[] {
  return properties.flatMap(({ name, value }) => {
    if (value?.value === undefined || propertiesIgnored.has(name)) return []
    if (flags.has(name)) return value.value === true ? [name] : []
    return [`${name}=${quoted(value.value)}`]
  })
}

/** As Python's `repr` does. */
function quoted(value: unknown): string {
  if (typeof value === 'boolean') return value ? 'True' : 'False'
  if (typeof value === 'number') return String(value)
  const text = typeof value === 'string' ? value : JSON.stringify(value)
  const quote = text.includes("'") && !text.includes('"') ? '"' : "'"
  const escaped = text.replaceAll(/[\\'"\n\r\t]/g, (one) => {
    if (one === '\\') return '\\\\'
    if (one === '\n') return '\\n'
    if (one === '\r') return '\\r'
    if (one === '\t') return '\\t'
    return one === quote ? `\\${one}` : one
  })
  return quote + escaped + quote
}

function unquoted(text: string): string {
  if (!/^['"]/.test(text)) return text
  const escapes: { readonly [letter: string]: string } = { n: '\n', r: '\r', t: '\t' }
  return text.slice(1, -1).replaceAll(/\\(.)/gs, (_, letter: string) => escapes[letter] ?? letter)
}

const text = String.raw`'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"`
const literal = `${text}|[^\\s,'"]+`
const line = new RegExp(`^(\\t*)(?:\\[(\\w+)\\] )?([A-Za-z]+)(?: (${text}))?(?: value=(${literal}))?((?:, .*)?)$`)
const property = new RegExp(`, (\\w+)(?:=(${literal}))?`, 'g')

/** The nodes of such a text, in order. Lines that are none are left out. */
export function readTree(tree: string): TreeNode[] {
  return tree.split('\n').flatMap((one) => {
    const [, tabs = '', bid, role, name = '', value, rest = ''] = line.exec(one) ?? []
    if (role === undefined) return []
    const properties: { [name: string]: string } = {}
    for (const [, key = '', given = 'True'] of rest.matchAll(property)) properties[key] = unquoted(given)
    return [
      {
        bid,
        role,
        name: unquoted(name),
        value: value === undefined ? undefined : unquoted(value),
        properties,
        depth: tabs.length,
      },
    ]
  })
}
