/**
 * The servers of the serving bench. Constants follow from data sheets; docs/serving.md has the sums.
 */
import type { MachineOptions } from '../../src/drivers/llm/serving-machine.ts'

/**
 * A model of 8 billion parameters in 16 bits (Llama 3.1 8B: 32 layers, 8 key-value heads of 128) on one GPU of 24 GB (NVIDIA
 * A10: 600 GB/s, 125 TFLOPS), the size of machine on which AIOS was measured. Four fifths of the bandwidth and half of the
 * operations are taken to be reached (both invented, as usual for such estimates).
 */
export const a10: Omit<MachineOptions, 'clock'> = {
  // The longest context of the workloads has some 2,500 tokens; the memory holds 13 of them.
  sequencesMax: 12,
  batchTokensMax: 512,
  // 16.06 GB of weights at 480 GB/s.
  iterationMs: 33.5,
  // 2 x 8.03e9 operations at 62.5 TFLOPS, for a token read or written.
  prefillTokenMs: 0.257,
  decodeSequenceMs: 0.257,
  // 131,072 bytes at 480 GB/s.
  contextTokenMs: 0.000273,
  // 0.9 x 22.5 GiB, less 15 GiB of weights and 1.15 GiB for activations (invented), at 128 KiB a token.
  kvTokens: 33_584,
  readTogether: true,
}

/** Calls that the server takes: its batch, and two at its door, so that a place that falls free is filled at once. */
export const A10_SLOTS = a10.sequencesMax + 2

/** From a client to the server, ms (invented: one data centre). */
export const LATENCY_MS = 20

/** Reading 16.06 GB of weights from a disk of 3.5 GB/s (an NVMe of 2021), ms. What a server does beside it is left out. */
export const LOAD_MS = 4_600
