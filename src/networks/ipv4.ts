/** IPv4 addresses and subnets as numbers, so that allocating and comparing them is arithmetic. */

export interface Subnet {
  /** The first address: all bits after the prefix are zero. */
  readonly base: number
  readonly prefix: number
}

export function parseAddress(text: string): number | undefined {
  if (!/^(0|[1-9]\d{0,2})(\.(0|[1-9]\d{0,2})){3}$/.test(text)) return undefined
  let value = 0
  for (const part of text.split('.')) {
    const byte = Number(part)
    if (byte > 255) return undefined
    value = value * 256 + byte
  }
  return value
}

export function formatAddress(address: number): string {
  return [24, 16, 8, 0].map((shift) => (address >>> shift) & 255).join('.')
}

/** A bare address is a subnet of one; undefined when bits after the prefix are set. */
export function parseSubnet(text: string): Subnet | undefined {
  const [address, length, ...rest] = text.split('/')
  const base = parseAddress(address ?? '')
  if (base === undefined || rest.length > 0) return undefined
  if (length !== undefined && !/^\d{1,2}$/.test(length)) return undefined
  const prefix = length === undefined ? 32 : Number(length)
  if (prefix > 32) return undefined
  const subnet = { base, prefix }
  return base % sizeOf(subnet) === 0 ? subnet : undefined
}

export function formatSubnet(subnet: Subnet): string {
  return `${formatAddress(subnet.base)}/${subnet.prefix}`
}

/** How many addresses it has, the first and the last included. */
export function sizeOf(subnet: Subnet): number {
  return 2 ** (32 - subnet.prefix)
}

export function contains(subnet: Subnet, address: number): boolean {
  return address >= subnet.base && address < subnet.base + sizeOf(subnet)
}

export function overlaps(a: Subnet, b: Subnet): boolean {
  return contains(a, b.base) || contains(b, a.base)
}

/** Docker's way of deriving a card's address: unique wherever the IPv4 address is. */
export function macOf(address: number): string {
  const bytes = [24, 16, 8, 0].map((shift) => ((address >>> shift) & 255).toString(16).padStart(2, '0'))
  return `02:42:${bytes.join(':')}`
}
