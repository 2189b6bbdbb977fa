import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { test } from 'node:test'
import { until } from '../../lib/deadline.ts'
import { silentLog } from '../../lib/log.ts'
import { run } from '../../lib/spawn.ts'
import { openDatabase } from '../../store/database.ts'
import { createNetworkRecords } from '../../store/networks.ts'
import { hostTableOf, namesOf } from './names.ts'
import { createBuiltinNetworks } from './networks.ts'
import { holdHost } from './support/host-lock.ts'
import { labRanges, needsRoot } from './support/lab.ts'

const program = join(import.meta.dirname, 'support/churn.ts')

/** Starts a daemon and kills it when it has said so many lines. */
async function killAfter(lines: number, store: string, prefix: string): Promise<void> {
  const child = spawn(process.execPath, [program, store, prefix], { stdio: ['ignore', 'pipe', 'inherit'] })
  const exited = once(child, 'exit')
  let said = 0
  for await (const _ of createInterface(child.stdout)) if (++said === lines) child.kill('SIGKILL')
  await exited
  assert.ok(said >= lines, 'it was killed, and did not end by itself')
}

/** What of the name is in the rules of the host or a namespace. */
async function listed(
  netns: string | undefined,
  family: string,
  table: string,
  set: string,
  pattern: RegExp,
) {
  const inside = netns === undefined ? [] : ['nsenter', `--net=${netns}`]
  const kind = set.startsWith('published') ? 'map' : 'set'
  const [command, ...args] = [...inside, 'nft', 'list', kind, family, table, set]
  const { stdout } = await run(command!, args)
  return new Set(stdout.match(pattern) ?? [])
}

test(
  'whenever a daemon is killed, the next one has exactly the ports and rules that it keeps',
  needsRoot,
  async (t) => {
    t.after(await holdHost())
    const directory = await mkdtemp(join(tmpdir(), 'networks-crash-'))
    const prefix = `q${randomBytes(2).toString('hex')}`
    const store = join(directory, 'state.sqlite')
    const open = async () => {
      const database = await openDatabase(store)
      const records = createNetworkRecords(database)
      const resolverSocket = `${store}.resolver`
      const common = { records, stateDir: '/nowhere', log: silentLog, namePrefix: prefix, resolverSocket }
      const options = { ...common, ...labRanges }
      return { database, records, networks: await createBuiltinNetworks(options) }
    }
    try {
      // While the network is being made, and then in the midst of ports coming and going.
      for (const lines of [1, 1, 2, 7, 15, 20, 31]) {
        await killAfter(lines, store, prefix)
        const { database, records, networks } = await open()
        try {
          const plugged = (await records.load()).ports.filter((port) => port.tap !== null)
          const keep = plugged.slice(0, Math.ceil(plugged.length / 2))
          await networks.restore(new Set(keep.map((port) => port.id)))
          const kept = await records.load()
          assert.deepEqual(new Set(kept.ports.map((port) => port.tap)), new Set(keep.map((port) => port.tap)))
          for (const { id } of kept.networks) {
            const { netns, namespace } = namesOf(prefix, id)
            const taps = new Set(keep.filter(({ network }) => network === id).map((port) => port.tap))
            assert.deepEqual(await listed(netns, 'bridge', 'hb', 'plugged', /t[0-9a-f]{8}/g), taps)
            const { stdout } = await run('ip', ['-n', namespace, '-br', 'link'])
            assert.deepEqual(new Set(stdout.match(/\bt[0-9a-f]{8}\b/g) ?? []), taps)
          }
          const { stdout } = await run('ip', ['netns', 'list'])
          assert.deepEqual(
            new Set(stdout.match(new RegExp(`^${prefix}-[0-9a-f]+`, 'gm')) ?? []),
            new Set(kept.networks.map(({ id }) => namesOf(prefix, id).namespace)),
          )
          assert.deepEqual(
            await listed(undefined, 'inet', hostTableOf(prefix), 'published-anywhere', /tcp \. \d+(?= :)/g),
            new Set(keep.flatMap((port) => port.published.map(({ hostPort }) => `tcp . ${hostPort}`))),
          )
        } finally {
          await networks.close()
          await database.destroy()
        }
      }
    } finally {
      const { database, networks } = await open()
      await networks.close({ remove: true })
      await database.destroy()
      await rm(directory, { recursive: true })
    }
    await until(
      'nothing to be left',
      async () => !(await run('ip', ['-br', 'link'])).stdout.includes(prefix) || undefined,
      { deadlineMs: 5_000 },
    )
  },
)
