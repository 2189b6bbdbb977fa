/**
 * What a sandbox's /etc/resolv.conf says: the host's name servers, as far as a sandbox can reach them. One that listens
 * on the host itself it cannot: then those that the host's own resolver asks, else public ones, as Docker does.
 */
import { readFile, stat } from 'node:fs/promises'
import { hasCode } from '../lib/errors.ts'
import { parseAddress } from './ipv4.ts'

/** More are not asked by any libc. */
const nameserversMax = 3
/** A resolv.conf is a page at most; what is longer is not one. */
const fileCharactersMax = 64 * 1024

/** Docker's, for a host whose name servers cannot be reached from outside it. */
const publicNameservers = ['8.8.8.8', '8.8.4.4']

export interface ResolvConf {
  /** As written; of either address family. */
  readonly nameservers: readonly string[]
  /** `search`, `domain`, `options` and `sortlist` lines. */
  readonly others: readonly string[]
}

export function parseResolvConf(text: string): ResolvConf {
  const lines = text
    .slice(0, fileCharactersMax)
    .split('\n')
    .map((line) =>
      line
        .replace(/[#;].*/, '')
        .trim()
        .replaceAll(/\s+/g, ' '),
    )
  return {
    nameservers: lines
      .filter((line) => line.startsWith('nameserver '))
      .map((line) => line.slice('nameserver '.length)),
    others: lines.filter((line) => /^(search|domain|options|sortlist) /.test(line)),
  }
}

/** `upstream`: the name servers that the host's resolver asks, where it has one. */
export function sandboxResolvConf(
  host: ResolvConf,
  upstream: ResolvConf | undefined,
  isHostAddress: (address: string) => boolean,
): string {
  const reachable = (conf: ResolvConf | undefined) =>
    (conf?.nameservers ?? []).filter(
      (address) => parseAddress(address) !== undefined && address !== '0.0.0.0' && !isHostAddress(address),
    )
  const [nameservers = publicNameservers] = [reachable(host), reachable(upstream)].filter(
    (addresses) => addresses.length > 0,
  )
  return [...nameservers.slice(0, nameserversMax).map((address) => `nameserver ${address}`), ...host.others]
    .map((line) => `${line}\n`)
    .join('')
}

export interface ResolvConfFiles {
  readonly host: string
  readonly upstream: string
}

export const hostResolvConfFiles: ResolvConfFiles = {
  host: '/etc/resolv.conf',
  upstream: '/run/systemd/resolve/resolv.conf',
}

/** Reads the host's files again only when they have changed. */
export class ResolvConfSource {
  readonly #files: ResolvConfFiles
  readonly #isHostAddress: (address: string) => boolean
  #cached: { stamp: string; host: ResolvConf; upstream: ResolvConf | undefined } | undefined

  constructor(files: ResolvConfFiles, isHostAddress: (address: string) => boolean) {
    this.#files = files
    this.#isHostAddress = isHostAddress
  }

  async read(): Promise<string> {
    const { host, upstream } = await this.#current()
    // The host's addresses come and go without the file changing.
    return sandboxResolvConf(host, upstream, this.#isHostAddress)
  }

  /** Whom the host itself asks, wherever they are. */
  async hostServers(): Promise<readonly string[]> {
    const { nameservers } = (await this.#current()).host
    return nameservers.length > 0 ? nameservers.slice(0, nameserversMax) : publicNameservers
  }

  async #current(): Promise<{ host: ResolvConf; upstream: ResolvConf | undefined }> {
    const stamp = (await Promise.all([stampOf(this.#files.host), stampOf(this.#files.upstream)])).join(' ')
    if (this.#cached?.stamp !== stamp) {
      const [host, upstream] = await Promise.all([
        readIfThere(this.#files.host),
        readIfThere(this.#files.upstream),
      ])
      this.#cached = {
        stamp,
        host: parseResolvConf(host ?? ''),
        upstream: upstream === undefined ? undefined : parseResolvConf(upstream),
      }
    }
    return this.#cached
  }
}

async function stampOf(path: string): Promise<string> {
  try {
    const { mtimeMs, size, ino } = await stat(path)
    return `${ino}:${size}:${mtimeMs}`
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return 'absent'
    throw error
  }
}

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return undefined
    throw error
  }
}
