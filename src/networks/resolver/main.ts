/**
 * The resolver: one process for all networks, which answers for names while daemons come and go. A daemon starts it in a session of
 * its own, and the next one finds it at its socket; when that is gone nobody will, and it ends (docs/decisions/011-one-resolver-for-all-networks.md).
 *
 *     daemon ──socket──> resolver ══ port 53 at the gateway of each network, in its namespace
 */
import { existsSync, watch } from 'node:fs'
import { createServer, type Socket } from 'node:net'
import { dirname } from 'node:path'
import { messageOf } from '../../lib/errors.ts'
import { type Instruction, type Numbered, onLines, type Reply, resolverVersion } from './control.ts'
import { Directory, type NamedNetwork } from './directory.ts'
import { NetworkServer } from './server.ts'

const directory = new Directory()
const servers = new Map<string, NetworkServer>()
let hostServers: readonly string[] = []

function serve(network: NamedNetwork): void {
  const running = servers.get(network.id)
  const { netns, inode, address } = running?.network ?? {}
  directory.addNetwork(network)
  if (netns === network.netns && inode === network.inode && address === network.address) return
  running?.close()
  servers.delete(network.id)
  servers.set(network.id, new NetworkServer(network, directory, () => hostServers))
}

function leave(id: string): void {
  servers.get(id)?.close()
  servers.delete(id)
  directory.removeNetwork(id)
}

function replaceAll({ networks, endpoints, servers: asked }: Extract<Instruction, { is: 'state' }>): void {
  const ids = new Set(networks.map(({ id }) => id))
  for (const id of servers.keys()) if (!ids.has(id)) leave(id)
  directory.clear()
  hostServers = asked
  const failures: string[] = []
  for (const network of networks) {
    try {
      serve(network)
    } catch (error) {
      // One that cannot be served is no reason to leave the others without names.
      failures.push(messageOf(error))
    }
  }
  for (const endpoint of endpoints) directory.add(endpoint)
  if (failures.length > 0) throw new Error(failures.join('; '))
}

function carryOut(instruction: Instruction): void {
  if (instruction.is === 'state') replaceAll(instruction)
  else if (instruction.is === 'network') serve(instruction.network)
  else if (instruction.is === 'no-network') leave(instruction.id)
  else if (instruction.is === 'endpoint') directory.add(instruction.endpoint)
  else if (instruction.is === 'no-endpoint') directory.remove(instruction.id)
  else if (instruction.is === 'servers') hostServers = instruction.servers
  else process.exit(0)
}

function listenTo(socket: Socket): void {
  const reply = (answer: Reply) => socket.write(`${JSON.stringify(answer)}\n`)
  socket.on('error', () => {})
  reply({ version: resolverVersion })
  onLines(socket, (line) => {
    const instruction = JSON.parse(line) as Numbered
    try {
      carryOut(instruction)
      reply({ number: instruction.number })
    } catch (error) {
      reply({ number: instruction.number, error: messageOf(error) })
    }
  })
}

const path = process.argv[2]
if (path === undefined) throw new Error('the resolver is started by the daemon, with the path of its socket')
// Containers ask it whatever happens to a terminal or a daemon.
process.on('SIGHUP', () => {})
const control = createServer(listenTo)
process.umask(0o177)
control.listen(path, () => {
  watch(dirname(path), () => {
    if (!existsSync(path)) process.exit(0)
  })
  process.stdout.write('ready\n')
  process.stdout.on('error', () => {})
})
