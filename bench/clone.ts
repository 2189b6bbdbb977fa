/**
 * From launching a cloned QEMU to its guest's first answer. The sandbox provider makes the clones, with real cards and disks
 * but without pool, engine or API; the time is the one that it tells at debug level of every clone.
 */
import { randomBytes } from 'node:crypto'
import { copyFile, mkdir, truncate } from 'node:fs/promises'
import { join } from 'node:path'
import { guestArtifacts } from '../scripts/setup/artifacts.mjs'
import { imageDiskBytes } from '../src/lib/disks.ts'
import { silentLog } from '../src/lib/log.ts'
import { Rollback } from '../src/lib/rollback.ts'
import { GiB } from '../src/lib/units.ts'
import { defaultSizes } from '../src/main/sizes.ts'
import { createBuiltinNetworks } from '../src/networks/builtin/networks.ts'
import { defaultProject, openDatabase } from '../src/store/database.ts'
import { createNetworkRecords } from '../src/store/networks.ts'
import { createSandboxProvider } from '../src/vm/provider.ts'
import { quiet } from './quiet.ts'
import { type Summary, summarize } from './statistics.ts'

const sizeName = 's4'
const runtimeDir = '/run/hummingbird-clones'
const templateDir = '/dev/shm/hummingbird-clones'

export interface CloneTimes {
  readonly what: string
  readonly unit: 'ms'
  readonly samples: readonly number[]
  readonly summary: Summary
}

/** `directory`: on the disk. */
export async function measureClones(directory: string, count: number): Promise<CloneTimes> {
  await mkdir(directory, { mode: 0o711 })
  await using down = new Rollback()
  const database = await openDatabase(join(directory, 'state.sqlite'))
  down.add(() => database.destroy())
  const networks = await createBuiltinNetworks({
    records: createNetworkRecords(database),
    stateDir: directory,
    namePrefix: 'cl',
    subnet: '10.99.0.0/24',
    log: silentLog,
  })
  down.add(() => networks.close({ remove: true }))
  const samples: number[] = []
  const provider = await createSandboxProvider({
    ...guestArtifacts(),
    ...{ runtimeDir, templateDir, stateDir: directory, accelerator: 'auto', rootDiskBytes: 10 * GiB },
    nics: networks,
    log: {
      ...silentLog,
      debug(fields) {
        if ('launchToAnswerMs' in fields) samples.push(Number(fields.launchToAnswerMs))
      },
    },
  })
  down.add(() => provider.close())
  const image = join(directory, 'image.squashfs')
  await copyFile(guestArtifacts().warmImage, image)
  await truncate(image, imageDiskBytes)
  const size = defaultSizes.find(({ name }) => name === sizeName)!
  const network = networks.defaultNetwork(defaultProject).id
  // The first makes the template.
  for (let i = 0; i <= count; i++) {
    await quiet()
    const scratch = { path: join(directory, `scratch-${i}.img`), fresh: true }
    const sandbox = await provider.claim({
      id: randomBytes(32).toString('hex'),
      ...{ size, network, image, scratch },
    })
    await sandbox.kill()
  }
  const measured = samples.slice(1)
  const summary = summarize(measured)
  if (!summary || measured.length !== count)
    throw new Error(`${measured.length} of ${count} clones told their time`)
  return {
    what: `from launching a clone of size ${sizeName} (jail, QEMU, saved state) to the guest's first answer`,
    unit: 'ms',
    samples: measured,
    summary,
  }
}
