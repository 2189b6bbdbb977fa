/**
 * Real packets without virtual machines: a namespace plays a container, with one end of a veth where its card would be,
 * and another plays the internet, which knows no route to anything of ours.
 */
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import type { NetworkView, Port, PublishedPort } from '../../../engine/ports/network.ts'
import type { Nic } from '../../../engine/ports/sandbox.ts'
import { until } from '../../../lib/deadline.ts'
import { silentLog } from '../../../lib/log.ts'
import { Rollback } from '../../../lib/rollback.ts'
import { run } from '../../../lib/spawn.ts'
import { type Database, openDatabase } from '../../../store/database.ts'
import { createNetworkRecords } from '../../../store/networks.ts'
import { ipBatch } from '../commands.ts'
import { type NetworkNames, namesOf, newCardName } from '../names.ts'
import { type BuiltinNetworks, createBuiltinNetworks } from '../networks.ts'
import { holdHost } from './host-lock.ts'

export const needsRoot = { skip: process.getuid?.() === 0 ? false : 'needs root for network namespaces' }

/** What the internet is at: addresses that documentation has for itself. */
export const internetAddress = '198.51.100.2'
export const hostOnInternet = '198.51.100.1'

/** Not those of a daemon that may be running here. */
export const labRanges = { subnet: '10.213.0.0/24', transitRange: '198.19.0.0/16' }

export interface Container {
  readonly id: string
  readonly port: Port
  readonly netns: string
  readonly nic: Nic
}

export class Lab implements AsyncDisposable {
  readonly prefix: string
  readonly database: Database
  networks!: BuiltinNetworks
  readonly #undo = new Rollback()
  #letGo: () => Promise<void> = async () => {}

  constructor(database: Database) {
    this.prefix = `q${randomBytes(2).toString('hex')}`
    this.database = database
  }

  static async open(projects: readonly string[] = ['default']): Promise<Lab> {
    const lab = new Lab(await openDatabase(':memory:'))
    lab.#undo.add(() => lab.database.destroy())
    try {
      lab.#letGo = await holdHost()
      for (const id of projects.filter((project) => project !== 'default')) {
        await lab.database.insertInto('projects').values({ id, name: id, created_at_ms: 0 }).execute()
      }
      lab.networks = await lab.daemon(projects)
      lab.#undo.add(() => lab.networks.close({ remove: true }))
      return lab
    } catch (error) {
      await lab[Symbol.asyncDispose]()
      throw error
    }
  }

  /** A daemon's networks; a second call is what the next daemon finds. */
  daemon(projects: readonly string[] = ['default']): Promise<BuiltinNetworks> {
    return createBuiltinNetworks({
      records: createNetworkRecords(this.database),
      stateDir: '/nowhere',
      log: silentLog,
      ...labRanges,
      namePrefix: this.prefix,
      projects,
    })
  }

  network(project = 'default'): NetworkView {
    return this.networks.defaultNetwork(project)
  }

  names(project = 'default'): NetworkNames {
    return namesOf(this.prefix, this.network(project).id)
  }

  namespace(project = 'default'): string {
    return this.names(project).namespace
  }

  /** A namespace with a link to the host, and no route back to anything but the host. */
  async internet(): Promise<string> {
    const netns = `${this.prefix}-world`
    const link = `${this.prefix}world`
    await this.#namespace(netns)
    await ipBatch([
      `link add ${link} type veth peer name eth0 netns ${netns}`,
      `addr add ${hostOnInternet}/24 dev ${link}`,
      `link set ${link} up`,
    ])
    await ipBatch(['link set lo up', `addr add ${internetAddress}/24 dev eth0`, 'link set eth0 up'], netns)
    return netns
  }

  /** Plugged, unless told otherwise: addressed as the guest would. */
  async container(
    publish: readonly PublishedPort[] = [],
    options: { project?: string; plug?: boolean } = {},
  ): Promise<Container> {
    const project = options.project ?? 'default'
    const id = randomBytes(32).toString('hex')
    const port = await this.networks.createPort({ id, project, network: this.network(project).id, publish })
    const netns = `${this.prefix}-c${id.slice(0, 6)}`
    await this.#namespace(netns)
    const tap = newCardName()
    const namespace = this.namespace(project)
    await ipBatch([`link add ${tap} netns ${namespace} type veth peer name eth0 netns ${netns}`])
    await ipBatch([`link set ${tap} master br0 up`], namespace)
    await ipBatch(
      [
        'link set lo up',
        `link set eth0 address ${port.mac} mtu ${port.mtu} up`,
        `addr add ${port.ipv4} dev eth0`,
        `route add default via ${port.gateway4}`,
      ],
      netns,
    )
    const nic = { network: port.network, netns: `/run/netns/${namespace}`, tap }
    if (options.plug !== false) await this.networks.plug(port, nic)
    return { id, port, netns, nic }
  }

  /** A TCP and a UDP server on the port that answer with their name and who asked: `name 10.0.0.1`. */
  async serve(netns: string | undefined, port: number, name: string, address = '0.0.0.0'): Promise<void> {
    const [command, args] = inside(netns, [process.execPath, '-e', serverSource, String(port), name, address])
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'inherit'] })
    this.#undo.add(() => endOf(child))
    const [line] = await once(createInterface(child.stdout), 'line', { signal: AbortSignal.timeout(10_000) })
    assert.equal(line, 'ready')
  }

  /** The address at which the host's rules enter the network. */
  async transitInside(project = 'default'): Promise<string> {
    const { stdout } = await run('ip', ['-n', this.namespace(project), '-br', '-4', 'addr', 'show', 'up0'])
    return /(\S+)\/30/.exec(stdout)![1]!
  }

  /** Opens a card as a process without privileges and of this group does, until the lab ends; tells how that went. */
  async hold(nic: Nic, gid: number): Promise<string> {
    const [command, args] = inside(this.namespace(), ['perl', '-e', holderSource, nic.tap, String(gid)])
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'inherit'] })
    this.#undo.add(() => endOf(child))
    const [line] = await once(createInterface(child.stdout), 'line', { signal: AbortSignal.timeout(10_000) })
    return String(line)
  }

  async #namespace(name: string): Promise<void> {
    await ipBatch([`netns add ${name}`])
    this.#undo.add(() => ipBatch([`netns del ${name}`]))
  }

  /** Ends everything, then counts: nothing with our prefix may be left. */
  async [Symbol.asyncDispose](): Promise<void> {
    try {
      await this.#undo[Symbol.asyncDispose]()
      // The kernel takes a namespace's links away a moment after the namespace.
      await until('nothing of the lab to be left', () => this.#isGone(), { deadlineMs: 5_000 })
    } finally {
      await this.#letGo()
    }
  }

  async #isGone(): Promise<true> {
    const { stdout: links } = await run('ip', ['-br', 'link'])
    const { stdout: namespaces } = await run('ip', ['netns'])
    const { stdout: tables } = await run('nft', ['list', 'tables'])
    const left = `${links}${namespaces}${tables}`.split('\n').filter((line) => line.includes(this.prefix))
    assert.deepEqual(left, [])
    return true
  }
}

async function endOf(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const exited = once(child, 'exit')
  child.kill('SIGKILL')
  await exited
}

function inside(netns: string | undefined, command: readonly string[]): [string, string[]] {
  const [program, ...args] =
    netns === undefined ? command : ['nsenter', `--net=/run/netns/${netns}`, ...command]
  return [program!, args]
}

const serverSource = `
const [, port, name, address] = process.argv
const tcp = require('net').createServer((socket) => {
  socket.on('error', () => {})
  socket.write(name + ' ' + socket.remoteAddress + '\\n')
  socket.on('data', (data) => socket.write(data))
})
const udp = require('dgram').createSocket('udp4')
udp.on('message', (_, from) => udp.send(name + ' ' + from.address, from.port, from.address))
udp.bind(Number(port), address, () => tcp.listen(Number(port), address, () => console.log('ready')))`

/** TUNSETIFF for a tap with virtio headers, after giving up root. */
const holderSource = `
my ($tap, $gid) = @ARGV;
$| = 1;
open(my $tun, '+<', '/dev/net/tun') or die $!;
$) = "$gid $gid"; $( = $gid; $< = $> = 65534;
my $done = ioctl($tun, 0x400454ca, pack('Z16 S x22', $tap, 0x5002));
print $done ? "open\\n" : "refused: $!\\n";
sleep 600 if $done`

const clientSource = `
const [, protocol, host, port, wait] = process.argv
const done = (text) => { process.stdout.write(text); process.exit(0) }
setTimeout(() => done('no answer'), Number(wait))
if (protocol === 'tcp') {
  const socket = require('net').connect({ host, port: Number(port) })
  socket.on('error', (error) => done(error.code))
  socket.on('data', (data) => done(String(data).trim()))
} else {
  const socket = require('dgram').createSocket('udp4')
  socket.on('error', (error) => done(error.code))
  socket.on('message', (data) => done(String(data)))
  socket.connect(Number(port), host, () => socket.send('?'))
}`

export interface Asking {
  readonly protocol?: 'tcp' | 'udp'
  /** The host itself where it is left out. */
  readonly from?: string
  /** What counts as no answer: short where none is expected. */
  readonly waitMs?: number
}

/** What a server said, the error's name, or `no answer`. */
export async function ask(host: string, port: number, options: Asking = {}): Promise<string> {
  const args = [options.protocol ?? 'tcp', host, String(port), String(options.waitMs ?? 5_000)]
  const [command, all] = inside(options.from, [process.execPath, '-e', clientSource, ...args])
  return (await run(command, all, { deadlineMs: 20_000 })).stdout
}
