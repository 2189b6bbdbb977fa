/** dockerd with the containerd and runc it brings, all its state in the enclosure, its defaults otherwise. */
import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { dockerdArguments } from '../../test/support/dockerd.ts'
import { DockerCli } from '../docker.ts'
import type { Peer } from './peer.ts'
import { processesWith, startDaemon } from './process.ts'

export interface DockerdOptions {
  /** On the disk. */
  readonly directory: string
  readonly cgroup: string
  readonly docker: { readonly binary: string; readonly configDirectory: string }
}

export async function startDockerd({ directory, cgroup, docker }: DockerdOptions): Promise<Peer> {
  const socket = '/run/dockerd.sock'
  const cli = new DockerCli(docker.binary, socket, docker.configDirectory)
  const daemon = await startDaemon('dockerd', dockerdArguments({ directory, socket, cgroup }), {
    logFile: join(directory, 'dockerd.log'),
    readyWithinMs: 60_000,
    ready: () => cli.read('version'),
  })
  return {
    name: 'dockerd',
    docker: cli,
    facts: async () => {
      const info = JSON.parse(await cli.read('info', '--format', '{{json .}}'))
      return {
        dockerd: info.ServerVersion,
        api: await cli.read('version', '--format', '{{.Client.APIVersion}}'),
        containerd: versionOf('containerd'),
        runc: versionOf('runc'),
        storageDriver: info.Driver,
        logDriver: info.LoggingDriver,
        cgroup: `v${info.CgroupVersion}, ${info.CgroupDriver}`,
        network: 'default bridge with NAT',
      }
    },
    processesOf: async (id) => {
      const main = Number(await cli.read('inspect', '--format', '{{.State.Pid}}', id))
      return [main, ...processesWith(`-id ${id}`)]
    },
    daemonProcesses: () => [daemon.pid, ...processesWith('containerd --config')],
    stop: () => daemon.stop(),
  }
}

function versionOf(program: string): string {
  const said = execFileSync(program, ['--version'], { encoding: 'utf8' })
  return /\d+\.\d+\.\d+[^\s]*/.exec(said)?.[0] ?? said.trim()
}
