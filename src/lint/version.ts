/** Versions as npm reads them: enough of ranges to see that a version lies outside of one. What is not understood fits. */

type Version = readonly [major: number, minor: number, patch: number]

const full = /^v?(\d+)\.(\d+)\.(\d+)(-[\w.-]+)?(?:\+[\w.-]+)?$/
const partial =
  /^(\^|~|>=|<=|>|<|=|~>)?\s*v?(\d+|[xX*])(?:\.(\d+|[xX*]))?(?:\.(\d+|[xX*]))?(?:-[\w.-]+)?(?:\+[\w.-]+)?$/

function versionOf(text: string): Version | undefined {
  const found = full.exec(text.trim())
  return found === null ? undefined : [Number(found[1]), Number(found[2]), Number(found[3])]
}

const compare = (one: Version, other: Version): number => one[0] - other[0] || one[1] - other[1] || one[2] - other[2]

/** Whether a version lies in a range; true where one of them is not understood. */
export function isWithin(version: string, range: string): boolean {
  const given = versionOf(version)
  if (given === undefined) return true
  return range.split('||').some((part) => fits(given, part.trim()))
}

function fits(version: Version, range: string): boolean {
  if (['', '*', 'x', 'latest'].includes(range)) return true
  const between = /^(\S+)\s+-\s+(\S+)$/.exec(range)
  if (between !== null) return fits(version, `>=${between[1]}`) && fits(version, `<=${between[2]}`)
  const parts = range.replaceAll(/(>=|<=|>|<|=|\^|~)\s+/g, '$1').split(/\s+/)
  return parts.every((part) => fitsOne(version, part))
}

function fitsOne(version: Version, part: string): boolean {
  const found = partial.exec(part)
  if (found === null) return true
  const [, sign = '', ...given] = found
  const numbers = given.map((text) => (text === undefined || /[xX*]/.test(text) ? undefined : Number(text)))
  const [major, minor, patch] = numbers
  if (major === undefined) return true
  const low: Version = [major, minor ?? 0, patch ?? 0]
  const order = compare(version, low)
  switch (sign) {
    case '>=':
      return order >= 0
    case '>':
      return order > 0
    case '<':
      return order < 0
    case '<=':
      return (
        order <= 0 || (patch === undefined && version[0] === major && (minor === undefined || version[1] === minor))
      )
    case '^':
      return (
        order >= 0 &&
        version[0] === major &&
        (major > 0 ||
          minor === undefined ||
          (version[1] === minor && (minor > 0 || patch === undefined || version[2] === patch)))
      )
    case '~':
    case '~>':
      return order >= 0 && version[0] === major && (minor === undefined || version[1] === minor)
    default:
      return (
        version[0] === major &&
        (minor === undefined || version[1] === minor) &&
        (patch === undefined || version[2] === patch)
      )
  }
}
