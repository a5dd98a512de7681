/**
 * The JSON Schema of a law, for editors and for those who write laws by other programs.
 *
 *     polity policy schema > law.schema.json      and in a law: "$schema": "./law.schema.json"
 *
 * Invariant
 *   LS1. Whatever `parseLaw` takes is valid here. Not the other way round: patterns, formulas and ids that are used twice
 *        are looked at by `parseLaw` alone.
 */
const text = { type: 'string' } as const
const name = { type: 'string', minLength: 1 } as const
const texts = { type: 'array', items: text } as const
const condition = { $ref: '#/$defs/condition' } as const
const conditions = { type: 'array', items: condition } as const
const count = { type: 'integer', minimum: 0 } as const
const number = { type: 'number' } as const
const from = {
  description: "where values come from: the user's own words, trusted tools, or answers of tools without labels",
  anyOf: [
    { enum: ['request', 'trusted'] },
    {
      type: 'object',
      minProperties: 1,
      additionalProperties: false,
      properties: { answerOf: text, without: texts },
    },
  ],
} as const
const glob = { type: 'string', description: '"*" stands for any run of characters' } as const

const match = {
  call: { ...glob, default: 'call', description: 'a system call; a tool call where nothing is said' },
  tool: glob,
  principal: glob,
  program: glob,
  under: { ...glob, description: 'the program, or one that it runs under' },
  outbound: { const: true, description: 'only tools that reach the outside' },
  asked: { ...condition, description: 'what the user asked for, in lower case' },
  args: { type: 'object', additionalProperties: condition },
  origins: { type: 'object', additionalProperties: from },
  control: from,
  seen: { ...texts, description: 'labels of data that the run has seen, all of them' },
} as const

export const lawSchema = {
  $schema: 'https://json-schema.org/draft/2020-12/schema',
  title: 'A law of Polity',
  type: 'object',
  required: ['rules'],
  additionalProperties: false,
  properties: {
    $schema: text,
    description: text,
    rules: { type: 'array', items: { $ref: '#/$defs/rule' } },
    events: {
      type: 'object',
      additionalProperties: { type: 'object', additionalProperties: false, properties: match },
    },
    temporal: {
      type: 'array',
      items: {
        type: 'object',
        required: ['id', 'formula'],
        additionalProperties: false,
        properties: { id: name, formula: text, effect: { enum: ['deny', 'ask'] }, reason: text },
      },
    },
    runaway: {
      type: 'object',
      additionalProperties: false,
      properties: {
        identical: { type: 'integer', minimum: 1 },
        streak: { type: 'integer', minimum: 1 },
        calls: { type: 'integer', minimum: 1 },
        spawns: { type: 'integer', minimum: 1 },
        burst: {
          type: 'object',
          required: ['tokens', 'ms'],
          additionalProperties: false,
          properties: { tokens: { type: 'integer', minimum: 1 }, ms: { type: 'integer', minimum: 1 } },
        },
        effect: { enum: ['deny', 'ask'] },
        ends: { const: true },
      },
    },
  },
  $defs: {
    rule: {
      type: 'object',
      required: ['id', 'effect'],
      additionalProperties: false,
      properties: {
        id: name,
        effect: { enum: ['allow', 'deny', 'ask'] },
        ...match,
        reason: text,
        ends: { const: true, description: 'a denial that ends the process' },
        then: {
          type: 'object',
          additionalProperties: false,
          properties: { drop: texts, add: { type: 'array', items: { $ref: '#/$defs/rule' } } },
        },
      },
    },
    condition: {
      type: 'object',
      description: 'what a value must be: a strict subset of JSON Schema',
      additionalProperties: false,
      properties: {
        type: {},
        const: {},
        enum: { type: 'array' },
        minimum: number,
        maximum: number,
        exclusiveMinimum: number,
        exclusiveMaximum: number,
        multipleOf: { type: 'number', exclusiveMinimum: 0 },
        minLength: count,
        maxLength: count,
        pattern: { ...text, description: 'somewhere in the text' },
        matches: { ...text, description: 'the whole text' },
        items: condition,
        contains: condition,
        minItems: count,
        maxItems: count,
        uniqueItems: { type: 'boolean' },
        properties: { type: 'object', additionalProperties: condition },
        optional: texts,
        required: texts,
        additionalProperties: { anyOf: [{ type: 'boolean' }, condition] },
        anyOf: conditions,
        allOf: conditions,
        oneOf: conditions,
        not: condition,
        if: condition,
        then: condition,
        else: condition,
        title: {},
        description: {},
        default: {},
        examples: {},
        $comment: {},
      },
    },
  },
} as const
