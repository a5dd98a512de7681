/**
 * HumanEval's tests as a Python program that no answer can end early or speak for.
 *
 *     const program = testProgram({ prompt, code, test, entry, nonce })
 *     const { value } = await codeAction(sys, { code: program, language: 'python', tools: [] })
 *     const hasPassed = value === nonce
 *
 * The tests and the answer are two processes of one sandbox. The tests call the answer's function through a pair of pipes:
 * arguments and results are plain data (none, truth values, numbers, texts, lists, tuples, sets, dictionaries), so that what
 * is compared is what was returned, and not an object that says it is equal to anything. Where the answer's process ends,
 * the tests fail. Only a program whose tests all passed comes to its last line, whose value is the nonce; the process that
 * knows it is closed to others (PR_SET_DUMPABLE of prctl(2): /proc/<pid>/mem cannot be opened).
 *
 * Invariants
 *   UT1. The value is the nonce only if `check` returned.
 *   UT2. The answer's process is never told the nonce, the tests or what they expect.
 */

export interface TestProgram {
  /** What stands before the answer's function, to the end of its head and docstring. */
  readonly prompt: string
  /** The answer as a whole program that defines `entry`. */
  readonly code: string
  /** Defines `check(candidate)`. */
  readonly test: string
  /** Name of the function. */
  readonly entry: string
  /** Unknown to who answered: made after the answer. */
  readonly nonce: string
}

/** How values travel: as JSON, in which whatever JSON has no form for is tagged. Known to both processes. */
const wire = `
import json
def pack(value):
    if value is None or isinstance(value, (bool, str)): return value
    if isinstance(value, int): return int(value)
    if isinstance(value, float): return float(value)
    for tag, kind in ('l', list), ('t', tuple), ('s', (set, frozenset)):
        if isinstance(value, kind): return {tag: [pack(one) for one in value]}
    if isinstance(value, dict): return {'d': [[pack(key), pack(one)] for key, one in value.items()]}
    raise TypeError('a ' + type(value).__name__ + ' is no plain data')
def unpack(value):
    if not isinstance(value, dict): return value
    [(tag, items)] = value.items()
    if tag == 'd': return {unpack(key): unpack(one) for key, one in items}
    return {'l': list, 't': tuple, 's': set}[tag](unpack(one) for one in items)
`

/** The process of the answer: reads its program from a pipe, then one call after the other. */
const answerer = `${wire}
import os, sys
asked, told = os.fdopen(int(sys.argv[1]), 'r'), os.fdopen(int(sys.argv[2]), 'w')
code, entry = json.loads(asked.readline())
names = {'__name__': '__main__'}
exec(compile(code, '<answer>', 'exec'), names)
for line in asked:
    args, named = unpack(json.loads(line))
    try: said = [True, pack(names[entry](*args, **named))]
    except Exception as error: said = [False, type(error).__name__, str(error)[:2000]]
    told.write(json.dumps(said) + '\\n')
    told.flush()
`

/** The function of the answer, as the tests call it. Raises what it raised, if that is an exception of Python's own. */
const caller = `
def polity_answer(code, entry, answerer):
${indented(wire)}
    import builtins, ctypes, os, subprocess, sys
    if ctypes.CDLL(None).prctl(4, 0, 0, 0, 0) != 0: raise OSError('prctl: the tests cannot be closed to the answer')
    (asked, ask), (hear, told) = os.pipe(), os.pipe()
    subprocess.Popen([sys.executable, '-I', '-c', answerer, str(asked), str(told)], stdin=subprocess.DEVNULL, pass_fds=(asked, told))
    os.close(asked), os.close(told)
    to, back = os.fdopen(ask, 'w'), os.fdopen(hear, 'r')
    def send(value):
        to.write(json.dumps(value) + '\\n')
        to.flush()
    send([code, entry])
    def candidate(*args, **named):
        send(pack((args, named)))
        line = back.readline()
        if line == '': raise RuntimeError('the process of the answer has ended')
        said = json.loads(line)
        if said[0] is True: return unpack(said[1])
        kind = getattr(builtins, said[1], None)
        isOwn = isinstance(kind, type) and issubclass(kind, Exception)
        raise (kind if isOwn else RuntimeError)(said[2])
    return candidate
`

/** The program of the tests. */
export function testProgram({ prompt, code, test, entry, nonce }: TestProgram): string {
  const texts = [code, entry, answerer].map((text) => pythonText(text)).join(', ')
  // What the prompt defines beside the function, the tests may use.
  const begun = pythonText(`${prompt}\n    pass\n`)
  return `${caller}
try: exec(${begun}, globals())
except SyntaxError: pass
${entry} = polity_answer(${texts})
${test}
check(${entry})
${pythonText(nonce)}
`
}

/** A text as a literal of Python, which takes JSON's. */
function pythonText(text: string): string {
  return JSON.stringify(text).replaceAll(
    /[\u007f-\uffff]/g,
    (one) => `\\u${one.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}

function indented(text: string): string {
  return text.replaceAll(/^(?=.)/gm, '    ')
}
