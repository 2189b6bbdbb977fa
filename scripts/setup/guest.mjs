// @ts-check
/** The guest's kernel and init: built once for what they are made of, put in place whole or not at all. */
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { checkout, initDirectory, kernelDirectory, kernelTarball } from './artifacts.mjs'
import { execute } from './step.mjs'

/**
 * Makes `directory` by `build(into, scratch)` and a rename. Two set-ups at once both build; the first rename wins.
 * @param {string} directory
 * @param {(into: string, scratch: string) => Promise<void>} build
 */
async function madeWhole(directory, build) {
  mkdirSync(dirname(directory), { recursive: true })
  const scratch = mkdtempSync(join(dirname(directory), `.${basename(directory)}-`))
  const clean = () => rmSync(scratch, { recursive: true, force: true })
  const interrupted = () => {
    clean()
    process.exit(130)
  }
  process.once('SIGINT', interrupted).once('SIGTERM', interrupted)
  try {
    const into = join(scratch, 'whole')
    mkdirSync(into, { mode: 0o755 })
    await build(into, scratch)
    if (!existsSync(directory)) renameSync(into, directory)
  } finally {
    process.off('SIGINT', interrupted).off('SIGTERM', interrupted)
    clean()
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
    await madeWhole(kernelDirectory(), async (into, scratch) => {
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
            say(`${compiled} files compiled of about 1,310`)
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
  provide: () =>
    madeWhole(initDirectory(), (into, scratch) =>
      execute('make', ['-s', '-C', join(checkout, 'guest/init'), `OUT=${join(scratch, 'whole')}`]).then(
        () => void into,
      ),
    ),
  remedy: 'what the compiler said stands above',
}
