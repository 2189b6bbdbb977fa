/** Addresses as the kernel has them: 4 or 16 bytes. */
import { isIPv4, isIPv6, SocketAddress } from 'node:net'
import { invalid } from '../../lib/errors.ts'

/** Throws kind `invalid` for what is no address. */
export function addressBytes(text: string): Buffer {
  if (isIPv4(text)) return Buffer.from(text.split('.').map(Number))
  if (!isIPv6(text)) throw invalid('bad_address', `${text} is no IP address`)
  // The canonical form has no dotted tail but for mapped addresses, and at most one gap.
  const canonical = new SocketAddress({ family: 'ipv6', address: text }).address
  const dotted = /^(.*:)(\d+)\.(\d+)\.(\d+)\.(\d+)$/.exec(canonical)
  const plain = dotted
    ? `${dotted[1]}${[2, 4].map((at) => (Number(dotted[at]) * 256 + Number(dotted[at + 1])).toString(16)).join(':')}`
    : canonical
  const [head, tail] = plain.split('::') as [string, string?]
  const groups = (part: string | undefined) => (part ? part.split(':') : [])
  const [before, after] = [groups(head), groups(tail)]
  const gap = Array.from({ length: 8 - before.length - after.length }, () => '0')
  return Buffer.from([...before, ...gap, ...after].map((group) => group.padStart(4, '0')).join(''), 'hex')
}
