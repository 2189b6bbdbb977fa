/** The volumes of a claim: which slot each gets, and that its file can be a disk. */
import { rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { AttachedVolume, SandboxVolume } from '../engine/ports/sandbox.ts'
import { invalid } from '../lib/errors.ts'
import { writeSparse } from '../lib/sparse.ts'
import type { Machine } from './hypervisor.ts'
import { type Borrower, lend } from './lend.ts'
import { volumeSlots } from './slots.ts'

const sectorBytes = 512

export function assignSlots(volumes: readonly SandboxVolume[]): readonly AttachedVolume[] {
  const free = { rw: slotsOf(false), ro: slotsOf(true) }
  return volumes.map(({ path, readOnly }) => {
    const disk = free[readOnly ? 'ro' : 'rw'].shift()
    if (disk === undefined) throw tooMany(volumes)
    return { path, readOnly, disk }
  })
}

export async function attachVolume(
  machine: Machine,
  { path, readOnly, disk }: AttachedVolume,
  borrower: Borrower,
): Promise<void> {
  const bytes = await diskBytes(path)
  const measure = `${disk}.size`
  const measurePath = join(borrower.directory, measure)
  if (readOnly) await writeSparse(measurePath, { bytes, extents: [] }, borrower.uid)
  try {
    await lend(path, { ...borrower, readOnly }, (name) =>
      machine.attachVolume(disk, { name, bytes }, measure),
    )
  } finally {
    await rm(measurePath, { force: true })
  }
}

/** What a guest can be given is whole sectors. */
export async function diskBytes(path: string): Promise<number> {
  const { size } = await stat(path)
  if (size > 0 && size % sectorBytes === 0) return size
  throw invalid(
    'bad_volume',
    `${path} has ${size} bytes, which is no disk: it must be a multiple of ${sectorBytes}`,
  )
}

const slotsOf = (readOnly: boolean): string[] =>
  volumeSlots.filter((volume) => volume.readOnly === readOnly).map(({ slot }) => slot)

function tooMany(volumes: readonly SandboxVolume[]) {
  const readOnly = volumes.filter((volume) => volume.readOnly).length
  return invalid(
    'too_many_volumes',
    `a container can have at most ${slotsOf(false).length} writable and ${slotsOf(true).length} read-only volumes, not ${volumes.length - readOnly} and ${readOnly}`,
  )
}
