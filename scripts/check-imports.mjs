/**
 * Holds the rules of .dependency-cruiser.cjs, and itself: a checker that sees no modules, or does not see a planted
 * violation, passes everything. It is planted in a small copy of the layout, where nobody else meets it.
 */
import { spawnSync } from 'node:child_process'
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'

/** @typedef {{ from: string, to: string, rule: { name: string, severity: string } }} Violation */

/**
 * @param {string} cwd
 * @returns {{ totalCruised: number, violations: Violation[] }}
 */
const cruise = (cwd) => {
  const { stdout, stderr } = spawnSync(
    resolve('node_modules/.bin/depcruise'),
    ['--output-type', 'json', 'src'],
    {
      cwd,
      encoding: 'utf8',
      maxBuffer: 64 << 20,
    },
  )
  if (!stdout) throw new Error(`depcruise said nothing but: ${stderr}`)
  return JSON.parse(stdout).summary
}

/** @type {Record<string, string>} */
const planted = {
  'src/lib/planted.ts':
    "import { planted } from '../engine/planted.ts'\nimport { spawn } from 'node:child_process'\nspawn(planted)\n",
  'src/engine/planted.ts': "export const planted = 'true'\n",
}
const copy = mkdtempSync(join(tmpdir(), 'hb-imports-'))
try {
  for (const [path, text] of Object.entries(planted)) {
    mkdirSync(dirname(join(copy, path)), { recursive: true })
    writeFileSync(join(copy, path), text)
  }
  for (const name of ['.dependency-cruiser.cjs', 'tsconfig.json', 'package.json']) {
    copyFileSync(name, join(copy, name))
  }
  symlinkSync(resolve('node_modules'), join(copy, 'node_modules'))
  const rules = new Set(cruise(copy).violations.map((violation) => violation.rule.name))
  const unseen = ['lib-imports', 'child-processes-only-in-lib'].filter((rule) => !rules.has(rule))
  if (unseen.length > 0)
    throw new Error(`a planted violation was not found (${unseen}): the checker is blind`)
} finally {
  rmSync(copy, { recursive: true })
}

const files = readdirSync('src', { recursive: true }).filter((file) => String(file).endsWith('.ts')).length
const summary = cruise('.')
if (summary.totalCruised < files) {
  console.error(`only ${summary.totalCruised} modules seen, but src holds ${files} files`)
  process.exit(1)
}
for (const { from, to, rule } of summary.violations) {
  console.error(`${rule.severity}: ${from} → ${to} (${rule.name})`)
}
process.exit(summary.violations.some((violation) => violation.rule.severity === 'error') ? 1 : 0)
