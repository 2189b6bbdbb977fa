/**
 * What one running container takes of the host's memory: the proportional set size of every process that is there
 * because of it. What several containers share (the template's pages, a program's text) counts once over all of them.
 */
import { readFile } from 'node:fs/promises'
import { MiB } from '../src/lib/units.ts'
import type { Pair, Peer, PeerName } from './peers/peer.ts'
import { quiet } from './quiet.ts'
import { type Bench, freshName, inParallel, removeAll } from './scenarios/scenario.ts'

const containers = 10

export interface Memory {
  readonly what: string
  readonly containers: number
  readonly perContainerMiB: Readonly<Record<PeerName, number>>
  readonly daemonMiB: Readonly<Record<PeerName, number>>
}

export async function measureMemory(peers: Pair, bench: Bench): Promise<Memory> {
  const [hummingbird, dockerd] = [await measure(peers[0], bench), await measure(peers[1], bench)]
  return {
    what: `proportional set size with ${containers} idle containers: QEMU, or the container and its shim`,
    containers,
    perContainerMiB: { hummingbird: hummingbird.each, dockerd: dockerd.each },
    daemonMiB: { hummingbird: hummingbird.daemon, dockerd: dockerd.daemon },
  }
}

async function measure(peer: Peer, { image }: Bench): Promise<{ each: number; daemon: number }> {
  const names = Array.from({ length: containers }, freshName)
  try {
    const pids: number[] = []
    await inParallel(containers, 2, async (i) => {
      const id = await peer.docker.read('run', '-d', '--name', names[i]!, image, 'sleep', '3600')
      const found = await peer.processesOf(id)
      if (found.length === 0) throw new Error(`no process of ${names[i]} was found`)
      pids.push(...found)
    })
    await quiet()
    const each = (await sum(pids)) / containers
    return { each: round(each), daemon: round(await sum(peer.daemonProcesses())) }
  } finally {
    await removeAll(peer, names)
  }
}

async function sum(pids: readonly number[]): Promise<number> {
  const sizes = await Promise.all([...new Set(pids)].map(proportionalMiB))
  return sizes.reduce((total, size) => total + size, 0)
}

async function proportionalMiB(pid: number): Promise<number> {
  const rollup = await readFile(`/proc/${pid}/smaps_rollup`, 'utf8')
  return (Number(/^Pss:\s+(\d+) kB$/m.exec(rollup)?.[1]) * 1024) / MiB
}

function round(value: number): number {
  return Math.round(value * 10) / 10
}
