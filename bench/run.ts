/**
 * `npm run bench [-- --rounds N] [--only ID,ID] [--list]`: what a user of the docker CLI waits for, with Hummingbird
 * and with dockerd + runc, on this machine, in one run.
 *
 * How it measures
 * - One docker CLI (the newest on PATH) runs the same command lines against both daemons. A sample is the time from
 *   spawning the CLI to its exit, so the CLI's own start is in every figure of both; it is also told apart.
 * - Samples alternate (A B, B A, A B, …), after one warm-up of each that is thrown away. Between two samples the bench
 *   waits until the CPUs are idle (fifteen seconds at most): neither pays for what the other left to be tidied, and
 *   Hummingbird's pool is full again. What an empty pool costs shows in the scenarios that start many containers.
 * - Ratios are Hummingbird ÷ dockerd: the median of the ratios of neighbouring samples, and the ratio of the medians.
 * - Both pull the same images from one registry on loopback; the registry's own log proves that every pull fetched
 *   every layer. Both daemons run with their defaults: default network, default log driver, default size.
 * - Everything runs in network, mount and process namespaces made for the run (enclosure.ts), so both daemons have a
 *   host of their own and nothing of them is left on this one, whatever way the run ends.
 *
 * What it does not measure
 * - Programs inside a container, where emulation without KVM costs most: `true`, `sleep` and `yes` do next to nothing.
 * - Networks beyond one machine, disks under load, many tenants, or a host that is short of memory.
 *
 * Results: a table on standard output, results/latest.json and results/chart.svg.
 */
import { enclosed, runEnclosed } from './enclosure.ts'
import { readOptions } from './options.ts'
import { runInside } from './session.ts'

const options = readOptions(process.argv.slice(2))
try {
  process.exitCode = enclosed() ? await runInside(options) : await runEnclosed()
} catch (error) {
  console.error(`bench: ${(error as Error).message}`)
  process.exitCode = 1
}
