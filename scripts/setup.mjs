// @ts-check
/**
 * Brings a bare Debian 12 machine to where Hummingbird runs: `node scripts/setup.mjs [--for start|test]`. Plain
 * JavaScript without dependencies, for it runs before there are any. Each step is check, do, verify; all of them
 * together cost a fraction of a second when there is nothing to do.
 */
import { guestInit, guestKernel } from './setup/guest.mjs'
import { debianPackages, npmPackages, runPackages, testPackages } from './setup/packages.mjs'
import { platformSteps } from './setup/platform.mjs'
import { Interrupted, runStep, SetupError, say } from './setup/step.mjs'

const purpose = process.argv.includes('test') ? 'test' : 'start'
const names = [...Object.keys(runPackages), ...(purpose === 'test' ? Object.keys(testPackages) : [])]

try {
  for (const step of [...platformSteps, npmPackages, debianPackages(names), guestKernel, guestInit])
    await runStep(step)
} catch (error) {
  if (error instanceof Interrupted) {
    say(error.message)
    process.exit(130)
  }
  if (!(error instanceof SetupError)) throw error
  say(`FAILED ${error.message}`)
  process.exit(1)
}
