/**
 * What every machine of a template has room for beside its own four disks, its control port and its first card: QEMU's `microvm`
 * takes 24 devices in all, and none can be added while it runs. Each costs every sandbox a quarter of a MiB, used or not.
 */
const writable = 6
const readOnly = 3
const cards = 3

export interface VolumeSlot {
  /** Its serial in the guest. */
  readonly slot: string
  readonly readOnly: boolean
}

export const volumeSlots: readonly VolumeSlot[] = [
  ...Array.from({ length: writable }, (_, at) => ({ slot: `vol${at}`, readOnly: false })),
  ...Array.from({ length: readOnly }, (_, at) => ({ slot: `rovol${at}`, readOnly: true })),
]

/** Cards beside the one that a machine is made with, by number. */
export const furtherCards: readonly number[] = Array.from({ length: cards }, (_, at) => at + 1)
