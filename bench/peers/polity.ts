/** Polity: one agent on a booted kernel. */
import type { Contestant } from './work.ts'

export const contestant: Contestant = {
  name: 'Polity',
  version: '-',
  async prepare() {
    throw new Error('not written yet')
  },
}
