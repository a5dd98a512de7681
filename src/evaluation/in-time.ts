/**
 * Deadlines for what is outside: a browser, a foreign environment.
 *
 *     await inTime(60_000, line.ask(message), () => 'no answer to "step"')        // DRIVER_TIMEOUT: no answer to "step" within 60000 ms
 */
import { PolityError } from '../kernel/errors.ts'

/** What the promise comes to, if it does within so many ms. Throws `DRIVER_TIMEOUT` otherwise; what comes later is not heard. */
export async function inTime<T>(ms: number, promise: Promise<T>, late: () => string): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const end = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new PolityError('DRIVER_TIMEOUT', `${late()} within ${ms} ms`)), ms)
  })
  try {
    return await Promise.race([promise, end])
  } finally {
    clearTimeout(timer)
  }
}
