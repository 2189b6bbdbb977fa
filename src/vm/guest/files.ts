/**
 * Files of a sandbox's containers. Each call is a process of the guest init's own (START_FILES), whose output is read as slowly as the
 * caller reads, and which is ended and forgotten when the caller has enough.
 */
import type { FileChange, FileRecord, PathStat, SandboxFiles } from '../../engine/ports/files.ts'
import { exhausted, hasCode, internal, invalid } from '../../lib/errors.ts'
import { bytesOfName } from '../../lib/file-names.ts'
import type { GuestChannel } from './channel.ts'
import { FieldReader, FieldWriter } from './fields.ts'
import { TreeInput } from './file-input.ts'
import { FileProcess } from './file-process.ts'
import { fileProcessesMax, fileProcessIdsFrom } from './limits.ts'
import { processStates, tags } from './protocol.ts'
import {
  changeOf,
  entryOf,
  type RecordHeader,
  recordHeader,
  recordHeaderBytes,
  resolvedOf,
} from './records.ts'

const actions = { stat: 1, read: 2, write: 3, changes: 4, layer: 5 } as const
const flags = { oneFileSystem: 1, noOverwrite: 2 } as const

interface Task {
  readonly action: keyof typeof actions
  readonly container: string
  readonly path?: string
  readonly flags?: number
}

export class GuestFiles implements SandboxFiles {
  readonly #channel: GuestChannel
  readonly #failed: (error: unknown) => void
  #nextId: number
  #running = 0
  #isClear = false

  /** `failed`: a process of an earlier daemon could not be ended. */
  constructor(channel: GuestChannel, failed: (error: unknown) => void) {
    this.#channel = channel
    this.#failed = failed
    const ids = channel.processes.map((fields) => fields.u32(tags.processId))
    this.#nextId = Math.max(fileProcessIdsFrom, ...ids.map((id) => id + 1))
  }

  /** Ends what a daemon that died was at. */
  async clear(): Promise<void> {
    if (this.#isClear) return
    this.#isClear = true
    for (const fields of this.#channel.processes) {
      if (!isForFiles(fields)) continue
      const acked = {
        stdout: fields.offset(tags.stdoutAcked),
        stderr: fields.offset(tags.stderrAcked),
        stdin: fields.offset(tags.stdinAcked),
      }
      const process = new FileProcess(this.#channel, fields.u32(tags.processId), acked)
      if (fields.u32(tags.state) === processStates.exited) process.exit(fields)
      await process.dispose().catch(this.#failed)
    }
  }

  async stat(container: string, path: string): Promise<PathStat> {
    return this.#run({ action: 'stat', container, path }, async (process) => {
      const fields = (await nextRecord(process))?.fields
      await process.finished()
      if (!fields) throw internal('bad_guest', 'the guest said nothing of a file')
      const { size, ...entry } = entryOf(fields, 0)
      const told = Number(fields.u64(tags.size))
      return { entry: { ...entry, size: entry.kind === 'file' ? told : size }, resolved: resolvedOf(fields) }
    })
  }

  read(
    container: string,
    path: string,
    options: { oneFileSystem?: boolean } = {},
  ): AsyncIterable<FileRecord> {
    return this.#tree({
      ...{ action: 'read', container, path },
      flags: options.oneFileSystem ? flags.oneFileSystem : 0,
    })
  }

  async write(
    container: string,
    path: string,
    records: AsyncIterable<FileRecord>,
    options: { noOverwrite?: boolean } = {},
  ): Promise<void> {
    const task = {
      ...{ action: 'write' as const, container, path },
      flags: options.noOverwrite ? flags.noOverwrite : 0,
    }
    await this.#run(task, async (process) => {
      const input = new TreeInput(process)
      try {
        for await (const record of records) await input.add(record)
        await input.end()
      } catch (error) {
        if (!hasCode(error, 'process_exited')) throw error
        // Why it ended says more than that it did.
        await process.finished()
        throw internal('bad_guest', 'the guest stopped to take a tree of files before its end')
      }
      await process.finished()
    })
  }

  async *changes(container: string): AsyncGenerator<FileChange> {
    const process = await this.#start({ action: 'changes', container })
    try {
      for (let next = await nextRecord(process); next; next = await nextRecord(process)) {
        if (next.size > 0) throw internal('bad_guest', 'the guest sent content with a change')
        yield changeOf(next.fields)
      }
      await process.finished()
    } finally {
      await this.#dispose(process)
    }
  }

  layer(container: string): AsyncIterable<FileRecord> {
    return this.#tree({ action: 'layer', container })
  }

  async *#tree(task: Task): AsyncGenerator<FileRecord> {
    const process = await this.#start(task)
    try {
      let isFirst = true
      for (let next = await nextRecord(process); next; next = await nextRecord(process)) {
        const entry = entryOf(next.fields, next.size)
        if (isFirst !== (entry.path === ''))
          throw internal('bad_guest', 'the guest sent a tree without its root')
        isFirst = false
        if (entry.kind !== 'file') {
          yield { entry }
          continue
        }
        const content = contentOf(process, next.size)
        yield { entry, content }
        // What was not wanted is skipped.
        for await (const _ of content);
      }
      await process.finished()
      if (isFirst) throw internal('bad_guest', 'the guest sent an empty tree')
    } finally {
      await this.#dispose(process)
    }
  }

  async #run<T>(task: Task, use: (process: FileProcess) => Promise<T>): Promise<T> {
    const process = await this.#start(task)
    try {
      return await use(process)
    } finally {
      await this.#dispose(process)
    }
  }

  async #start({ action, container, path = '', flags: given = 0 }: Task): Promise<FileProcess> {
    if (action !== 'changes' && action !== 'layer' && (!path.startsWith('/') || path.includes('\0')))
      throw invalid('file_error', `${JSON.stringify(path)} is no absolute path`, {
        details: { errno: 'EINVAL' },
      })
    if (this.#running >= fileProcessesMax)
      throw exhausted(
        'too_many_file_processes',
        `files of this container are read or written ${fileProcessesMax} times at once; wait for some to end`,
      )
    const id = this.#nextId++
    this.#running++
    try {
      const fields = new FieldWriter()
        .u32(tags.processId, id)
        .text(tags.containerId, container)
        .u32(tags.action, actions[action])
        .bytes(tags.path, bytesOfName(path))
        .u64(tags.flags, given)
      return await FileProcess.start(this.#channel, id, fields)
    } catch (error) {
      this.#running--
      throw error
    }
  }

  async #dispose(process: FileProcess): Promise<void> {
    this.#running--
    await process.dispose().catch(this.#failed)
  }
}

export const isForFiles = (fields: FieldReader): boolean => fields.u32(tags.processId) >= fileProcessIdsFrom

/** Undefined at the end of the tree, and before the reason that it ended early is known. */
async function nextRecord({
  output,
}: FileProcess): Promise<(RecordHeader & { readonly fields: FieldReader }) | undefined> {
  const head = await output.exactly(recordHeaderBytes)
  if (head.length < recordHeaderBytes) return undefined
  const header = recordHeader(head)
  const body = await output.exactly(header.fieldsBytes)
  return body.length < header.fieldsBytes ? undefined : { ...header, fields: new FieldReader(body) }
}

/** Can be read once; a second reader goes on where the first one stopped. */
function contentOf(process: FileProcess, size: number): AsyncIterable<Buffer> {
  let left = size
  async function* content(): AsyncGenerator<Buffer> {
    while (left > 0) {
      const bytes = await process.output.some(left)
      if (!bytes) {
        await process.finished()
        throw internal('bad_guest', 'the guest ended a file before its end')
      }
      left -= bytes.length
      yield bytes
    }
  }
  return { [Symbol.asyncIterator]: content }
}
