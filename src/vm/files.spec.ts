import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import type { FileEntry, FileKind, FileRecord, SandboxFiles } from '../engine/ports/files.ts'
import type { Sandbox } from '../engine/ports/sandbox.ts'
import { until } from '../lib/deadline.ts'
import { hasCode } from '../lib/errors.ts'
import { silentLog } from '../lib/log.ts'
import { MiB } from '../lib/units.ts'
import { finish, needsRoot, Sandboxes, start } from './support/real.ts'

interface Given extends Partial<Omit<FileEntry, 'path' | 'kind'>> {
  readonly content?: string | Buffer
}

const mtimeNs = 1_234_567_890_123_456_789n

function given(path: string, kind: FileKind, { content = '', ...rest }: Given = {}): FileRecord {
  const bytes = Buffer.from(content as string)
  const entry: FileEntry = {
    ...{ path, kind, mode: kind === 'directory' ? 0o755 : 0o644, uid: 0, gid: 0, mtimeNs, target: '' },
    ...{ device: { major: 0, minor: 0 }, xattrs: new Map(), size: kind === 'file' ? bytes.length : 0 },
    ...rest,
  }
  return kind === 'file' ? { entry, content: once(bytes) } : { entry }
}

async function* once(bytes: Buffer): AsyncGenerator<Buffer> {
  if (bytes.length > 0) yield bytes
}

async function* all(records: Iterable<FileRecord>): AsyncGenerator<FileRecord> {
  yield* records
}

interface Taken extends FileEntry {
  readonly content: Buffer
}

async function collect(records: AsyncIterable<FileRecord>): Promise<Map<string, Taken>> {
  const found = new Map<string, Taken>()
  for await (const { entry, content } of records) {
    const chunks: Buffer[] = []
    for await (const chunk of content ?? []) chunks.push(chunk)
    found.set(entry.path, { ...entry, content: Buffer.concat(chunks) })
  }
  return found
}

const errnoOf = (name: string) => (error: unknown) => {
  assert.ok(hasCode(error, 'file_error'), String(error))
  assert.deepEqual((error as { details: unknown }).details, { errno: name })
  return true
}

function put(files: SandboxFiles, id: string, path: string, records: FileRecord[], noOverwrite = false) {
  return files.write(id, path, all(records), { noOverwrite })
}

async function changes(sandbox: Sandbox): Promise<string[]> {
  const found: string[] = []
  for await (const { path, kind } of sandbox.files.changes(sandbox.handle.id))
    found.push(`${kind[0]!.toUpperCase()} ${path}`)
  return found
}

test('files of sandboxes', needsRoot, async (t) => {
  await using sandboxes = await Sandboxes.open(
    process.env.HB_TEST_LOG ? { ...silentLog, ...console } : silentLog,
  )

  await t.test('a tree comes back as it was put there, in a container without a process', async () => {
    const sandbox = await sandboxes.container()
    const { files } = sandbox
    const { id } = sandbox.handle
    const xattrs = new Map([['user.colour', Buffer.from('blue')]])
    const capability = new Map([
      ['security.capability', Buffer.from('0100000200040000000000000000000000000000', 'hex')],
    ])
    await put(files, id, '/made/here', [
      given('a', 'directory', { mode: 0o1775, uid: 7, gid: 8 }),
      given('a/file', 'file', { content: 'hello', mode: 0o4755, uid: 12, gid: 34, xattrs: capability }),
      given('a/empty', 'file', { mode: 0o600, mtimeNs: -1n, xattrs }),
      given('a/link', 'link', { target: 'a/file', mode: 0o4755 }),
      given('a/symlink', 'symlink', { target: '../nowhere', uid: 5, gid: 6, mode: 0o777 }),
      given('a/null', 'character', { device: { major: 1, minor: 3 }, mode: 0o666 }),
      given('a/disk', 'block', { device: { major: 254, minor: 17 }, mode: 0o660 }),
      given('a/pipe', 'fifo', { uid: 1 }),
      given('a/socket', 'socket'),
      given('without/parents/grün \udcff', 'file', { content: 'x' }),
    ])
    const tree = await collect(files.read(id, '/made'))
    assert.deepEqual(
      [...tree.keys()],
      [
        ...['', 'here', 'here/a', 'here/a/disk', 'here/a/empty', 'here/a/file', 'here/a/link', 'here/a/null'],
        ...['here/a/pipe', 'here/a/symlink', 'here/without', 'here/without/parents'],
        'here/without/parents/grün \udcff',
      ],
    )
    const short = (path: string) => {
      const { kind, mode, uid, gid, target, content, mtimeNs: time } = tree.get(`here/${path}`)!
      return [kind, mode.toString(8), uid, gid, target, content.toString(), time]
    }
    assert.deepEqual(short('a'), ['directory', '1775', 7, 8, '', '', mtimeNs])
    assert.deepEqual(short('a/file'), ['file', '4755', 12, 34, '', 'hello', mtimeNs])
    assert.deepEqual(short('a/empty'), ['file', '600', 0, 0, '', '', -1n])
    assert.deepEqual(short('a/link').slice(0, 5), ['link', '4755', 12, 34, 'here/a/file'])
    assert.deepEqual(short('a/symlink'), ['symlink', '777', 5, 6, '../nowhere', '', mtimeNs])
    assert.deepEqual(short('a/pipe').slice(0, 3), ['fifo', '644', 1])
    assert.deepEqual(tree.get('here/a/null')!.device, { major: 1, minor: 3 })
    assert.deepEqual(tree.get('here/a/disk')!.device, { major: 254, minor: 17 })
    assert.deepEqual(tree.get('here/a/empty')!.xattrs, xattrs)
    assert.deepEqual(tree.get('here/a/file')!.xattrs, capability)
    await sandbox.kill()
  })

  await t.test('a path is told of as the container sees it', async () => {
    const sandbox = await sandboxes.container()
    const { files } = sandbox
    const { id } = sandbox.handle
    await put(files, id, '/', [
      given('d', 'directory'),
      given('d/file', 'file', { content: 'hello', mode: 0o640 }),
      given('up', 'symlink', { target: '/d/../d/./inner' }),
      given('d/inner', 'symlink', { target: 'file' }),
      given('loop', 'symlink', { target: 'loop' }),
      given('dangling', 'symlink', { target: 'd/new/thing' }),
    ])
    const { entry, resolved } = await files.stat(id, '/d/file')
    assert.deepEqual(
      [entry.kind, entry.size, entry.mode, entry.mtimeNs, resolved],
      ['file', 5, 0o640, mtimeNs, ''],
    )
    const link = await files.stat(id, '/up')
    assert.deepEqual(
      [link.entry.kind, link.entry.target, link.resolved],
      ['symlink', '/d/../d/./inner', '/d/file'],
    )
    assert.equal((await files.stat(id, '/dangling')).resolved, '/d/new/thing')
    assert.equal((await files.stat(id, '/')).entry.kind, 'directory')
    await assert.rejects(files.stat(id, '/d/nothing'), errnoOf('ENOENT'))
    await assert.rejects(files.stat(id, '/d/file/below'), errnoOf('ENOTDIR'))
    await assert.rejects(files.stat(id, '/loop'), errnoOf('ELOOP'))
    await assert.rejects(put(files, id, '/d/file', []), errnoOf('ENOTDIR'))
    await assert.rejects(collect(files.read(id, '/none')), errnoOf('ENOENT'))
    await sandbox.kill()
  })

  await t.test('what is there is replaced, and a directory is merged, however odd the order', async () => {
    const sandbox = await sandboxes.container()
    const { files } = sandbox
    const { id } = sandbox.handle
    await put(files, id, '/w', [
      given('dir', 'directory'),
      given('dir/old', 'file', { content: 'old' }),
      given('file', 'file', { content: 'old' }),
      given('link', 'symlink', { target: '/w/dir' }),
    ])
    await assert.rejects(put(files, id, '/w', [given('dir', 'file')], true), errnoOf('EEXIST'))
    await assert.rejects(put(files, id, '/w', [given('file', 'directory')], true), errnoOf('EEXIST'))
    await put(files, id, '/w', [
      given('dir', 'directory', { mode: 0o700 }),
      given('dir/new', 'file', { content: 'new' }),
      given('file', 'directory'),
      given('file/inner', 'file'),
      // Through a symlink of the container's, which stays.
      given('link/through', 'file', { content: 'through' }),
      // What was put there is taken away again, with what is in it.
      given('a/b/c', 'file'),
      given('a', 'file', { content: 'no directory' }),
    ])
    const tree = await collect(files.read(id, '/w'))
    assert.deepEqual(
      [...tree.keys()],
      ['', 'a', 'dir', 'dir/new', 'dir/old', 'dir/through', 'file', 'file/inner', 'link'],
    )
    assert.equal(tree.get('dir')!.mode, 0o700)
    assert.equal(tree.get('a')!.content.toString(), 'no directory')
    for (const path of ['../out', 'a/../b', '/absolute', 'a//b', './a', 'a\0b'])
      await assert.rejects(put(files, id, '/w', [given(path, 'file')]), (error) => hasCode(error, 'bad_path'))
    await assert.rejects(put(files, id, '/w', [given('n'.repeat(256), 'file')]), errnoOf('ENAMETOOLONG'))
    await put(files, id, '/w', [given('n'.repeat(255), 'file')])
    await sandbox.kill()
  })

  await t.test('the deepest path that there can be goes both ways, and is taken away', async () => {
    const sandbox = await sandboxes.container()
    const { files } = sandbox
    const { id } = sandbox.handle
    const deep = Array.from({ length: 2046 }, () => 'd').join('/')
    await put(files, id, '/deep', [
      given(deep, 'directory'),
      given(`${deep}/f`, 'file', { content: 'bottom' }),
    ])
    const tree = await collect(files.read(id, '/deep'))
    assert.equal(tree.get(`${deep}/f`)!.content.toString(), 'bottom')
    assert.equal(tree.size, 2048)
    await put(files, id, '/', [given('deep', 'file')])
    assert.equal((await files.stat(id, '/deep')).entry.kind, 'file')
    await sandbox.kill()
  })

  await t.test('changes are told as dockerd tells them, and the layer has them all', async () => {
    const sandbox = await sandboxes.container()
    const { files } = sandbox
    const { id } = sandbox.handle
    await finish(
      sandbox,
      1,
      `mkdir -p /new/inner; echo x > /new/inner/file; chmod 700 /tmp; touch /bin/added
       rm /bin/ls; rm /bin/cat; echo changed > /bin/cat; rm -r /etc; mkdir /etc; echo y > /etc/y
       chmod 711 /bin/facts; touch /home || true`,
    )
    const told = [
      ...['M /bin', 'A /bin/added', 'M /bin/cat', 'M /bin/facts', 'D /bin/ls'],
      ...[
        'M /etc',
        'A /etc/y',
        'D /etc/kept',
        'A /home',
        'A /new',
        'A /new/inner',
        'A /new/inner/file',
        'M /tmp',
      ],
    ]
    assert.deepEqual(await changes(sandbox), told)
    const layer = await collect(files.layer(id))
    assert.deepEqual(layer.get('bin/ls')!.kind, 'character')
    assert.deepEqual(layer.get('bin/ls')!.device, { major: 0, minor: 0 })
    assert.equal(layer.get('bin/cat')!.content.toString(), 'changed\n')
    assert.equal(layer.get('etc')!.xattrs.get('trusted.overlay.opaque')?.toString(), 'y')
    assert.equal(layer.get('tmp')!.mode, 0o700)
    assert.ok(!layer.has('proc') && !layer.has('dev'))
    await sandbox.kill()
  })

  await t.test('a container that changed nothing has no changes', async () => {
    const sandbox = await sandboxes.container()
    await finish(sandbox, 1, 'ls -lR /')
    assert.deepEqual(await changes(sandbox), [])
    await sandbox.kill()
  })

  await t.test('a large file and many small ones go both ways beside a process that runs', async () => {
    const sandbox = await sandboxes.container()
    const { files } = sandbox
    const { id } = sandbox.handle
    const { process: main } = await start(sandbox, 1, 'cat')
    const large = randomBytes(64 * MiB)
    const rates: string[] = []
    const rate = async (what: string, amount: number, work: () => Promise<void>) => {
      const begin = performance.now()
      await work()
      rates.push(`${what} ${Math.round(amount / ((performance.now() - begin) / 1000))}`)
    }
    await rate('MiB/s written', 64, () =>
      put(files, id, '/large', [given('file', 'file', { content: large })]),
    )
    await rate('MiB/s read', 64, async () => {
      const tree = await collect(files.read(id, '/large'))
      assert.ok(tree.get('file')!.content.equals(large))
    })
    const small = Array.from({ length: 50 }, (_, index) => [
      given(`d${index}`, 'directory'),
      ...Array.from({ length: 99 }, (_, file) => given(`d${index}/f${file}`, 'file', { content: `${file}` })),
    ]).flat()
    await rate('files/s written', 5000, () => put(files, id, '/small', small))
    await rate('files/s read', 5000, async () => {
      const tree = await collect(files.read(id, '/small'))
      assert.equal(tree.size, 5001)
      assert.equal(tree.get('d49/f98')!.content.toString(), '98')
      assert.equal(tree.get('d49')!.mtimeNs, mtimeNs)
    })
    t.diagnostic(rates.join(', '))
    await main.endStdin()
    assert.equal((await main.exited).code, 0)
    await sandbox.kill()
  })

  await t.test('a reader that has enough, and a writer that gives up, leave no process behind', async () => {
    const sandbox = await sandboxes.container()
    const { files } = sandbox
    const { id } = sandbox.handle
    await put(files, id, '/', [given('large', 'file', { content: Buffer.alloc(8 * MiB) })])
    for await (const { entry } of files.read(id, '/')) if (entry.path === 'large') break
    async function* broken() {
      yield given('begun', 'file', { content: 'x' })
      throw new Error('the client went away')
    }
    await assert.rejects(files.write(id, '/', broken()), /the client went away/)
    const short: FileRecord = {
      ...given('short', 'file', { content: 'xx' }),
      content: once(Buffer.from('x')),
    }
    await assert.rejects(put(files, id, '/', [short]), (error) => hasCode(error, 'content_size'))
    await assert.rejects(files.stat(id, '/short'), errnoOf('ENOENT'))
    const readers = Array.from({ length: 8 }, () => collect(files.read(id, '/bin')))
    for (const tree of await Promise.all(readers)) assert.ok(tree.size > 100)
    await sandbox.shutdown()
    await assert.rejects(files.stat(id, '/'), (error) => hasCode(error, 'sandbox_gone'))
  })

  await t.test('mounts are read through, or left out; what the kernel makes up is never read', async () => {
    const sandbox = await sandboxes.container({
      tmpfs: [{ path: '/tmp', options: '' }],
      files: [{ path: '/etc/hosts', mode: 0o644, content: 'ours\n' }],
    })
    const { files } = sandbox
    const { id } = sandbox.handle
    await start(sandbox, 1, 'echo x > /tmp/x; echo y > /y; sleep 1000')
    await until('the file to be there', () => files.stat(id, '/y'), { deadlineMs: 5_000 })
    const whole = await collect(files.read(id, '/'))
    assert.ok(whole.has('tmp/x') && whole.has('dev/null') && whole.has('proc') && whole.has('sys'))
    assert.ok(![...whole.keys()].some((path) => /^(proc|sys)\//.test(path)))
    assert.equal(whole.get('etc/hosts')!.content.toString(), 'ours\n')
    const alone = await collect(files.read(id, '/', { oneFileSystem: true }))
    assert.ok(alone.has('tmp') && !alone.has('tmp/x') && alone.has('y') && !alone.has('dev/null'))
    assert.equal(alone.get('etc/hosts')!.size, 0)
    assert.deepEqual(await changes(sandbox), ['A /y'])
    assert.ok(!(await collect(files.layer(id))).has('etc/hosts'))
    await sandbox.kill()
  })

  await t.test('what a daemon that died was reading is ended by the next one', async () => {
    const sandbox = await sandboxes.container()
    const { id } = sandbox.handle
    await start(sandbox, 1, 'sleep 1000')
    await put(sandbox.files, id, '/', [given('large', 'file', { content: Buffer.alloc(8 * MiB) })])
    const left = sandbox.files.read(id, '/')[Symbol.asyncIterator]()
    assert.equal((await left.next()).value?.entry.path, '')
    await sandboxes.provider.close()
    const adopted = await (await sandboxes.daemon()).adopt(sandbox.handle)
    assert.deepEqual(
      adopted.adoptable().map((process) => process.id),
      [1],
    )
    assert.equal((await adopted.files.stat(id, '/large')).entry.size, 8 * MiB)
    await sandboxes.provider.close()
    const again = await (await sandboxes.daemon()).adopt(sandbox.handle)
    assert.equal((await again.files.stat(id, '/large')).entry.kind, 'file')
    await again.kill()
  })
})
