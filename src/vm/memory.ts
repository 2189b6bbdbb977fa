/** How much memory a machine has for a size: what its kernel has for itself and its devices is not the user's to pay. */
import type { SandboxSize } from '../engine/ports/sandbox.ts'

/** Of 64 MiB a container had 12 without it; rings of devices that are not used take most. */
const ownMiB = 16

export const machineMiB = ({ memoryMiB }: Pick<SandboxSize, 'memoryMiB'>): number => memoryMiB + ownMiB
