/**
 * The reader's weights, as scripts/fit-reader.ts fitted them on the tuning half of test/quality/questions. Do not edit: change the features or the script, and fit again.
 */
import type { Features } from './reader-features.ts'

/** Weights of the score, by which sentences are ordered. */
export const scoreWeights: Readonly<Features> = {
  here: 0.914,
  kin: 1.189,
  near: 0,
  heading: 0.641,
  path: 1.851,
  passage: 0.022,
  cover: 2.267,
  lostMost: -0.985,
  lostName: -1.074,
  nameHere: 0,
  plainMet: 2.07,
  absent: 0,
  headLost: 0,
  beside: 1.597,
  close: 0.463,
  pairs: 0.93,
  defining: 2.521,
  headed: 1.604,
  fits: 1.393,
  explains: 0.533,
  unfit: -0.489,
  fitsClose: 0.98,
  counted: 1.523,
  typed: 0.418,
  rank: 2.121,
  asking: 0,
  title: -1.833,
  code: -1.22,
  table: -0.591,
  short: -0.603,
  long: -1.492,
}

/** Weights of the support, a logistic regression, with its constant. */
export const supportWeights: Readonly<Features> & { readonly constant: number } = {
  here: 0.214,
  kin: 0.317,
  near: 0.336,
  heading: 0.331,
  path: 0.961,
  passage: 0.056,
  cover: 1.803,
  lostMost: -1.323,
  lostName: -1.337,
  nameHere: 0,
  plainMet: 1.66,
  absent: -0.787,
  headLost: -0.81,
  beside: 0,
  close: 0,
  pairs: 0.73,
  defining: 0.945,
  headed: 0.728,
  fits: 0.342,
  explains: 0.362,
  unfit: -0.576,
  fitsClose: 0.804,
  counted: 0.929,
  typed: 0.625,
  rank: 0.791,
  asking: 0,
  title: -0.364,
  code: -0.167,
  table: -0.113,
  short: -0.037,
  long: -0.502,
  constant: -3.964,
}

/** Support below this is a refusal: it refuses 86 % of the unanswerable questions of the tuning half. */
export const supportMin = 0.384
