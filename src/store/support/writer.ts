/**
 * A daemon as the store sees it, to be killed at any moment: it creates and starts containers without end, says each when the store
 * has it; or it holds the store, or backs it up without end. Arguments: store, which of these.
 */
import { DatabaseSync } from 'node:sqlite'
import { silentLog } from '../../lib/log.ts'
import { RegularBackups } from '../backups.ts'
import { createContainerStore } from '../containers.ts'
import { openDatabase, openStore } from '../database.ts'
import { storedContainer } from './stored-container.ts'

const [, , path, mode] = process.argv as unknown as [string, string, string, 'write' | 'hold' | 'backup']

if (mode === 'backup') {
  const sqlite = new DatabaseSync(path)
  process.stdout.write('opened\n')
  for (let n = 0; ; n++) {
    sqlite.exec(`insert into projects values ('p${process.pid}-${n}', 'n${process.pid}-${n}', 0)`)
    await new RegularBackups(sqlite, path, '008-builds', { log: silentLog, everyMs: 60_000 }).close()
    process.stdout.write('backed up\n')
  }
}
const database = mode === 'hold' ? await openDatabase(path) : (await openStore(path)).database
process.stdout.write('opened\n')
if (mode === 'hold') await new Promise((resolve) => setTimeout(resolve, 600_000))
const containers = createContainerStore(database)
for (let n = 0; ; n++) {
  const container = storedContainer(`${process.pid}-${n}`)
  await containers.add(container)
  process.stdout.write(`created ${container.id}\n`)
  await containers.update({ ...container, state: { ...container.state, status: 'running' } })
  process.stdout.write(`started ${container.id}\n`)
}
