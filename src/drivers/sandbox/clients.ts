/**
 * What runs inside beside the code: for Python a module that gives it `tools`, for the shell a function `tool`. Both
 * speak lines over descriptor 3. They run with the rights of the code; what it breaks in them, it breaks for itself.
 */
import type { Answer } from './guest.ts'

/** `python3 -c`: the code comes as the first line. Its last expression is its value, as in a notebook. */
export const pythonClient = `
import ast, json, os, random, socket, sys, threading, traceback

def main():
    stream = socket.socket(fileno=3)
    reader = stream.makefile('r', encoding='utf-8', newline='\\n')
    lock = threading.Lock()
    count = [0]

    def say(line):
        stream.sendall(json.dumps(line).encode('utf-8') + b'\\n')

    class ToolError(Exception):
        def __init__(self, code, message):
            super().__init__(f'{code}: {message}')
            self.code, self.message = code, message

    def call(name, input):
        with lock:
            id = count[0]
            count[0] += 1
            say({'calls': [{'id': id, 'tool': name, 'input': input}]})
            answer = json.loads(reader.readline())[0]
        if 'error' in answer:
            raise ToolError(answer['error']['code'], answer['error']['message'])
        return answer['value']

    class Tools:
        def __getattr__(self, name):
            return self[names.get(name, name)]
        def __getitem__(self, name):
            if name not in known:
                raise AttributeError(f'no tool {name}; there are ' + (', '.join(known) or 'none'))
            return lambda input=None, **fields: call(name, fields if input is None else input)
        def __dir__(self):
            return list(names)

    start = json.loads(reader.readline())
    known = start['tools']
    names = {''.join(c if c.isalnum() else '_' for c in name): name for name in known}
    random.seed(start['seed'])
    scope = {'__name__': '__main__', 'tools': Tools(), 'ToolError': ToolError}

    end = {}
    say({'ready': True})
    try:
        tree = ast.parse(start['code'], 'action.py')
        last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
        exec(compile(tree, 'action.py', 'exec'), scope)
        if last is not None:
            value = eval(compile(ast.Expression(last.value), 'action.py', 'eval'), scope)
            if value is not None:
                try:
                    json.dumps(value, allow_nan=False)
                except (TypeError, ValueError, RecursionError):
                    value = repr(value)
                end = {'value': value}
                size = len(json.dumps(value))
                if size > start['limits']['valueBytes']:
                    end = {'error': {'code': 'TOO_LARGE', 'message': f'the value has {size} bytes; print or return less'}}
    except SystemExit as exit:
        if exit.code not in (None, 0):
            end = {'error': {'code': 'TOOL_FAILED', 'message': f'the code left with {exit.code!r}'}}
    except MemoryError:
        end = {'error': {'code': 'LIMIT_EXCEEDED', 'message': 'the code needs more memory than it has'}}
    except BaseException as error:
        # The first frame is ours.
        lines = traceback.format_exception(type(error), error, error.__traceback__ and error.__traceback__.tb_next)
        end = {'error': {'code': 'TOOL_FAILED', 'message': ''.join(lines).strip()[-3000:]}}
    for file in (sys.stdout, sys.stderr):
        try:
            file.flush()
        except BaseException:
            pass
    say({'end': end})
    os._exit(0)

main()
`

/** `bash -c`: the code comes as the first line, escaped as for `printf %b`. Its exit code is its end. */
export const shellClient = `
tool() {
  local name=$1 input=\${2:-'{}'} answer
  [[ $name =~ ^[A-Za-z0-9_./-]+$ ]] || { echo "tool: usage: tool <name> '<json>'" >&2; return 2; }
  input=\${input//$'\\n'/ }
  printf '{"calls":[{"id":0,"tool":"%s","input":%s}]}\\n' "$name" "$input" >&3
  IFS= read -r answer <&3 || return 1
  if [[ $answer == 0* ]]; then printf '%b\\n' "\${answer:1}"; return 0; fi
  printf '%b\\n' "\${answer:1}" >&2
  return 1
}
export -f tool
IFS= read -r code <&3
printf -v code '%b' "$code"
printf '{"ready":true}\\n' >&3
eval "$code"
`

/** A text as \`printf %b\` reads it back, on one line. */
export function escaped(text: string): string {
  return text.replaceAll('\0', '').replaceAll('\\', '\\\\').replaceAll('\n', '\\n')
}

/** The answer to the one call of a shell: `0` and the value, or `1` and the error. A text comes without its quotes. */
export function shellAnswer([answer]: readonly Answer[]): string {
  if (answer === undefined) return '1no answer\n'
  if (answer.error !== undefined) return `1${escaped(`${answer.error.code}: ${answer.error.message}`)}\n`
  return `0${escaped(typeof answer.value === 'string' ? answer.value : JSON.stringify(answer.value))}\n`
}
