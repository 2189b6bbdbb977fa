/**
 * Where the bench runs: both daemons in one enclosure (test/support/enclosure.ts), so that they have a host of their own.
 * What is left of it is removed after success, failure and Ctrl-C alike.
 */

import {
  type Place,
  placeOf,
  removeTraces,
  removeTracesOfKilled,
  startEnclosed,
} from '../test/support/enclosure.ts'
import { imagesDirectory } from '../test/support/images/images.ts'

const placeVariable = 'HUMMINGBIRD_BENCH_PLACE'
/** With the pid of the bench. */
const namePrefix = 'hummingbird-bench-'

export function enclosed(): boolean {
  return process.env[placeVariable] !== undefined
}

/** Directory on the disk for everything of the run, and the name of the cgroup for dockerd's containers. */
export function place(): Place {
  return placeOf(process.env[placeVariable]!)
}

/** Runs the bench again inside. Answers the exit status. */
export async function runEnclosed(): Promise<number> {
  if (process.getuid?.() !== 0) {
    console.error('bench: needs root, as both daemons do; run it with sudo')
    return 1
  }
  // Made of Debian's packages if they are not there yet; the enclosure has no way to a mirror.
  await imagesDirectory()
  await removeTracesOfKilled(namePrefix)
  const name = `${namePrefix}${process.pid}`
  const child = startEnclosed(name, [process.execPath, ...process.argv.slice(1)], {
    stdio: ['ignore', 'inherit', 'inherit'],
    env: { ...process.env, [placeVariable]: name },
    // A Ctrl-C must reach us alone, not every process of the enclosure.
    detached: true,
  })
  let interrupted = false
  const interrupt = () => {
    interrupted = true
    child.kill('SIGKILL')
  }
  process.on('SIGINT', interrupt)
  process.on('SIGTERM', interrupt)
  try {
    const status = await new Promise<number>((resolve, reject) => {
      child.once('error', reject)
      child.once('exit', (code) => resolve(code ?? 1))
    })
    if (interrupted) console.error('bench: interrupted; cleaning up')
    return interrupted ? 130 : status
  } finally {
    await removeTraces(name)
  }
}
