/**
 * Turns: work of one key goes one after another, whatever becomes of the work before.
 *
 *     const inTurn = createTurns()
 *     await inTurn('alice', () => update(…))
 *
 * Nothing is kept of a key whose work is done.
 */
export type InTurn = <Value>(key: string, work: () => Promise<Value>) => Promise<Value>

export function createTurns(): InTurn {
  /** When the last work of a key has ended. */
  const ends = new Map<string, Promise<void>>()
  return (key, work) => {
    const mine = (ends.get(key) ?? Promise.resolve()).then(work)
    const done = (): void => {
      if (ends.get(key) === end) ends.delete(key)
    }
    const end: Promise<void> = mine.then(done, done)
    ends.set(key, end)
    return mine
  }
}
