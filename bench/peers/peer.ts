/** One of the two daemons that are compared, as the scenarios see it. */
import type { DockerCli } from '../docker.ts'

export type PeerName = 'hummingbird' | 'dockerd'

export interface Peer {
  readonly name: PeerName
  readonly docker: DockerCli
  /** What was compared: versions, storage driver and the like, for the results. */
  facts(): Promise<Readonly<Record<string, string>>>
  /** Processes that exist because of one running container, what runs in it included. */
  processesOf(containerId: string): Promise<readonly number[]>
  /** Processes that exist whether or not a container runs. */
  daemonProcesses(): readonly number[]
  stop(): Promise<void>
}

/** In the order in which the columns stand. */
export type Pair = readonly [hummingbird: Peer, dockerd: Peer]
