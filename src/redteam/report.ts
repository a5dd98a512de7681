/** Reports of attacks as text for a person: a line an attack, then what got through and what would stop it. */
import type { Finding, Report } from './attack.ts'

/** Stands above every report that was made with the obedient model. */
export const SIMULATED =
  'Simulated: the model is a scripted one that obeys every instruction it sees, and tools are stand-ins that execute nothing. What stops an attack here is the kernel and the law. How often a real model falls for one is not measured. Attacks with * run a hostile program in the agent’s place, under its law and budget.'

export function reportText({ target, findings }: Report): string {
  const width = Math.max(...findings.map((finding) => nameOf(finding).length))
  const lines = findings.map(
    (finding) => `  ${nameOf(finding).padEnd(width)}  ${finding.status.padEnd(9)}  ${whyOf(finding)}`,
  )
  const through = findings.filter(({ status }) => status === 'through')
  const details = through.flatMap(({ attack, through, remedy }) => [
    `  ${attack}`,
    ...through.map((one) => `    - ${one}`),
    `    what would stop it: ${remedy}`,
  ])
  const count = (wanted: Finding['status']): number => findings.filter(({ status }) => status === wanted).length
  const tried = count('stopped') + through.length
  const sum = [
    `${target}: ${through.length} of ${tried} attacks got through`,
    ...(count('no way in') > 0 ? [`${count('no way in')} had no way in`] : []),
    ...(count('not tried') > 0 ? [`${count('not tried')} were not tried: does the agent run on this input?`] : []),
  ].join(', ')
  return [sum, ...lines, ...(details.length > 0 ? ['', '  got through:', ...details] : [])].join('\n')
}

function nameOf({ attack, by }: Finding): string {
  return by === 'program' ? `${attack}*` : attack
}

function whyOf({ status, noWayIn, attempted, through, stoppedBy, measured }: Finding): string {
  if (noWayIn !== undefined) return noWayIn
  if (status === 'not tried')
    return 'the agent failed, or never came to where the attack is; give --input that it works on'
  const by = Object.entries(stoppedBy).map(([what, count]) => `${what} (${count})`)
  const parts = [
    `${attempted} tried`,
    ...(through.length > 0 ? [`${through.length} through`] : []),
    ...(by.length > 0 ? [`stopped by ${by.join(', ')}`] : []),
    ...(measured === undefined ? [] : [measured]),
  ]
  return parts.join('; ')
}
