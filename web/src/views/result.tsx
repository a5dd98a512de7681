/** How a run ended. */
import type { Process } from '../../../src/client.ts'
import { duration, moment } from '../format.ts'
import { Exact, Prose } from '../json.tsx'
import { Empty, Failure, Waiting, useAsked, useSession } from '../ui.tsx'

export function Result({ process: { pid, state, endedAt, startedAt } }: { readonly process: Process }) {
  const { client } = useSession()
  const {
    value: result,
    error,
    again,
  } = useAsked((signal) => client.processes.result(pid, { waitMs: 0, signal }), [pid, state])
  if (error !== undefined) return <Failure error={error} again={again} />
  if (result === undefined) return <Waiting what="the result" />
  if (result.state === 'running' || result.state === 'stopped')
    return (
      <Empty title={result.state === 'running' ? 'It still runs' : 'It is stopped'}>
        <p>
          {result.state === 'running'
            ? 'Its result appears here when it ends.'
            : 'Resume it, and it goes on where its journal ends.'}
        </p>
      </Empty>
    )
  return (
    <div className="page">
      <p className="muted">
        {state} {endedAt !== null && `at ${moment(endedAt)}, after ${duration(endedAt - startedAt)}`}
      </p>
      {result.error !== undefined && (
        <div className="failure">
          <p>
            <code>{result.error.code}</code> {result.error.message}
          </p>
          {result.error.detail !== undefined && <Exact value={result.error.detail} />}
        </div>
      )}
      {typeof result.value === 'string' ? (
        <Prose text={result.value} />
      ) : (
        result.value !== undefined && <Exact value={result.value} />
      )}
    </div>
  )
}
