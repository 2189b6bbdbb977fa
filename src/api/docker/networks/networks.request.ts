/** Docker's JSON for a new network → what is asked of networks. What cannot be is refused with the reason. */
import { isIPv6 } from 'node:net'
import type { NetworkRequest } from '../../../engine/ports/network.ts'
import { forbidden, invalid, notFound, notImplemented } from '../../../lib/errors.ts'
import { clip } from '../query.ts'
import type { CreateBody } from './networks.schema.ts'

const notYet = (message: string) => notImplemented('unsupported_option', message)
const namespaceOfItsOwn = 'a network here is a bridge in a namespace of its own'

export function networkRequest(body: CreateBody): Omit<NetworkRequest, 'project'> {
  refuse(body)
  const [pool, ...more] = body.IPAM?.Config ?? []
  if (more.length > 0) throw notYet('a network has one subnet here')
  const mtu = optionsOf(body.Options)
  return {
    name: body.Name,
    auxAddresses: pool?.AuxiliaryAddresses ?? {},
    internal: body.Internal,
    attachable: body.Attachable,
    labels: body.Labels,
    options: body.Options,
    ...(mtu === undefined ? {} : { mtu }),
    ...(pool?.Subnet ? { subnet4: pool.Subnet } : {}),
    ...(pool?.Gateway ? { gateway4: pool.Gateway } : {}),
    ...(pool?.IPRange ? { ipRange4: pool.IPRange } : {}),
  }
}

function refuse(body: CreateBody): void {
  refuseDriver(body.Driver)
  if (body.Scope !== '' && body.Scope !== 'local') {
    throw notYet(`networks of scope "${clip(body.Scope)}" need a swarm, which there is none of here`)
  }
  if (body.Ingress) throw notYet('an ingress network needs a swarm, which there is none of here')
  if (body.ConfigOnly || body.ConfigFrom?.Network) {
    throw notYet('networks made of configurations (config-only, config-from) are not supported')
  }
  if (body.EnableIPv4 === false) throw notYet('a network without IPv4 is not supported yet')
  if (body.EnableIPv6 || body.IPAM?.Config.some(({ Subnet }) => isIPv6(Subnet.split('/')[0]!))) {
    throw notYet('networks have no IPv6 yet: leave --ipv6 and IPv6 subnets out')
  }
  if (!['', 'default'].includes(body.IPAM?.Driver ?? '')) {
    throw notFound('no_such_plugin', `plugin "${clip(body.IPAM!.Driver)}" not found`)
  }
}

function refuseDriver(driver: string): void {
  if (['', 'bridge', 'default'].includes(driver)) return
  if (driver === 'host' || driver === 'null') {
    throw forbidden('one_instance', `only one instance of "${driver}" network is allowed`)
  }
  if (['macvlan', 'ipvlan', 'overlay'].includes(driver)) {
    throw notYet(`network driver "${driver}" is not supported: ${namespaceOfItsOwn}`)
  }
  throw notFound('no_such_plugin', `plugin "${clip(driver)}" not found`)
}

const yes = ['', 'true', '1']
/** Those of Docker's bridge that say what is so here anyway; with another value they are refused. */
const fixed: Readonly<Record<string, readonly string[]>> = {
  'com.docker.network.bridge.enable_icc': yes,
  'com.docker.network.bridge.enable_ip_masquerade': yes,
  'com.docker.network.bridge.host_binding_ipv4': ['', '0.0.0.0'],
  'com.docker.network.bridge.default_bridge': ['false', '0'],
  'com.docker.network.bridge.gateway_mode_ipv4': ['nat'],
}
/** The bridge's name on Docker's host: nobody sees it here. */
const unseen = ['com.docker.network.bridge.name']
const mtuNames = ['com.docker.network.driver.mtu', 'com.docker.network.mtu']

/** The MTU, if one is asked for. */
function optionsOf(options: Readonly<Record<string, string>>): number | undefined {
  let mtu: number | undefined
  for (const [name, value] of Object.entries(options)) {
    if (mtuNames.includes(name)) {
      if (!/^\d{1,6}$/.test(value))
        throw invalid('bad_mtu', `invalid MTU "${clip(value)}": it must be a number`)
      mtu = Number(value)
    } else if (fixed[name] ? !fixed[name].includes(value) : isDockers(name) && !unseen.includes(name)) {
      throw notYet(`the option ${clip(name)}=${clip(value)} is not supported: ${namespaceOfItsOwn}`)
    }
  }
  return mtu
}

const isDockers = (name: string): boolean => name.startsWith('com.docker.network.')
