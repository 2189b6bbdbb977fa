/**
 * Multi-step work that leaves nothing behind when it fails: each step adds how to undo it, and leaving the
 * scope without `commit()` undoes them, last first, every one of them, whatever the others throw.
 *
 *     await using undo = new Rollback()
 *     const nic = await networks.createNic(…)
 *     undo.add(() => networks.deleteNic(nic))
 *     …
 *     undo.commit()
 */
export class Rollback implements AsyncDisposable {
  #steps: Array<() => unknown> = []

  add(step: () => unknown): void {
    this.#steps.push(step)
  }

  commit(): void {
    this.#steps = []
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const errors: unknown[] = []
    for (const step of this.#steps.splice(0).reverse()) {
      try {
        await step()
      } catch (error) {
        errors.push(error)
      }
    }
    if (errors.length === 1) throw errors[0]
    if (errors.length > 1) throw new AggregateError(errors, 'several steps could not be undone')
  }
}
