/** One run, inside the enclosure: both daemons and the registry up, every scenario, results, all down again. */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { Rollback } from '../src/lib/rollback.ts'
import { imagesDirectory } from '../test/support/images/images.ts'
import { measureClones } from './clone.ts'
import { type Comparison, compare } from './compare.ts'
import { DockerCli, newestDocker } from './docker.ts'
import { place } from './enclosure.ts'
import { currentLoad, machineFacts } from './machine.ts'
import { measureMemory } from './memory.ts'
import type { Options } from './options.ts'
import { startDockerd } from './peers/dockerd.ts'
import { startHummingbird } from './peers/hummingbird.ts'
import type { Pair } from './peers/peer.ts'
import { startRegistry } from './peers/registry.ts'
import { failed, type Results, table, writeResults } from './results.ts'
import { scenarios } from './scenarios/index.ts'
import type { Bench } from './scenarios/scenario.ts'
import { summarize } from './statistics.ts'
import { measureSteps } from './steps.ts'

/** Answers the exit status: 0 only when everything that was asked for was measured. */
export async function runInside(options: Options): Promise<number> {
  const loadBefore = currentLoad()
  const { directory, cgroup } = place()
  const configDirectory = join(directory, 'docker-config')
  mkdirSync(configDirectory)
  const { binary, version } = newestDocker()
  const docker = { binary, configDirectory }

  await using down = new Rollback()
  const registry = await startRegistry(join(directory, 'registry'), await imagesDirectory())
  down.add(() => registry.stop())
  const bench: Bench = {
    registry,
    image: `${registry.address}/busybox`,
    // Debian's smallest system, and redis on top of it.
    large: { name: `${registry.address}/redis`, layers: 2 },
  }
  const dockerd = await startDockerd({ directory: join(directory, 'dockerd'), cgroup, docker })
  down.add(() => dockerd.stop())
  const hummingbird = await startHummingbird({ directory: join(directory, 'hummingbird'), docker })
  down.add(() => hummingbird.stop())
  const peers: Pair = [hummingbird, dockerd]
  for (const peer of peers) await peer.docker.read('pull', bench.image)

  const cli = new DockerCli(binary, '/run/none.sock', configDirectory)
  const wanted = (id: string) => options.only.length === 0 || options.only.includes(id)
  const comparisons: Comparison[] = []
  for (const scenario of scenarios.filter(({ id }) => wanted(id))) {
    console.log(`bench: ${scenario.title}`)
    comparisons.push(await compare(scenario, peers, bench, options.rounds))
  }
  const facts = await hummingbird.facts()
  const results: Results = {
    date: new Date().toISOString(),
    rounds: options.rounds,
    machine: { ...machineFacts(directory, loadBefore), accelerator: facts.accelerator ?? 'unknown' },
    docker: { cli: version, cliStartMs: summarize(await startTimes(cli)) },
    peers: { hummingbird: facts, dockerd: await dockerd.facts() },
    comparisons,
    steps: wanted('steps')
      ? await attempt(() => measureSteps(join(directory, 'steps'), options.rounds))
      : null,
    memory: wanted('memory') ? await attempt(() => measureMemory(peers, bench)) : null,
    clones: wanted('clone')
      ? await attempt(() => measureClones(join(directory, 'clones'), 2 * options.rounds))
      : null,
  }
  console.log(`\n${table(results)}`)
  // A part of a run must not take the place of a whole one.
  if (!options.dry && options.only.length === 0) await writeResults(results)
  return failed(results) ? 1 : 0
}

async function startTimes(cli: DockerCli): Promise<number[]> {
  const times = []
  for (let i = 0; i < 10; i++) times.push(await cli.time('--version'))
  return times
}

/** A part that fails is told as failed, and the others are still worth having. */
async function attempt<T>(measure: () => Promise<T>): Promise<T | { failure: string }> {
  try {
    return await measure()
  } catch (error) {
    return { failure: (error as Error).message }
  }
}
