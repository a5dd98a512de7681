/**
 * A person as a program: whoever begins it has a person answer, through the inbox. So a person can be a worker of a leader.
 *
 *     magenticOne({ team: [...magenticTeam(), { name: 'Ann', description: 'Knows the harbour.', program: person('Ann') }] })
 *     person('Ann', { timeoutMs: 60_000, default: 'Go on without me.' })
 *
 * Members that one program speaks for are people by `person` of the member: see team.ts.
 */
import { defineProgram } from '../kernel/program.ts'
import type { Program } from '../kernel/types.ts'
import { hearMember, type PersonSeat } from './pieces/team.ts'

/** Asks its input and returns what the person wrote. It fails with `NO_ANSWER` where nobody answers in time and there is no default. */
export function person(name: string, seat: PersonSeat = {}): Program<string, string> {
  return defineProgram(`person/${name}`, (sys, prompt: string) => hearMember(sys, { name, person: seat }, { prompt }))
}
