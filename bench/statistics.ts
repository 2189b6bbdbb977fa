/** What is told of samples. */
export interface Summary {
  readonly median: number
  readonly min: number
  readonly max: number
}

export function summarize(samples: readonly number[]): Summary | null {
  if (samples.length === 0) return null
  return { median: median(samples), min: Math.min(...samples), max: Math.max(...samples) }
}

export function median(samples: readonly number[]): number {
  const sorted = [...samples].sort((a, b) => a - b)
  const middle = sorted.length / 2
  return sorted.length % 2 === 1 ? sorted[middle - 0.5]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}

export interface Ratio {
  /** Of each pair of neighbouring samples, the median: what drifts in the course of a run falls out. */
  readonly medianOfPairs: number
  readonly ofMedians: number
}

/** Null where one of the two has no sample. A round in which either failed makes no pair. */
export function ratio(a: readonly (number | null)[], b: readonly (number | null)[]): Ratio | null {
  const pairs = a.flatMap((value, i) => (value !== null && b[i] != null ? [value / b[i]] : []))
  const [x, y] = [a, b].map((samples) => samples.filter((sample) => sample !== null))
  if (pairs.length === 0 || !x || !y) return null
  return { medianOfPairs: median(pairs), ofMedians: median(x) / median(y) }
}
