/**
 * As much of DNS messages (RFC 1035) as a resolver of names of containers needs: the question of a query, and answers to it. The
 * question is sent back byte by byte, so that nothing of what a client may write into a name has to be understood.
 */

/** One who asks by UDP and says nothing of it takes so many bytes. */
const udpBytesMin = 512
/** What crosses any link in one piece. */
const udpBytesMax = 1_232
const headerBytes = 12
/** Of a name, as on the wire. */
const nameBytesMax = 255

export const types = { A: 1, PTR: 12, AAAA: 28, OPT: 41, ANY: 255 } as const
const classInternet = 1
export const rcodes = { ok: 0, formatError: 1, serverFailure: 2, noSuchName: 3, notImplemented: 4 } as const

const flags = { response: 0x8000, opcode: 0x7800, truncated: 0x0200, recursionDesired: 0x0100 }
const recursionAvailable = 0x0080

export interface Query {
  readonly message: Buffer
  /** Lower case, without the dot at the end. */
  readonly name: string
  readonly type: number
  readonly isInternet: boolean
  /** Where its question ends. */
  readonly questionEnd: number
  /** What fits into one answer by UDP. */
  readonly udpBytes: number
  readonly hasEdns: boolean
}

/** A code: what it is answered with instead; undefined: not at all. */
export function parseQuery(message: Buffer): Query | number | undefined {
  if (message.length < headerBytes) return undefined
  const head = message.readUInt16BE(2)
  // An answer to an answer could go on for ever.
  if (head & flags.response) return undefined
  if (head & flags.opcode) return rcodes.notImplemented
  const [questions, answers, authorities, additional] = [4, 6, 8, 10].map((at) => message.readUInt16BE(at))
  if (questions !== 1 || answers !== 0 || authorities !== 0) return rcodes.formatError
  const parsed = parseName(message, headerBytes)
  if (!parsed || parsed.end + 4 > message.length) return rcodes.formatError
  const questionEnd = parsed.end + 4
  const udpBytes = additional! > 0 ? ednsBytes(message, questionEnd) : undefined
  return {
    message,
    name: parsed.name,
    type: message.readUInt16BE(parsed.end),
    isInternet: message.readUInt16BE(parsed.end + 2) === classInternet,
    questionEnd,
    udpBytes: Math.min(udpBytesMax, Math.max(udpBytesMin, udpBytes ?? udpBytesMin)),
    hasEdns: udpBytes !== undefined,
  }
}

/** Names of a question are whole: no pointers. */
function parseName(message: Buffer, start: number): { name: string; end: number } | undefined {
  const labels: string[] = []
  for (let at = start; at < message.length && at - start < nameBytesMax; ) {
    const length = message[at]!
    if (length === 0) return { name: labels.join('.').toLowerCase(), end: at + 1 }
    if (length > 63 || at + 1 + length > message.length) return undefined
    labels.push(message.toString('latin1', at + 1, at + 1 + length))
    at += 1 + length
  }
  return undefined
}

/** Of an OPT record that comes first of what is additional. */
function ednsBytes(message: Buffer, at: number): number | undefined {
  if (message.length < at + 11 || message[at] !== 0 || message.readUInt16BE(at + 1) !== types.OPT)
    return undefined
  return message.readUInt16BE(at + 3)
}

export interface Answer {
  readonly type: number
  readonly data: Buffer
}

/** As Docker's. */
const ttlSeconds = 600

/** `bytesMax`: what does not fit is left out, and it is said so. */
export function answerTo(query: Query, rcode: number, answers: readonly Answer[], bytesMax: number): Buffer {
  const records = answers.map(recordOf)
  const edns = query.hasEdns ? ednsRecord() : Buffer.alloc(0)
  const room = bytesMax - query.questionEnd - edns.length
  let bytes = 0
  const fitting = records.filter((record) => {
    bytes += record.length
    return bytes <= room
  })
  const head = headOf(query, rcode, fitting.length, query.hasEdns ? 1 : 0)
  if (fitting.length < records.length) head.writeUInt16BE(head.readUInt16BE(2) | flags.truncated, 2)
  return Buffer.concat([head, query.message.subarray(headerBytes, query.questionEnd), ...fitting, edns])
}

/** To what cannot be read as a query: its id is all that is known of it. */
export function refusalOf(message: Buffer, rcode: number): Buffer {
  const head = Buffer.alloc(headerBytes)
  message.copy(head, 0, 0, 2)
  head.writeUInt16BE(
    flags.response | (message.readUInt16BE(2) & flags.opcode) | recursionAvailable | rcode,
    2,
  )
  return head
}

function headOf({ message }: Query, rcode: number, answers: number, additional: number): Buffer {
  const head = Buffer.alloc(headerBytes)
  message.copy(head, 0, 0, 2)
  const desired = message.readUInt16BE(2) & flags.recursionDesired
  head.writeUInt16BE(flags.response | desired | recursionAvailable | rcode, 2)
  head.writeUInt16BE(1, 4)
  head.writeUInt16BE(answers, 6)
  head.writeUInt16BE(additional, 10)
  return head
}

/** The name is that of the question, right behind the header. */
function recordOf({ type, data }: Answer): Buffer {
  const record = Buffer.alloc(12)
  record.writeUInt16BE(0xc000 | headerBytes, 0)
  record.writeUInt16BE(type, 2)
  record.writeUInt16BE(classInternet, 4)
  record.writeUInt32BE(ttlSeconds, 6)
  record.writeUInt16BE(data.length, 10)
  return Buffer.concat([record, data])
}

function ednsRecord(): Buffer {
  const record = Buffer.alloc(11)
  record.writeUInt16BE(types.OPT, 1)
  record.writeUInt16BE(udpBytesMax, 3)
  return record
}

/** A name as data of a record; undefined when it cannot be one. */
export function encodeName(name: string): Buffer | undefined {
  const labels = name.split('.').map((label) => Buffer.from(label, 'latin1'))
  if (labels.some(({ length }) => length === 0 || length > 63)) return undefined
  const encoded = Buffer.concat([
    ...labels.flatMap((label) => [Buffer.from([label.length]), label]),
    Buffer.alloc(1),
  ])
  return encoded.length <= nameBytesMax ? encoded : undefined
}

/** What somebody else answered is for this query: the same id and question, and an answer. */
export function isAnswerTo(answer: Buffer, id: number, query: Query): boolean {
  return (
    answer.length >= query.questionEnd &&
    answer.readUInt16BE(0) === id &&
    (answer.readUInt16BE(2) & flags.response) !== 0 &&
    answer
      .subarray(headerBytes, query.questionEnd)
      .equals(query.message.subarray(headerBytes, query.questionEnd))
  )
}

export const isTruncated = (answer: Buffer): boolean => (answer.readUInt16BE(2) & flags.truncated) !== 0

/** With another id. */
export function withId(message: Buffer, id: number): Buffer {
  const copy = Buffer.from(message)
  copy.writeUInt16BE(id, 0)
  return copy
}

/** What of somebody else's answer goes by UDP: all of it, or that it has to be asked for by TCP. */
export function fitted(answer: Buffer, query: Query): Buffer {
  if (answer.length <= query.udpBytes) return answer
  const cut = Buffer.from(answer.subarray(0, query.questionEnd))
  cut.writeUInt16BE(cut.readUInt16BE(2) | flags.truncated, 2)
  for (const count of [6, 8, 10]) cut.writeUInt16BE(0, count)
  return cut
}
