/** The guest init, as far as it can be tested without a microVM: its parts, its decoder under a fuzzer, its numbers. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { run } from '../../src/lib/spawn.ts'
import { minuteMs } from '../../src/lib/units.ts'

const guest = fileURLToPath(new URL('..', import.meta.url))

async function temporaryDirectory(t: TestContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'hb-guest-test-'))
  t.after(() => rm(path, { recursive: true, force: true }))
  return path
}

function make(folder: string, ...args: string[]) {
  return run('make', ['-s', '-C', join(guest, folder), ...args], { deadlineMs: 5 * minuteMs })
}

test('every part of the guest init keeps its promises under the sanitizers', async (t) => {
  const { stdout } = await make('test', 'check', `OUT=${await temporaryDirectory(t)}`)
  assert.ok((stdout.match(/^ok /gm) ?? []).length >= 30, stdout)
})

test('five seconds of fuzzing find nothing in what decodes the host', async (t) => {
  const out = await temporaryDirectory(t)
  const { stderr } = await make('test', 'fuzz', 'SECONDS=5', `OUT=${out}`, `CORPUS=${join(out, 'corpus')}`)
  assert.match(stderr, /stat::number_of_executed_units: \d{4,}/)
})

test('the initramfs and the warm disk are the same bytes however often they are built', async (t) => {
  const digests = []
  for (const _ of [1, 2]) {
    const out = await temporaryDirectory(t)
    await make('init', `OUT=${out}`)
    const files = await Promise.all(
      ['initramfs.cpio', 'warm.squashfs'].map((name) => readFile(join(out, name))),
    )
    digests.push(files.map((file) => createHash('sha256').update(file).digest('hex')))
  }
  assert.deepEqual(digests[0], digests[1])
})

/** Rows of protocol.md that begin with a number and an upper-case name, by the table they are in. */
function pageTables(page: string): Record<'type' | 'op' | 'tag' | 'event', Map<string, number>> {
  const tables = { type: new Map(), op: new Map(), tag: new Map(), event: new Map() }
  let table: keyof typeof tables | undefined
  for (const line of page.split('\n')) {
    const head = /^\| (type|op|tag|event) \| name \|/.exec(line)
    if (head) table = head[1] as keyof typeof tables
    else if (!line.startsWith('|')) table = undefined
    const row = /^\| (\d+) \| ([A-Z_]+) \|/.exec(line)
    if (table && row) tables[table].set(row[2]!, Number(row[1]))
  }
  return tables
}

function headerNumbers(header: string, prefix: string): Map<string, number> {
  const pattern = new RegExp(`^#define HB_${prefix}_(\\w+) (\\d+)u$`, 'gm')
  return new Map([...header.matchAll(pattern)].map((match) => [match[1]!, Number(match[2])]))
}

const sorted = (numbers: Map<string, number>) => [...numbers].sort((a, b) => a[1] - b[1])

test('protocol.h repeats the numbers of protocol.md, all of them and no others', async () => {
  const page = pageTables(await readFile(join(guest, 'protocol.md'), 'utf8'))
  const header = await readFile(join(guest, 'init/protocol.h'), 'utf8')
  for (const [table, least] of [
    ['type', 7],
    ['op', 14],
    ['tag', 75],
    ['event', 2],
  ] as const) {
    assert.ok(page[table].size >= least, `protocol.md has only ${page[table].size} of its ${table} table`)
    assert.deepEqual(sorted(headerNumbers(header, table.toUpperCase())), sorted(page[table]), table)
  }
})

test('protocol.h repeats the bounds of protocol.md', async () => {
  const page = await readFile(join(guest, 'protocol.md'), 'utf8')
  const header = await readFile(join(guest, 'init/protocol.h'), 'utf8')
  const bounds = {
    'containers in a sandbox': 'CONTAINERS_MAX',
    'processes not forgotten': 'PROCESSES_MAX',
    'unacknowledged output kept for a stream': 'OUTPUT_BYTES_MAX',
    'input buffered for a process': 'INPUT_BYTES_MAX',
    'ARG, ENV, FILE, TMPFS, MOUNT, … per request': 'LIST_ITEMS_MAX',
  }
  for (const [row, name] of Object.entries(bounds)) {
    const said = page.split('\n').find((line) => line.startsWith(`| ${row} | `))
    const number = Number(/\| ([\d,]+)/.exec(said?.slice(row.length + 3) ?? '')?.[1]?.replaceAll(',', ''))
    assert.equal(Number(new RegExp(`^#define HB_${name} (\\d+)u$`, 'm').exec(header)?.[1]), number, row)
  }
})

test('protocol.ts repeats the numbers of protocol.h', async (t) => {
  const path = fileURLToPath(new URL('../../src/vm/guest/protocol.ts', import.meta.url))
  if (!existsSync(path)) return t.skip('src/vm/guest/protocol.ts is not there')
  const header = await readFile(join(guest, 'init/protocol.h'), 'utf8')
  const module = (await import(path)) as Record<string, unknown>
  for (const [prefix, name] of [
    ['TYPE', 'types'],
    ['OP', 'ops'],
    ['TAG', 'tags'],
    ['EVENT', 'events'],
  ] as const) {
    const numbers = module[name]
    assert.ok(numbers && typeof numbers === 'object', `protocol.ts exports no ${name}`)
    const theirs = new Map(Object.entries(numbers).map(([key, value]) => [constantCase(key), Number(value)]))
    assert.deepEqual(sorted(theirs), sorted(headerNumbers(header, prefix)), name)
  }
})

/** `helloAck` and `HELLO_ACK` name the same thing. */
function constantCase(name: string): string {
  return /[a-z]/.test(name) ? name.replace(/([a-z0-9])([A-Z])/g, '$1_$2').toUpperCase() : name
}
