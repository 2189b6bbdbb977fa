/** dockerd and Hummingbird side by side, and one case asked of both. */
import { Rollback } from '../../src/lib/rollback.ts'
import { Daemon } from '../support/daemon.ts'
import { Dockerd } from '../support/dockerd.ts'
import type { Case } from './case.ts'
import { differences } from './compare.ts'
import { fixtures } from './fixtures.ts'
import { Peer } from './peer.ts'

export class Pair implements AsyncDisposable {
  readonly #undo: Rollback
  readonly #peers: readonly [dockerd: Peer, hummingbird: Peer]
  readonly daemon: Daemon
  #cases = 0

  private constructor(undo: Rollback, daemon: Daemon, peers: readonly [Peer, Peer]) {
    this.#undo = undo
    this.daemon = daemon
    this.#peers = peers
  }

  static async start(): Promise<Pair> {
    const undo = new Rollback()
    try {
      const starts = [Dockerd.start(), Daemon.start({ poolSize: 2 })] as const
      // Each that came up has to go, whatever became of the other.
      for (const start of starts) {
        undo.add(() =>
          start.then(
            (daemon) => daemon[Symbol.asyncDispose](),
            () => {},
          ),
        )
      }
      const [dockerd, daemon] = await Promise.all(starts)
      const peers = [new Peer(dockerd.socket), new Peer(daemon.socket)] as const
      const steps = await fixtures()
      await Promise.all(peers.map((peer) => peer.prepare(steps)))
      return new Pair(undo, daemon, peers)
    } catch (error) {
      await undo[Symbol.asyncDispose]()
      throw error
    }
  }

  /** Lines as src/api/support/differences.json has them. */
  async differencesOf(asked: Case): Promise<string[]> {
    const own = `case${this.#cases++}`
    const [theirs, ours] = await Promise.all(this.#peers.map((peer) => peer.run(asked, own)))
    return differences(asked, theirs!, ours!)
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#undo[Symbol.asyncDispose]()
  }
}
