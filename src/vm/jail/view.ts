/**
 * What a QEMU sees of the host's files: its own binary and libraries, firmware, kernel and initramfs, four devices, its own
 * processes in /proc, and two directories of its own. It is made once for each daemon, as a mount namespace without the
 * host's root in it, held by a process that ends with the daemon; each QEMU gets a copy in which /s and /d are its own.
 *
 *     /usr/… /lib…      binary, libraries, firmware; the guest's kernel: read-only, file by file
 *     /dev              null, urandom, net/tun, and kvm where it is used
 *     /s                RUNTIME/s/NAME: sockets and log          /d   STATE/disks/NAME: disks
 */
import type { ChildProcess } from 'node:child_process'
import { existsSync, readdirSync, statSync, writeFileSync } from 'node:fs'
import { mkdir, realpath } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { text } from 'node:stream/consumers'
import { within } from '../../lib/deadline.ts'
import { internal } from '../../lib/errors.ts'
import { launch, run } from '../../lib/spawn.ts'
import { secondMs } from '../../lib/units.ts'

export const viewPaths = { sockets: '/s', disks: '/d' } as const

/** What the last steps into the jail are taken with; there is nothing else to run in it. */
export const tools = {
  shell: '/usr/bin/dash',
  unshare: '/usr/bin/unshare',
  mount: '/usr/bin/mount',
  setpriv: '/usr/bin/setpriv',
} as const

/** Of QEMU's modules those of the accelerators; no other is needed. */
const moduleDirectory = '/usr/lib/x86_64-linux-gnu/qemu'
const moduleNames = /^accel-tcg-.*\.so$/
const firmwareDirectories = ['/usr/share/qemu', '/usr/share/seabios']
const readyDeadlineMs = 20 * secondMs

export interface ViewOptions {
  readonly binary: string
  /** Further files that QEMU reads, by the paths they have on the host. */
  readonly files: readonly string[]
  readonly sandboxes: string
  readonly disks: string
  /** Of the daemon alone; what is made in it is removed with the runtime directory. */
  readonly directory: string
  /** `/dev/kvm`, when it is used. */
  readonly kvm: boolean
}

export class View {
  readonly #holder: ChildProcess

  private constructor(holder: ChildProcess) {
    this.#holder = holder
  }

  static async open(options: ViewOptions): Promise<View> {
    const { sandboxes, disks, directory } = options
    const root = join(directory, 'root')
    const list = join(directory, 'mounts')
    await mkdir(root, { recursive: true, mode: 0o700 })
    const files = await filesOf(options)
    const mounts = [
      ...(await Promise.all(files.map(async (path) => bind(await realpath(path), root + path, 'bind,ro')))),
      ...firmwareDirectories.map((path) => bind(path, root + path, 'bind,ro,nofail')),
      bind(sandboxes, root + viewPaths.sockets, 'bind'),
      bind(disks, root + viewPaths.disks, 'bind'),
    ]
    writeFileSync(list, `${mounts.join('\n')}\n`, { mode: 0o600 })
    const kvm = options.kvm ? statSync('/dev/kvm') : undefined
    const holder = launch(
      tools.unshare,
      [
        ...['--mount', '--propagation', 'private', '--', tools.shell, '-euc', script, 'view', root, list],
        kvm ? `${kvm.uid}:${kvm.gid} ${(kvm.mode & 0o777).toString(8)}` : '',
        ...firmwareDirectories.map((path) => `${path}/`),
        ...files,
      ],
      // It ends when the daemon does, of whatever: then its input does.
      { stdio: ['pipe', 'pipe', 'pipe'], cwd: '/', env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin' } },
    )
    const view = new View(holder)
    try {
      await within(ready(holder), readyDeadlineMs, 'making what sandboxes see of the host')
    } catch (error) {
      view.close()
      throw error
    }
    return view
  }

  /** Path of the mount namespace. */
  get namespace(): string {
    return `/proc/${this.#holder.pid}/ns/mnt`
  }

  /** Machines that run keep theirs. */
  close(): void {
    this.#holder.kill('SIGKILL')
  }
}

/** The arguments: where to build it, the list of binds, owner and mode of /dev/kvm, and the files that get a place first. */
const script = `
root=$1 list=$2 kvm=$3; shift 3
mount -t tmpfs -o mode=755,nosuid,size=1m hummingbird "$root"
cd "$root"
mkdir -p usr/bin usr/sbin usr/lib usr/lib64 dev/net proc s d old
for link in bin sbin lib lib64; do ln -s usr/$link $link; done
for file; do mkdir -p ".\${file%/*}"; case $file in */) ;; *) : > ".$file" ;; esac; done
mount --all --fstab "$list"
mknod -m 666 dev/null c 1 3
mknod -m 444 dev/urandom c 1 9
mknod -m 666 dev/net/tun c 10 200
if [ -n "$kvm" ]; then mknod dev/kvm c 10 232; chown "\${kvm% *}" dev/kvm; chmod "\${kvm#* }" dev/kvm; fi
mount -t proc -o nosuid,nodev,noexec,hidepid=invisible,subset=pid proc proc
pivot_root . old
cd /
/old/usr/bin/umount -l /old
/usr/bin/mount -o remount,ro,nosuid hummingbird /
echo ready
read -r _ || exit 0
`

/** The binary, what it is linked with, and what starts it. */
async function filesOf({ binary, files }: ViewOptions): Promise<string[]> {
  const modules = existsSync(moduleDirectory) ? readdirSync(moduleDirectory) : []
  const programs = [
    binary,
    ...Object.values(tools),
    ...modules.filter((name) => moduleNames.test(name)).map((name) => join(moduleDirectory, name)),
  ]
  const { stdout } = await run('ldd', programs)
  const libraries = stdout.match(/\/\S+\.so[^\s:]*/g) ?? []
  return [...new Set([...programs, ...libraries, ...files])]
}

/** A line of fstab. */
const bind = (from: string, to: string, options: string): string =>
  `${escaped(from)} ${escaped(to)} none ${options} 0 0`

const escaped = (path: string): string =>
  path.replace(/[\s\\]/g, (c) => `\\${c.charCodeAt(0).toString(8).padStart(3, '0')}`)

async function ready(holder: ChildProcess): Promise<void> {
  const complaint = text(holder.stderr!)
  for await (const line of createInterface({ input: holder.stdout! })) if (line === 'ready') return
  throw internal('no_view', `what sandboxes see of the host could not be made: ${(await complaint).trim()}`)
}
