// @ts-check
/** The guest's kernel and init: built once for what they are made of, put in place whole or not at all. */
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { checkout, initDirectory, kernelDirectory, kernelTarball } from './artifacts.mjs'
import { execute } from './step.mjs'

/**
 * Makes `directory` by `build(into, scratch)` and a rename. Two set-ups at once both build; the first rename wins. What one
 * that was killed has left is removed by the next.
 * @param {string} directory
 * @param {(line: string) => void} say
 * @param {(into: string, scratch: string) => Promise<void>} build
 */
async function madeWhole(directory, say, build) {
  const above = dirname(directory)
  mkdirSync(above, { recursive: true })
  for (const name of readdirSync(above).filter(isAbandoned)) {
    say('removing what a set-up that was killed has left')
    removeAbandoned(join(above, name))
  }
  const scratch = mkdtempSync(join(above, `.${basename(directory)}-${process.pid}-`))
  try {
    const into = join(scratch, 'whole')
    mkdirSync(into, { mode: 0o755 })
    await build(into, scratch)
    if (!existsSync(directory)) renameSync(into, directory)
  } finally {
    remove(scratch)
  }
}

/** @param {string} path */
const remove = (path) => rmSync(path, { recursive: true, force: true, maxRetries: 5 })

/** @param {string} path */
function removeAbandoned(path) {
  try {
    remove(path)
  } catch {
    // A compiler whose set-up was killed may still write to it: the next one will find it at rest.
  }
}

/** Whether it is the scratch directory of a set-up that runs no more. @param {string} name */
function isAbandoned(name) {
  const pid = /^\.[0-9a-f]+-(\d+)-/.exec(name)?.[1]
  if (!pid) return false
  try {
    return !readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('setup.mjs')
  } catch {
    return true
  }
}

/** @type {import('./step.mjs').Step} */
export const guestKernel = {
  name: 'guest kernel',
  missing: () =>
    existsSync(join(kernelDirectory(), 'vmlinux')) ? null : 'not built yet for this source and configuration',
  provide: async (say) => {
    say("building it from Debian's linux-source: four to seven minutes on two cores, once")
    const source = join(checkout, 'guest/kernel')
    await madeWhole(kernelDirectory(), say, async (into, scratch) => {
      let compiled = 0
      let last = performance.now()
      await execute(
        join(source, 'build.sh'),
        [kernelTarball, join(source, 'config.fragment'), scratch, into],
        {
          onLine: (line) => {
            if (/^ {2}(CC|AS|LD) /.test(line)) compiled++
            if (performance.now() - last < 15_000) return
            last = performance.now()
            say(`${compiled} files compiled of about 1,540`)
          },
        },
      )
    })
  },
  remedy:
    'what the compiler said stands above; 4 GiB of disk and the Debian packages of set-up are what it needs',
}

/** @type {import('./step.mjs').Step} */
export const guestInit = {
  name: 'guest init',
  missing: () =>
    existsSync(join(initDirectory(), 'initramfs.cpio')) ? null : 'not built yet for this source',
  provide: (say) =>
    madeWhole(initDirectory(), say, (into, scratch) =>
      execute('make', ['-s', '-C', join(checkout, 'guest/init'), `OUT=${join(scratch, 'whole')}`]).then(
        () => void into,
      ),
    ),
  remedy: 'what the compiler said stands above',
}
