/** What a run found: as a table for people, as JSON for programs, as a chart for the README. */
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { chart } from './chart.ts'
import type { CloneTimes } from './clone.ts'
import type { Comparison } from './compare.ts'
import type { Machine } from './machine.ts'
import type { Memory } from './memory.ts'
import type { PeerName } from './peers/peer.ts'
import type { Summary } from './statistics.ts'
import type { Steps } from './steps.ts'

export interface Results {
  readonly date: string
  readonly rounds: number
  readonly machine: Machine & { readonly accelerator: string }
  readonly docker: { readonly cli: string; readonly cliStartMs: Summary | null }
  readonly peers: Readonly<Record<PeerName, Readonly<Record<string, string>>>>
  readonly comparisons: readonly Comparison[]
  readonly clones: CloneTimes | { readonly failure: string } | null
  readonly memory: Memory | { readonly failure: string } | null
  readonly steps: Steps | { readonly failure: string } | null
}

const directory = join(import.meta.dirname, 'results')

export async function writeResults(results: Results): Promise<void> {
  await mkdir(directory, { recursive: true })
  await writeFile(join(directory, 'latest.json'), `${JSON.stringify(results, rounded, 2)}\n`)
  await writeFile(join(directory, 'chart.svg'), chart(results))
}

/** Hundredths of a millisecond are noise. */
function rounded(_key: string, value: unknown): unknown {
  return typeof value === 'number' ? Math.round(value * 100) / 100 : value
}

export function failed(results: Results): boolean {
  const { clones, memory, steps, comparisons } = results
  const broken = [clones, memory, steps].some((part) => part !== null && 'failure' in part)
  return broken || comparisons.some(({ failures }) => Object.values(failures).some((list) => list.length > 0))
}

export function table(results: Results): string {
  const header = [
    'milliseconds',
    'Hummingbird',
    '(min to max)',
    'dockerd + runc',
    '(min to max)',
    'ratio',
    'of medians',
  ]
  const rows = results.comparisons.map(({ title, summary, ratio }) => [
    title,
    ...cells(summary.hummingbird),
    ...cells(summary.dockerd),
    ratio ? ratio.medianOfPairs.toFixed(2) : 'none',
    ratio ? ratio.ofMedians.toFixed(2) : 'none',
  ])
  const widths = header.map((_, column) => Math.max(...[header, ...rows].map((row) => row[column]!.length)))
  const lines = [header, ...rows].map((row) =>
    row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!))).join('  '),
  )
  return [...lines, '', ...information(results), ...failures(results)].join('\n')
}

function cells(summary: Summary | null): [string, string] {
  if (!summary) return ['failed', '']
  return [ms(summary.median), `${ms(summary.min)} to ${ms(summary.max)}`]
}

function information({ docker, clones, memory, steps, machine }: Results): string[] {
  const lines = [
    `docker ${docker.cli} itself takes ${ms(docker.cliStartMs?.median ?? 0)} ms of each (--version)`,
  ]
  if (machine.loadBefore > 0.5)
    lines.push(`the machine had a load of ${machine.loadBefore.toFixed(1)} already: figures are noisy`)
  if (clones && 'summary' in clones) {
    const { median, min, max } = clones.summary
    lines.push(
      `clone to the guest's first answer: ${ms(median)} ms (${ms(min)} to ${ms(max)}), ${machine.accelerator}`,
    )
  }
  if (memory && 'containers' in memory) {
    const { perContainerMiB: each, daemonMiB: daemon } = memory
    lines.push(
      `memory of an idle container: ${each.hummingbird} MiB, dockerd + runc ${each.dockerd} MiB`,
      `memory of the daemon: ${daemon.hummingbird} MiB, dockerd and containerd ${daemon.dockerd} MiB`,
    )
  }
  if (steps && 'pooled' in steps) {
    lines.push(`a start in the guest, ms of QEMU's CPU (pooled clone): ${told(steps.pooled)}`)
    lines.push(`the same of a clone that was made for it: ${told(steps.fresh)}`)
  }
  return lines
}

function told(steps: Steps['pooled']): string {
  const inGuest = Object.entries(steps).filter(([, { cpuMs }]) => cpuMs > 0)
  return inGuest.map(([name, { cpuMs }]) => `${name} ${cpuMs.toFixed(0)}`).join(', ')
}

function failures({ comparisons, clones, memory, steps }: Results): string[] {
  const lines = comparisons.flatMap(({ title, failures }) =>
    Object.entries(failures).flatMap(([name, list]) =>
      list.length > 0 ? [`FAILED ${title}, ${name}, ${list.length} times; first: ${list[0]}`] : [],
    ),
  )
  for (const [what, part] of Object.entries({ clones, memory, steps })) {
    if (part && 'failure' in part) lines.push(`FAILED ${what}: ${part.failure}`)
  }
  return lines
}

function ms(value: number): string {
  return value >= 100 ? value.toFixed(0) : value.toFixed(1)
}
