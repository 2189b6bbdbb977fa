/** What host and guest may ask of one another's memory and patience, each with its reason. */
import { KiB, MiB, minuteMs, secondMs } from '../../lib/units.ts'

/** The guest buffers a frame whole, and the smallest has 64 MiB. */
export const frameToGuestBytesMax = MiB
/** The host buffers a frame whole, for each of thousands of guests. */
export const frameToHostBytesMax = 64 * KiB

/** What the guest keeps of a stream until the host has it: no use in allowing it to send more. */
export const outputWindowBytes = 256 * KiB
/** A WINDOW is worth its frame when a quarter of that is safe; less may wait, the guest has room for it. */
export const outputAckBytes = outputWindowBytes / 4
/** What the guest buffers for a process that does not read. */
export const inputWindowBytes = 64 * KiB

/** Every process that is not forgotten has to fit in one HELLO_ACK. */
export const processesMax = 240

/**
 * A daemon seldom dies in the middle of a frame, and scanning a megabyte takes an emulated guest long: so it is greeted first, and a
 * guest that has not answered in this time may be waiting for the rest of one.
 */
export const resyncAfterMs = secondMs
/** Then the torn frame is completed with this many zeros, and dropped by the guest. */
export const resyncBytes = frameToGuestBytesMax + 20

export const helloEveryMs = 20
/** Answers of a guest that runs come in microseconds; under emulation on a busy host in seconds. */
export const requestDeadlineMs = 20 * secondMs
/** The guest itself gives a program 30 s to be executed. */
export const startDeadlineMs = 40 * secondMs
/** A volume is given what the image has at its place: gigabytes, under emulation, on a busy host. */
export const fillDeadlineMs = 15 * minuteMs
/** When a child of a process keeps its streams open after the exit, dockerd waits so long, and so do we. */
export const drainAfterExitMs = 2 * secondMs

/** Attributes of one file: the kernel allows more, and nobody has them. */
export const recordFieldsBytesMax = MiB
/** The kernel's PATH_MAX counts the NUL. */
export const pathBytesMax = 4095
/** Each is a process in the guest, which has 240 in all. */
export const fileProcessesMax = 32
/** From here up they are for files; the engine's own begin at 1. */
export const fileProcessIdsFrom = 0x8000_0000
