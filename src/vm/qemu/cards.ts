/**
 * The further cards of a running QEMU. Their devices are there from the start, each on a hub of its own, for a card can not be
 * tied to another tap; the hub can, while the machine runs.
 *
 *     guest's card N ── hub N ── tap, wherever in the host's namespaces it is by now
 */
import { hasCode } from '../../lib/errors.ts'
import { SerialQueue } from '../../lib/queue.ts'
import type { Qmp } from './qmp.ts'

const tapId = (slot: number): string => `tap${slot}`
const hubPortId = (slot: number): string => `hub${slot}`

export class Cards {
  readonly #qmp: Qmp
  readonly #steps = new SerialQueue()

  constructor(qmp: Qmp) {
    this.#qmp = qmp
  }

  connect(slot: number, tap: string): Promise<void> {
    return this.#steps.run(async () => {
      await this.#qmp.execute('netdev_add', {
        ...{ type: 'tap', id: tapId(slot), ifname: tap },
        ...{ script: 'no', downscript: 'no', vhost: false },
      })
      try {
        const port = { type: 'hubport', id: hubPortId(slot), hubid: slot, netdev: tapId(slot) }
        await this.#qmp.execute('netdev_add', port)
      } catch (error) {
        await this.#remove(tapId(slot))
        throw error
      }
    })
  }

  disconnect(slot: number): Promise<void> {
    return this.#steps.run(async () => {
      await this.#remove(hubPortId(slot))
      await this.#remove(tapId(slot))
    })
  }

  async #remove(id: string): Promise<void> {
    await this.#qmp.execute('netdev_del', { id }).catch((error) => {
      if (!hasCode(error, 'qmp_not_found')) throw error
    })
  }
}
