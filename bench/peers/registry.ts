/** Debian's docker-registry on the enclosure's loopback: where both daemons pull from. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { request } from 'undici'
import { startDaemon } from './process.ts'

/** The enclosure's loopback is empty, so no port can be taken. */
const address = '127.0.0.1:5000'

export interface Registry {
  readonly address: string
  /** How many blobs were fetched since the start. */
  blobsFetched(): number
  stop(): Promise<void>
}

/** `content`: what it serves, and does not change. */
export async function startRegistry(directory: string, content: string): Promise<Registry> {
  mkdirSync(directory, { recursive: true })
  const configFile = join(directory, 'config.json')
  const logFile = join(directory, 'registry.log')
  const config = {
    version: '0.1',
    log: { level: 'warn', accesslog: { disabled: false } },
    storage: { filesystem: { rootdirectory: content }, maintenance: { readonly: { enabled: true } } },
    http: { addr: address },
  }
  // JSON is YAML.
  writeFileSync(configFile, JSON.stringify(config))
  const daemon = await startDaemon('docker-registry', ['serve', configFile], {
    logFile,
    readyWithinMs: 30_000,
    ready: async () => (await request(`http://${address}/v2/`)).body.dump(),
  })
  return {
    address,
    blobsFetched: () => readFileSync(logFile, 'utf8').match(/"GET \/v2\/\S+\/blobs\//g)?.length ?? 0,
    stop: () => daemon.stop(),
  }
}
