/** Hummingbird's daemon from this checkout, all its state in the enclosure, its defaults otherwise. */
import { execFileSync } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { settings } from '../../src/main/config.ts'
import { DockerCli } from '../docker.ts'
import type { Peer } from './peer.ts'
import { processesOfUser, startDaemon } from './process.ts'

const runtimeDir = '/run/hummingbird'
const checkout = join(import.meta.dirname, '../..')

export interface HummingbirdOptions {
  /** On the disk. */
  readonly directory: string
  readonly docker: { readonly binary: string; readonly configDirectory: string }
}

export async function startHummingbird({ directory, docker }: HummingbirdOptions): Promise<Peer> {
  const socket = '/run/hummingbird.sock'
  mkdirSync(directory, { recursive: true })
  const cli = new DockerCli(docker.binary, socket, docker.configDirectory)
  const places = ['--state-dir', join(directory, 'state'), '--runtime-dir', runtimeDir]
  const daemon = await startDaemon(
    process.execPath,
    [
      join(checkout, 'src/main/daemon.ts'),
      ...places,
      ...['--template-dir', '/dev/shm/hummingbird', '--socket', socket],
    ],
    // The first start makes a template.
    { logFile: join(directory, 'hummingbird.log'), readyWithinMs: 60_000, ready: () => cli.read('version') },
  )
  return {
    name: 'hummingbird',
    docker: cli,
    facts: async () => {
      const info = JSON.parse(await cli.read('info', '--format', '{{json .}}'))
      return {
        commit: commit(),
        api: await cli.read('version', '--format', '{{.Client.APIVersion}}'),
        node: process.version.slice(1),
        options: overrides() || 'defaults',
        storageDriver: info.Driver,
        logDriver: info.LoggingDriver,
        network: 'default network with NAT',
        accelerator: new Map<string, string>(info.DriverStatus).get('Accelerator') ?? 'unknown',
      }
    },
    // Each sandbox has a user of its own, who owns its directory.
    processesOf: async (id) => processesOfUser((await stat(join(runtimeDir, 's', id.slice(0, 24)))).uid),
    daemonProcesses: () => [daemon.pid],
    stop: () => daemon.stop(),
  }
}

/** Options may be set for a run by their names in the environment; the results say so. */
function overrides(): string {
  return Object.values(settings)
    .flatMap(({ env }) => (process.env[env] === undefined ? [] : [`${env}=${process.env[env]}`]))
    .join(' ')
}

function commit(): string {
  try {
    return execFileSync('git', ['-C', checkout, 'rev-parse', '--short=12', 'HEAD'], {
      encoding: 'utf8',
    }).trim()
  } catch {
    return 'unknown'
  }
}
