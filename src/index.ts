/**
 * Polity: an operating system for LLM agents.
 *
 *     import { boot, defineAgent, defineTool } from 'polity'
 *
 *     const kernel = await boot({ store: 'clerk.db', model: 'openai/…' })
 *     const run = kernel.spawn(clerk, 'Pay the invoices.', { budget: { usd: 0.5, steps: 40 } })
 *     for await (const event of run.events) console.log(event.type)
 *     console.log(await run.result, run.usage)
 *     await kernel.close()
 */
export { defineAgent } from './agents/react.ts'
export { boot, loadModel } from './boot.ts'
export type { BootOptions } from './boot.ts'
export type { FoundAgent, RemoteAgentOptions } from './drivers/a2a.ts'
export type { MadeTool } from './drivers/sandbox/made-tools.ts'
export type { CodeToolsOptions } from './drivers/sandbox/tools.ts'
export type { Mcp, McpOptions, McpServer, McpToolTerms } from './drivers/mcp.ts'
export type { MediaOptions } from './drivers/media.ts'
export type { TablesOptions } from './drivers/tables.ts'
export { realClock, simulatedClock } from './kernel/clock.ts'
export type { Clock } from './kernel/clock.ts'
export { openContext, recent, turnOf } from './kernel/context.ts'
export type { Compaction, Context, ContextOptions, Turn, Window } from './kernel/context.ts'
export type { Durability, Embedder, LanguageModel, ModelCapabilities, Store } from './kernel/drivers.ts'
export { PolityError, errorTable } from './kernel/errors.ts'
export type { ErrorCode } from './kernel/errors.ts'
export { createKernel } from './kernel/kernel.ts'
export type { CoreInfo, Kernel, KernelOptions, ModelOptions, ReplayReport, Run } from './kernel/kernel.ts'
export { defaultLimits } from './kernel/limits.ts'
export type { Limits } from './kernel/limits.ts'
export { defineProgram } from './kernel/program.ts'
export type { ProgramOptions } from './kernel/program.ts'
export { defineTool } from './kernel/tools.ts'
export type {
  Budget,
  FileEntry,
  FileQuota,
  FileShare,
  FileSource,
  FilesPoint,
  Generation,
  GenerateRequest,
  JournalEvent,
  Json,
  ListOptions,
  Mail,
  Message,
  Note,
  Pid,
  Price,
  ProcessInfo,
  Program,
  Question,
  ReadOptions,
  RecalledNote,
  RunEvent,
  Snapshot,
  SpawnOptions,
  Sys,
  Tool,
  ToolDescription,
  Usage,
} from './kernel/types.ts'
export { decide, parseLaw } from './policy/law.ts'
export type { Law, Rule } from './policy/law.ts'
