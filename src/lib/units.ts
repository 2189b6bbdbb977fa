/** Sizes and times by name, so that no bare number of bytes or milliseconds stands in the code. */
export const KiB = 1024
export const MiB = 1024 * KiB
export const GiB = 1024 * MiB

export const secondMs = 1_000
export const minuteMs = 60 * secondMs

export const nanosPerMs = 1_000_000n
