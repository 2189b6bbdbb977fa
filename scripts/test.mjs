// @ts-check
/**
 * `npm test [-- PATH...]`: the checks, then the tests in two tiers: those that need no daemon, in parallel, and those that
 * run real daemons and microVMs, few at a time. Whatever the tests leave on this host fails the run and is named. With
 * paths, only the test files whose names hold one of them are run, and no checks.
 */
import { spawn } from 'node:child_process'
import { chmodSync, globSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { checkout } from './setup/artifacts.mjs'
import { differences, hostState, processesOf } from './test/host-state.mjs'
import { readReport } from './test/report.mjs'

/** @typedef {{ name: string, patterns: string[], concurrency: number, timeoutMs: number, prepare?: string[] }} Tier */

const minute = 60_000
/** @type {Tier[]} */
const tiers = [
  {
    name: 'unit',
    patterns: ['src/**/*.spec.ts', 'guest/test/*.spec.ts', 'bench/**/*.spec.ts'],
    concurrency: Math.max(2, availableParallelism()),
    timeoutMs: 4 * minute,
  },
  {
    name: 'end to end',
    patterns: ['test/**/*.test.ts'],
    // A microVM without hardware virtualization is a CPU that is always busy: more of them only wait for one another.
    concurrency: Math.max(2, Math.floor(availableParallelism() / 2)),
    timeoutMs: 8 * minute,
    prepare: ['test/support/images/images.ts'],
  },
]

process.chdir(checkout)
const node = join(checkout, 'node_modules/.bin/node')
const filters = process.argv.slice(2)
const began = performance.now()
const seconds = (/** @type {number} */ since) => `${((performance.now() - since) / 1000).toFixed(1)} s`
const say = (/** @type {string} */ line) => console.log(`\n━━ ${line}`)

// Everything temporary goes into one directory of this run, so that what is left of it has a place and a name.
const runDirectory = mkdtempSync(join(tmpdir(), 'hb-test-'))
chmodSync(runDirectory, 0o755)
const runId = basename(runDirectory).slice('hb-test-'.length)
const temporary = join(runDirectory, 'tmp')
mkdirSync(temporary)

/** @type {string[]} */
const failures = []
/** @type {import('./test/report.mjs').Report[]} */
const reports = []
/** @type {import('node:child_process').ChildProcess | undefined} */
let child

/** @param {string[]} args @param {NodeJS.ProcessEnv} [env] @returns {Promise<boolean>} */
function runNode(args, env = {}) {
  return new Promise((resolve) => {
    child = spawn(node, args, { stdio: ['ignore', 'inherit', 'inherit'], env: { ...process.env, ...env } })
    child.once('close', (code) => resolve(code === 0))
    child.once('error', (error) => {
      console.error(error.message)
      resolve(false)
    })
  })
}

/** @param {Tier} tier */
async function runTier(tier) {
  const all = tier.patterns.flatMap((pattern) => globSync(pattern)).sort()
  const files = all.filter((file) => filters.length === 0 || filters.some((filter) => file.includes(filter)))
  if (files.length === 0) return
  if (tier.prepare && !(await runNode(tier.prepare))) {
    failures.push(`preparing ${tier.name}`)
    return
  }
  const start = performance.now()
  say(`${tier.name}: ${files.length} files, ${tier.concurrency} at a time`)
  const report = join(runDirectory, `${tier.name.replaceAll(' ', '-')}.json`)
  const passed = await runNode(
    [
      '--test',
      `--test-concurrency=${tier.concurrency}`,
      `--test-timeout=${tier.timeoutMs}`,
      '--test-reporter=spec',
      '--test-reporter-destination=stdout',
      `--test-reporter=${join(checkout, 'scripts/test/report.mjs')}`,
      `--test-reporter-destination=${report}`,
      ...files,
    ],
    { TMPDIR: temporary, HUMMINGBIRD_TEST_RUN: runId },
  )
  reports.push(readReport(report))
  if (!passed) failures.push(tier.name)
  say(`${tier.name}: ${passed ? 'ok' : 'FAILED'} after ${seconds(start)}`)
}

async function compareHost() {
  // What was told to end may still be ending.
  const deadline = performance.now() + 10_000
  let left = differences(before, hostState(runId))
  while (left.length > 0 && performance.now() < deadline) {
    await new Promise((resolve) => setTimeout(resolve, 250))
    left = differences(before, hostState(runId))
  }
  left.push(...globSync(join(temporary, '*')).map((path) => `file ${path}`))
  if (left.length === 0) return say('tidy: the host is as it was')
  failures.push('tidy')
  say(`tidy: FAILED, the tests left ${left.length} things behind`)
  for (const thing of left) console.log(`   ${thing}`)
  endWhatIsLeft()
}

/** What is certainly of this run must not disturb the next one. */
function endWhatIsLeft() {
  for (const { pid } of processesOf(runId)) {
    try {
      process.kill(pid, 'SIGKILL')
    } catch {
      // It ended meanwhile.
    }
  }
  for (const path of globSync(`{/run,/dev/shm}/hb-${runId}-*`)) rmSync(path, { recursive: true, force: true })
}

function summary() {
  const sum = (/** @type {'tests' | 'passed' | 'failed' | 'skipped'} */ key) =>
    reports.reduce((total, report) => total + report[key], 0)
  for (const { name, why, file } of reports.flatMap((report) => report.skips)) {
    console.log(`   skipped: ${name} (${file})${why ? `: ${why}` : ''}`)
  }
  for (const { name, file } of reports.flatMap((report) => report.failures)) {
    console.log(`   failed: ${name} (${file})`)
  }
  const slowest = reports
    .flatMap((report) => report.files)
    .sort((a, b) => b.seconds - a.seconds)
    .slice(0, 5)
    .map(({ file, seconds }) => `${file} ${seconds.toFixed(1)} s`)
  console.log(`   slowest files: ${slowest.join(', ')}`)
  say(
    `${failures.length === 0 ? 'ok' : `FAILED (${failures.join(', ')})`}: ${sum('tests')} tests, ${sum('passed')} passed, ` +
      `${sum('failed')} failed, ${sum('skipped')} skipped in ${seconds(began)}`,
  )
}

for (const signal of /** @type {const} */ (['SIGINT', 'SIGTERM'])) {
  process.once(signal, () => {
    child?.kill(signal)
    failures.push(signal)
  })
}

const before = hostState(runId)
try {
  if (filters.length === 0) {
    say('checks')
    if (!(await runNode(['scripts/check.mjs']))) failures.push('checks')
  }
  for (const tier of tiers)
    if (!failures.includes('SIGINT') && !failures.includes('SIGTERM')) await runTier(tier)
  if (filters.length > 0 && reports.length === 0) {
    console.error(`no test file has ${filters.join(' or ')} in its name`)
    failures.push('no tests')
  }
  await compareHost()
  summary()
} finally {
  rmSync(runDirectory, { recursive: true, force: true })
}
process.exit(failures.length === 0 ? 0 : 1)
