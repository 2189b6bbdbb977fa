/** Facts about the machine, for whoever reads the figures; nothing that names it. */
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { cpus, loadavg, release, totalmem } from 'node:os'
import { GiB } from '../src/lib/units.ts'

export interface Machine {
  readonly cores: number
  readonly cpu: string
  readonly memoryGiB: number
  readonly kernel: string
  readonly system: string
  readonly disk: string
  readonly qemu: string
  /** Load average over a minute before the run: what others did on the machine. */
  readonly loadBefore: number
}

export const currentLoad = (): number => loadavg()[0]!

export function machineFacts(directory: string, loadBefore: number): Machine {
  return {
    cores: cpus().length,
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    memoryGiB: Math.round(totalmem() / GiB),
    kernel: release(),
    system: /^PRETTY_NAME="(.*)"$/m.exec(readFileSync('/etc/os-release', 'utf8'))?.[1] ?? 'unknown',
    disk: said('findmnt', '--noheadings', '--output', 'FSTYPE', '--target', directory),
    loadBefore,
    qemu: /version (\S+)/.exec(said('qemu-system-x86_64', '--version'))?.[1] ?? 'unknown',
  }
}

function said(command: string, ...args: string[]): string {
  try {
    return execFileSync(command, args, { encoding: 'utf8' }).trim()
  } catch {
    return 'unknown'
  }
}
