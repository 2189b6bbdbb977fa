// @ts-check
/** npm packages and Debian packages. */
import { createHash } from 'node:crypto'
import { chmodSync, existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { checkout } from './artifacts.mjs'
import { execute, output } from './step.mjs'

const stamp = join(checkout, 'node_modules/.hummingbird-setup')
const lockHash = () =>
  createHash('sha256')
    .update(readFileSync(join(checkout, 'package-lock.json')))
    .digest('hex')

/** @type {import('./step.mjs').Step} */
export const npmPackages = {
  name: 'npm packages',
  missing: () => {
    if (!existsSync(join(checkout, 'node_modules'))) return 'not installed yet'
    if (!existsSync(stamp) || readFileSync(stamp, 'utf8') !== lockHash())
      return 'not those of package-lock.json'
    return null
  },
  provide: async (say) => {
    say('npm ci (this brings Node 24 too)')
    await execute('npm', ['ci', '--no-audit', '--no-fund'], { cwd: checkout })
    writeFileSync(stamp, lockHash())
  },
  remedy: 'see that the npm registry can be reached (npm ping), and run this again',
}

/** @type {Record<string, string>} what each is for */
export const runPackages = {
  'qemu-system-x86': 'microVMs',
  'squashfs-tools': 'building the disk that warms the guest, and reading images in tests',
  e2fsprogs: 'writable disks',
  nftables: 'networks',
  iproute2: 'networks',
  procps: 'sysctl',
  'util-linux': 'namespaces and users of QEMU processes',
  'musl-tools': 'building the guest init',
  'libc6-dev': "the kernel's headers for the guest init, and building the guest kernel",
  gcc: 'building the guest init and kernel',
  make: 'building the guest init and kernel',
  'linux-source': 'the guest kernel',
  bc: 'building the guest kernel',
  bison: 'building the guest kernel',
  flex: 'building the guest kernel',
  'libelf-dev': 'building the guest kernel',
  'xz-utils': 'unpacking the kernel source',
}

/** @type {Record<string, string>} */
export const testPackages = {
  'docker.io': 'the docker CLI, and dockerd to compare with',
  'docker-registry': 'a real registry on loopback',
  'gdb-minimal': "calling the kernel as a sandbox's own process",
  'docker-compose': 'a client of the API, and applications of several services',
  'python3-docker': 'a client of the API',
  openssl: 'certificates for the API over TLS',
  debootstrap: 'real images',
  skopeo: 'a second client of registries and archives',
  clang: 'fuzzing the guest init',
  'libclang-rt-14-dev': 'fuzzing the guest init',
  python3: 'passwords of the registry, and extended attributes',
  'busybox-static': 'a small image',
  iptables: 'dockerd needs it',
  git: 'the files that the rules about the code are for',
}

// biome-ignore lint/suspicious/noTemplateCurlyInString: dpkg-query's own placeholders
const dpkgFormat = '${Package} ${db:Status-Status}\n'

/** @param {string[]} names */
export function missingPackages(names) {
  const listed = output('dpkg-query', ['-W', '-f', dpkgFormat, ...names]) ?? ''
  // dpkg-query fails as a whole when one name is unknown, and then prints nothing of use to us.
  const present =
    listed || names.map((name) => output('dpkg-query', ['-W', '-f', dpkgFormat, name]) ?? '').join('')
  const installed = new Set(
    present
      .split('\n')
      .filter((line) => line.endsWith(' installed'))
      .map((line) => line.split(' ')[0]),
  )
  return names.filter((name) => !installed.has(name))
}

/** @param {string[]} names @returns {import('./step.mjs').Step} */
export const debianPackages = (names) => ({
  name: 'Debian packages',
  missing: () => {
    const missing = missingPackages(names)
    return missing.length === 0 ? null : `missing: ${missing.join(' ')}`
  },
  provide: async (say) => {
    const env = { DEBIAN_FRONTEND: 'noninteractive', LC_ALL: 'C' }
    /** @type {Set<string>} apt-get update goes on without what it cannot fetch; it is the reason of what fails later */
    const notFetched = new Set()
    const onLine = (/** @type {string} */ line) =>
      void (/^[WE]: Failed to fetch/.test(line) && notFetched.add(line))
    const apt = (/** @type {string[]} */ ...args) =>
      execute('apt-get', ['-o', 'DPkg::Lock::Timeout=120', '-q', ...args], { env, gently: true, onLine })
    say('apt-get update')
    await apt('update')
    say('apt-get install')
    await withoutServices(async () => {
      const install = () => apt('install', '-y', '--no-install-recommends', ...missingPackages(names))
      await install().catch(async (error) => {
        // Where an earlier installation was cut off, apt-get wants this first; it has waited for dpkg's lock.
        if (!error.message.includes('dpkg --configure -a')) throw error
        await execute('dpkg', ['--configure', '-a'], { env, gently: true })
        await install()
      })
    }).catch((error) => {
      throw new Error([error.message, ...notFetched].join('\n    '), { cause: error })
    })
  },
  remedy: 'see that a Debian mirror can be reached (apt-get update), and run this again',
})

/** Known by its text, when a set-up that was killed has left it. */
const noServices = '#!/bin/sh\n# Of the set-up of Hummingbird, while it installs packages.\nexit 101\n'

/**
 * A package may start its service when it is installed; nobody asked for a second container daemon on this host.
 * @param {() => Promise<void>} work
 */
async function withoutServices(work) {
  const policy = '/usr/sbin/policy-rc.d'
  if (existsSync(policy) && readFileSync(policy, 'utf8') !== noServices) return work()
  writeFileSync(policy, noServices)
  chmodSync(policy, 0o755)
  try {
    await work()
  } finally {
    rmSync(policy, { force: true })
  }
}
