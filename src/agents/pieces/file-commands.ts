/**
 * Commands on files in plain words, put into operations: the usual words by their form, all others by a model.
 *
 *     readCommand('roll back notes/a.md by 2 versions')      // [{ verb: 'rollback', path: 'notes/a.md', versions: 2 }]
 *     await askModel(sys, 'undo what I did to my notes')       // what a model makes of it; checked to be operations
 *
 * What the operations do: lsfs.ts. A model's operations are wishes like any others: they are carried out by calls under the law.
 */
import { PolityError } from '../../kernel/errors.ts'
import type { Json, Sys } from '../../kernel/types.ts'

/** A verb with what it takes. */
export type Operation = { readonly verb: string } & { readonly [key: string]: Json | undefined }

/** The verbs there are. */
export const verbNames = [
  'mount',
  'create_file',
  'create_dir',
  'write',
  'append',
  'read',
  'list',
  'retrieve',
  'grep',
  'copy',
  'move',
  'delete',
  'rollback',
  'share',
  'summarise',
] as const

const PATH = `["“]?(?<path>[^"”\\s]+?)["”]?`
const TO = `["“]?(?<to>[^"”\\s]+?)["”]?`
const CONTENT = `["“](?<content>[^"”]*)["”]`

/** The usual words, the first that fits. */
const forms: readonly (readonly [verb: string, form: RegExp])[] = (
  [
    ['mount', `mount ${PATH}`],
    [
      'create_file',
      `(?:create|make) (?:an? |the )?(?:empty |new )*file (?:called |named )?${PATH}(?: (?:with|containing)(?: the)?(?: content| text)? ${CONTENT})?`,
    ],
    ['create_dir', `(?:create|make) (?:an? |the )?(?:empty |new )*(?:folder|directory|dir) (?:called |named )?${PATH}`],
    ['write', `write ${CONTENT} (?:to|into|in) (?:the file )?${PATH}`],
    ['append', `(?:append|add) ${CONTENT} to (?:the file )?${PATH}`],
    ['copy', `copy (?:the )?(?:file |folder )?${PATH} to ${TO}`],
    ['move', `(?:move|rename) (?:the )?(?:file |folder )?${PATH} to ${TO}`],
    ['delete', `(?:delete|remove) (?:the )?(?:file |folder |directory )?${PATH}`],
    [
      'rollback',
      `roll ?back (?:the )?(?:file |folder )?${PATH}(?: (?:by|to(?: its)?(?: previous)?) (?<versions>\\d+) versions?(?: ago)?)?`,
    ],
    [
      'rollback',
      `roll ?back (?:the )?(?:file |folder )?${PATH} to (?:its version of )?(?<time>\\d{4}-\\d\\d-\\d\\d\\S*)`,
    ],
    ['share', `share (?:the )?(?:file |folder )?${PATH} with (?:process )?(?<to>\\d+)(?<write> for writing)?`],
    ['summarise', `(?:summari[sz]e|sum up) (?:the )?(?:file )?${PATH}`],
    ['grep', `(?:find|search for|grep) lines? (?:with|containing) ["“]?(?<query>.+?)["”]?`],
    [
      'retrieve',
      `(?:retrieve|find|search for) (?:the )?(?:(?<limit>\\d+) )?(?:best )?files? (?:about|on|with|related to|that (?:are|is) about) (?<query>.+?)`,
    ],
    ['list', `(?:list|ls)(?: (?:all )?(?:the )?files)?(?: (?:in|below|of) ${PATH})?`],
    ['read', `(?:read|show|cat|open) (?:the )?(?:file )?${PATH}`],
  ] as const
).map(([verb, form]) => [verb, new RegExp(`^(?:please )?${form}[.!]?$`, 'iu')])

/** undefined where the words are not the usual ones. */
export function readCommand(command: string): readonly Operation[] | undefined {
  for (const [verb, form] of forms) {
    const { groups } = form.exec(command.trim()) ?? {}
    if (groups === undefined) continue
    const given = Object.entries(groups).flatMap(([key, value]): [string, Json][] => {
      if (value === undefined) return []
      const isNumber = key === 'versions' || key === 'limit' || (key === 'to' && verb === 'share')
      return [[key, isNumber ? Number(value) : key === 'write' ? true : value]]
    })
    return [{ verb, ...Object.fromEntries(given) }]
  }
  return undefined
}

/** A `;` or a line end within quotes belongs to a content. */
export function splitCommands(commands: string): string[] {
  return (commands.match(/(?:["“][^"”]*["”]|[^;\n"“])+/gu) ?? []).map((one) => one.trim()).filter((one) => one !== '')
}

const schema = {
  type: 'object',
  properties: {
    operations: {
      type: 'array',
      items: {
        type: 'object',
        properties: {
          verb: { type: 'string', enum: verbNames },
          path: { type: 'string' },
          to: { type: ['string', 'integer'] },
          content: { type: 'string' },
          query: { type: 'string' },
          limit: { type: 'integer' },
          versions: { type: 'integer' },
          time: { type: 'string' },
          write: { type: 'boolean' },
        },
        required: ['verb'],
      },
    },
  },
  required: ['operations'],
} as const

/** Operations as a model reads the command. Throws `INVALID_ARGUMENT` where what it says is none. */
export async function askModel(sys: Sys, command: string): Promise<readonly Operation[]> {
  const { text: said } = await sys.generate({
    instructions:
      'Put the command into operations on files, in order, as JSON {"operations":[{"verb":…}]}. Paths are relative. "rollback" takes versions or time (ISO 8601), "share" takes the number of a process as to, "retrieve" and "grep" a query, "copy" and "move" path and to. Nothing that the command does not ask for.',
    prompt: command,
    schema: schema as unknown as { readonly [key: string]: Json },
  })
  try {
    const { operations } = JSON.parse(said.slice(said.indexOf('{'), said.lastIndexOf('}') + 1)) as {
      operations: unknown
    }
    if (Array.isArray(operations) && operations.every((one) => typeof (one as Operation)?.verb === 'string'))
      return operations as readonly Operation[]
  } catch {
    // Told below, with what was asked for.
  }
  throw new PolityError(
    'INVALID_ARGUMENT',
    `the command ${JSON.stringify(command.slice(0, 200))} was not understood; say it as in: roll back notes/a.md by 2 versions`,
  )
}
