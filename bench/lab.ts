/** Sandboxes by the sandbox provider alone: real cards and disks, a busybox to run, but no engine and no API. */
import { randomBytes } from 'node:crypto'
import { copyFile, mkdir, symlink, truncate } from 'node:fs/promises'
import { join } from 'node:path'
import { guestArtifacts } from '../scripts/setup/artifacts.mjs'
import type { Sandbox, SandboxProvider } from '../src/engine/ports/sandbox.ts'
import { imageDiskBytes } from '../src/lib/disks.ts'
import { silentLog } from '../src/lib/log.ts'
import { Rollback } from '../src/lib/rollback.ts'
import { run } from '../src/lib/spawn.ts'
import { GiB } from '../src/lib/units.ts'
import { defaultSizes } from '../src/main/sizes.ts'
import { createBuiltinNetworks } from '../src/networks/builtin/networks.ts'
import { defaultProject, openDatabase } from '../src/store/database.ts'
import { createNetworkRecords } from '../src/store/networks.ts'
import { createSandboxProvider } from '../src/vm/provider.ts'

/** What a container gets that asks for nothing. */
export const sizeName = 's4'
const size = defaultSizes.find(({ name }) => name === sizeName)!

export interface Lab extends AsyncDisposable {
  readonly provider: SandboxProvider
  /** Keeps so many clones ready. */
  keep(count: number): void
  claim(): Promise<Sandbox>
  /** Milliseconds from launch to answer of every clone made so far, as the provider tells them. */
  readonly clonesMs: readonly number[]
}

/** `name`: of its directories. `directory`: on the disk; does not exist yet. */
export async function openLab(name: string, directory: string): Promise<Lab> {
  await mkdir(directory, { recursive: true, mode: 0o711 })
  await using undo = new Rollback()
  const database = await openDatabase(join(directory, 'state.sqlite'))
  undo.add(() => database.destroy())
  const networks = await createBuiltinNetworks({
    records: createNetworkRecords(database),
    stateDir: directory,
    namePrefix: 'lab',
    subnet: '10.99.0.0/24',
    log: silentLog,
  })
  undo.add(() => networks.close({ remove: true }))
  const clonesMs: number[] = []
  const provider = await createSandboxProvider({
    ...guestArtifacts(),
    runtimeDir: `/run/hummingbird-${name}`,
    templateDir: `/dev/shm/hummingbird-${name}`,
    stateDir: directory,
    accelerator: 'auto',
    cgroupParent: `hummingbird-lab-${process.pid}`,
    rootDiskBytes: 10 * GiB,
    nics: networks,
    log: {
      ...silentLog,
      debug(fields) {
        if ('launchToAnswerMs' in fields) clonesMs.push(Number(fields.launchToAnswerMs))
      },
    },
  })
  undo.add(() => provider.close())
  const image = await makeImage(directory)
  const network = networks.defaultNetwork(defaultProject).id
  undo.commit()
  return {
    provider,
    clonesMs,
    keep: (count) => provider.fill([{ size, network, count }]),
    claim() {
      const id = randomBytes(32).toString('hex')
      const scratch = { path: join(directory, `${id}.img`), fresh: true }
      return provider.claim({ id, size, network, image, scratch, volumes: [] })
    },
    async [Symbol.asyncDispose]() {
      await provider.close()
      await networks.close({ remove: true })
      await database.destroy()
    },
  }
}

/** As an image's layers become one: uncompressed, and as long as every image's disk. */
async function makeImage(directory: string): Promise<string> {
  const root = join(directory, 'root')
  const image = join(directory, 'image.squashfs')
  for (const name of ['bin', 'dev', 'etc', 'proc', 'sys', 'tmp'])
    await mkdir(join(root, name), { recursive: true })
  await copyFile('/bin/busybox', join(root, 'bin/busybox'))
  await symlink('busybox', join(root, 'bin/true'))
  const plain = ['-noI', '-noD', '-noF', '-noX', '-quiet', '-no-progress']
  await run('mksquashfs', [root, image, ...plain])
  await truncate(image, imageDiskBytes)
  return image
}
