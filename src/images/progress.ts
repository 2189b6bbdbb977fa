/** Docker's progress lines, in dockerd's words, with the text that old clients print. */
import type { ProgressLine } from '../api/docker/backends.ts'

export type Tell = (line: ProgressLine) => void

/** Ten a second for each layer is what a terminal can use. */
const everyMs = 100
const barWidth = 50

export class Progress {
  readonly #tell: Tell
  readonly #lastMs = new Map<string, number>()

  constructor(tell: Tell) {
    this.#tell = tell
  }

  /** A line about the whole. */
  line(status: string, id?: string): void {
    this.#tell(id === undefined ? { status } : { status, id })
  }

  /** A state that a layer has come to. */
  state(id: string, status: string): void {
    this.#lastMs.delete(id)
    this.#tell({ status, progressDetail: {}, id })
  }

  /** How far a layer is; told only so often, and when it is done. */
  amount(id: string, status: string, current: number, total: number): void {
    const now = performance.now()
    const last = this.#lastMs.get(id)
    if (last !== undefined && now - last < everyMs && current < total) return
    this.#lastMs.set(id, now)
    this.#tell({ status, progressDetail: { current, total }, progress: bar(current, total), id })
  }
}

export const shortDigest = (digest: string): string => digest.slice('sha256:'.length, 'sha256:'.length + 12)

export function bar(current: number, total: number): string {
  const numbers = humanSize(current).padStart(8)
  if (total <= 0 || current > total) return numbers
  const filled = Math.floor(Math.floor((current / total) * 100) / 2)
  return `[${'='.repeat(filled)}>${' '.repeat(barWidth - filled)}] ${numbers}/${humanSize(total)}`
}

/** Four digits and a decimal unit: `12.34MB`. */
export function humanSize(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB', 'PB']
  let value = bytes
  let unit = 0
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000
    unit++
  }
  return `${Number(value.toPrecision(4))}${units[unit]}`
}
