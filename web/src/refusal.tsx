/**
 * Cores that refuse: what is said of a provider that answers with nothing but refusals for longer than a moment, in the words
 * of `polity ps`.
 *
 *     <Refusal core={core} />              // of one core, with what to do; nothing where it serves
 *     <RefusedWaits root={17} />           // who of a run waits for such a core; without `root`, who of all
 */
import type { CoreInfo } from '../../src/client.ts'
import { age } from './format.ts'
import { shown } from './json.tsx'
import type { Live } from './live.ts'
import { runHash } from './route.ts'
import { useOrderVersion, usePolled, useSession, useTick } from './ui.tsx'

/** A core says that it refuses after ten seconds, so nobody misses much. */
const REFRESH_MS = 5_000
/** Of a provider's words: they may hold a whole page. */
const WORDS_CHARS_MAX = 500

export function Refusal({ core }: { readonly core: CoreInfo }) {
  if (core.refusal === null) return null
  return (
    <div className="failure">
      <p>
        <b>{shown(core.id)}</b> <Sentence refusal={core.refusal} />
      </p>
      <p className="muted">
        Calls wait, and are sent again by themselves, where waiting helps. Where it does not (an account without credit,
        the used-up quota of a day) they fail at once: mend that at the provider, or name another model.
      </p>
    </div>
  )
}

export function RefusedWaits({ root }: { readonly root?: number }) {
  const { client, live } = useSession()
  const cores = usePolled((signal) => client.cores({ signal }), REFRESH_MS)
  useOrderVersion()
  return (cores.value?.items ?? []).map(({ id, refusal }) => {
    const [first, ...more] = refusal === null ? [] : waitingFor(live, id, root)
    if (refusal === null || first === undefined) return null
    return (
      <p key={id} className="refused" title={shown(refusal.words)}>
        Process {first === root ? first : <a href={runHash(first)}>{first}</a>}
        {more.length === 0 ? ' waits' : ` and ${more.length} more wait`} for a core that refuses:{' '}
        <a href="#/cores">{shown(id)}</a> <Sentence refusal={refusal} />
      </p>
    )
  })
}

function Sentence({ refusal: { since, words } }: { readonly refusal: NonNullable<CoreInfo['refusal']> }) {
  const { live } = useSession()
  useTick(1_000)
  const letters = [...words]
  return (
    <>
      has refused every call for {age(live.now() - since).replaceAll(' ', '\u00a0')}:{' '}
      <bdi>
        {shown(letters.slice(0, WORDS_CHARS_MAX).join(''))}
        {letters.length > WORDS_CHARS_MAX && '…'}
      </bdi>
    </>
  )
}

/** Pids of what waits for the core, the oldest first. */
function waitingFor(live: Live, core: string, root: number | undefined): readonly number[] {
  const pids: number[] = []
  for (const { process } of live.rows.values()) {
    if (process.core !== core || process.state !== 'running') continue
    if (root === undefined || isBelow(live, process.pid, root)) pids.push(process.pid)
  }
  return pids.sort((a, b) => a - b)
}

/** Whether a process is the run or one below it. */
function isBelow(live: Live, pid: number, root: number): boolean {
  let at: number | null | undefined = pid
  // A parent's pid is smaller than its child's.
  while (typeof at === 'number' && at > root) at = live.rows.get(at)?.process.parent
  return at === root
}
