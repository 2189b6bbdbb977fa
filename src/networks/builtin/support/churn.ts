/** A daemon that makes, plugs and deletes ports without end, and makes and removes networks, to be killed at any moment. Arguments: store, prefix. */
import { silentLog } from '../../../lib/log.ts'
import { openDatabase } from '../../../store/database.ts'
import { createNetworkRecords } from '../../../store/networks.ts'
import { createBuiltinNetworks } from '../networks.ts'
import { labRanges } from './lab.ts'

const [, , path, prefix] = process.argv as [string, string, string, string]
const records = createNetworkRecords(await openDatabase(path))
process.stdout.write('opened\n')
const networks = await createBuiltinNetworks({
  records,
  stateDir: '/nowhere',
  log: silentLog,
  namePrefix: prefix,
  resolverSocket: `${path}.resolver`,
  ...labRanges,
})
const { id: network } = networks.defaultNetwork('default')

async function churn(worker: number): Promise<never> {
  for (let n = 0; ; n++) {
    const publish = [{ protocol: 'tcp' as const, containerPort: 80, hostAddress: '', hostPort: 0 }]
    const id = `${worker}-${n}-${process.pid}`
    const [nic, port] = await Promise.all([
      networks.create(network),
      networks.createPort({ id, project: 'default', network, publish }),
    ])
    await networks.plug(port, nic)
    process.stdout.write('plugged\n')
    // Every third stays.
    if (n % 3 === 0) continue
    await networks.deletePort(id)
    await networks.delete(nic)
  }
}

async function churnNetworks(): Promise<never> {
  const plain = { auxAddresses: {}, internal: false, attachable: false, labels: {}, options: {} }
  for (let n = 0; ; n++) {
    const id = `own-${n}-${process.pid}`
    const made = await networks.createNetwork({ project: 'default', name: id, ...plain })
    process.stdout.write('made\n')
    const nic = await networks.create(network)
    const rest = { names: [id], links: {}, nameservers: [], asks4: '' }
    const naming = { container: id, name: id, ...rest }
    const port = await networks.createPort({ id, project: 'default', network: made.id, publish: [], naming })
    await networks.plug(port, nic)
    process.stdout.write('moved\n')
    // Every other stays.
    if (n % 2 === 0) continue
    await networks.deletePort(id)
    await networks.delete(nic)
    await networks.removeNetwork(made.id)
    process.stdout.write('removed\n')
  }
}

await Promise.all([...[0, 1, 2].map(churn), churnNetworks()])
