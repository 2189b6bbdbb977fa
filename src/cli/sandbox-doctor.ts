/** `hb doctor --sandbox`: what holds the QEMU of one container, read back from the kernel. */
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import pc from 'picocolors'
import { hasCode, invalid, notFound } from '../lib/errors.ts'
import { type Confined, confinementOf, processOf } from '../vm/jail/confinement.ts'
import { kvmGroup } from '../vm/jail/jail.ts'

/** `id`: of a container, or as much of its beginning as is unique. Rejects with kind `not_found` when no sandbox of it runs. */
export async function sandboxConfinement(runtimeDir: string, id: string): Promise<Confined[]> {
  if (!/^[0-9a-f]+$/.test(id)) throw invalid('bad_id', `${id} is no container's id: docker ps tells them`)
  const sandboxes = join(runtimeDir, 's')
  const found = namesIn(sandboxes).filter((name) => name.startsWith(id) || id.startsWith(name))
  if (found.length > 1)
    throw invalid('ambiguous', `${id} is the beginning of ${found.length} containers' ids`)
  const process = found[0] === undefined ? undefined : processOf(join(sandboxes, found[0]))
  if (!process) {
    throw notFound(
      'no_sandbox',
      `no sandbox of container ${id} runs below ${runtimeDir}; docker ps tells which do`,
    )
  }
  const group = await kvmGroup().catch(() => undefined)
  return confinementOf(process.pid, process.uid, group === undefined ? [] : [group])
}

function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory)
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return []
    throw error
  }
}

export function formatConfinement(list: readonly Confined[]): string {
  const width = Math.max(...list.map(({ field }) => field.length))
  const rows = list.map(
    ({ field, found, holds }) =>
      `${holds ? pc.green('holds') : pc.red('BROKEN')}  ${field.padEnd(width)}  ${found}`,
  )
  const broken = list.filter(({ holds }) => !holds).length
  return `${rows.join('\n')}\n\n${broken === 0 ? 'All of it holds.' : `${broken} of it do not hold.`}
Without hardware virtualization QEMU itself is no boundary, by its makers' own policy: what is listed here is.\n`
}
