/** Networks, and containers in them. */
import { type Case, create, each, ofAll, one, setUp, step, story } from '../case.ts'

/** The address is what says of which network it is, so each case has one of its own. */
const ipam = (subnet: string, more: object = {}) => ({ IPAM: { Config: [{ Subnet: subnet, ...more }] } })
const made = (body: object): Case =>
  one('POST /networks/create', { Name: '{it}', ...body }, { note: JSON.stringify(body) })
const network = (body: object = {}) =>
  setUp('POST /networks/create', { Name: '{it}', ...body }, { keep: 'n' })
const remove = setUp('DELETE /networks/{n}')

const creation: readonly Case[] = [
  ...each(
    'POST /networks/create',
    '{',
    '[]',
    '{}',
    '{"Name":7}',
    '{"Name":""}',
    '{"Name":"bridge"}',
    '{"Name":"none"}',
    '{"Name":"default"}',
  ),
  one('POST /networks/create', undefined, { note: '(nothing)' }),
  one('POST /networks/create', '{"Name":"x"}', {
    headers: { 'Content-Type': 'text/plain' },
    note: '(text/plain)',
  }),
  ...[
    { Driver: 'nonsense' },
    { Driver: 7 },
    { Driver: 'host' },
    { Driver: 'overlay' },
    { Internal: 'x' },
    { Labels: ['x'] },
    { Options: 'x' },
    { IPAM: 'x' },
    { IPAM: { Driver: 'nonsense' } },
    { IPAM: { Config: 'x' } },
    { IPAM: { Config: [{}] } },
    { IPAM: { Config: [{ Gateway: '10.201.0.1' }] } },
    ipam('x'),
    ipam('10.201.1.0'),
    ipam('10.201.2.0/99'),
    ipam('10.201.3.0/24', { Gateway: 'x' }),
    ipam('10.201.4.0/24', { Gateway: '10.202.0.1' }),
    ipam('10.201.5.0/24', { IPRange: 'x' }),
    ipam('10.201.6.0/24', { IPRange: '10.202.0.0/28' }),
    ipam('10.201.7.0/24', { AuxiliaryAddresses: { a: 'x' } }),
    { EnableIPv6: 'x' },
    { Scope: 'swarm' },
    { Ingress: true },
    { ConfigOnly: 'x' },
    { ConfigFrom: { Network: 'nothing' } },
  ].map(made),
]

const reading: readonly Case[] = [
  ofAll(one('GET /networks')),
  ...[
    'x',
    '[]',
    '{"nonsense":["x"]}',
    '{"dangling":["x"]}',
    '{"type":["nonsense"]}',
    '{"type":["builtin"]}',
    '{"driver":["bridge"]}',
    '{"name":["bridge"]}',
    '{"name":["("]}',
    '{"scope":["x"]}',
    '{"id":["zz"]}',
  ].map((filters) => ofAll(one(`GET /networks?filters=${filters}`))),
  ofAll(
    one('GET /networks/bridge', undefined, {
      values: ['Name', 'Scope', 'Driver', 'Internal', 'Attachable', 'Ingress', 'EnableIPv6', 'Labels'],
    }),
  ),
  one('GET /networks/none', undefined, { values: ['Name', 'Scope', 'Driver'] }),
  one('GET /networks/nothing'),
  one('GET /networks/bridge?verbose=x'),
  one('GET /networks/bridge?scope=swarm'),
]

const changing: readonly Case[] = [
  one('DELETE /networks/nothing'),
  one('DELETE /networks/bridge'),
  one('DELETE /networks/none'),
  // One after the other: dockerd refuses a second prune meanwhile.
  story(
    'prune networks',
    step('POST /networks/prune?filters=x'),
    step('POST /networks/prune?filters={"nonsense":["x"]}'),
    step('POST /networks/prune?filters={"until":["x"]}'),
    step('POST /networks/prune?filters={"label":["none=such"]}'),
  ),
  ...['connect', 'disconnect'].flatMap((verb) => [
    ...each(`POST /networks/bridge/${verb}`, '{', '[]', '{}', '{"Container":7}', '{"Container":"nobody"}'),
    one(`POST /networks/bridge/${verb}`, undefined, { note: '(nothing)' }),
    one(`POST /networks/nothing/${verb}`, { Container: 'up' }),
    one(`POST /networks/none/${verb}`, { Container: 'up' }),
  ]),
  one('POST /networks/bridge/connect', { Container: 'up' }),
  story(
    'the life of a network',
    step('POST /networks/create', { Name: '{it}', CheckDuplicate: true, Labels: { a: 'b' } }, { keep: 'n' }),
    step('POST /networks/create', { Name: '{it}', CheckDuplicate: true }),
    step('GET /networks/{n}', undefined, {
      values: [
        'Name',
        'Scope',
        'Driver',
        'Internal',
        'Attachable',
        'Labels',
        'Options',
        'Containers',
        'IPAM.Driver',
        'IPAM.Options',
      ],
    }),
    step('GET /networks/{it}'),
    step('GET /networks?filters={"name":["{it}"]}'),
    step('DELETE /networks/{it}'),
    step('DELETE /networks/{it}'),
    step('GET /networks/{n}'),
  ),
  story(
    'two networks of one subnet',
    network(ipam('10.203.0.0/24')),
    step('POST /networks/create', { Name: '{it}too', ...ipam('10.203.0.0/25') }),
    remove,
  ),
  story(
    'a container in a network',
    network(ipam('10.204.0.0/24')),
    create({
      HostConfig: { NetworkMode: '{it}' },
      NetworkingConfig: {
        EndpointsConfig: { '{it}': { Aliases: ['db'], IPAMConfig: { IPv4Address: '10.204.0.9' } } },
      },
    }),
    setUp('POST /containers/{c}/start'),
    step('GET /containers/{c}/json', undefined, { values: ['HostConfig.NetworkMode'] }),
    step('GET /networks/{n}'),
    step('DELETE /networks/{n}'),
    step('POST /networks/{n}/connect', { Container: '{c}' }),
    step('POST /networks/bridge/connect', { Container: '{c}', EndpointConfig: { Aliases: ['x'] } }),
    step('POST /networks/{n}/disconnect', { Container: 'up' }),
    step('POST /networks/{n}/disconnect', { Container: '{c}' }),
    step('POST /networks/{n}/disconnect', { Container: '{c}' }),
    setUp('DELETE /containers/{c}?force=1'),
    step('DELETE /networks/{n}'),
  ),
  story(
    'a network that is gone before the start',
    network(),
    create({ HostConfig: { NetworkMode: '{it}' } }),
    step('DELETE /networks/{n}'),
    step('POST /containers/{c}/start'),
    step('GET /containers/{c}/json', undefined, { values: ['State.Status', 'State.ExitCode'] }),
  ),
  story(
    'an address that is not of the network',
    network(ipam('10.205.0.0/24')),
    create({
      HostConfig: { NetworkMode: '{it}' },
      NetworkingConfig: { EndpointsConfig: { '{it}': { IPAMConfig: { IPv4Address: '10.9.9.9' } } } },
    }),
    step('POST /containers/{c}/start'),
    setUp('DELETE /containers/{c}'),
    remove,
  ),
]

export const networkCases: readonly Case[] = [...creation, ...reading, ...changing]
