/** Signals by the names and numbers that people give: `KILL`, `SIGKILL`, `9`, `RTMIN+3`. */
import { invalid } from '../lib/errors.ts'

const names = [
  ...['HUP', 'INT', 'QUIT', 'ILL', 'TRAP', 'ABRT', 'BUS', 'FPE', 'KILL', 'USR1', 'SEGV', 'USR2', 'PIPE'],
  ...['ALRM', 'TERM', 'STKFLT', 'CHLD', 'CONT', 'STOP', 'TSTP', 'TTIN', 'TTOU', 'URG', 'XCPU', 'XFSZ'],
  ...['VTALRM', 'PROF', 'WINCH', 'IO', 'PWR', 'SYS'],
]
const byName = new Map(names.map((name, index) => [name, index + 1]))
for (const [alias, name] of [
  ['IOT', 'ABRT'],
  ['CLD', 'CHLD'],
  ['POLL', 'IO'],
  ['UNUSED', 'SYS'],
] as const) {
  byName.set(alias, byName.get(name)!)
}

/** As glibc counts them: it keeps 32 and 33 for itself. */
const realTimeMin = 34
const realTimeMax = 64

export const SIGKILL = 9
export const SIGTERM = 15

/** Throws kind `invalid`, code `invalid_signal`. */
export function parseSignal(text: string): number {
  const number = /^\d{1,3}$/.test(text) ? Number(text) : byText(text.toUpperCase().replace(/^SIG/, ''))
  if (number === undefined || number < 1 || number > realTimeMax) {
    throw invalid('invalid_signal', `Invalid signal: ${text}`)
  }
  return number
}

function byText(name: string): number | undefined {
  const relative = /^RT(MIN|MAX)([+-]\d{1,2})?$/.exec(name)
  if (!relative) return byName.get(name)
  const signal = (relative[1] === 'MIN' ? realTimeMin : realTimeMax) + Number(relative[2] ?? 0)
  return signal < realTimeMin ? undefined : signal
}
