/**
 * Root file systems from Debian's packages, by the mirror this machine is configured with: debootstrap makes the first, and
 * each of the others is a copy with packages installed. Mounts and processes are in namespaces that end with the command.
 */
import { copyFile, mkdir, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { run } from '../../../src/lib/spawn.ts'
import { minuteMs } from '../../../src/lib/units.ts'

const suite = 'bookworm'
const environment = { ...process.env, DEBIAN_FRONTEND: 'noninteractive', LC_ALL: 'C' }

interface Source {
  readonly uri: string
  readonly suite: string
}

/** What apt-get on this machine installs the main archive from, whatever file says so. */
async function sources(): Promise<Source[]> {
  const format = '$(REPO_URI) $(RELEASE) $(COMPONENT)'
  const { stdout } = await run('apt-get', ['indextargets', '--format', format, 'Identifier: Packages'])
  const found = stdout
    .split('\n')
    .map((line) => line.split(' ') as [string, string, string])
    .filter(([, release, component]) => component === 'main' && release?.startsWith(suite))
    .map(([uri, release]) => ({ uri, suite: release }))
  if (!found.some((source) => source.suite === suite)) {
    throw new Error(`apt has no source of Debian's ${suite} main; see /etc/apt/sources.list`)
  }
  return found
}

/** Runs where mounts are nobody else's and no process outlives it. */
async function isolated(script: string, args: readonly string[]): Promise<void> {
  const namespaces = ['--mount', '--pid', '--fork', '--kill-child', '--propagation', 'private']
  await run('unshare', [...namespaces, 'sh', '-euc', script, 'sh', ...args], {
    deadlineMs: 10 * minuteMs,
    env: environment,
  })
}

export class Roots {
  readonly #scratch: string
  readonly #sources: readonly Source[]

  private constructor(scratch: string, found: readonly Source[]) {
    this.#scratch = scratch
    this.#sources = found
  }

  /** Everything is made in `scratch`, which is the caller's to remove. */
  static async in(scratch: string): Promise<Roots> {
    return new Roots(scratch, await sources())
  }

  /** Debian's smallest system. */
  async base(): Promise<string> {
    const root = join(this.#scratch, 'debian')
    const { uri } = this.#sources.find((source) => source.suite === suite)!
    await isolated(
      'debootstrap --variant=minbase "$1" "$2" "$3" >"$4" 2>&1 || { tail -20 "$4" >&2; exit 1; }',
      [...[suite, root, uri, join(this.#scratch, 'debootstrap.log')]],
    )
    await writeFile(join(root, 'usr/sbin/policy-rc.d'), '#!/bin/sh\nexit 101\n', { mode: 0o755 })
    return root
  }

  /**
   * A copy of `base` with more packages. They are downloaded by this machine's apt, which knows its proxies and
   * certificates, for the system in the root.
   */
  async withPackages(base: string, name: string, packages: readonly string[], finish = ''): Promise<string> {
    const root = join(this.#scratch, name)
    await run('cp', ['-a', base, root], { deadlineMs: 5 * minuteMs })
    const archives = await this.#download(base, name, packages)
    const script = `
      mkdir "$1/tmp/archives"; cp "$2"/*.deb "$1/tmp/archives/"
      mount -t proc proc "$1/proc"
      chroot "$1" sh -euc 'dpkg --unpack /tmp/archives/*.deb && dpkg --configure -a' >"$2/log" 2>&1 ||
        { tail -20 "$2/log" >&2; exit 1; }
      rm -r "$1/tmp/archives"
      chroot "$1" sh -euc "$3"`
    await isolated(script, [root, archives, finish])
    return root
  }

  async #download(base: string, name: string, packages: readonly string[]): Promise<string> {
    const directory = join(this.#scratch, `${name}-packages`)
    const archives = join(directory, 'archives')
    await mkdir(join(archives, 'partial'), { recursive: true })
    await mkdir(join(directory, 'state'))
    await copyFile(join(base, 'var/lib/dpkg/status'), join(directory, 'status'))
    const list = this.#sources.map(({ uri, suite }) => `deb ${uri} ${suite} main\n`).join('')
    await writeFile(join(directory, 'sources.list'), list)
    const options = {
      'Dir::State': join(directory, 'state'),
      'Dir::State::Lists': join(this.#scratch, 'lists'),
      'Dir::State::status': join(directory, 'status'),
      'Dir::Cache': directory,
      'Dir::Etc::sourcelist': join(directory, 'sources.list'),
      'Dir::Etc::sourceparts': '/dev/null',
      'Debug::NoLocking': '1',
      'APT::Sandbox::User': 'root',
    }
    const common = Object.entries(options).flatMap(([key, value]) => ['-o', `${key}=${value}`])
    const apt = (...args: string[]) =>
      run('apt-get', [...common, '-q', ...args], { deadlineMs: 5 * minuteMs, env: environment })
    await mkdir(join(this.#scratch, 'lists/partial'), { recursive: true })
    const lists = await readdir(join(this.#scratch, 'lists'))
    if (lists.every((entry) => entry === 'partial')) await apt('update')
    await apt('install', '-y', '--no-install-recommends', '--download-only', ...packages)
    return archives
  }
}
