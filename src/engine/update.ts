/** Changing what a container may use, and its restart policy: `docker update`. */
import { conflict, hasCode, invalid } from '../lib/errors.ts'
import { Rollback } from '../lib/rollback.ts'
import { MiB } from '../lib/units.ts'
import { type EngineContext, tell } from './context.ts'
import { cpusOf, limitsOf, sizeNamed } from './create/sizes.ts'
import type { ContainerChange, ContainerSpec } from './model.ts'
import type { ContainerOwner } from './owner.ts'
import type { GuestLimits, SandboxSize } from './ports/sandbox.ts'

/** Of one that does not run the new limits are those of its next start. */
export async function updateContainer(
  context: EngineContext,
  owner: ContainerOwner,
  change: ContainerChange,
): Promise<void> {
  await owner.perform('update', () => apply(context, owner, change))
  tell(context, owner.container, 'update')
}

/** In the queue: in the guest and in the store, or in neither. */
async function apply(context: EngineContext, owner: ContainerOwner, change: ContainerChange): Promise<void> {
  const { name, spec: before } = owner.container
  const size = owner.run?.sandbox?.handle.size ?? sizeNamed(context.options.sizes, before.size)
  const spec = updatedSpec(before, change)
  checkFits(name, spec, size)
  await using undo = new Rollback()
  await limitGuest(owner, limitsOf(spec, size))
  undo.add(() => limitGuest(owner, limitsOf(before, size)))
  await context.options.containers.updateSpec(owner.id, spec)
  undo.commit()
  owner.change({ spec })
}

async function limitGuest(owner: ContainerOwner, limits: GuestLimits): Promise<void> {
  const { run } = owner
  if (!run?.sandbox) return
  if (run.frozen) {
    run.heldLimits = limits
    return
  }
  try {
    await run.sandbox.updateContainer(owner.id, limits)
  } catch (error) {
    // It ends just now: what does not run has them at its next start.
    if (!hasCode(error, 'sandbox_gone')) throw error
  }
}

/** In dockerd's words. */
export function updatedSpec(before: ContainerSpec, change: ContainerChange): ContainerSpec {
  const { frontend, ...rest } = change
  const clash = (what: string) => conflict('conflicting_update', what)
  if (rest.nanoCpus) {
    const already = before.cpuPeriodUs > 0 ? 'CPU Period' : before.cpuQuotaUs > 0 ? 'CPU Quota' : null
    if (already) {
      throw clash(`Conflicting options: Nano CPUs cannot be updated as ${already} has already been set`)
    }
  }
  if (before.nanoCpus > 0 && (rest.cpuPeriodUs !== undefined || rest.cpuQuotaUs !== undefined)) {
    const what = rest.cpuPeriodUs !== undefined ? 'CPU Period' : 'CPU Quota'
    throw clash(`Conflicting options: ${what} cannot be updated as NanoCPUs has already been set`)
  }
  if (before.autoRemove && rest.restartPolicy && rest.restartPolicy.name !== 'no') {
    throw clash('Restart policy cannot be updated because AutoRemove is enabled for the container')
  }
  return { ...before, ...rest, frontend: frontend(before.frontend) }
}

/** A microVM does not grow. */
function checkFits(name: string, spec: ContainerSpec, size: SandboxSize): void {
  const cpus = cpusOf(spec)
  if (spec.memoryBytes > size.memoryMiB * MiB) {
    throw invalid(
      'size_too_small',
      `the memory of container ${name} cannot be raised to ${Math.ceil(spec.memoryBytes / MiB)} MiB: its size ${size.name} ` +
        `has ${size.memoryMiB} MiB; make the container anew with that much memory`,
    )
  }
  if (cpus > size.vcpus) {
    throw invalid(
      'size_too_small',
      `the CPUs of container ${name} cannot be raised to ${cpus}: its size ${size.name} has ${size.vcpus}; ` +
        'make the container anew with that many',
    )
  }
  if (cpus > 0 && cpus < 0.01) {
    throw invalid('bad_cpus', `Range of CPUs is from 0.01 to ${size.vcpus}.00: ${cpus} is too few`)
  }
}
