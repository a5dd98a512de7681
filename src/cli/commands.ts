/**
 * The commands of `polity`, in the order in which the help shows them. Each is loaded when it is used: `polity ps` should
 * not wait for what `polity ask` needs.
 */
import type { Command } from './command.ts'

const loaders: { readonly [name: string]: () => Promise<Command> } = {
  ask: async () => (await import('./commands/ask.ts')).ask,
  run: async () => (await import('./commands/run.ts')).run,
  serve: async () => (await import('./commands/serve.ts')).serve,
  install: async () => (await import('./commands/install.ts')).install,
  uninstall: async () => (await import('./commands/uninstall.ts')).uninstall,
  agents: async () => (await import('./commands/agents.ts')).agents,
  key: async () => (await import('./commands/key.ts')).key,
  ps: async () => (await import('./commands/ps.ts')).ps,
  top: async () => (await import('./commands/top.ts')).top,
  trace: async () => (await import('./commands/trace.ts')).trace,
  kill: async () => (await import('./commands/kill.ts')).kill,
  resume: async () => (await import('./commands/resume.ts')).resume,
  fork: async () => (await import('./commands/fork.ts')).fork,
  replay: async () => (await import('./commands/replay.ts')).replay,
  inbox: async () => (await import('./commands/inbox.ts')).inbox,
  answer: async () => (await import('./commands/answer.ts')).answer,
  approve: async () => (await import('./commands/approve.ts')).approve,
  audit: async () => (await import('./commands/audit.ts')).audit,
  mcp: async () => (await import('./commands/mcp.ts')).mcp,
  acp: async () => (await import('./commands/acp.ts')).acp,
  policy: async () => (await import('./commands/policy.ts')).policy,
  emulate: async () => (await import('./commands/emulate.ts')).emulateCommand,
  environments: async () => (await import('./commands/environments.ts')).environments,
  evaluate: async () => (await import('./commands/evaluate.ts')).evaluateCommand,
  redteam: async () => (await import('./commands/redteam.ts')).redteam,
  lint: async () => (await import('./commands/lint.ts')).lint,
  files: async () => (await import('./commands/files.ts')).files,
  memory: async () => (await import('./commands/memory.ts')).memory,
  gc: async () => (await import('./commands/gc.ts')).gc,
  doctor: async () => (await import('./commands/doctor.ts')).doctor,
  help: async () => (await import('./commands/help.ts')).help,
}

export const commandNames: readonly string[] = Object.keys(loaders)

/** The command of that name; undefined if there is none. */
export async function loadCommand(name: string): Promise<Command | undefined> {
  return Object.hasOwn(loaders, name) ? loaders[name]?.() : undefined
}

export async function loadCommands(): Promise<readonly Command[]> {
  return Promise.all(Object.values(loaders).map((load) => load()))
}
