import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type DecodedPacket, decode, encode, RECURSION_DESIRED } from 'dns-packet'
import fc from 'fast-check'
import {
  answerTo,
  encodeName,
  fitted,
  isAnswerTo,
  parseQuery,
  type Query,
  rcodes,
  refusalOf,
  types,
} from './message.ts'

function ask(name: string, type: 'A' | 'AAAA' | 'PTR' = 'A', edns?: number): Buffer {
  return encode({
    type: 'query',
    id: 4711,
    flags: RECURSION_DESIRED,
    questions: [{ type, name }],
    ...(edns === undefined
      ? {}
      : {
          additionals: [
            {
              type: 'OPT',
              name: '.',
              udpPayloadSize: edns,
              extendedRcode: 0,
              ednsVersion: 0,
              flags: 0,
              flag_do: false,
              options: [],
            },
          ],
        }),
  })
}

const parsed = (message: Buffer): Query => {
  const query = parseQuery(message)
  assert.ok(typeof query === 'object')
  return query
}
const rcodeOf = (packet: DecodedPacket) => (packet.flags ?? 0) & 15

test('a question is read as clients write it', () => {
  const query = parsed(ask('Web.Example', 'AAAA', 4096))
  assert.deepEqual(
    [query.name, query.type, query.isInternet, query.udpBytes, query.hasEdns],
    ['web.example', types.AAAA, true, 1232, true],
  )
  assert.deepEqual([parsed(ask('web')).udpBytes, parsed(ask('web')).hasEdns], [512, false])
})

test('an answer says what was asked, and is read as such', () => {
  const query = parsed(ask('WEB', 'A', 1232))
  const answers = [Buffer.from([10, 0, 0, 2]), Buffer.from([10, 0, 0, 3])].map((data) => ({
    type: types.A,
    data,
  }))
  const packet = decode(answerTo(query, rcodes.ok, answers, 512))
  assert.deepEqual([packet.id, packet.type, rcodeOf(packet)], [4711, 'response', 0])
  assert.deepEqual(
    packet.questions?.map(({ name, type }) => [name, type]),
    [['WEB', 'A']],
  )
  assert.deepEqual(
    packet.answers?.map((answer) => answer.type === 'A' && [answer.name, answer.ttl, answer.data]),
    [
      ['WEB', 600, '10.0.0.2'],
      ['WEB', 600, '10.0.0.3'],
    ],
  )
  assert.equal(packet.additionals?.length, 1)
})

test('a name comes back for an address', () => {
  const query = parsed(ask('2.0.0.10.in-addr.arpa', 'PTR'))
  const packet = decode(answerTo(query, rcodes.ok, [{ type: types.PTR, data: encodeName('web.own')! }], 512))
  assert.deepEqual(
    packet.answers?.map((answer) => answer.type === 'PTR' && answer.data),
    ['web.own'],
  )
  for (const name of ['', 'a..b', `${'a'.repeat(64)}.b`, 'a.'.repeat(200)])
    assert.equal(encodeName(name), undefined)
})

test('what does not fit is left out, and said to be', () => {
  const query = parsed(ask('many'))
  const many = Array.from({ length: 100 }, (_, n) => ({ type: types.A, data: Buffer.from([10, 0, 0, n]) }))
  const answer = answerTo(query, rcodes.ok, many, query.udpBytes)
  assert.ok(answer.length <= 512)
  assert.ok(decode(answer).flag_tc)
  const whole = answerTo(query, rcodes.ok, many, 65_535)
  assert.equal(decode(whole).answers?.length, 100)
  const cut = decode(fitted(whole, query))
  assert.deepEqual([cut.flag_tc, cut.answers?.length], [true, 0])
})

test('an answer of others is taken for this question only', () => {
  const query = parsed(ask('web'))
  const good = answerTo(query, rcodes.ok, [], 512)
  assert.ok(isAnswerTo(good, 4711, query))
  assert.ok(!isAnswerTo(good, 4712, query))
  assert.ok(!isAnswerTo(answerTo(parsed(ask('wet')), rcodes.ok, [], 512), 4711, query))
  assert.ok(!isAnswerTo(ask('web'), 4711, query))
})

test('whatever comes is a question, is refused, or is not answered; and each answer can be read', () => {
  const noise = fc.uint8Array({ maxLength: 600 }).map((bytes) => Buffer.from(bytes))
  const torn = fc
    .tuple(fc.domain(), fc.array(fc.tuple(fc.nat(60), fc.nat(255)), { maxLength: 4 }), fc.nat(60))
    .map(([name, changes, cut]) => {
      const message = ask(name.slice(0, 60), 'A', 1232)
      for (const [at, byte] of changes) message[at % message.length] = byte
      return message.subarray(0, message.length - (cut % message.length))
    })
  fc.assert(
    fc.property(fc.oneof(noise, torn), (message) => {
      const query = parseQuery(message)
      if (query === undefined) return
      const answer =
        typeof query === 'number'
          ? refusalOf(message, query)
          : answerTo(query, rcodes.noSuchName, [], query.udpBytes)
      assert.ok(answer.length <= 1232)
      assert.equal(answer.readUInt16BE(0), message.readUInt16BE(0))
      assert.equal(answer[2]! & 0x80, 0x80)
    }),
    { numRuns: 3_000 },
  )
})
