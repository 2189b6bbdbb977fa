/**
 * The one owner of volumes: which there are, who names them, who has them attached, and what is being done to each. What changes a
 * volume waits in a queue of its own; an attachment waits until that is empty, and takes all of a sandbox's volumes at once.
 */
import { unlessAborted } from '../../lib/deadline.ts'
import { conflict, messageOf, notFound } from '../../lib/errors.ts'
import { newId, shortId } from '../../lib/ids.ts'
import type { Log } from '../../lib/log.ts'
import { SerialQueue } from '../../lib/queue.ts'
import type { Events } from '../events.ts'
import type { SandboxVolume } from '../ports/sandbox.ts'
import type { Volume, VolumeProvider } from '../ports/volumes.ts'
import { type Attachment, Attachments, type Holder } from './attachments.ts'
import { checkVolumeDriver, checkVolumeName, volumeSize } from './names.ts'
import type { WantedVolume } from './wants.ts'

export interface VolumeRequest {
  /** '': the built-in one. */
  readonly driver: string
  readonly labels: Readonly<Record<string, string>>
  readonly options: Readonly<Record<string, string>>
}

/** Mounts volumes for writing in a sandbox of their own, once, and ends it: they can be read then. */
export type Prepare = (volume: SandboxVolume, want: WantedVolume, signal: AbortSignal) => Promise<void>

export class VolumeKeeper {
  readonly provider: VolumeProvider
  readonly attachments = new Attachments()
  readonly #events: Events
  readonly #log: Log
  /** Of volumes by name: a name is there before, and may be again after, its volume. */
  readonly #queues = new Map<string, SerialQueue>()
  /** Container → volumes it names, by id. */
  readonly #references = new Map<string, Set<string>>()

  constructor(provider: VolumeProvider, events: Events, log: Log) {
    this.provider = provider
    this.#events = events
    this.#log = log
  }

  find(project: string, name: string): Volume | undefined {
    return this.ofProject(project).find((volume) => volume.name === name)
  }

  /** Rejects in dockerd's words. */
  get(project: string, name: string): Volume {
    const volume = this.find(project, name)
    if (!volume) throw notFound('no_such_volume', `get ${clip(name)}: no such volume`)
    return volume
  }

  ofProject(project: string): readonly Volume[] {
    return this.provider.volumes().filter((volume) => volume.project === project)
  }

  /** Containers that name it, also those that do not run. */
  usersOf(volume: string): readonly string[] {
    return [...this.#references].filter(([, volumes]) => volumes.has(volume)).map(([container]) => container)
  }

  /** `volumes`: ids. Of a container that is there; `ensure` does it of one in the making. */
  refer(container: string, volumes: Iterable<string>): void {
    const known = this.#references.get(container) ?? new Set()
    for (const volume of volumes) known.add(volume)
    if (known.size > 0) this.#references.set(container, known)
  }

  forget(container: string): void {
    this.#references.delete(container)
  }

  /** One thing after another for a name. */
  exclusively<T>(project: string, name: string, task: () => Promise<T>): Promise<T> {
    return this.#queue(project, name).run(task)
  }

  #queue(project: string, name: string): SerialQueue {
    for (const [key, queue] of this.#queues) if (queue.size === 0) this.#queues.delete(key)
    const key = `${project}/${name}`
    const queue = this.#queues.get(key) ?? new SerialQueue()
    this.#queues.set(key, queue)
    return queue
  }

  /**
   * The volume of this name, made if it is not there. `container`: refers to it from then on, without a moment in which it could
   * be removed.
   */
  ensure(project: string, name: string, request: VolumeRequest, container?: string): Promise<Volume> {
    return this.exclusively(project, name, async () => {
      checkVolumeDriver(name, request.driver)
      const volume = this.find(project, name) ?? (await this.#create(project, name, request, false))
      if (container !== undefined) this.refer(container, [volume.id])
      return volume
    })
  }

  async createAnonymous(project: string, request: VolumeRequest, container?: string): Promise<Volume> {
    const name = newId()
    checkVolumeDriver(name, request.driver)
    const volume = await this.#create(project, name, request, true)
    if (container !== undefined) this.refer(container, [volume.id])
    return volume
  }

  async #create(
    project: string,
    name: string,
    { labels, options }: VolumeRequest,
    anonymous: boolean,
  ): Promise<Volume> {
    checkVolumeName(name)
    const sizeBytes = volumeSize(name, options)
    const volume = await this.provider.create({ project, name, labels, options, sizeBytes, anonymous })
    this.tell(volume, 'create')
    return volume
  }

  /** Rejects in dockerd's words when a container names it. */
  remove(project: string, name: string): Promise<void> {
    return this.exclusively(project, name, async () => {
      const volume = this.get(project, name)
      const users = this.usersOf(volume.id)
      if (users.length > 0) {
        throw conflict('volume_in_use', `remove ${name}: volume is in use - [${users.join(', ')}]`)
      }
      await this.free(volume)
      await this.#destroy(volume)
    })
  }

  /** In the queue of its name. Waits for who is leaving it, and rejects when somebody stays. */
  async free(volume: Volume): Promise<void> {
    for (;;) {
      const clash = this.attachments.clash(volume.id, { readOnly: false })
      if (!clash) return
      if (!clash.leaving) throw inUse(volume.name, clash, false)
      await clash.over
    }
  }

  /** Those that the container alone names, and nobody chose the name of. Its sandbox may be ending still. */
  async removeAnonymous(container: string, volumes: Iterable<string>): Promise<void> {
    for (const id of volumes) {
      const volume = this.provider.volumes().find((one) => one.id === id)
      if (!volume || this.usersOf(id).some((user) => user !== container)) continue
      try {
        await this.exclusively(volume.project, volume.name, () => this.#destroy(volume))
      } catch (error) {
        this.#log.error({ volume: volume.name, error: messageOf(error) }, 'a volume could not be removed')
      }
    }
  }

  async #destroy(volume: Volume): Promise<void> {
    await this.provider.remove(volume.id)
    this.tell(volume, 'destroy')
  }

  /**
   * All of the volumes for a sandbox, in their order. Waits for what is being done to them and for sandboxes that are ending; rejects
   * with kind `conflict`, code `volume_in_use`, naming who else has one.
   */
  async attach(
    project: string,
    holder: Holder,
    wants: readonly WantedVolume[],
    prepare: Prepare,
    signal: AbortSignal,
  ): Promise<readonly SandboxVolume[]> {
    if (wants.length === 0) return []
    const prepared = new Set<string>()
    for (;;) {
      for (const { id, name } of wants) this.#check(id, name)
      const busy = wants.map(({ name }) => this.#queue(project, name)).filter(({ size }) => size > 0)
      const clash = firstOf(wants, (want) => this.attachments.clash(want.id, want))
      if (busy.length > 0) await unlessAborted(Promise.all(busy.map((queue) => queue.idle())), signal)
      else if (clash) {
        if (!clash.leaving) throw inUse(nameOf(wants, clash), clash, clash.readOnly)
        await unlessAborted(clash.over, signal)
      } else {
        const unready = await this.#unready(wants, prepared)
        // Looking took a moment.
        if (unready) {
          prepared.add(unready.id)
          await this.#prepare(project, unready, prepare, signal)
        } else if (
          !firstOf(wants, (want) => this.attachments.clash(want.id, want)) &&
          this.#idle(project, wants)
        )
          break
      }
    }
    this.attachments.add(holder, new Map(wants.map(({ id, readOnly }) => [id, { readOnly }])))
    try {
      const attached = wants.map(({ id, readOnly }) => this.provider.attach(id, { readOnly }))
      const volumes = await Promise.all(attached)
      await Promise.all(wants.map(({ id, readOnly }) => (readOnly ? undefined : this.provider.markUsed(id))))
      return volumes
    } catch (error) {
      await this.detach(holder.id)
      throw error
    }
  }

  #idle(project: string, wants: readonly WantedVolume[]): boolean {
    return wants.every(({ name }) => this.#queue(project, name).size === 0)
  }

  #check(id: string, name: string): Volume {
    const volume = this.provider.volumes().find((one) => one.id === id)
    if (!volume) throw notFound('no_such_volume', `get ${clip(name)}: no such volume`)
    return volume
  }

  /** One that can only be read as it is, and is not fit for that. */
  async #unready(
    wants: readonly WantedVolume[],
    prepared: ReadonlySet<string>,
  ): Promise<WantedVolume | undefined> {
    for (const want of wants) {
      if (!want.readOnly || prepared.has(want.id)) continue
      const { pristine } = this.#check(want.id, want.name)
      if ((pristine && want.copyUpAt !== undefined) || (await this.provider.isUnclean(want.id))) return want
    }
    return undefined
  }

  async #prepare(project: string, want: WantedVolume, prepare: Prepare, signal: AbortSignal): Promise<void> {
    await this.exclusively(project, want.name, async () => {
      // Somebody was faster, and has done it.
      if (this.attachments.of(want.id).length > 0 || !(await this.#unready([want], new Set()))) return
      const volume = await this.provider.attach(want.id, { readOnly: false })
      try {
        await prepare(volume, want, signal)
        await this.provider.markUsed(want.id)
      } finally {
        await this.provider.detach(want.id)
      }
    })
  }

  /** What a sandbox has that ran on without a daemon. */
  adopt(holder: Holder, wants: readonly WantedVolume[]): void {
    this.attachments.add(holder, new Map(wants.map(({ id, readOnly }) => [id, { readOnly }])))
  }

  /** Its sandbox has ended. */
  async detach(holder: string): Promise<void> {
    const volumes = this.attachments.volumesOf(holder)
    try {
      for (const id of volumes) {
        // Others read it still.
        if (this.attachments.of(id).length === 1) await this.provider.detach(id)
      }
    } catch (error) {
      this.#log.error({ holder, error: messageOf(error) }, 'a volume could not be detached')
    } finally {
      this.attachments.remove(holder)
    }
  }

  /** An event of nobody's volume in particular. */
  tellPruned(project: string, bytes: number): void {
    const attributes = { reclaimed: String(bytes) }
    this.#events.publish({ project, type: 'volume', action: 'prune', actor: { id: '', attributes } })
  }

  tell(
    volume: Pick<Volume, 'project' | 'name' | 'driver'>,
    action: string,
    more: Record<string, string> = {},
  ): void {
    const { project, name: id, driver } = volume
    this.#events.publish({ project, type: 'volume', action, actor: { id, attributes: { driver, ...more } } })
  }
}

function firstOf<T, R>(list: readonly T[], look: (item: T) => R | undefined): R | undefined {
  for (const item of list) {
    const found = look(item)
    if (found !== undefined) return found
  }
  return undefined
}

const nameOf = (wants: readonly WantedVolume[], { volume }: Attachment) =>
  wants.find(({ id }) => id === volume)!.name

/** `forReading`: the other one only reads. */
export function inUse(name: string, { holder, readOnly }: Attachment, forReading: boolean) {
  const how = readOnly ? 'read-only' : 'read-write'
  const way = forReading
    ? 'mount it read-only here too, or'
    : `mount it read-only (${name}:/path:ro) in all of them, or`
  return conflict(
    'volume_in_use',
    `volume ${name} is attached ${how} to container ${holder.name} (${shortId(holder.id)}): a volume is attached to one container ` +
      `read-write or to many read-only; ${way} stop that container first`,
  )
}

const clip = (text: string): string => (text.length > 100 ? `${text.slice(0, 100)}…` : text)
