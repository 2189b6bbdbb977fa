// @ts-check
/**
 * Where the guest's kernel and init are: outside the checkout, named by the hash of what they are made of, so that they are
 * made once a change and several checkouts share them.
 */
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

export const checkout = dirname(dirname(dirname(fileURLToPath(import.meta.url))))
export const cacheRoot = resolve(process.env.HUMMINGBIRD_CACHE || '/var/cache/hummingbird')
export const kernelTarball = '/usr/src/linux-source-6.1.tar.xz'

/** @param {(string | Buffer)[]} parts */
function hash(parts) {
  const sum = createHash('sha256')
  for (const part of parts) sum.update(`${part.length}\n`).update(part)
  return sum.digest('hex').slice(0, 16)
}

/** The version of Debian's package, from dpkg's own record (no child process: this is on the way of every start). */
function kernelSourceVersion() {
  try {
    const status = readFileSync('/var/lib/dpkg/status', 'utf8')
    const entry = status.slice(status.indexOf('\nPackage: linux-source-6.1\n') + 1)
    return /^Version: (.*)$/m.exec(entry)?.[1] ?? 'none'
  } catch {
    return 'none'
  }
}

export function kernelDirectory() {
  const source = join(checkout, 'guest/kernel')
  const files = ['config.fragment', 'build.sh'].map((name) => readFileSync(join(source, name)))
  return join(cacheRoot, 'kernel', hash([kernelSourceVersion(), ...files]))
}

export function initDirectory() {
  const source = join(checkout, 'guest/init')
  const names = readdirSync(source, { recursive: true, encoding: 'utf8' })
    // What was built in place by hand is made of the rest.
    .filter((name) => !name.startsWith('build/') && statSync(join(source, name)).isFile())
    .sort()
  return join(cacheRoot, 'init', hash(names.flatMap((name) => [name, readFileSync(join(source, name))])))
}

/** Paths of everything a sandbox is booted from. @returns {{ kernel: string, initramfs: string, warmImage: string }} */
export function guestArtifacts() {
  const init = initDirectory()
  return {
    kernel: join(kernelDirectory(), 'vmlinux'),
    initramfs: join(init, 'initramfs.cpio'),
    warmImage: join(init, 'warm.squashfs'),
  }
}
