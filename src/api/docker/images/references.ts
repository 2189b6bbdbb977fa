/** Names of images as the query of an API call has them: joining, and matching against a user's pattern. */
import { refuseIf } from '../query.ts'

/** `fromImage` and `tag`, which may be a tag, a digest or nothing, as one reference. */
export function joinReference(image: string, tag: string): string {
  if (tag === '') return image
  refuseIf(!/^[\w][\w.-]{0,127}$|^[a-z0-9+._-]+:[0-9a-fA-F]{32,}$/.test(tag), 'invalid tag format')
  if (tag.includes(':')) return `${stripTag(image.split('@')[0]!)}@${tag}`
  return image.includes('@') ? image : `${stripTag(image)}:${tag}`
}

/** Without a tag or a digest every tag is meant. */
export function namesAllTags(image: string, tag: string): boolean {
  return tag === '' && !image.includes('@') && stripTag(image) === image
}

/** The last colon is a port's when a slash follows. */
export function stripTag(reference: string): string {
  return reference.replace(/:[^/:@]*$/, '')
}

/** Docker Hub's own images have a long form, which users and tools may write. */
const familiar = (reference: string): string => reference.replace(/^(index\.)?docker\.io\/(library\/)?/, '')

/** `busy*`, `localhost:5000/*:1.*`: `*` stands for anything but a slash, with the tag or without. */
export function matchesReference(pattern: string, reference: string): boolean {
  const wanted = familiar(pattern)
  const bare = stripTag(reference.split('@')[0]!)
  return globMatches(wanted, reference) || globMatches(wanted, bare)
}

/** Linear in time: only the last `*` is ever taken up again. */
function globMatches(pattern: string, text: string): boolean {
  let [p, t] = [0, 0]
  let star = -1
  let resume = 0
  while (t < text.length) {
    if (pattern[p] === '*') {
      star = p++
      resume = t
    } else if (p < pattern.length && (pattern[p] === text[t] || (pattern[p] === '?' && text[t] !== '/'))) {
      p++
      t++
    } else if (star >= 0 && text[resume] !== '/') {
      p = star + 1
      t = ++resume
    } else return false
  }
  while (pattern[p] === '*') p++
  return p === pattern.length
}
