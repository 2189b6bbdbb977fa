// @ts-check
/** The machine itself: what no set-up can change. */
import { existsSync, readFileSync, statfsSync } from 'node:fs'
import { arch, platform } from 'node:os'
import { join } from 'node:path'
import { cacheRoot, checkout, kernelDirectory } from './artifacts.mjs'

const GiB = 1024 ** 3
const diskNeeded = 6 * GiB

/** @returns {Record<string, string>} */
function osRelease() {
  try {
    const lines = readFileSync('/etc/os-release', 'utf8').split('\n')
    return Object.fromEntries(lines.filter(Boolean).map((line) => line.replaceAll('"', '').split('=')))
  } catch {
    return {}
  }
}

/** @param {string} directory the nearest folder above that exists is asked */
function freeBytes(directory) {
  for (let path = directory; ; path = path.slice(0, path.lastIndexOf('/')) || '/') {
    try {
      const { bavail, bsize } = statfsSync(path)
      return bavail * bsize
    } catch {
      if (path === '/') return 0
    }
  }
}

/** @type {import('./step.mjs').Step[]} */
export const platformSteps = [
  {
    name: 'Linux on x86-64',
    missing: () => (platform() === 'linux' && arch() === 'x64' ? null : `this is ${platform()} on ${arch()}`),
    remedy: 'use a machine with Linux on x86-64; the guest kernel is built for that only',
  },
  {
    name: 'Debian 12',
    missing: () => {
      const { ID, VERSION_ID, PRETTY_NAME } = osRelease()
      return ID === 'debian' && VERSION_ID === '12' ? null : `this is ${PRETTY_NAME ?? 'an unknown system'}`
    },
    remedy: 'use Debian 12 (bookworm); set-up installs from its packages, and nothing else was tried',
  },
  {
    name: 'root',
    missing: () => (process.getuid?.() === 0 ? null : `you are user ${process.getuid?.()}`),
    remedy: 'run it as root (sudo -E npm start): it makes network namespaces and taps, and installs packages',
  },
  {
    name: 'Node 20 or newer',
    missing: () =>
      Number(process.versions.node.split('.')[0]) >= 20 ? null : `this is Node ${process.versions.node}`,
    remedy:
      'install Node 20 or newer to begin with (nodejs.org; Debian 12 itself has 18 only); set-up brings Node 24 for the rest',
  },
  {
    name: 'disk space',
    missing: () => {
      // What is there takes no more: the kernel is the last large thing that set-up makes.
      if (existsSync(join(kernelDirectory(), 'vmlinux'))) return null
      for (const directory of [cacheRoot, checkout, '/usr']) {
        const free = freeBytes(directory)
        if (free < diskNeeded && !process.env.HUMMINGBIRD_SKIP_DISK_CHECK) {
          return `${directory} has ${(free / GiB).toFixed(1)} GiB free, and ${diskNeeded / GiB} are needed`
        }
      }
      return null
    },
    remedy:
      'make room; HUMMINGBIRD_CACHE may be a directory on a larger disk, when it is the cache that lacks it',
  },
]
