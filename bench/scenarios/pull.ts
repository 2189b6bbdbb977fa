/** Images that come from a registry. */
import type { Peer } from '../peers/peer.ts'
import { type Bench, freshName, removeAll, type Scenario } from './scenario.ts'

/** The registry says whether a pull was one: a daemon that still had a layer would have fetched less. */
async function pulling(
  peer: Peer,
  { registry, large }: Bench,
  command: () => Promise<number>,
): Promise<number> {
  const before = registry.blobsFetched()
  const ms = await command()
  const fetched = registry.blobsFetched() - before
  await peer.docker.read('rmi', large.name)
  // The configuration is a blob too.
  if (fetched < large.layers + 1) throw new Error(`the pull fetched ${fetched} of ${large.layers + 1} blobs`)
  return ms
}

export const pull: Scenario = {
  id: 'pull',
  title: 'pull redis',
  what: 'docker pull of an image that the daemon does not have, from a registry on loopback, until the CLI ends',
  sample: (peer, bench) => pulling(peer, bench, () => peer.docker.time('pull', bench.large.name)),
}

export const pullAndRun: Scenario = {
  id: 'pull-run',
  title: 'run --rm true, pulling redis first',
  what: 'docker run --rm of an image that the daemon does not have, until the CLI ends: pulls, then runs true',
  sample: (peer, bench) =>
    pulling(peer, bench, async () => {
      const name = freshName()
      try {
        return await peer.docker.time('run', '--rm', '--name', name, bench.large.name, 'true')
      } catch (error) {
        await removeAll(peer, [name])
        throw error
      }
    }),
}
