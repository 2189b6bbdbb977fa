/**
 * The daemon: reads its options, wires the cloud together, serves, and on SIGTERM or SIGINT stops serving while every
 * container runs on. `ready` is logged when the API answers.
 */
import { writeFileSync } from 'node:fs'
import { pino } from 'pino'
import pretty from 'pino-pretty'
import { HummingbirdError } from '../lib/errors.ts'
import { lockInstance } from '../lib/instance-lock.ts'
import { type Config, readConfig } from './config.ts'
import { welcome } from './welcome.ts'
import { wire } from './wire.ts'

async function main(): Promise<void> {
  const config = readConfig(process.argv.slice(2), process.env)
  const log = pino(
    { level: config.logLevel, base: null, timestamp: pino.stdTimeFunctions.isoTime },
    // A person reads sentences, everything else reads JSON.
    process.stderr.isTTY
      ? pretty({ destination: 2, sync: true, translateTime: 'SYS:HH:MM:ss' })
      : pino.destination(2),
  )
  process.on('unhandledRejection', (error) =>
    log.error({ err: error }, 'a promise was rejected and nobody looked: a bug of ours'),
  )
  // What clients tell it in confidence is in its memory: a dump of it has none.
  writeFileSync('/proc/self/coredump_filter', '0')
  const unlock = lockInstance(config.runtimeDir)
  try {
    const cloud = await wire(config, log)
    log.info({ socket: config.socket, tcp: config.tcp, accelerator: cloud.accelerator }, 'ready')
    if (process.stdout.isTTY || process.env.HUMMINGBIRD_WELCOME === '1')
      process.stdout.write(welcome(config, cloud, process.env.PATH ?? ''))
    const signal = await firstSignal()
    const stops = config.onExit === 'stop'
    log.info({ signal }, stops ? 'stopping, and all containers with it' : 'stopping; containers run on')
    await cloud.close({ stopContainers: stops })
  } finally {
    unlock()
  }
}

function firstSignal(): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => resolve(signal))
  })
}

export type { Config }

try {
  await main()
  process.exit(0)
} catch (error) {
  // What the operator can mend is a sentence; what we broke is a stack.
  const known = error instanceof HummingbirdError && error.kind !== 'internal'
  process.stderr.write(`hummingbird: ${known ? error.message : (error as Error).stack}\n`)
  process.exit(1)
}
