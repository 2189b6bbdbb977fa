/** `hb volume`: what docker has no words for. Sizes that grow, and copies of volumes. */
import type { Command } from 'commander'
import { z } from 'zod'
import { formatBytes, parseBytes } from '../lib/bytes.ts'
import { invalid } from '../lib/errors.ts'
import { type Client, createClient } from './client.ts'
import { formatTable } from './table.ts'

const volume = z.looseObject({
  name: z.string(),
  anonymous: z.boolean(),
  sizeBytes: z.number(),
  usedBytes: z.number(),
  createdAt: z.string(),
  containers: z.array(z.string()),
  attachments: z.array(z.looseObject({ id: z.string(), name: z.string(), readOnly: z.boolean() })),
})
const snapshot = z.looseObject({
  volume: z.string(),
  name: z.string(),
  sizeBytes: z.number(),
  usedBytes: z.number(),
  createdAt: z.string(),
})
type Volume = z.output<typeof volume>
type Snapshot = z.output<typeof snapshot>

interface Options {
  readonly host?: string
  readonly json?: boolean
}

type Write = (text: string) => void

/** `write`: to standard output. */
export function addVolumeCommands(program: Command, env: NodeJS.ProcessEnv, write: Write): void {
  const volumes = program.command('volume').description('grow, snapshot, restore and clone volumes')
  const client = ({ host }: Options) => createClient(host, env)
  const print = (options: Options, value: unknown, text: string) =>
    write(options.json ? `${JSON.stringify(value, null, 2)}\n` : text)

  const command = (parent: Command, usage: string, description: string) =>
    parent
      .command(usage)
      .description(description)
      .option('-H, --host <address>', 'of the daemon, as docker has it (default: $DOCKER_HOST)')
      .option('--json', 'print JSON')

  command(volumes, 'ls', 'list volumes with their sizes and who has them').action(
    async (options: Options) => {
      const all = z.array(volume).parse(await client(options).ask('GET', '/hb/v1/volumes'))
      print(options, all, volumeTable(all))
    },
  )
  command(volumes, 'grow <volume> <size>', 'make a volume larger, also while a container has it').action(
    async (name: string, size: string, options: Options) => {
      const body = { sizeBytes: bytesOf(size) }
      const grown = volume.parse(await client(options).ask('POST', `${pathOf(name)}/grow`, body))
      print(options, grown, `${grown.name} ${formatBytes(grown.sizeBytes)}\n`)
    },
  )
  command(
    volumes,
    'restore <volume> <snapshot>',
    'give a volume back what it had; no container may have it',
  ).action(async (name: string, from: string, options: Options) => {
    await client(options).ask('POST', `${pathOf(name)}/restore`, { snapshot: from })
    print(options, { volume: name, snapshot: from }, `${name}\n`)
  })
  command(volumes, 'clone <volume> <new>', 'make a volume with what another has now, or had at a snapshot')
    .option('--snapshot <snapshot>', 'what it had then')
    .action(async (name: string, target: string, options: Options & { snapshot?: string }) => {
      const body = { name: target, ...(options.snapshot ? { snapshot: options.snapshot } : {}) }
      const cloned = volume.parse(await client(options).ask('POST', `${pathOf(name)}/clone`, body))
      print(options, cloned, `${cloned.name}\n`)
    })
  command(volumes, 'snapshots [volume]', 'list snapshots').action(
    async (name: string | undefined, options: Options) => {
      const path = name === undefined ? '/hb/v1/snapshots' : `${pathOf(name)}/snapshots`
      const all = z.array(snapshot).parse(await client(options).ask('GET', path))
      print(options, all, snapshotTable(all))
    },
  )
  addSnapshot(command(volumes, 'snapshot', 'keep what is in a volume now'), { command, client, print })
}

interface Shared {
  readonly command: (parent: Command, usage: string, description: string) => Command
  readonly client: (options: Options) => Client
  readonly print: (options: Options, value: unknown, text: string) => void
}

/** `snapshot VOLUME [NAME]`, and `snapshot rm VOLUME NAME`. */
function addSnapshot(parent: Command, { command, client, print }: Shared): void {
  parent
    .argument('<volume>')
    .argument('[name]', 'of the snapshot; the time when it is not said')
    .action(async (name: string, as: string | undefined, options: Options) => {
      const taken = snapshot.parse(
        await client(options).ask('POST', `${pathOf(name)}/snapshots`, { name: as ?? '' }),
      )
      print(options, taken, `${taken.name}\n`)
    })
  command(parent, 'rm <volume> <name>', 'remove a snapshot').action(
    async (name: string, of: string, _: Options, own: Command) => {
      // What stands before `rm` is the parent's.
      const all = own.optsWithGlobals() as Options
      await client(all).ask('DELETE', `${pathOf(name)}/snapshots/${encodeURIComponent(of)}`)
      print(all, { volume: name, snapshot: of }, `${of}\n`)
    },
  )
}

const pathOf = (name: string) => `/hb/v1/volumes/${encodeURIComponent(name)}`

function bytesOf(size: string): number {
  const bytes = parseBytes(size)
  if (!bytes) throw invalid('bad_size', `${size} is no size: say it as 20G or 512M`)
  return bytes
}

const dateOf = (text: string) => text.slice(0, 19).replace('T', ' ')

function volumeTable(volumes: readonly Volume[]): string {
  const rows = volumes.map(({ name, sizeBytes, usedBytes, containers, attachments, createdAt }) => [
    name,
    formatBytes(sizeBytes),
    formatBytes(usedBytes),
    String(containers.length),
    attachments.map((one) => `${one.name}${one.readOnly ? ' (ro)' : ''}`).join(', '),
    dateOf(createdAt),
  ])
  return formatTable(['VOLUME', 'SIZE', 'USED', 'CONTAINERS', 'ATTACHED TO', 'CREATED'], rows)
}

function snapshotTable(snapshots: readonly Snapshot[]): string {
  const rows = snapshots.map(({ volume, name, sizeBytes, usedBytes, createdAt }) => [
    ...[volume, name, formatBytes(sizeBytes), formatBytes(usedBytes), dateOf(createdAt)],
  ])
  return formatTable(['VOLUME', 'SNAPSHOT', 'SIZE', 'USED', 'CREATED'], rows)
}
