/**
 * Facts: what the lints look at. Plain data, so that agents of any make can be looked at; what is left out is not judged.
 */
import type { Budget } from '../kernel/types.ts'
import type { LintId } from './table.ts'

export type JsonSchema = { readonly [key: string]: unknown }

export interface ModelFacts {
  /** Takes tools. */
  readonly toolCalls?: boolean
  /** Size of the window. */
  readonly contextTokens?: number
  /** Can be held to a JSON Schema. */
  readonly jsonMode?: boolean
  /** Its provider has withdrawn it, or has said when it will. */
  readonly deprecated?: boolean
  /** Makes no text at all: embeddings, images, speech. */
  readonly isOther?: boolean
}

export interface AgentFacts {
  readonly name: string
  readonly instructions?: string
  readonly model?: string | readonly string[]
  /** @default what models.ts knows of the model */
  readonly modelCapabilities?: ModelFacts
  /** Names of the tools that it holds. */
  readonly tools?: readonly string[]
  readonly stepsMax?: number
  readonly budget?: Budget
  readonly temperature?: number
  readonly topP?: number
  readonly maxOutputTokens?: number
  readonly stopSequences?: readonly string[]
  readonly outputSchema?: JsonSchema
  /** Answers that the model is shown as good ones. */
  readonly examples?: readonly string[]
  /** Words that wake this agent rather than another. */
  readonly triggers?: readonly string[]
}

export interface ToolFacts {
  readonly name: string
  readonly description?: string
  readonly inputSchema?: JsonSchema
  readonly outputSchema?: JsonSchema
  readonly effect?: string
  readonly labels?: readonly string[]
  readonly outbound?: boolean
  readonly trusted?: boolean
  readonly control?: readonly string[]
  readonly timeoutMs?: number
  /** Source text of the function that does it. */
  readonly code?: string
}

export interface PackageFacts {
  readonly dependencies?: { readonly [name: string]: string }
  readonly devDependencies?: { readonly [name: string]: string }
  readonly peerDependencies?: { readonly [name: string]: string }
  readonly optionalDependencies?: { readonly [name: string]: string }
  /** Versions that the lock file names, and what they ask of others; undefined where there is no lock file. */
  readonly lock?: {
    readonly [name: string]: {
      readonly version?: string
      readonly peerDependencies?: { readonly [name: string]: string }
    }
  }
  /** The package's own name, which its sources may import. */
  readonly name?: string
}

export interface SourceFacts {
  readonly path: string
  /** TypeScript or JavaScript. */
  readonly text: string
}

export interface LintInput {
  readonly agents?: readonly AgentFacts[]
  readonly tools?: readonly ToolFacts[]
  /** As parsed from JSON. */
  readonly law?: unknown
  readonly packages?: PackageFacts
  readonly sources?: readonly SourceFacts[]
}

export type Severity = 'error' | 'warning' | 'note'

/** What a lint says; lint.ts adds the severity and the remedy of the table where they are left out. */
export interface Remark {
  /** Of the table (table.ts). */
  readonly id: LintId
  readonly where: string
  readonly message: string
  readonly severity?: Severity
  readonly fix?: string
}

export interface Finding extends Remark {
  readonly severity: Severity
  readonly fix: string
}
