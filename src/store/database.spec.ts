import assert from 'node:assert/strict'
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { DatabaseSync } from 'node:sqlite'
import { type TestContext, test } from 'node:test'
import { Kysely, SqliteDialect } from 'kysely'
import { Migrator } from 'kysely/migration'
import { listBackups, makeBackup } from './backups.ts'
import { createContainerStore } from './containers.ts'
import { type Database, openDatabase, openStore } from './database.ts'
import { migrations } from './migrations/index.ts'
import { repairStore } from './repair.ts'
import { asBetterSqlite } from './sqlite.ts'
import { storedContainer } from './support/stored-container.ts'

const writer = new URL('support/writer.ts', import.meta.url).pathname
const idOf = (n: number) => String(n).padStart(64, '0')

function scene(t: TestContext) {
  const stateDir = mkdtempSync(join(tmpdir(), 'hb-store-'))
  t.after(() => rmSync(stateDir, { recursive: true }))
  const runtimeDir = join(stateDir, 'run')
  return { stateDir, runtimeDir, path: join(stateDir, 'state.sqlite') }
}

/** A store with so many containers, of which each has its directory. */
async function filled({ path, stateDir }: { path: string; stateDir: string }, from: number, to: number) {
  const store = await openStore(path)
  const containers = createContainerStore(store.database)
  for (let n = from; n < to; n++) {
    await containers.add(storedContainer(idOf(n)))
    mkdirSync(join(stateDir, 'containers', idOf(n)), { recursive: true })
  }
  return store
}

async function idsIn(path: string): Promise<string[]> {
  const database = await openDatabase(path)
  try {
    return (await createContainerStore(database).load()).map(({ id }) => id)
  } finally {
    await database.destroy()
  }
}

function overwrite(path: string, at: number, bytes: number): void {
  const content = readFileSync(path)
  content.fill(0xa5, at, at + bytes)
  writeFileSync(path, content)
}

function start(
  t: TestContext,
  path: string,
  mode: string,
): { child: ChildProcess; lines: AsyncIterator<string> } {
  const child = spawn(process.execPath, [writer, path, mode], { stdio: ['ignore', 'pipe', 'inherit'] })
  t.after(() => child.kill('SIGKILL'))
  return { child, lines: createInterface(child.stdout!)[Symbol.asyncIterator]() }
}

const damages: [what: string, damage: (path: string) => void][] = [
  ['has other bytes in its middle', (path) => overwrite(path, 3 * 4096, 2 * 4096)],
  ['has lost its head', (path) => overwrite(path, 0, 100)],
  ['was cut short', (path) => truncateSync(path, 5 * 4096)],
  ['is empty', (path) => truncateSync(path, 0)],
  ['is gone', (path) => rmSync(path)],
]

for (const [what, damage] of damages) {
  test(`a store that ${what} is refused with what to do, left as it is, and repaired from its backup`, async (t) => {
    const { stateDir, runtimeDir, path } = scene(t)
    await (await filled({ stateDir, path }, 0, 50)).close()
    damage(path)
    const before = existsSync(path) ? readFileSync(path) : null
    await assert.rejects(openDatabase(path), {
      kind: 'unavailable',
      code: /store_(corrupt|missing)/,
      message: /hb repair/,
    })
    assert.deepEqual(existsSync(path) ? readFileSync(path) : null, before)
    const { fault, lost } = repairStore({ stateDir, runtimeDir })
    assert.match(String(fault), /damaged|gone/)
    assert.equal(lost.length, 1, lost.join('\n'))
    assert.equal((await idsIn(path)).length, 50)
    assert.equal(repairStore({ stateDir, runtimeDir }).fault, null)
  })
}

test('a repair says what the backup does not know, keeps volumes, and puts files of unknown containers aside', async (t) => {
  const { stateDir, runtimeDir, path } = scene(t)
  await (await filled({ stateDir, path }, 0, 3)).close()
  const [{ path: backup }] = listBackups(path) as unknown as [{ path: string }]
  const kept = readFileSync(backup)
  await (await filled({ stateDir, path }, 3, 4)).close()
  for (const { path: newer } of listBackups(path)) if (newer !== backup) writeFileSync(newer, 'nonsense')
  assert.deepEqual(readFileSync(backup), kept)
  rmSync(join(stateDir, 'containers', idOf(1)), { recursive: true })
  const volume = 'abcdef0123456789'
  mkdirSync(join(stateDir, 'volumes/v', volume), { recursive: true })
  writeFileSync(join(stateDir, 'volumes/v', volume, 'disk.img'), 'data')
  mkdirSync(join(runtimeDir, 's', idOf(2).slice(0, 24)), { recursive: true })
  writeFileSync(join(stateDir, 'containers', idOf(3), 'log'), 'a line')
  overwrite(path, 0, 100)

  const { lost, aside } = repairStore({ stateDir, runtimeDir })
  const said = lost.join('\n')
  assert.match(said, /recorded after \d{4}-\d\d-\d\d/)
  assert.match(said, /had been removed since/)
  assert.match(said, /had been started since/)
  assert.match(said, /had been created since and is forgotten/)
  assert.match(said, /recovered-abcdef012345/)
  assert.deepEqual(await idsIn(path), [idOf(0), idOf(2)])
  assert.equal(readFileSync(join(aside, 'containers', idOf(3), 'log'), 'utf8'), 'a line')
  assert.ok(existsSync(join(aside, 'state.sqlite')))
  const sqlite = new DatabaseSync(path)
  assert.deepEqual(
    { ...sqlite.prepare('select name, size_bytes from volumes').get() },
    {
      name: 'recovered-abcdef012345',
      size_bytes: 4,
    },
  )
  sqlite.close()
})

test('nobody but its owner can read the store, what is beside it, or its backups', async (t) => {
  const { stateDir, path } = scene(t)
  writeFileSync(path, '', { mode: 0o644 })
  const store = await filled({ stateDir, path }, 0, 1)
  const modes = () =>
    [stateDir, join(stateDir, 'backups')].flatMap((directory) =>
      (existsSync(directory) ? readdirSync(directory) : [])
        .filter((name) => name.includes('.sqlite'))
        .map((name) => (statSync(join(directory, name)).mode & 0o777).toString(8)),
    )
  assert.deepEqual(modes(), ['600', '600'])
  await store.close()
  assert.ok(modes().includes('600'))
  assert.equal(statSync(join(stateDir, 'backups')).mode & 0o777, 0o700)
})

test('a store whose file system is read-only is refused in a sentence', async (t) => {
  const { stateDir, path } = scene(t)
  if (process.getuid!() !== 0) return
  const mount = (...args: string[]) => assert.equal(spawnSync('mount', args).status, 0, args.join(' '))
  mount('-t', 'tmpfs', 'store', stateDir)
  try {
    await (await filled({ stateDir, path }, 0, 1)).close()
    mount('-o', 'remount,ro', stateDir)
    await assert.rejects(openDatabase(path), { code: 'store_unwritable', message: /may be read-only/ })
  } finally {
    spawnSync('umount', [stateDir])
  }
})

test('without a good backup nothing is changed', async (t) => {
  const { stateDir, runtimeDir, path } = scene(t)
  await (await openDatabase(path)).destroy()
  overwrite(path, 0, 100)
  const before = readdirSync(stateDir)
  assert.throws(() => repairStore({ stateDir, runtimeDir }), {
    code: 'no_backup',
    message: /nothing was changed/,
  })
  assert.deepEqual(readdirSync(stateDir), before)
})

test('a store that another process has is refused by the pid of that process', async (t) => {
  const { path } = scene(t)
  const { child, lines } = start(t, path, 'hold')
  await lines.next()
  await assert.rejects(openDatabase(path), {
    code: 'store_locked',
    message: new RegExp(`pid ${child.pid}\\b`),
  })
  child.kill('SIGKILL')
  await once(child, 'exit')
  assert.deepEqual(await idsIn(path), [])
})

test('a store of a newer version is refused, and a repair goes back to the backup of before only when told to', async (t) => {
  const { stateDir, runtimeDir, path } = scene(t)
  await (await filled({ stateDir, path }, 0, 2)).close()
  const sqlite = new DatabaseSync(path)
  sqlite.exec("insert into kysely_migration values ('999-tomorrow', '2030-01-01T00:00:00.000Z')")
  sqlite.close()
  await assert.rejects(openDatabase(path), {
    code: 'store_newer',
    message: /newer version.*999-tomorrow.*--downgrade/,
  })
  assert.throws(() => repairStore({ stateDir, runtimeDir }), { code: 'store_newer' })
  assert.match(String(repairStore({ stateDir, runtimeDir, downgrade: true }).fault), /newer version/)
  assert.equal((await idsIn(path)).length, 2)
})

test('before its tables change it is copied, and the last three of each kind of copy are kept', async (t) => {
  const { path } = scene(t)
  const earlier = Object.fromEntries(Object.entries(migrations).slice(0, 2))
  const sqlite = new DatabaseSync(path)
  const db = new Kysely({ dialect: new SqliteDialect({ database: asBetterSqlite(sqlite, path) }) })
  const { error } = await new Migrator({
    db,
    provider: { getMigrations: async () => earlier },
  }).migrateToLatest()
  assert.equal(error, undefined)
  await createContainerStore(db as Database).add(storedContainer(idOf(0)))
  await db.destroy()
  assert.deepEqual(await idsIn(path), [idOf(0)])
  const [upgrade] = listBackups(path).filter(({ kind }) => kind === 'upgrade')
  assert.equal(upgrade?.migration, '002-containers')
  const old = new DatabaseSync(upgrade!.path, { readOnly: true })
  assert.equal(old.prepare('select count(*) as n from containers').get()?.n, 1)
  old.close()

  const again = new DatabaseSync(path)
  for (let n = 0; n < 5; n++) await makeBackup(again, path, 'regular', '008-builds')
  again.close()
  const kinds = listBackups(path).map(({ kind }) => kind)
  assert.deepEqual(kinds.sort(), ['regular', 'regular', 'regular', 'upgrade'])
})

test('a backup that is killed leaves nothing that has a name, and the next daemon takes away the rest', async (t) => {
  const { stateDir, path } = scene(t)
  await (await filled({ stateDir, path }, 0, 300)).close()
  for (let round = 0; round < 6; round++) {
    const { child, lines } = start(t, path, 'backup')
    for (let line = 0; line <= round; line++) await lines.next()
    child.kill('SIGKILL')
    await once(child, 'exit')
    for (const backup of listBackups(path)) {
      const copy = new DatabaseSync(backup.path, { readOnly: true })
      assert.deepEqual({ ...copy.prepare('pragma integrity_check').get() }, { integrity_check: 'ok' })
      copy.close()
    }
    await (await openStore(path)).close()
    const rest = readdirSync(join(stateDir, 'backups')).filter((name) => !name.endsWith('.sqlite'))
    assert.deepEqual(rest, [])
  }
})

test('what was acknowledged is in the store, whenever its daemon is killed', async (t) => {
  const { path } = scene(t)
  const acknowledged = new Map<string, string>()
  for (const count of [1, 2, 5, 17, 40, 77]) {
    const { child, lines } = start(t, path, 'write')
    await lines.next()
    const note = (line: string) => {
      const [what, id] = line.split(' ') as [string, string]
      acknowledged.set(id, what)
    }
    for (let n = 0; n < count; n++) note((await lines.next()).value)
    child.kill('SIGKILL')
    // What it had said before it heard.
    for (let rest = await lines.next(); !rest.done; rest = await lines.next()) {
      if (/^(created|started) \d+-\d+$/.test(rest.value)) note(rest.value)
    }
    const database = await openDatabase(path)
    const found = new Map(
      (await createContainerStore(database).load()).map(({ id, state }) => [id, state.status as string]),
    )
    await database.destroy()
    for (const [id, what] of acknowledged) {
      assert.ok(found.has(id), `${id} was acknowledged and is lost`)
      if (what === 'started') assert.equal(found.get(id), 'running', `${id} was started`)
    }
  }
  assert.ok(acknowledged.size > 60, `only ${acknowledged.size} were acknowledged`)
})
