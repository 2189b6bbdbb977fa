/** `npm run check`: types, lint and format, direction of imports; all of them are run, and all failures shown. */
import { spawnSync } from 'node:child_process'

/** @param {string} name */
const bin = (name) => `node_modules/.bin/${name}`
/** @type {[what: string, command: string, args: string[]][]} */
const checks = [
  ['types', bin('tsc'), ['-p', '.']],
  ['lint and format', bin('biome'), ['check', '--error-on-warnings', '.']],
  ['imports', process.execPath, ['scripts/check-imports.mjs']],
]

let failed = 0
for (const [what, command, args] of checks) {
  const start = performance.now()
  const { status, stdout, stderr } = spawnSync(command, args, { encoding: 'utf8', maxBuffer: 64 << 20 })
  const seconds = ((performance.now() - start) / 1000).toFixed(1)
  console.log(`${status === 0 ? 'ok    ' : 'FAILED'} ${what} (${seconds} s)`)
  if (status !== 0) {
    failed++
    console.log(stdout, stderr)
  }
}
process.exit(failed === 0 ? 0 : 1)
