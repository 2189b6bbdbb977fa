/** What may be asked of a network; what passes here is safe to write into scripts. In dockerd's words. */
import type { NetworkRequest } from '../../engine/ports/network.ts'
import { invalid } from '../../lib/errors.ts'
import { contains, formatSubnet, parseAddress, parseSubnet, type Subnet, sizeOf } from '../ipv4.ts'
import type { NetworkSettings } from '../ports/records.ts'

/** A gateway and one container. */
const prefixLongest = 30
const prefixShortest = 8
/** The least that every IPv4 host must take, and what cards of a sandbox carry at most. */
const mtuMin = 576
const mtuMax = 9_000
const auxAddressesMax = 1_024

export function settingsOf(request: NetworkRequest): NetworkSettings {
  const { subnet4 = '', ipRange4 = '', auxAddresses, mtu = 0 } = request
  const { internal, attachable, labels, options } = request
  if (mtu !== 0 && !(Number.isInteger(mtu) && mtu >= mtuMin && mtu <= mtuMax)) {
    throw invalid('bad_mtu', `invalid MTU ${mtu}: it must be from ${mtuMin} to ${mtuMax}`)
  }
  const asksForParts = ipRange4 !== '' || Object.keys(auxAddresses).length > 0 || request.gateway4
  if (subnet4 === '' && asksForParts) {
    throw bad('a gateway, an IP range and auxiliary addresses need a subnet to be in')
  }
  if (Object.keys(auxAddresses).length > auxAddressesMax) {
    throw bad(`a network can have ${auxAddressesMax} auxiliary addresses at most`)
  }
  if (subnet4 !== '') {
    const subnet = checkedSubnet(subnet4)
    if (ipRange4 !== '') checkRange(ipRange4, subnet)
    for (const address of Object.values(auxAddresses)) checkAddress('auxiliary address', address, subnet)
  }
  const hasOwnSubnet = subnet4 !== ''
  return { internal, attachable, labels, options, auxAddresses, ipRange4, hasOwnSubnet, mtu }
}

/** undefined when none is asked for. */
export function fixedSubnet({ subnet4, gateway4 }: NetworkRequest) {
  if (!subnet4) return undefined
  const subnet = checkedSubnet(subnet4)
  if (!gateway4) return { subnet: subnet4 }
  checkAddress('gateway', gateway4, subnet)
  const offset = parseAddress(gateway4)! - subnet.base
  if (offset === 0 || offset === sizeOf(subnet) - 1) {
    throw bad(`invalid gateway ${gateway4}: it is the first or the last address of ${subnet4}`)
  }
  return { subnet: subnet4, gateway: gateway4 }
}

const bad = (why: string) => invalid('bad_network', `invalid network config:\n${why}`)

function checkedSubnet(text: string): Subnet {
  const subnet = text.includes('/') ? parseSubnet(text) : undefined
  if (!subnet) throw bad(`invalid subnet ${text}: ${wrong(text)}`)
  if (subnet.prefix < prefixShortest || subnet.prefix > prefixLongest) {
    throw bad(`invalid subnet ${text}: it must be of /${prefixShortest} to /${prefixLongest}`)
  }
  const first = subnet.base >>> 24
  if (
    first === 0 ||
    first === 127 ||
    first >= 224 ||
    (first === 169 && ((subnet.base >>> 16) & 255) === 254)
  ) {
    throw bad(`invalid subnet ${text}: containers cannot have such addresses`)
  }
  return subnet
}

/** Which bits are set that must not be, when that is all that is wrong. */
function wrong(text: string): string {
  const [address, prefix] = text.split('/')
  const value = parseAddress(address ?? '')
  if (value === undefined || !/^\d{1,2}$/.test(prefix ?? '') || Number(prefix) > 32)
    return 'invalid CIDR block notation'
  const size = 2 ** (32 - Number(prefix))
  return `it should be ${formatSubnet({ base: value - (value % size), prefix: Number(prefix) })}`
}

function checkRange(text: string, subnet: Subnet): void {
  const range = text.includes('/') ? parseSubnet(text) : undefined
  if (!range) throw bad(`invalid ip-range ${text}: ${wrong(text)}`)
  if (range.prefix < subnet.prefix) {
    throw bad(`invalid ip-range ${text}: CIDR block is bigger than its parent subnet ${formatSubnet(subnet)}`)
  }
  if (!contains(subnet, range.base)) {
    throw bad(`invalid ip-range ${text}: parent subnet ${formatSubnet(subnet)} doesn't contain ip-range`)
  }
}

function checkAddress(what: string, text: string, subnet: Subnet): void {
  const address = parseAddress(text)
  if (address === undefined) throw bad(`invalid ${what} ${text}: invalid address`)
  if (!contains(subnet, address)) {
    throw bad(`invalid ${what} ${text}: parent subnet ${formatSubnet(subnet)} doesn't contain this address`)
  }
}
