import assert from 'node:assert/strict'
import {
  appendFileSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import fc from 'fast-check'
import { silentLog } from '../../lib/log.ts'
import type { LogChunk, LogsQuery } from '../model.ts'
import type { OutputStream } from '../ports/sandbox.ts'
import { lineBytesMax } from './lines.ts'
import { LogFile } from './log-file.ts'
import { readLog } from './read.ts'
import { findStart } from './tail.ts'

/** Every append is a millisecond after the last. */
function steppingClock() {
  let now = 1_000_000_000n
  return { nowNano: () => (now += 1_000_000n) }
}

async function openLog(
  directory: string,
  limits = { segmentBytesMax: Number.POSITIVE_INFINITY, segmentsMax: 1 },
) {
  return LogFile.open({ directory, ...limits, clock: steppingClock(), log: silentLog })
}

async function inDirectory(use: (directory: string) => Promise<void>): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'hb-logs-'))
  try {
    await use(directory)
  } finally {
    rmSync(directory, { recursive: true })
  }
}

const everything: LogsQuery = {
  stdout: true,
  stderr: true,
  follow: false,
  tail: 'all',
  sinceNano: null,
  untilNano: null,
  lines: false,
}

async function read(log: LogFile, query: Partial<LogsQuery> = {}): Promise<LogChunk[]> {
  const asked = { ...everything, ...query }
  const chunks: LogChunk[] = []
  const reading = readLog(log, {
    start: await findStart(log, asked),
    streams: asked,
    untilNano: asked.untilNano,
    lines: asked.lines,
    ended: () => true,
  })
  for await (const chunk of reading) chunks.push({ ...chunk, data: Buffer.from(chunk.data) })
  return chunks
}

const textOf = (chunks: readonly LogChunk[], stream?: OutputStream) =>
  chunks
    .filter((chunk) => !stream || chunk.stream === stream)
    .map((chunk) => chunk.data.toString('latin1'))
    .join('')

/** What a process may say: pieces of lines on either stream, or the beginning of a new run. */
type Said = { readonly stream: OutputStream; readonly text: string } | 'run'
const said: fc.Arbitrary<Said> = fc.oneof(
  {
    weight: 10,
    arbitrary: fc.record({ stream: fc.constantFrom('stdout' as const, 'stderr' as const), text: piece() }),
  },
  { weight: 1, arbitrary: fc.constant('run' as const) },
)

function piece(): fc.Arbitrary<string> {
  const short = fc
    .array(fc.constantFrom('a', 'b', '\n'), { minLength: 1, maxLength: 8 })
    .map((all) => all.join(''))
  const long = fc.integer({ min: 4_000, max: 300_000 }).map((length) => `${'x'.repeat(length)}\n`)
  return fc.oneof({ weight: 30, arbitrary: short }, { weight: 1, arbitrary: long })
}

async function say(log: LogFile, things: readonly Said[]): Promise<void> {
  await log.beginRun()
  const offsets = { stdout: 0, stderr: 0 }
  for (const thing of things) {
    if (thing === 'run') {
      Object.assign(offsets, { stdout: 0, stderr: 0 })
      await log.beginRun()
      continue
    }
    const data = Buffer.from(thing.text)
    await log.append(thing.stream, data, offsets[thing.stream])
    offsets[thing.stream] += data.length
  }
}

interface ModelLine {
  readonly stream: OutputStream
  readonly text: string
  /** Number of the append that ended it. */
  readonly end: number
}

/** The same, by the simplest means. */
function linesOf(things: readonly Said[]): ModelLine[] {
  const lines: ModelLine[] = []
  const open: Partial<Record<OutputStream, { text: string; end: number }>> = {}
  let end = 0
  const close = () => {
    for (const stream of ['stdout', 'stderr'] as const) {
      if (open[stream]?.text) lines.push({ stream, ...open[stream] })
      delete open[stream]
    }
  }
  for (const thing of things) {
    if (thing === 'run') {
      close()
      continue
    }
    for (const character of thing.text) {
      const line = open[thing.stream] ?? { text: '', end: 0 }
      open[thing.stream] = line
      line.text += character
      line.end = ++end
      if (character !== '\n') continue
      lines.push({ stream: thing.stream, ...line })
      delete open[thing.stream]
    }
  }
  close()
  return lines.sort((a, b) => a.end - b.end)
}

const byStream = (lines: readonly { stream: OutputStream; text: string }[]) => ({
  stdout: lines.filter(({ stream }) => stream === 'stdout').map(({ text }) => text),
  stderr: lines.filter(({ stream }) => stream === 'stderr').map(({ text }) => text),
})

test('what is read is what was written, whatever was written and however it was cut', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(said, { maxLength: 80 }), (things) =>
      inDirectory(async (directory) => {
        const log = await openLog(directory)
        await say(log, things)
        const chunks = await read(log)
        for (const stream of ['stdout', 'stderr'] as const) {
          const expected = things.map((t) => (t !== 'run' && t.stream === stream ? t.text : '')).join('')
          assert.equal(textOf(chunks, stream), expected)
          assert.equal(textOf(await read(log, { stdout: false, stderr: false, [stream]: true })), expected)
        }
        await log.rest()
      }),
    ),
    { numRuns: 60 },
  )
})

test('the last lines are found from the end as they would be by reading everything', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(said, { maxLength: 60 }), fc.nat({ max: 40 }), (things, tail) =>
      inDirectory(async (directory) => {
        const all = linesOf(things)
        fc.pre(all.every(({ text }) => text.length <= lineBytesMax))
        const log = await openLog(directory)
        await say(log, things)
        const expected = byStream(tail === 0 ? [] : all.slice(-tail))
        const lines = await read(log, { tail, lines: true })
        assert.deepEqual(
          byStream(lines.map((l) => ({ stream: l.stream, text: l.data.toString() }))),
          expected,
        )
        const raw = await read(log, { tail })
        assert.equal(textOf(raw, 'stdout'), expected.stdout.join(''))
        assert.equal(textOf(raw, 'stderr'), expected.stderr.join(''))
        await log.rest()
      }),
    ),
    { numRuns: 150 },
  )
})

test('a torn tail is cut off, and the next daemon goes on where the last whole record ends', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(said, { maxLength: 20 }),
      fc.nat({ max: 200 }),
      fc.boolean(),
      (things, bytes, garbage) =>
        inDirectory(async (directory) => {
          const log = await openLog(directory)
          await say(log, things)
          const before = log.offsets
          const whole = textOf(await read(log))
          await log.rest()
          const path = join(directory, 'output.1.log')
          const size = readFileSync(path).length
          if (garbage) appendFileSync(path, Buffer.alloc(bytes, 7))
          else truncateSync(path, Math.max(0, size - bytes))
          const next = await openLog(directory)
          const kept = textOf(await read(next))
          if (garbage) {
            assert.deepEqual(next.offsets, before)
            assert.equal(kept, whole)
          }
          const { stdout } = next.offsets
          await next.append('stdout', Buffer.from('more'), stdout)
          assert.equal(next.offsets.stdout, stdout + 4)
          assert.ok(textOf(await read(next)).startsWith(kept))
          await next.rest()
        }),
    ),
    { numRuns: 60 },
  )
})

test('what a container writes cannot pass for a record', () =>
  inDirectory(async (directory) => {
    const log = await openLog(directory)
    await log.beginRun()
    await log.append('stdout', Buffer.from('one\n'), 0)
    await log.rest()
    const path = join(directory, 'output.1.log')
    const forged = readFileSync(path).subarray(16)
    const second = await openLog(join(directory, 'other'))
    await second.beginRun()
    await second.append('stdout', forged, 0)
    await second.rest()
    const other = join(directory, 'other', 'output.1.log')
    truncateSync(other, readFileSync(other).length - 4)
    const next = await openLog(join(directory, 'other'))
    assert.deepEqual(next.offsets, { stdout: 0, stderr: 0 })
    await next.rest()
  }))

test('output that was safe before is not written twice', () =>
  inDirectory(async (directory) => {
    const log = await openLog(directory)
    await log.beginRun()
    await log.append('stdout', Buffer.from('hello '), 0)
    await log.append('stdout', Buffer.from('hello world'), 0)
    await log.append('stdout', Buffer.from('wor'), 6)
    assert.equal(textOf(await read(log)), 'hello world')
    await log.rest()
  }))

test('a file that is no log does not keep a container from being logged', () =>
  inDirectory(async (directory) => {
    writeFileSync(join(directory, 'output.1.log'), 'nonsense')
    const log = await openLog(directory)
    await log.beginRun()
    await log.append('stdout', Buffer.from('x'), 0)
    assert.equal(textOf(await read(log)), 'x')
    await log.rest()
  }))

test('a follower gets everything, at its pace, and ends when the output has', () =>
  inDirectory(async (directory) => {
    const log = await openLog(directory, { segmentBytesMax: 2_000, segmentsMax: 1_000 })
    let ended = false
    const start = await findStart(log, everything)
    const reading = readLog(log, {
      start,
      streams: everything,
      untilNano: null,
      lines: false,
      ended: () => ended,
    })
    const got = (async () => {
      let text = ''
      for await (const chunk of reading) {
        text += chunk.data.toString()
        await new Promise((resolve) => setImmediate(resolve))
      }
      return text
    })()
    await log.beginRun()
    let expected = ''
    for (let i = 0; i < 500; i++) {
      const text = `line ${i}\n`
      await log.append('stdout', Buffer.from(text), expected.length)
      expected += text
    }
    ended = true
    log.changed.notify()
    assert.equal(await got, expected)
    assert.ok(readdirSync(directory).length > 5)
    await log.rest()
  }))

test('only so many segments are kept, and what is left can be read and tailed', () =>
  inDirectory(async (directory) => {
    const log = await openLog(directory, { segmentBytesMax: 1_000, segmentsMax: 3 })
    await log.beginRun()
    let offset = 0
    for (let i = 0; i < 200; i++) {
      const data = Buffer.from(`line ${i}\n`)
      await log.append('stdout', data, offset)
      offset += data.length
    }
    assert.equal(readdirSync(directory).length, 3)
    const rest = textOf(await read(log))
    assert.ok(rest.endsWith('line 198\nline 199\n') && rest.length < 1_500)
    assert.equal(textOf(await read(log, { tail: 40 })), rest.split('\n').slice(-41).join('\n'))
    await log.rest()
    assert.deepEqual((await openLog(directory)).offsets, { stdout: offset, stderr: 0 })
  }))

test('since and until choose by the time of the output, and a line has the time of its beginning', () =>
  inDirectory(async (directory) => {
    const log = await openLog(directory)
    await log.beginRun()
    const times: bigint[] = []
    let offset = 0
    for (const text of ['a', 'b\n', 'c\n', 'd\n', 'e']) {
      await log.append('stdout', Buffer.from(text), offset)
      offset += text.length
      times.push((await read(log, { lines: true })).at(-1)!.timeNano)
    }
    assert.equal(times[1], times[0])
    assert.equal(textOf(await read(log, { sinceNano: times[2]! })), 'c\nd\ne')
    assert.equal(textOf(await read(log, { untilNano: times[2]! })), 'ab\nc\n')
    assert.equal(textOf(await read(log, { sinceNano: times[2]!, untilNano: times[3]!, tail: 2 })), 'd\n')
    await log.rest()
  }))

test('appends that come together are written together, and each waits for its own', () =>
  inDirectory(async (directory) => {
    const log = await openLog(directory)
    await log.beginRun()
    const chunk = Buffer.alloc(64 * 1024, 'y')
    await Promise.all(Array.from({ length: 100 }, (_, i) => log.append('stdout', chunk, i * chunk.length)))
    assert.equal(textOf(await read(log)).length, 100 * chunk.length)
    await log.rest()
  }))

test('what is left of a log begins with a whole line, however the output was cut', () =>
  inDirectory(async (directory) => {
    let log = await openLog(directory, { segmentBytesMax: 2_000, segmentsMax: 2 })
    await log.beginRun()
    const text = Buffer.from(Array.from({ length: 1_000 }, (_, i) => `line ${i}\n`).join(''))
    for (let at = 0; at < text.length; at += 77) {
      await log.append('stdout', text.subarray(at, at + 77), at)
      if (at % 10 === 0) {
        await log.rest()
        log = await openLog(directory, { segmentBytesMax: 2_000, segmentsMax: 2 })
      }
      const rest = textOf(await read(log, { lines: false }))
      assert.match(rest, /^line \d+\n/)
      assert.ok(
        text
          .subarray(0, at + 77)
          .toString()
          .endsWith(rest),
        'nothing is missing from there on',
      )
      assert.equal(
        textOf(await read(log, { tail: 3 })),
        rest
          .split(/(?<=\n)/)
          .slice(-3)
          .join(''),
      )
    }
  }))

test('a line without an end is not left out for ever', () =>
  inDirectory(async (directory) => {
    const log = await openLog(directory, { segmentBytesMax: 40_000, segmentsMax: 2 })
    await log.beginRun()
    for (let at = 0; at < 200; at++) await log.append('stdout', Buffer.alloc(1_000, 'x'), at * 1_000)
    const rest = textOf(await read(log, { lines: false }))
    assert.ok(rest.length > 20_000 && rest.length < 80_000, String(rest.length))
  }))
