/** Containers that start, and some that end. */
import { freshName, inParallel, removeAll, type Scenario } from './scenario.ts'

/** `sleep` as the main process ignores SIGTERM; everything is removed by force, so it does not matter. */
const longLived = ['sleep', '3600']
const row = 10
const many = 20
const width = 4

export const runRm: Scenario = {
  id: 'run-rm',
  title: 'run --rm true',
  what: 'docker run --rm IMAGE true, until the CLI ends',
  sample: (peer, { image }) => peer.docker.time('run', '--rm', image, 'true'),
}

export const runRmRow: Scenario = {
  id: 'run-rm-row',
  title: `${row} × run --rm true in a row`,
  what: `${row} times docker run --rm IMAGE true, each as soon as the one before has ended; the sum`,
  async sample(peer, { image }) {
    const start = performance.now()
    for (let i = 0; i < row; i++) await peer.docker.time('run', '--rm', image, 'true')
    return performance.now() - start
  },
}

export const runDetached: Scenario = {
  id: 'run-d',
  title: 'run -d',
  what: 'docker run -d IMAGE sleep 3600, until the CLI ends',
  async sample(peer, { image }) {
    const name = freshName()
    const ms = await peer.docker.time('run', '-d', '--name', name, image, ...longLived)
    await removeAll(peer, [name])
    return ms
  },
}

export const runUntilRunning: Scenario = {
  id: 'run-d-running',
  title: 'run -d until inspect says running',
  what: 'docker run -d IMAGE sleep 3600 and docker inspect, again and again until it says running; the sum',
  async sample(peer, { image }) {
    const name = freshName()
    const start = performance.now()
    await peer.docker.time('run', '-d', '--name', name, image, ...longLived)
    while ((await peer.docker.read('inspect', '--format', '{{.State.Running}}', name)) !== 'true');
    const ms = performance.now() - start
    await removeAll(peer, [name])
    return ms
  },
}

export const runMany: Scenario = {
  id: 'run-many',
  title: `${many} × run -d, ${width} at a time`,
  what: `${many} times docker run -d IMAGE sleep 3600, ${width} CLIs at a time, until the last CLI ends`,
  async sample(peer, { image }) {
    const names = Array.from({ length: many }, freshName)
    try {
      const start = performance.now()
      await inParallel(many, width, async (i) => {
        await peer.docker.time('run', '-d', '--name', names[i]!, image, ...longLived)
      })
      return performance.now() - start
    } finally {
      await removeAll(peer, names)
    }
  },
}
