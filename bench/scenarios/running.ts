/** What is asked of containers that are there. */
import type { Peer } from '../peers/peer.ts'
import { type Bench, freshName, inParallel, removeAll, type Scenario } from './scenario.ts'

const ended = 45
const running = 5
const logBytes = 100_000_000
/** With the line feed. */
const lineBytes = 100

/** Containers that last for the whole scenario, by daemon. */
const kept = new Map<Peer, string[]>()

async function finish(peer: Peer): Promise<void> {
  await removeAll(peer, kept.get(peer) ?? [])
  kept.delete(peer)
}

export const exec: Scenario = {
  id: 'exec',
  title: 'exec true',
  what: 'docker exec CONTAINER true in a running container, until the CLI ends',
  async prepare(peer, { image }) {
    const name = freshName()
    kept.set(peer, [name])
    await peer.docker.read('run', '-d', '--name', name, image, 'sleep', '3600')
  },
  sample: (peer) => peer.docker.time('exec', kept.get(peer)![0]!, 'true'),
  finish,
}

export const ps: Scenario = {
  id: 'ps',
  title: `ps -a with ${ended + running} containers`,
  what: `docker ps -a with ${ended} containers that have ended and ${running} that run`,
  async prepare(peer, { image }) {
    const names = Array.from({ length: ended + running }, freshName)
    kept.set(peer, names)
    await inParallel(names.length, 2, async (i) => {
      const command = i < ended ? ['true'] : ['sleep', '3600']
      await peer.docker.read('run', ...(i < ended ? [] : ['-d']), '--name', names[i]!, image, ...command)
    })
    const [all, up] = await Promise.all([peer.docker.read('ps', '-aq'), peer.docker.read('ps', '-q')])
    const seen = `${all.split('\n').length}, ${up.split('\n').length}`
    if (seen !== `${names.length}, ${running}`) throw new Error(`ps shows ${seen} containers`)
  },
  sample: (peer) => peer.docker.time('ps', '-a'),
  finish,
}

export const logs: Scenario = {
  id: 'logs',
  title: `logs of ${logBytes / 1e6} MB`,
  what: `docker logs of a container that wrote ${logBytes / 1e6} MB in lines of ${lineBytes} bytes, to /dev/null`,
  async prepare(peer: Peer, { image }: Bench) {
    const name = freshName()
    kept.set(peer, [name])
    const write = `yes ${'0123456789'.repeat(10).slice(0, lineBytes - 1)} | head -c ${logBytes}`
    await peer.docker.read('run', '-d', '--name', name, image, 'sh', '-c', write)
    const status = await peer.docker.read('wait', name)
    const bytes = await peer.docker.countOutput('logs', name)
    if (status !== '0' || bytes !== logBytes) {
      throw new Error(`the container ended with ${status}, and its logs have ${bytes} bytes of ${logBytes}`)
    }
  },
  sample: (peer) => peer.docker.time('logs', kept.get(peer)![0]!),
  finish,
}
