import assert from 'node:assert/strict'
import { test } from 'node:test'
import { encode } from 'dns-packet'
import { decide } from './answer.ts'
import { Budget } from './budget.ts'
import { Directory, type Endpoint } from './directory.ts'
import { parseQuery, type Query, types } from './message.ts'

const network = (id: string, subnet: string) => ({
  ...{ id, name: id, netns: `/run/netns/${id}`, inode: 1 },
  ...{ address: subnet.replace('0/24', '1'), subnet, internal: false },
})
const endpoint = (
  id: string,
  net: string,
  ipv4: string,
  names: string[],
  more: Partial<Endpoint> = {},
): Endpoint => ({
  ...{
    id,
    network: net,
    ipv4,
    container: `c-${names[0]}`,
    name: names[0]!,
    names,
    links: {},
    nameservers: [],
  },
  ...more,
})

function directory(): Directory {
  const made = new Directory()
  for (const each of [
    network('front', '10.1.0.0/24'),
    network('back', '10.2.0.0/24'),
    network('far', '10.1.0.0/24'),
  ])
    made.addNetwork(each)
  for (const each of [
    endpoint('1', 'front', '10.1.0.2', ['web', 'www']),
    endpoint('2', 'front', '10.1.0.3', ['web2', 'www']),
    endpoint('3', 'front', '10.1.0.4', ['both'], { links: { database: 'c-db' } }),
    endpoint('4', 'back', '10.2.0.4', ['both'], { links: { database: 'c-db' } }),
    endpoint('5', 'back', '10.2.0.5', ['db']),
    endpoint('6', 'far', '10.1.0.2', ['db', 'secret']),
  ])
    made.add(each)
  return made
}

function query(name: string, type: 'A' | 'AAAA' | 'PTR' | 'TXT' = 'A'): Query {
  return parseQuery(encode({ type: 'query', id: 1, questions: [{ type, name }] })) as Query
}

/** What one at an address is told: addresses or names, `nothing N` with the code, or `forward`. */
function told(from: [network: string, address: string], asked: Query, turn = 0): string {
  const known = directory()
  const asker = known.asker(...from)
  if (!asker) return 'nobody'
  const verdict = decide(known, asker, asked, turn)
  if (verdict.is === 'forward') return 'forward'
  const data = verdict.answers.map(({ type, data: bytes }) =>
    type === types.A
      ? [...bytes].join('.')
      : bytes
          .toString('latin1')
          .replaceAll(/[^a-z0-9]/g, ' ')
          .trim(),
  )
  return data.length > 0 ? data.join(' ') : `nothing ${verdict.rcode}`
}

const web: [string, string] = ['front', '10.1.0.2']
const both: [string, string] = ['front', '10.1.0.4']

test('names are those of the networks that the asker is in, and of no others', () => {
  assert.equal(told(web, query('web2')), '10.1.0.3')
  assert.equal(told(web, query('WEB2.front')), '10.1.0.3')
  assert.equal(told(web, query('db')), 'forward')
  assert.equal(told(web, query('secret')), 'forward')
  assert.equal(told(both, query('db')), '10.2.0.5')
  assert.equal(told(['front', '10.1.0.99'], query('web')), 'nobody')
  assert.equal(told(['far', '10.1.0.2'], query('web')), 'forward')
})

test('who is called alike takes turns', () => {
  assert.equal(told(both, query('www'), 0), '10.1.0.2 10.1.0.3')
  assert.equal(told(both, query('www'), 1), '10.1.0.3 10.1.0.2')
})

test('a link is a name for the one who has it', () => {
  assert.equal(told(both, query('database')), '10.2.0.5')
  assert.equal(told(['back', '10.2.0.5'], query('database')), 'forward')
})

test('a name that is there has no other records; what is not there others are asked for', () => {
  assert.equal(told(web, query('web2', 'AAAA')), 'nothing 0')
  assert.equal(told(web, query('web2', 'TXT')), 'nothing 0')
  assert.equal(told(web, query('example.org', 'AAAA')), 'forward')
})

test('addresses of its networks have names, or none; nobody else is asked about them', () => {
  assert.equal(told(web, query('3.0.1.10.in-addr.arpa', 'PTR')), 'web2 front')
  assert.equal(told(web, query('77.0.1.10.in-addr.arpa', 'PTR')), 'nothing 3')
  assert.equal(told(web, query('5.0.2.10.in-addr.arpa', 'PTR')), 'forward')
  assert.equal(told(both, query('5.0.2.10.in-addr.arpa', 'PTR')), 'db back')
})

test('what is removed is forgotten', () => {
  const known = directory()
  known.remove('2')
  assert.deepEqual(known.addresses(known.asker(...both)!, 'www'), ['10.1.0.2'])
  known.removeNetwork('back')
  assert.equal(known.addresses(known.asker(...both)!, 'db'), undefined)
  assert.equal(known.asker('back', '10.2.0.5'), undefined)
})

test('a budget is used up, and comes back with time', () => {
  const budget = new Budget(2, 10, 0)
  assert.deepEqual([budget.take(0), budget.take(0), budget.take(0)], [true, true, false])
  assert.deepEqual([budget.take(100), budget.take(100)], [true, false])
})
