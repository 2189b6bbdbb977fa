/**
 * Every option of the daemon in one table: its flag, environment name, default and what it is for. A flag wins over
 * the environment, the environment over the default. Only main/ reads the environment.
 */
import { isIPv4 } from 'node:net'
import { totalmem } from 'node:os'
import { Command, Option } from 'commander'
import { z } from 'zod'
import { formatBytes, parseBytes } from '../lib/bytes.ts'
import { invalid } from '../lib/errors.ts'
import { GiB, MiB } from '../lib/units.ts'
import { defaultSizes, type Size } from './sizes.ts'

export interface Config {
  readonly stateDir: string
  readonly runtimeDir: string
  readonly templateDir: string
  readonly socket: string
  /** `host:port`, or null. */
  readonly tcp: { readonly host: string; readonly port: number } | null
  /** Files; null: plain HTTP. */
  readonly tls: { readonly cert: string; readonly key: string; readonly ca: string | null } | null
  readonly networkPrefix: string
  readonly subnet: string
  readonly insecureRegistries: readonly string[]
  readonly accelerator: 'auto' | 'kvm' | 'tcg'
  readonly poolSize: number
  readonly defaultSize: string
  readonly sizes: readonly Size[]
  readonly rootDiskBytes: number
  readonly volumeBytes: number
  readonly volumeBytesMax: number
  readonly backupSeconds: number
  readonly onExit: 'keep' | 'stop'
  readonly logLevel: 'debug' | 'info' | 'warn' | 'error'
}

interface Setting {
  readonly flag: string
  readonly env: string
  readonly fallback: string
  readonly help: string
}

/** README and `--help` print this table. */
export const settings = {
  stateDir: {
    flag: '--state-dir <dir>',
    env: 'HUMMINGBIRD_STATE_DIR',
    fallback: '/var/lib/hummingbird',
    help: 'images, writable disks, logs and the state store',
  },
  runtimeDir: {
    flag: '--runtime-dir <dir>',
    env: 'HUMMINGBIRD_RUNTIME_DIR',
    fallback: '/run/hummingbird',
    help: 'sockets and what only matters while the host is up',
  },
  templateDir: {
    flag: '--template-dir <dir>',
    env: 'HUMMINGBIRD_TEMPLATE_DIR',
    fallback: '/dev/shm/hummingbird',
    help: 'templates of booted guests; best on a tmpfs',
  },
  socket: {
    flag: '--socket <path>',
    env: 'HUMMINGBIRD_SOCKET',
    fallback: '/run/hummingbird/docker.sock',
    help: "Unix socket of Docker's API",
  },
  tcp: {
    flag: '--tcp <host:port>',
    env: 'HUMMINGBIRD_TCP',
    fallback: '',
    help: "also serve Docker's API on this address; other than loopback only with --tls-ca",
  },
  tlsCert: {
    flag: '--tls-cert <file>',
    env: 'HUMMINGBIRD_TLS_CERT',
    fallback: '',
    help: 'certificate (PEM) of the --tcp address; then it speaks TLS alone',
  },
  tlsKey: {
    flag: '--tls-key <file>',
    env: 'HUMMINGBIRD_TLS_KEY',
    fallback: '',
    help: 'its private key (PEM)',
  },
  tlsCa: {
    flag: '--tls-ca <file>',
    env: 'HUMMINGBIRD_TLS_CA',
    fallback: '',
    help: 'only clients with a certificate of this authority (PEM) are served on the --tcp address',
  },
  insecureTcp: {
    flag: '--insecure-tcp <no|yes>',
    env: 'HUMMINGBIRD_INSECURE_TCP',
    fallback: 'no',
    help: 'yes: serve whoever reaches the --tcp address; who does is root in every container',
  },
  networkPrefix: {
    flag: '--network-prefix <text>',
    env: 'HUMMINGBIRD_NETWORK_PREFIX',
    fallback: 'hb',
    help: 'names of network namespaces, links and nftables tables begin so',
  },
  subnet: {
    flag: '--subnet <cidr>',
    env: 'HUMMINGBIRD_SUBNET',
    fallback: '172.30.0.0/16',
    help: 'addresses of the default network',
  },
  insecureRegistry: {
    flag: '--insecure-registry <host:port,...>',
    env: 'HUMMINGBIRD_INSECURE_REGISTRIES',
    fallback: '',
    help: 'registries to speak plain HTTP with; loopback always is',
  },
  accelerator: {
    flag: '--accelerator <auto|kvm|tcg>',
    env: 'HUMMINGBIRD_ACCELERATOR',
    fallback: 'auto',
    help: 'auto boots a probe guest to see whether KVM works',
  },
  poolSize: {
    flag: '--pool-size <n>',
    env: 'HUMMINGBIRD_POOL_SIZE',
    fallback: 'auto',
    help: 'clones of the default size kept ready, some 40 MiB each; auto: one for each GiB of memory, sixteen at most',
  },
  defaultSize: {
    flag: '--default-size <name>',
    env: 'HUMMINGBIRD_DEFAULT_SIZE',
    fallback: 's4',
    help: 'size of a container that asks for none',
  },
  rootDiskGb: {
    flag: '--root-disk-gb <n>',
    env: 'HUMMINGBIRD_ROOT_DISK_GB',
    fallback: '10',
    help: "size of a container's writable disk; it takes only what is written",
  },
  volumeSize: {
    flag: '--volume-size <size>',
    env: 'HUMMINGBIRD_VOLUME_SIZE',
    fallback: '10G',
    help: 'size of a volume that asks for none; it takes only what is written',
  },
  volumeSizeMax: {
    flag: '--volume-size-max <size>',
    env: 'HUMMINGBIRD_VOLUME_SIZE_MAX',
    fallback: '1T',
    help: 'size that a volume can have at most',
  },
  backupSeconds: {
    flag: '--backup-seconds <n>',
    env: 'HUMMINGBIRD_BACKUP_SECONDS',
    fallback: '120',
    help: 'how often the state store is copied, when something has changed',
  },
  onExit: {
    flag: '--on-exit <keep|stop>',
    env: 'HUMMINGBIRD_ON_EXIT',
    fallback: 'keep',
    help: 'what SIGTERM does to containers: they run on, or are stopped and started again by their restart policies',
  },
  logLevel: {
    flag: '--log-level <debug|info|warn|error>',
    env: 'HUMMINGBIRD_LOG_LEVEL',
    fallback: 'info',
    help: 'what the daemon writes to standard error',
  },
} as const satisfies Record<string, Setting>

const path = z.string().startsWith('/', 'must be an absolute path')
const file = z.union([z.literal(''), path])
/** Nothing at all is no number, whatever JavaScript makes of it. */
const whole = (min: number, max: number) =>
  z
    .string()
    .refine(
      (text) => /^\d{1,9}$/.test(text) && Number(text) >= min && Number(text) <= max,
      `must be a number from ${min} to ${max}`,
    )
    .transform(Number)
/** Volumes of less have no room for a file system, of more none on any host of today. */
const volumeBytesLeast = 16 * MiB
const volumeBytesMost = 64 * 1024 * GiB
const size = z
  .string()
  .transform((text) => parseBytes(text) ?? 0)
  .refine(
    (bytes) => bytes >= volumeBytesLeast && bytes <= volumeBytesMost,
    'must be a size from 16M to 64T, such as 10G',
  )
/** A clone that waits is worth its memory where there is plenty. */
const poolSizeFor = (): number => Math.min(16, Math.max(1, Math.floor(totalmem() / GiB)))
const schema = z.object({
  stateDir: path,
  runtimeDir: path.max(60, 'must be short: Unix sockets below it have 107 characters at most'),
  templateDir: path,
  socket: path.max(100, 'must be shorter than 100 characters'),
  tcp: z.string().regex(/^$|^([^:[\]]+|\[[0-9a-fA-F:]+\]):\d+$/, 'must be host:port'),
  ...{ tlsCert: file, tlsKey: file, tlsCa: file },
  insecureTcp: z.enum(['no', 'yes']),
  networkPrefix: z.string().regex(/^[a-z]{2,4}$/, 'must be two to four letters'),
  subnet: z.string().regex(/^\d+\.\d+\.\d+\.\d+\/\d+$/, 'must be an IPv4 subnet such as 172.30.0.0/16'),
  insecureRegistry: z.string(),
  accelerator: z.enum(['auto', 'kvm', 'tcg']),
  poolSize: z.union(
    [z.literal('auto').transform(poolSizeFor), whole(0, 64)],
    'must be auto or a number from 0 to 64',
  ),
  defaultSize: z.enum(defaultSizes.map((size) => size.name) as [string, ...string[]]),
  rootDiskGb: whole(1, 1024),
  volumeSize: size,
  volumeSizeMax: size,
  backupSeconds: whole(1, 86_400),
  onExit: z.enum(['keep', 'stop']),
  logLevel: z.enum(['debug', 'info', 'warn', 'error']),
})

/** Throws kind `invalid` naming the flag when a value makes no sense. */
export function readConfig(argv: readonly string[], env: NodeJS.ProcessEnv): Config {
  const command = new Command('hummingbird')
    .description('Hummingbird: a container cloud in which every container has a microVM of its own')
    .showHelpAfterError()
  for (const [name, setting] of Object.entries<Setting>(settings)) {
    const option = new Option(setting.flag, setting.help).env(setting.env)
    command.addOption(option.default(setting.fallback))
    if (option.attributeName() !== name) throw new TypeError(`the flag of ${name} is ${setting.flag}`)
    if (env[setting.env] !== undefined) command.setOptionValueWithSource(name, env[setting.env], 'env')
  }
  command.parse([...argv], { from: 'user' })
  const parsed = schema.safeParse(command.opts())
  if (!parsed.success) {
    const issue = parsed.error.issues[0]!
    const name = issue.path[0] as keyof typeof settings
    throw invalid(
      'bad_option',
      `${settings[name].flag.split(' ')[0]} (or ${settings[name].env}): ${issue.message}`,
    )
  }
  const { tcp, tlsCert, tlsKey, tlsCa, insecureTcp, insecureRegistry, rootDiskGb, ...others } = parsed.data
  const { volumeSize, volumeSizeMax, ...rest } = others
  const tls = tlsFiles({ cert: tlsCert, key: tlsKey, ca: tlsCa }, tcp)
  if (volumeSize > volumeSizeMax) {
    throw invalid(
      'bad_option',
      `--volume-size: ${formatBytes(volumeSize)} is more than --volume-size-max allows`,
    )
  }
  return {
    ...rest,
    tcp: parseTcp(tcp, { open: insecureTcp === 'yes' || (tls?.ca !== undefined && tls.ca !== null) }),
    tls,
    insecureRegistries: insecureRegistry.split(',').filter(Boolean),
    rootDiskBytes: rootDiskGb * GiB,
    volumeBytes: volumeSize,
    volumeBytesMax: volumeSizeMax,
    sizes: defaultSizes,
  }
}

function tlsFiles({ cert, key, ca }: Record<'cert' | 'key' | 'ca', string>, tcp: string): Config['tls'] {
  if (cert === '' && key === '' && ca === '') return null
  if (cert === '' || key === '') {
    throw invalid('bad_option', 'TLS needs both --tls-cert and --tls-key: give the certificate and its key')
  }
  if (tcp === '')
    throw invalid('bad_option', '--tls-cert is for the --tcp address: give one, such as 0.0.0.0:2376')
  return { cert, key, ca: ca || null }
}

/** Who reaches the port is root in every container: where that is not for client certificates to say, it is for the host. */
function parseTcp(text: string, { open }: { readonly open: boolean }): Config['tcp'] {
  if (text === '') return null
  const colon = text.lastIndexOf(':')
  const [host, port] = [text.slice(0, colon).replace(/^\[|\]$/g, ''), Number(text.slice(colon + 1))]
  if (port > 65_535) throw invalid('bad_option', `--tcp ${text}: a port is at most 65535`)
  // A name that begins like an address may lead anywhere.
  const isLoopback = host === 'localhost' || host === '::1' || (isIPv4(host) && host.startsWith('127.'))
  if (!open && !isLoopback) {
    throw invalid(
      'bad_option',
      `--tcp ${text}: whoever reaches this address would be root in every container, so it is served on loopback only ` +
        '(127.0.0.1:PORT), unless --tls-ca says whose client certificates are good, or --insecure-tcp yes that all are',
    )
  }
  return { host, port }
}
