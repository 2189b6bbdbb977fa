/** An engine on fake sandboxes and a real store, with everything a spec wants to look at. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { forbidden, notFound } from '../../lib/errors.ts'
import { silentLog } from '../../lib/log.ts'
import { createContainerStore } from '../../store/containers.ts'
import { openDatabase } from '../../store/database.ts'
import { createEventStore } from '../../store/events.ts'
import { createEngine, type Engine } from '../engine.ts'
import type { AttachSession, ContainerRequest, LogChunk } from '../model.ts'
import { defaultAttachment } from '../networks/attachments.ts'
import type { ImageStore } from '../ports/images.ts'
import type { NetworkProvider, NetworkRequest, NetworkView, Port, PublishedPort } from '../ports/network.ts'
import type { Nic } from '../ports/sandbox.ts'
import { FakeSandboxes } from './fake-sandboxes.ts'
import { MemoryVolumes } from './memory-volumes.ts'

export const scope = { project: 'default' }

export class FakeNetworks implements NetworkProvider {
  readonly publishesIpv6 = false
  readonly ports = new Map<string, Port>()
  kept: ReadonlySet<string> | undefined
  onCreate: () => void | Promise<void> = () => {}

  readonly networks: NetworkView[] = [
    {
      ...{ id: 'net0', name: 'bridge', createdAt: new Date(0), isDefault: true },
      ...{ subnet4: '10.0.0.0/24', gateway4: '10.0.0.1', ipRange4: '', auxAddresses: {} },
      ...{ hasOwnSubnet: false, internal: false, attachable: false, labels: {}, options: {} },
    },
  ]

  defaultNetwork() {
    return this.networks[0]!
  }

  list() {
    return this.networks
  }

  async createNetwork({ name, internal, labels }: NetworkRequest): Promise<NetworkView> {
    const id = String(this.networks.length).repeat(64)
    const network = { ...this.networks[0]!, id, name, internal, labels, isDefault: false, hasOwnSubnet: true }
    this.networks.push(network)
    return network
  }

  async removeNetwork(id: string): Promise<void> {
    const used = this.ports.values().some(({ network }) => network === id)
    if (used) throw forbidden('active_endpoints', `error while removing network: ${id} has active endpoints`)
    this.networks.splice(
      this.networks.findIndex((network) => network.id === id),
      1,
    )
  }

  async createPort({
    id,
    network,
    publish,
    ipv4,
  }: Parameters<NetworkProvider['createPort']>[0]): Promise<Port> {
    await this.onCreate()
    const port = {
      id,
      network,
      networkName: this.networks.find((known) => known.id === network)!.name,
      mac: '02:00:00:00:00:02',
      ipv4: `${ipv4 ?? '10.0.0.2'}/24`,
      resolver4: network === 'net0' ? '' : '10.0.0.1',
      gateway4: '10.0.0.1',
      mtu: 1500,
      published: publish,
    }
    this.ports.set(id, port)
    return port
  }

  async plug(): Promise<void> {}
  async parkNic(): Promise<void> {}
  async deleteNic(): Promise<void> {}
  async rename(): Promise<void> {}

  async createNic(beside: Nic): Promise<Nic> {
    return { ...beside, tap: `${beside.tap}x` }
  }

  async publish(id: string, publish: readonly PublishedPort[]): Promise<Port> {
    const port = { ...this.ports.get(id)!, published: publish }
    this.ports.set(id, port)
    return port
  }

  async deletePort(id: string): Promise<void> {
    this.ports.delete(id)
  }

  async restore(keep: ReadonlySet<string>): Promise<void> {
    this.kept = keep
    for (const id of this.ports.keys()) if (!keep.has(id)) this.ports.delete(id)
  }

  async resolvConf(): Promise<string> {
    return 'nameserver 192.0.2.53\n'
  }
}

const images: ImageStore = {
  async resolve(_project, name) {
    if (name !== 'app') throw notFound('no_such_image', `No such image: ${name}:latest`)
    return {
      id: 'sha256:app',
      config: {
        User: '',
        ExposedPorts: { '80/tcp': {} },
        Env: ['FROM=image'],
        Entrypoint: null,
        Cmd: ['sleep'],
        Volumes: {},
        WorkingDir: '',
        Labels: { made: 'here' },
        StopSignal: '',
        Shell: null,
        OnBuild: null,
        Healthcheck: null,
      },
    }
  },
  async blockImage() {
    return '/nonexistent/image'
  },
  async commit(_project, { layer, reference }) {
    for await (const _ of layer);
    return { id: 'sha256:made', name: reference ?? '' }
  },
}

const plainRequest: ContainerRequest = {
  image: 'app',
  env: [],
  labels: {},
  tty: false,
  openStdin: false,
  stdinOnce: false,
  attach: { stdin: false, stdout: true, stderr: true },
  exposedPorts: [],
  publish: [],
  publishAll: false,
  autoRemove: false,
  restartPolicy: { name: 'no', maximumRetries: 0 },
  logConfig: { driver: 'json-file', options: {} },
  attachments: [defaultAttachment],
  dns: [],
  dnsSearch: [],
  dnsOptions: [],
  extraHosts: [],
  memoryBytes: 0,
  nanoCpus: 0,
  cpuQuotaUs: 0,
  cpuPeriodUs: 0,
  cpuShares: 0,
  pidsLimit: 0,
  mounts: [],
  anonymousVolumes: [],
  volumeDriver: '',
  volumesFrom: [],
  tmpfs: {},
  readonlyRoot: false,
  privileged: false,
  capAdd: [],
  capDrop: [],
  groupAdd: [],
  noNewPrivileges: false,
  ulimits: [],
  init: false,
  shmBytes: 64 * 1024 * 1024,
  oomScoreAdj: 0,
  sysctls: {},
  frontend: null,
}

export class TestEngine implements AsyncDisposable {
  readonly sandboxes: FakeSandboxes
  readonly networks: FakeNetworks
  readonly volumes = new MemoryVolumes()
  readonly directory: string
  /** Awaited by each write of a container to the store; may throw. */
  onStore: () => void | Promise<void> = () => {}
  engine!: Engine
  #closeStore: () => Promise<void> = async () => {}

  private constructor(directory: string) {
    this.directory = directory
    this.sandboxes = new FakeSandboxes()
    this.networks = new FakeNetworks()
  }

  static async create(): Promise<TestEngine> {
    const test = new TestEngine(mkdtempSync(join(tmpdir(), 'hb-engine-')))
    await test.open()
    return test
  }

  async open(): Promise<void> {
    const database = await openDatabase(join(this.directory, 'state.sqlite'))
    this.#closeStore = () => database.destroy()
    const containers = createContainerStore(database)
    this.engine = await createEngine({
      sandboxes: this.sandboxes,
      networks: this.networks,
      images,
      containers: {
        ...containers,
        update: async (container) => {
          await this.onStore()
          await containers.update(container)
        },
        updateSpec: async (id, spec) => {
          await this.onStore()
          await containers.updateSpec(id, spec)
        },
        remove: async (id) => {
          await this.onStore()
          await containers.remove(id)
        },
      },
      events: createEventStore(database),
      volumes: this.volumes,
      directory: join(this.directory, 'containers'),
      sizes: [
        { name: 's1', vcpus: 1, memoryMiB: 64 },
        { name: 's4', vcpus: 1, memoryMiB: 512 },
      ],
      defaultSize: 's4',
      log: silentLog,
    })
    await this.engine.recover()
  }

  /** The daemon ends, whatever happens to the sandboxes meanwhile happens, and the next daemon starts. */
  async restart(meanwhile: () => void | Promise<void> = () => {}): Promise<void> {
    await this.engine.close()
    await this.#closeStore()
    await meanwhile()
    await this.open()
  }

  /** The daemon ends without finishing anything, and the next one starts. */
  async kill(): Promise<void> {
    await this.#closeStore()
    await this.open()
  }

  async create(...args: [cmd: string, request?: Partial<ContainerRequest>]): Promise<string> {
    const [cmd, request] = args
    const { container } = await this.engine.containers.create(scope, {
      ...plainRequest,
      cmd: cmd.split(' '),
      ...request,
    })
    return container.id
  }

  async run(...args: [cmd: string, request?: Partial<ContainerRequest>]): Promise<string> {
    const id = await this.create(...args)
    await this.engine.containers.start(scope, id)
    return id
  }

  async state(id: string) {
    return (await this.engine.containers.get(scope, id)).state
  }

  async wait(id: string, condition: 'not-running' | 'next-exit' | 'removed' = 'not-running') {
    const { outcome } = await this.engine.containers.wait(scope, id, condition, {
      signal: AbortSignal.timeout(10_000),
    })
    return outcome
  }

  attach(id: string, options: { logs?: boolean; stdin?: boolean } = {}): Promise<AttachSession> {
    return this.engine.containers.attach(scope, id, {
      stdin: options.stdin ?? false,
      stdout: true,
      stderr: true,
      logs: options.logs ?? false,
      stream: true,
    })
  }

  async logs(id: string): Promise<string> {
    const query = {
      stdout: true,
      stderr: true,
      follow: false,
      tail: 'all',
      sinceNano: null,
      untilNano: null,
      lines: false,
    } as const
    return textOf(
      await this.engine.containers.logs(scope, id, query, { signal: AbortSignal.timeout(10_000) }),
    )
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.engine.close()
    await this.#closeStore()
    rmSync(this.directory, { recursive: true })
  }
}

export async function textOf(chunks: AsyncIterable<LogChunk>): Promise<string> {
  let text = ''
  for await (const { data } of chunks) text += data.toString()
  return text
}
