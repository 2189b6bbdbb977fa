/** `hb`: what Docker's own command line has no words for. */
import { Command } from 'commander'
import packageJson from '../../package.json' with { type: 'json' }
import { HummingbirdError } from '../lib/errors.ts'
import { formatRequirements, requirements } from './doctor.ts'
import { addRepairCommand } from './repair.ts'
import { formatConfinement, sandboxConfinement } from './sandbox-doctor.ts'
import { addVolumeCommands } from './volume.ts'

const program = new Command('hb')
  .description('Hummingbird beside the docker command line')
  .version(packageJson.version)
  .showHelpAfterError()
  .showSuggestionAfterError()

program
  .command('doctor')
  .description('check every requirement of this host, and say what to do about what is missing')
  .option('--json', 'print a JSON array instead of a table')
  .option(
    '--state-dir <dir>',
    'where the daemon keeps its state',
    process.env.HUMMINGBIRD_STATE_DIR ?? '/var/lib/hummingbird',
  )
  .option(
    '--runtime-dir <dir>',
    'where the daemon keeps its sockets',
    process.env.HUMMINGBIRD_RUNTIME_DIR ?? '/run/hummingbird',
  )
  .option('--sandbox <id>', 'instead show what holds the QEMU of this container, as the kernel tells it')
  .action(async (options: { json?: boolean; stateDir: string; runtimeDir: string; sandbox?: string }) => {
    if (options.sandbox !== undefined) {
      const held = await sandboxConfinement(options.runtimeDir, options.sandbox)
      process.stdout.write(options.json ? `${JSON.stringify(held, null, 2)}\n` : formatConfinement(held))
      process.exitCode = held.every(({ holds }) => holds) ? 0 : 1
      return
    }
    const list = await requirements(options)
    process.stdout.write(options.json ? `${JSON.stringify(list, null, 2)}\n` : formatRequirements(list))
    process.exitCode = list.some((requirement) => requirement.status === 'missing') ? 1 : 0
  })

addRepairCommand(program, process.env, (text) => process.stdout.write(text))
addVolumeCommands(program, process.env, (text) => process.stdout.write(text))

try {
  await program.parseAsync()
} catch (error) {
  if (!(error instanceof HummingbirdError)) throw error
  process.stderr.write(`hb: ${error.message}\n`)
  process.exitCode = 1
}
