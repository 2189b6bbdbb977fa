/**
 * What every machine of a template has room for beside its own four disks, its control port and its first card: QEMU's `microvm`
 * takes 24 devices in all, and none can be added while it runs.
 */
const [rw, ro, cards] = [1, 0, 1]

export interface VolumeSlot {
  /** Its serial in the guest. */
  readonly slot: string
  readonly readOnly: boolean
}

export const volumeSlots: readonly VolumeSlot[] = [
  ...Array.from({ length: rw }, (_, at) => ({ slot: `vol${at}`, readOnly: false })),
  ...Array.from({ length: ro }, (_, at) => ({ slot: `rovol${at}`, readOnly: true })),
]

/** Cards beside the one that a machine is made with, by number. */
export const furtherCards: readonly number[] = Array.from({ length: cards }, (_, at) => at + 1)
