/**
 * System calls that no code of a sandbox needs and that its kernel is better not asked: a filter in the kernel's own
 * language (classic BPF), handed to bubblewrap. What is not named here is let through; the other walls stand behind it.
 *
 *     seccompFilter()     bytes for `bwrap --seccomp`, or undefined on a machine whose numbers are not known
 *
 * Named are calls that reach into other processes (ptrace), make namespaces or mounts, hide memory from the count
 * (memfd_create), or have been the way out of sandboxes before (bpf, io_uring, userfaultfd, keyctl). Sockets of other
 * families than unix and the internet's are refused, above all AF_VSOCK, which no network namespace holds.
 */

/** Number of each call on both machines. */
const denied: readonly (readonly [name: string, x64: number, arm64: number])[] = [
  ['ptrace', 101, 117],
  ['process_vm_readv', 310, 270],
  ['process_vm_writev', 311, 271],
  ['kcmp', 312, 272],
  ['pidfd_getfd', 438, 438],
  ['memfd_create', 319, 279],
  ['memfd_secret', 447, 447],
  ['mount', 165, 40],
  ['umount2', 166, 39],
  ['pivot_root', 155, 41],
  ['chroot', 161, 51],
  ['open_tree', 428, 428],
  ['move_mount', 429, 429],
  ['fsopen', 430, 430],
  ['fsmount', 432, 432],
  ['fspick', 433, 433],
  ['mount_setattr', 442, 442],
  ['unshare', 272, 97],
  ['setns', 308, 268],
  ['bpf', 321, 280],
  ['perf_event_open', 298, 241],
  ['userfaultfd', 323, 282],
  ['io_uring_setup', 425, 425],
  ['keyctl', 250, 219],
  ['add_key', 248, 217],
  ['request_key', 249, 218],
  ['kexec_load', 246, 104],
  ['init_module', 175, 105],
  ['finit_module', 313, 273],
  ['delete_module', 176, 106],
  ['name_to_handle_at', 303, 264],
  ['open_by_handle_at', 304, 265],
  ['quotactl', 179, 60],
  ['reboot', 169, 142],
  ['swapon', 167, 224],
  ['acct', 163, 89],
  ['syslog', 103, 116],
]

interface Machine {
  /** AUDIT_ARCH of the kernel's headers. */
  readonly audit: number
  readonly clone: number
  readonly clone3: number
  readonly socket: number
  readonly denied: readonly number[]
}

const machines: { readonly [arch: string]: Machine } = {
  x64: { audit: 0xc000003e, clone: 56, clone3: 435, socket: 41, denied: denied.map(([, x64]) => x64) },
  arm64: { audit: 0xc00000b7, clone: 220, clone3: 435, socket: 198, denied: denied.map(([, , arm64]) => arm64) },
}

const LOAD = 0x20
const IF_EQUAL = 0x15
const IF_AT_LEAST = 0x35
const IF_ANY_BIT = 0x45
const RETURN = 0x06

const ALLOW = 0x7fff0000
const KILL = 0x80000000
const EPERM = 0x00050001
/** For clone3, whose flags a filter cannot see: the C library then uses clone, whose flags it can. */
const ENOSYS = 0x00050026
const EAFNOSUPPORT = 0x00050061

/** CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET. */
const NAMESPACE_FLAGS = 0x7e020000
/** AF_UNIX, AF_INET, AF_INET6. */
const families = [1, 2, 10]
/** Numbers from here on are of the x32 interface: the same calls under other names. */
const X32 = 0x40000000

type Step = readonly [code: number, value: number, then?: string, otherwise?: string] | string

export function seccompFilter(arch: string = process.arch): Buffer | undefined {
  const machine = machines[arch]
  if (machine === undefined) return undefined
  const steps: Step[] = [
    [LOAD, 4],
    [IF_EQUAL, machine.audit, 'known', 'kill'],
    'known',
    [LOAD, 0],
    [IF_AT_LEAST, X32, 'deny'],
    ...machine.denied.map((number): Step => [IF_EQUAL, number, 'deny']),
    [IF_EQUAL, machine.clone3, 'absent'],
    [IF_EQUAL, machine.clone, 'clone'],
    [IF_EQUAL, machine.socket, 'socket'],
    'allow',
    [RETURN, ALLOW],
    'clone',
    [LOAD, 16],
    [IF_ANY_BIT, NAMESPACE_FLAGS, 'deny', 'permit'],
    'socket',
    [LOAD, 16],
    ...families.map((family): Step => [IF_EQUAL, family, 'permit']),
    [RETURN, EAFNOSUPPORT],
    'permit',
    [RETURN, ALLOW],
    'deny',
    [RETURN, EPERM],
    'absent',
    [RETURN, ENOSYS],
    'kill',
    [RETURN, KILL],
  ]
  return assemble(steps)
}

/** Jumps of this language go forward only, and are counted from the next instruction. */
function assemble(steps: readonly Step[]): Buffer {
  const places = new Map<string, number>()
  const instructions: Exclude<Step, string>[] = []
  for (const step of steps) {
    if (typeof step === 'string') places.set(step, instructions.length)
    else instructions.push(step)
  }
  const bytes = Buffer.alloc(instructions.length * 8)
  instructions.forEach(([code, value, then, otherwise], i) => {
    const jump = (to: string | undefined): number => (to === undefined ? 0 : (places.get(to) as number) - i - 1)
    bytes.writeUInt16LE(code, i * 8)
    bytes.writeUInt8(jump(then), i * 8 + 2)
    bytes.writeUInt8(jump(otherwise), i * 8 + 3)
    bytes.writeUInt32LE(value, i * 8 + 4)
  })
  return bytes
}
