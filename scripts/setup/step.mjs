// @ts-check
/** What a set-up step is, how it is run (check, do, verify) and what a person sees of it. */
import { spawn, spawnSync } from 'node:child_process'

/**
 * @typedef {object} Step
 * @property {string} name what it sees to, as a noun: "Debian packages"
 * @property {() => string | null | Promise<string | null>} missing what is missing, in words; null when all is there
 * @property {((say: (line: string) => void) => Promise<void>)=} provide brings what is missing; absent: only a person can
 * @property {string=} remedy what a person should do when it cannot be provided
 */

/** An error whose message is for the person at the terminal. */
export class SetupError extends Error {}

const signals = /** @type {const} */ (['SIGINT', 'SIGTERM'])

/** Somebody ends set-up: the command that runs is told, and only when it has ended is cleaned up after it. */
export class Interrupted extends Error {}

let interrupted = false
/** @type {{ child: import('node:child_process').ChildProcess, gently: boolean } | undefined} */
let running

/** Installed while a command runs; at any other time a signal does what it always does. */
function interrupt() {
  if (interrupted || !running?.child.pid) return
  interrupted = true
  const { child, gently } = running
  say(
    gently
      ? `stopping when ${child.spawnfile} has finished what it is at`
      : 'stopping, and removing what is half-made',
  )
  try {
    process.kill(-running.child.pid, gently ? 'SIGINT' : 'SIGTERM')
  } catch {
    // It has ended, and what it started with it.
  }
}

const began = performance.now()
/** @param {string} text */
export const say = (text) => {
  process.stderr.write(`[${((performance.now() - began) / 1000).toFixed(1).padStart(6)} s] ${text}\n`)
}

/** @param {Step} step */
export async function runStep(step) {
  const missing = await step.missing()
  if (missing === null) return
  if (!step.provide) throw new SetupError(`${step.name}: ${missing}\n  What to do: ${step.remedy}`)
  say(`${step.name}: ${missing}`)
  try {
    await step.provide((line) => say(`  ${line}`))
    if (interrupted) throw new Interrupted()
  } catch (error) {
    if (interrupted)
      throw new Interrupted(`${step.name}: interrupted, and nothing half-made is left; run it again to go on`)
    throw new SetupError(
      `${step.name}: ${/** @type {Error} */ (error).message}\n  What to do: ${step.remedy}`,
    )
  }
  const still = await step.missing()
  if (still !== null)
    throw new SetupError(`${step.name}: it was provided, but still ${still}\n  What to do: ${step.remedy}`)
  say(`${step.name}: done`)
}

/**
 * Runs a command and shows how far it is; rejects with the end of what it said. It is in a process group of its own, which
 * ends when set-up is interrupted: at once, or `gently` at a point of its own choice.
 * @param {string} command
 * @param {string[]} args
 * @param {{ env?: NodeJS.ProcessEnv, cwd?: string, gently?: boolean, onLine?: (line: string) => void }} [options]
 * @returns {Promise<void>}
 */
export function execute(command, args, options = {}) {
  return new Promise((resolve, reject) => {
    if (interrupted) return reject(new Interrupted())
    const child = spawn(command, args, {
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...options.env },
      ...(options.cwd ? { cwd: options.cwd } : {}),
    })
    running = { child, gently: options.gently ?? false }
    for (const signal of signals) process.on(signal, interrupt)
    const ended = () => {
      running = undefined
      for (const signal of signals) process.off(signal, interrupt)
    }
    /** @type {string[]} */
    const tail = []
    let rest = ''
    /** @param {Buffer} chunk */
    const take = (chunk) => {
      const lines = (rest + chunk.toString()).split('\n')
      rest = lines.pop() ?? ''
      for (const line of lines) {
        tail.push(line)
        if (tail.length > 25) tail.shift()
        options.onLine?.(line)
      }
    }
    child.stdout.on('data', take)
    child.stderr.on('data', take)
    child.once('error', (error) => {
      ended()
      reject(error)
    })
    child.once('close', (status, signal) => {
      ended()
      if (status === 0) resolve()
      else
        reject(
          new Error(
            `${command} ${args.slice(0, 3).join(' ')} … ended with ${status ?? signal}:\n    ${tail.join('\n    ')}`,
          ),
        )
    })
  })
}

/**
 * @param {string} command
 * @param {string[]} args
 */
export function output(command, args) {
  const { status, stdout } = spawnSync(command, args, { encoding: 'utf8', maxBuffer: 64 << 20 })
  return status === 0 ? stdout : null
}
