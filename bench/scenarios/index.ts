/** Every comparison, in the order in which it is made and shown. */
import { build } from './build.ts'
import { pull, pullAndRun } from './pull.ts'
import { runDetached, runMany, runRm, runRmRow, runUntilRunning } from './run.ts'
import { exec, logs, ps } from './running.ts'
import type { Scenario } from './scenario.ts'

export const scenarios: readonly Scenario[] = [
  runRm,
  runDetached,
  runUntilRunning,
  exec,
  ps,
  logs,
  pull,
  pullAndRun,
  runMany,
  runRmRow,
  build,
]
