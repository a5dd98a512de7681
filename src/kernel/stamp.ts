/**
 * A note on an object that nobody else sees: what a `WeakMap` means, at a fraction of its price.
 *
 *     const tokens = createStamp<number>()
 *     tokens.set(message, 12)
 *     tokens.get(message)        // 12; undefined for any other object, also for a copy of this one
 *
 * A private field is put on the object by a constructor that returns it; bench/primitives.ts has the cost. An object that
 * takes no more private fields (a later standard refuses them on frozen objects) falls back to a `WeakMap`.
 */
export interface Stamp<Value> {
  get(object: object): Value | undefined
  set(object: object, value: Value): void
}

/** A stamp of its own: what one puts on an object no other sees. */
export function createStamp<Value>(): Stamp<Value> {
  const refused = new WeakMap<object, Value>()
  let anyRefused = false

  class Carrier {
    constructor(object: object) {
      // oxlint-disable-next-line no-constructor-return -- this is what puts the field on a foreign object
      return object
    }
  }

  class Stamped extends Carrier {
    #value: Value | undefined = undefined

    static get(object: object): Value | undefined {
      if (#value in object) return object.#value
      return anyRefused ? refused.get(object) : undefined
    }

    static set(object: object, value: Value): void {
      if (!(#value in object)) {
        try {
          // oxlint-disable-next-line no-new -- the constructor's effect is the field
          new Stamped(object)
        } catch {
          anyRefused = true
          refused.set(object, value)
          return
        }
      }
      ;(object as Stamped).#value = value
    }
  }

  return { get: Stamped.get, set: Stamped.set }
}
