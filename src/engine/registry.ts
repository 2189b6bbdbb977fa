/** Finding containers by id, name or the beginning of an id, each project for itself. */
import { conflict, invalid, notFound } from '../lib/errors.ts'
import type { ContainerOwner } from './owner.ts'

/** The shortest prefix of an id is any: as in Docker. */
const idPattern = /^[0-9a-f]{1,64}$/

export class Registry {
  readonly #owners = new Map<string, ContainerOwner>()
  /** Also names that are being given to containers in the making. */
  readonly #idsByName = new Map<string, string>()

  /** Rejects a name that is taken, in dockerd's words. */
  reserveName(project: string, name: string, id: string): void {
    const holder = this.#idsByName.get(key(project, name))
    if (holder !== undefined) {
      throw conflict(
        'name_in_use',
        `Conflict. The container name "/${name}" is already in use by container "${holder}". ` +
          'You have to remove (or rename) that container to be able to reuse that name.',
      )
    }
    this.#idsByName.set(key(project, name), id)
  }

  releaseName(project: string, name: string): void {
    this.#idsByName.delete(key(project, name))
  }

  isNameTaken(project: string, name: string): boolean {
    return this.#idsByName.has(key(project, name))
  }

  /** Its name is reserved already. */
  add(owner: ContainerOwner): void {
    this.#owners.set(owner.id, owner)
  }

  remove(owner: ContainerOwner): void {
    this.#owners.delete(owner.id)
    this.releaseName(owner.container.project, owner.container.name)
  }

  has(id: string): boolean {
    return this.#owners.has(id)
  }

  get(id: string): ContainerOwner | undefined {
    return this.#owners.get(id)
  }

  all(): ContainerOwner[] {
    return [...this.#owners.values()]
  }

  ofProject(project: string): ContainerOwner[] {
    return this.all().filter(({ container }) => container.project === project)
  }

  find(project: string, ref: string): ContainerOwner {
    const name = ref.replace(/^\//, '')
    const exact = this.#owners.get(name) ?? this.#owners.get(this.#idsByName.get(key(project, name)) ?? '')
    if (exact?.container.project === project) return exact
    const found = idPattern.test(name) ? this.ofProject(project).filter(({ id }) => id.startsWith(name)) : []
    if (found.length > 1) {
      throw invalid('ambiguous_id', `multiple IDs found with provided prefix: ${name}`)
    }
    if (!found[0]) throw notFound('no_such_container', `No such container: ${ref}`)
    return found[0]
  }
}

function key(project: string, name: string): string {
  return `${project}/${name}`
}
