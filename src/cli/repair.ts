/** `hb repair`: what a daemon that does not start for its state store sends its operator to. */
import type { Command } from 'commander'
import { lockInstance } from '../lib/instance-lock.ts'
import { type Repair, repairStore } from '../store/repair.ts'

interface Options {
  readonly stateDir: string
  readonly runtimeDir: string
  readonly downgrade?: boolean
  readonly json?: boolean
}

export function addRepairCommand(
  program: Command,
  env: NodeJS.ProcessEnv,
  write: (text: string) => void,
): void {
  program
    .command('repair')
    .description(
      'put the newest good backup in the place of a state store that is damaged or gone; stop the daemon first',
    )
    .option('--state-dir <dir>', 'of the daemon', env.HUMMINGBIRD_STATE_DIR ?? '/var/lib/hummingbird')
    .option('--runtime-dir <dir>', 'of the daemon', env.HUMMINGBIRD_RUNTIME_DIR ?? '/run/hummingbird')
    .option('--downgrade', 'also in the place of a store that only a newer version can read')
    .option('--json', 'print JSON')
    .action((options: Options) => {
      const unlock = lockInstance(options.runtimeDir)
      try {
        const repair = repairStore(options)
        write(options.json ? `${JSON.stringify(repair, null, 2)}\n` : formatRepair(repair))
      } finally {
        unlock()
      }
    })
}

function formatRepair({ fault, backup, aside, lost }: Repair): string {
  if (fault === null) return 'The state store is sound: there is nothing to repair.\n'
  return [
    `Found:      ${fault}`,
    `Put back:   ${backup}`,
    `Put aside:  ${aside}`,
    'Lost:',
    ...lost.map((line) => `  - ${line}`),
    'Start the daemon now: containers that run and that the backup knows, it finds again.',
    '',
  ].join('\n')
}
