/** What most test files begin with: a daemon of their own, the docker command, and images pulled from a real registry. */
import { after, afterEach } from 'node:test'
import type { TestRegistry } from '../../src/images/support/registry.ts'
import { Rollback } from '../../src/lib/rollback.ts'
import { Daemon, type DaemonOptions } from './daemon.ts'
import { Docker } from './docker.ts'
import { serveImages } from './registry.ts'

export interface Cloud {
  readonly daemon: Daemon
  readonly docker: Docker
  readonly registry: TestRegistry
}

/** It ends with the test file. `images`: by their names in images/recipes.ts, by which they can be run. */
export async function startCloud(options: DaemonOptions & { images: readonly string[] }): Promise<Cloud> {
  const undo = new Rollback()
  after(() => undo[Symbol.asyncDispose]())
  try {
    const registry = await serveImages(undo)
    const daemon = await Daemon.start(options)
    undo.add(() => daemon[Symbol.asyncDispose]())
    // Its log goes with it, and may be all that tells why a test failed.
    afterEach((test) => {
      if (!(test as unknown as { passed: boolean }).passed) process.stderr.write(`${complaints(daemon)}\n`)
    })
    const docker = new Docker(daemon.socket)
    undo.add(() => docker[Symbol.dispose]())
    for (const image of options.images) await pullAs(docker, registry, image)
    undo.add(() => removeContainers(docker))
    return { daemon, docker, registry }
  } catch (error) {
    await undo[Symbol.asyncDispose]()
    throw error
  }
}

/** Pulls it from the registry and gives it its short name. */
export async function pullAs(docker: Docker, { host }: TestRegistry, name: string): Promise<void> {
  await docker.ok(['pull', '--quiet', `${host}/${name}`])
  await docker.ok(['tag', `${host}/${name}`, name])
  await docker.ok(['rmi', `${host}/${name}`])
}

/** The last warnings and errors of a daemon. */
function complaints(daemon: Daemon): string {
  const lines = daemon.log.split('\n').filter((line) => line !== '' && !/"level":(10|20|30),/.test(line))
  return `what daemon ${daemon.prefix} complained of:\n${lines.slice(-12).join('\n')}`
}

/** Of tests that failed; the others removed theirs. */
async function removeContainers(docker: Docker): Promise<void> {
  const ids = await docker.ok(['ps', '--all', '--quiet'])
  if (ids !== '') await docker.ok(['rm', '--force', ...ids.split('\n')])
}
