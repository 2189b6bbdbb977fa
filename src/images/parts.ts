/** What the operations on images share. */
import type { Log } from '../lib/log.ts'
import type { SerialQueue } from '../lib/queue.ts'
import type { BlockImages } from './block/block-images.ts'
import type { ContentStore } from './content-store.ts'
import type { ImageLimits } from './limits.ts'
import type { ImageRecords } from './records.ts'

/** `pull`, `tag`, `untag`, `delete`, `load`, `import`, `save`, `push`; attributes: the image's labels and `name`. */
export type OnImageEvent = (
  project: string,
  action: string,
  id: string,
  attributes: Readonly<Record<string, string>>,
) => void

export interface Parts {
  readonly records: ImageRecords
  readonly content: ContentStore
  readonly blocks: BlockImages
  /** Whatever changes which image has which name, or takes images away, goes through here. */
  readonly changes: SerialQueue
  readonly events: OnImageEvent
  readonly limits: ImageLimits
  /** Images that work goes on with, and how often: nobody takes them away. */
  readonly pins: Map<string, number>
  readonly insecureRegistries: readonly string[]
  readonly log: Log
}
