/** A program whose calls have wrong arguments, for doors that read what a process did. */
import { defineProgram } from '../src/kernel/program.ts'

/** Calls with wrong arguments, which the journal has without any; returns the codes of their errors. */
export const clumsy = defineProgram('clumsy', async (sys) => {
  const calls = [
    () => sys.call(7 as never, {}),
    () => sys.ask(7 as never),
    () => sys.send(0, (() => 0) as never),
    () => sys.spawn(7 as never, null),
    () => sys.generate(7 as never),
  ]
  const codes = new Set<string>()
  for (const call of calls)
    await call().then(
      () => codes.add('none'),
      (error: { readonly code: string }) => codes.add(error.code),
    )
  return [...codes].join()
})
