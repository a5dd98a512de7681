/**
 * Real prose as a conversation, for bench/memory.ts: the corpora of test/quality, whose questions people wrote about its lines.
 *
 *     const conversation = await proseConversation('moby-dick')
 *
 * A chapter or an address is a session, a paragraph or a sentence a turn that nobody is named for. Only the held-out half of
 * the questions is asked, of both sets; evidence is every line that holds one of the expected phrases.
 */
import { mkdtemp, readFile, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { prepareCorpus } from '../test/quality/corpora.ts'
import type { QualityQuestion } from '../test/quality/reader-quality.ts'
import type { Conversation, Turn } from './conversations.ts'

export const proseNames = ['moby-dick', 'addresses'] as const
export type ProseName = (typeof proseNames)[number]

/** Prose has no dates of telling; all its sessions have this one. */
const date = '2020-01-01'
/** Lines that hold an expected phrase beyond this many are a phrase that tells nothing. */
const EVIDENCE_MAX = 5

export async function proseConversation(name: ProseName): Promise<Conversation> {
  const parent = await mkdtemp(join(tmpdir(), 'polity-prose-'))
  try {
    const folder = await prepareCorpus(name, parent)
    const sessions: { date: string; turns: Turn[] }[] = []
    for (const file of (await readdir(folder)).toSorted()) {
      const lines = (await readFile(join(folder, file), 'utf8')).split('\n')
      sessions.push({
        date,
        turns: lines.flatMap((text, line) =>
          text.trim() === '' ? [] : [{ id: `${file}:${line + 1}`, speaker: '', text }],
        ),
      })
    }
    const turns = sessions.flatMap((session) => session.turns).map(({ id, text }) => ({ id, text: plain(text) }))
    const asked: QualityQuestion[] = []
    for (const set of [name, `${name}-plain`]) {
      const path = join(import.meta.dirname, '..', 'test', 'quality', 'questions', `${set}.json`)
      asked.push(...(JSON.parse(await readFile(path, 'utf8')) as QualityQuestion[]))
    }
    const questions = asked.flatMap(({ half, question, answers }) => {
      if (half !== 'held-out' || (answers ?? []).length === 0) return []
      const evidence = turns
        .filter(({ text }) => answers.some((answer) => text.includes(plain(answer))))
        .map(({ id }) => id)
      return evidence.length === 0 || evidence.length > EVIDENCE_MAX ? [] : [{ question, evidence }]
    })
    return { sessions, questions }
  } finally {
    await rm(parent, { recursive: true, force: true })
  }
}

function plain(text: string): string {
  return text.replaceAll(/\s+/g, ' ')
}
