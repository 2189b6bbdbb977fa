/**
 * Holds the rules of .dependency-cruiser.cjs, and itself: a checker that sees no modules, or does not see a planted
 * violation, passes everything.
 */
import { spawnSync } from 'node:child_process'
import { readdirSync, rmSync, writeFileSync } from 'node:fs'

/** @typedef {{ from: string, to: string, rule: { name: string, severity: string } }} Violation */

/**
 * @param {...string} paths
 * @returns {{ totalCruised: number, violations: Violation[] }}
 */
const cruise = (...paths) => {
  const { stdout } = spawnSync('node_modules/.bin/depcruise', ['--output-type', 'json', ...paths], {
    encoding: 'utf8',
    maxBuffer: 64 << 20,
  })
  return JSON.parse(stdout).summary
}

const planted = 'src/lib/planted.ts'
writeFileSync(
  planted,
  "import '../engine/model.ts'\nimport { spawn } from 'node:child_process'\nspawn('true')\n",
)
try {
  const rules = new Set(cruise(planted).violations.map((violation) => violation.rule.name))
  for (const expected of ['lib-imports', 'child-processes-only-in-lib']) {
    if (!rules.has(expected)) {
      console.error(`the planted violation of ${expected} was not found: the checker is blind`)
      process.exit(1)
    }
  }
} finally {
  rmSync(planted)
}

const files = readdirSync('src', { recursive: true }).filter((file) => String(file).endsWith('.ts')).length
const summary = cruise('src')
if (summary.totalCruised < files) {
  console.error(`only ${summary.totalCruised} modules seen, but src holds ${files} files`)
  process.exit(1)
}
for (const { from, to, rule } of summary.violations) {
  console.error(`${rule.severity}: ${from} → ${to} (${rule.name})`)
}
process.exit(summary.violations.some((violation) => violation.rule.severity === 'error') ? 1 : 0)
