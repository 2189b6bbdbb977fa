/** What `docker info` says of this host. */
import { readFile, writeFile } from 'node:fs/promises'
import { cpus, hostname, release, totalmem } from 'node:os'
import { dirname, join } from 'node:path'
import { newId } from '../lib/ids.ts'
import type { EngineContext } from './context.ts'
import type { SandboxSize } from './ports/sandbox.ts'

export interface EngineInfo {
  readonly id: string
  readonly name: string
  readonly hypervisor: string
  readonly accelerator: 'kvm' | 'tcg'
  readonly warnings: readonly string[]
  readonly rootDir: string
  readonly kernelVersion: string
  readonly operatingSystem: string
  readonly cpus: number
  readonly memoryBytes: number
  readonly sizes: readonly SandboxSize[]
}

export async function engineInfo({ options }: EngineContext, engineId: string): Promise<EngineInfo> {
  const { sandboxes, sizes, directory } = options
  const warnings = [
    'WARNING: KVM cannot be used: sandboxes are emulated, and many times slower than they could be',
  ]
  return {
    id: engineId,
    name: hostname(),
    hypervisor: sandboxes.version,
    accelerator: sandboxes.accelerator,
    warnings: sandboxes.accelerator === 'kvm' ? [] : warnings,
    rootDir: dirname(directory),
    kernelVersion: release(),
    operatingSystem: await operatingSystem(),
    cpus: cpus().length,
    memoryBytes: totalmem(),
    sizes,
  }
}

/** The same for as long as the state directory exists. */
export async function engineIdOf(directory: string): Promise<string> {
  const path = join(directory, 'engine-id')
  const kept = await readFile(path, 'utf8').catch(ifMissing)
  if (kept && /^[0-9a-f]{64}$/.test(kept)) return kept
  const id = newId()
  await writeFile(path, id, { mode: 0o600 })
  return id
}

async function operatingSystem(): Promise<string> {
  const text = await readFile('/etc/os-release', 'utf8').catch(ifMissing)
  return /^PRETTY_NAME="?([^"\n]*)"?$/m.exec(text ?? '')?.[1] ?? 'Linux'
}

function ifMissing(error: NodeJS.ErrnoException): undefined {
  if (error.code !== 'ENOENT') throw error
}
