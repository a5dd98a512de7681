/**
 * A repository in the sandbox: runs test files of JavaScript with the files beside them as CommonJS modules, and says which pass.
 *
 *     const results = await runTests(sys, { 'src/add.js': 'exports.add = …', 'test/add.js': "if (require('../src/add').add(1, 1) !== 2) throw new Error('no')" }, ['test/add.js'])
 *     results['test/add.js'].isPassed              // whether the file ran to its end without throwing
 *
 * Nothing of the machine is reached: files are texts, `require` knows these alone (modules, and JSON), and each test file sees modules of its own.
 *
 * Invariant
 *   RR1. Where the code as a whole does not end (a loop, the memory), no test is passed.
 */
import type { Sys } from '../../kernel/types.ts'
import { codeAction } from './code-action.ts'
import type { Repository } from './patch-text.ts'

export interface TestResult {
  readonly isPassed: boolean
  /** What was printed, and what was thrown. */
  readonly output: string
}

const RUN = `const run = (test) => {
  const modules = {}
  let printed = ''
  const console = { log: (...words) => { printed += words.join(' ') + '\\n' } }
  const load = (path) => {
    const found = [path, path + '.js', path + '/index.js'].find((one) => files[one] !== undefined)
    if (found === undefined) throw new Error('no such module: ' + path)
    if (modules[found] === undefined) {
      const module = (modules[found] = { exports: {} })
      if (found.endsWith('.json')) return (module.exports = JSON.parse(files[found]))
      const folder = found.split('/').slice(0, -1)
      const require = (to) => {
        const parts = to.startsWith('.') ? [...folder] : []
        for (const part of to.split('/')) if (part === '..') parts.pop(); else if (part !== '.') parts.push(part)
        return load(parts.join('/'))
      }
      new Function('module', 'exports', 'require', 'console', files[found])(module, module.exports, require, console)
    }
    return modules[found].exports
  }
  try { load(test); return { isPassed: true, output: printed } } catch (error) { return { isPassed: false, output: printed + String(error) } }
}
JSON.stringify(tests.map(run))`

export async function runTests(
  sys: Sys,
  files: Repository,
  tests: readonly string[],
): Promise<{ readonly [test: string]: TestResult }> {
  const code = `const files = ${JSON.stringify(files)}, tests = ${JSON.stringify(tests)}\n${RUN}`
  const { value, error } = await codeAction(sys, { code, tools: [] })
  const results = typeof value === 'string' ? (JSON.parse(value) as TestResult[]) : []
  const broken = { isPassed: false, output: error?.message ?? 'The tests did not run to their end.' }
  return Object.fromEntries(tests.map((test, i) => [test, results[i] ?? broken]))
}
