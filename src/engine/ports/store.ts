/** What the engine needs of the state store. Everything is durable when a promise resolves, but for events. */
import type { Container, ContainerSpec, EngineEvent } from '../model.ts'

/** A container as it is kept. Of one that is starting, or stopped, the sandbox may be gone: it is looked for. */
export interface StoredContainer extends Container {
  /** What a fresh writable disk takes on the host, so that only what was written is told; null before the first start. */
  readonly scratchBaseBytes: number | null
}

export interface ContainerStore {
  load(): Promise<readonly StoredContainer[]>
  add(container: StoredContainer): Promise<void>
  /** Everything but id, project, creation and spec. */
  update(container: StoredContainer): Promise<void>
  updateSpec(id: string, spec: ContainerSpec): Promise<void>
  remove(id: string): Promise<void>
}

/** Events of the past. Times are unique and grow. */
export interface EventStore {
  append(events: readonly EngineEvent[]): Promise<void>
  /** Of the project, from one time to another, both included, oldest first, at most `limit`. */
  between(project: string, fromNano: bigint, toNano: bigint, limit: number): Promise<readonly EngineEvent[]>
  /** Keeps the newest. */
  trim(countMax: number): Promise<void>
}
