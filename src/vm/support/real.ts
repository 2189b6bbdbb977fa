/** Real sandboxes for tests: a provider with directories of its own, a small image, and what a container needs at the least. */
import {
  chmod,
  copyFile,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rm,
  symlink,
  truncate,
  writeFile,
} from 'node:fs/promises'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { guestArtifacts } from '../../../scripts/setup/artifacts.mjs'
import type {
  GuestContainer,
  GuestFile,
  GuestMount,
  GuestProcess,
  GuestProcessSpec,
  GuestTmpfs,
  NicSource,
  ProcessExit,
  Sandbox,
  SandboxInterface,
  SandboxProvider,
  SandboxVolume,
} from '../../engine/ports/sandbox.ts'
import { imageDiskBytes } from '../../lib/disks.ts'
import { newId } from '../../lib/ids.ts'
import { type Log, silentLog } from '../../lib/log.ts'
import { processesWith } from '../../lib/processes.ts'
import { writeSparse } from '../../lib/sparse.ts'
import { run } from '../../lib/spawn.ts'
import { MiB } from '../../lib/units.ts'
import { endKeepers } from '../jail/sealed-memory.ts'
import { createSandboxProvider } from '../provider.ts'
import { guestName } from '../qemu/args.ts'

export const needsRoot = {
  skip: process.getuid?.() === 0 ? false : 'needs root for users and namespaces of sandboxes',
}

export const smallSize = { name: 's2', vcpus: 1, memoryMiB: 128 }

const noNics: NicSource = {
  create: () => Promise.reject(new Error('these sandboxes have no network')),
  delete: async () => {},
}

interface ClaimOptions {
  readonly id?: string
  readonly fresh?: boolean
  readonly volumes?: readonly SandboxVolume[]
  readonly network?: string | null
}

interface ContainerOptions extends ClaimOptions {
  readonly hostname?: string
  readonly interfaces?: readonly SandboxInterface[]
  readonly mounts?: readonly GuestMount[]
  readonly privileged?: boolean
  readonly files?: readonly GuestFile[]
  readonly tmpfs?: readonly GuestTmpfs[]
}

export interface Output {
  stdout: string
  stderr: string
}

export class Sandboxes implements AsyncDisposable {
  readonly directory: string
  readonly image: string
  provider!: SandboxProvider
  readonly #log: Log
  readonly #nics: NicSource

  private constructor(directory: string, image: string, nics: NicSource, log: Log) {
    this.directory = directory
    this.#nics = nics
    this.image = image
    this.#log = log
  }

  /** Templates lie on a tmpfs, as in real life. */
  static async open(log: Log = silentLog, nics: NicSource = noNics): Promise<Sandboxes> {
    const directory = await mkdtemp('/dev/shm/hb-vm-test-')
    await chmod(directory, 0o711)
    const sandboxes = new Sandboxes(directory, await busyboxImage(directory), nics, log)
    try {
      await sandboxes.daemon()
      return sandboxes
    } catch (error) {
      await rm(directory, { recursive: true, force: true })
      throw error
    }
  }

  /** Another one's provider over the same directories, as the next daemon has. */
  async daemon(): Promise<SandboxProvider> {
    this.provider = await createSandboxProvider({
      ...guestArtifacts(),
      runtimeDir: join(this.directory, 'run'),
      templateDir: join(this.directory, 'templates'),
      stateDir: join(this.directory, 'state'),
      accelerator: 'auto',
      cgroupParent: basename(this.directory),
      nics: this.#nics,
      rootDiskBytes: 512 * MiB,
      log: this.#log,
    })
    return this.provider
  }

  scratch(id: string): string {
    return join(this.directory, `${id}.img`)
  }

  async claim(options: ClaimOptions = {}): Promise<Sandbox> {
    const { id = newId(), fresh = true, volumes = [], network = null } = options
    return this.provider.claim({
      id,
      size: smallSize,
      network,
      image: this.image,
      scratch: { path: this.scratch(id), fresh },
      volumes,
    })
  }

  /** An empty volume, as the host makes them. */
  async volume(bytes = 64 * MiB): Promise<string> {
    const path = join(this.directory, `volume-${newId().slice(0, 12)}.img`)
    await writeSparse(path, { bytes, extents: [] }, 0)
    const root = await mkdtemp(join(this.directory, 'root-'))
    await mkdir(join(root, '_data'))
    await run('mke2fs', ['-q', '-t', 'ext4', '-E', 'root_owner=0:0', '-d', root, path])
    await rm(root, { recursive: true })
    return path
  }

  /** Claimed, configured, and with a container of the same id. */
  async container(options: ContainerOptions = {}): Promise<Sandbox> {
    const sandbox = await this.claim(options)
    await sandbox.configure({
      hostname: options.hostname ?? 'guest',
      interfaces: options.interfaces ?? [],
      sysctls: {},
    })
    const { mounts = [], privileged = false, files = [], tmpfs = [] } = options
    const container = { ...anyContainer, id: sandbox.handle.id, mounts, privileged, files, tmpfs }
    await sandbox.createContainer(container)
    return sandbox
  }

  /** Processes of sandboxes of these directories that still run. */
  running(): number {
    return processesWith((argument) => argument.startsWith(guestName(this.directory))).length
  }

  /** What is left of sandboxes on disk. */
  async remains(): Promise<string[]> {
    return [
      ...(await readdir(join(this.directory, 'run/s'))),
      ...(await readdir(join(this.directory, 'state/disks'))),
    ]
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.provider.close()
    await this.provider.sweep(new Set())
    const next = await this.daemon()
    await next.sweep(new Set())
    await next.close()
    endKeepers(this.directory)
    await rm(this.directory, { recursive: true, force: true })
  }
}

const anyContainer: GuestContainer = {
  ...{
    id: '',
    hostname: 'inside',
    domainname: '',
    readonlyRoot: false,
    privileged: false,
    files: [],
    tmpfs: [],
    mounts: [],
  },
  ...{ maskedPaths: [], readonlyPaths: [], shmBytes: MiB, sysctls: {} },
  limits: { memoryBytes: 0, cpuQuotaUs: 0, cpuPeriodUs: 0, cpuWeight: 0, pids: 0 },
}

export function shell(sandbox: Sandbox, id: number, script: string): GuestProcessSpec {
  return {
    ...{
      id,
      container: sandbox.handle.id,
      main: id === 1,
      init: false,
      tty: false,
      stdin: true,
      cwd: '/',
      user: '',
      groups: [],
    },
    args: ['sh', '-c', script],
    env: ['PATH=/bin'],
    capabilities: { bounding: [], effective: [], inheritable: [], ambient: [] },
    ...{ noNewPrivileges: false, rlimits: [], oomScoreAdj: 0 },
  }
}

export async function start(
  sandbox: Sandbox,
  id: number,
  script: string,
): Promise<{ process: GuestProcess; output: Output }> {
  const output: Output = { stdout: '', stderr: '' }
  const process = await sandbox.startProcess(shell(sandbox, id, script), {
    write: (stream, chunk) => {
      output[stream] += chunk.toString()
    },
  })
  return { process, output }
}

export async function finish(
  sandbox: Sandbox,
  id: number,
  script: string,
): Promise<{ exit: ProcessExit; output: Output }> {
  const { process, output } = await start(sandbox, id, script)
  return { exit: await process.exited, output }
}

async function busyboxImage(directory: string): Promise<string> {
  const root = join(directory, 'root')
  await mkdir(join(root, 'bin'), { recursive: true })
  for (const name of ['tmp', 'proc', 'sys', 'dev', 'etc']) await mkdir(join(root, name))
  await writeFile(join(root, 'etc/kept'), 'of the image\n')
  await copyFile('/bin/busybox', join(root, 'bin/busybox'))
  const facts = fileURLToPath(new URL('../../../guest/test/facts.c', import.meta.url))
  await run('musl-gcc', ['-static', '-O1', facts, '-o', join(root, 'bin/facts')])
  const { stdout } = await run('/bin/busybox', ['--list'])
  for (const name of stdout.trim().split('\n')) {
    if (name !== 'busybox') await symlink('busybox', join(root, 'bin', name))
  }
  const image = join(directory, 'busybox.squashfs')
  await run('mksquashfs', [
    root,
    image,
    '-noappend',
    '-all-root',
    '-noI',
    '-noD',
    '-noF',
    '-noX',
    '-no-progress',
    '-quiet',
  ])
  await truncate(image, imageDiskBytes)
  await rm(root, { recursive: true })
  return image
}

/** `Name:` lines of a process's status, as the host's kernel has them. */
export async function hostStatus(pid: number): Promise<ReadonlyMap<string, string>> {
  const text = await readFile(`/proc/${pid}/status`, 'utf8')
  return new Map(
    text
      .split('\n')
      .filter(Boolean)
      .map((line) => line.split(/:\s*/, 2) as [string, string]),
  )
}
