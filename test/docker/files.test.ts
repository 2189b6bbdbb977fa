/** The files of containers: copied in and out, listed when changed, exported, and made images of. */
import assert from 'node:assert/strict'
import {
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, beforeEach, test } from 'node:test'
import { until } from '../../src/lib/deadline.ts'
import { run } from '../../src/lib/spawn.ts'
import { tar } from '../../src/lib/support/tar.ts'
import { MiB } from '../../src/lib/units.ts'
import { startCloud } from '../support/cloud.ts'
import { Container, patience } from '../support/docker.ts'

const { docker, daemon } = await startCloud({ images: ['busybox'] })
const directory = mkdtempSync(join(tmpdir(), 'hb-files-'))
after(() => rmSync(directory, { recursive: true }))

/** Of the host, new for each test. */
let here = directory
let count = 0
beforeEach(() => {
  here = join(directory, String(count++))
  mkdirSync(here)
})

const sleeper = (...options: string[]) => docker.container(...options, 'busybox', 'sleep', '1000')

/** The most memory that it has had. */
const peakBytes = (pid: number): number =>
  Number(/^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]) * 1024

async function created(...args: string[]): Promise<Container> {
  return new Container(docker, await docker.ok(['create', ...args]))
}

/** A directory of the host with what trees are made of. */
function tree(): string {
  const top = join(here, 'tree')
  mkdirSync(join(top, 'deep/er'), { recursive: true })
  writeFileSync(join(top, 'plain'), 'hello\n', { mode: 0o640 })
  writeFileSync(join(top, 'deep/er/run'), '#!/bin/sh\n', { mode: 0o755 })
  symlinkSync('plain', join(top, 'link'))
  return top
}

test('a tree goes into a running container and comes out as it was', async () => {
  const top = tree()
  await using container = await sleeper()
  await container.exec('mkdir', '/srv')
  await docker.ok(['cp', top, `${container.id}:/srv`])
  assert.equal(
    await container.exec('sh', '-c', 'cd /srv/tree; cat plain; stat -c %a deep/er/run; readlink link'),
    'hello\n755\nplain',
  )
  await docker.ok(['cp', `${container.id}:/srv/tree`, join(here, 'back')])
  assert.deepEqual(readdirSync(join(here, 'back')).sort(), ['deep', 'link', 'plain'])
  assert.equal(readlinkSync(join(here, 'back/link')), 'plain')
  assert.equal(statSync(join(here, 'back/plain')).mode & 0o777, 0o640)
  assert.equal(statSync(join(here, 'back/deep/er/run')).mode & 0o777, 0o755)
})

test('what the copy is called is what docker cp calls it', async () => {
  const top = tree()
  await using container = await sleeper()
  const { id } = container
  const ls = (path: string) => container.exec('ls', path).then((names) => names.split('\n').filter(Boolean))
  // Into a directory that is there; its content alone; under another name; over a file.
  await container.exec('mkdir', '/a', '/b')
  await docker.ok(['cp', top, `${id}:/a/`])
  assert.deepEqual(await ls('/a'), ['tree'])
  await docker.ok(['cp', `${top}/.`, `${id}:/b`])
  assert.deepEqual(await ls('/b'), ['deep', 'link', 'plain'])
  await docker.ok(['cp', top, `${id}:/c`])
  assert.deepEqual(await ls('/c'), ['deep', 'link', 'plain'])
  await docker.ok(['cp', join(top, 'plain'), `${id}:/a/other`])
  assert.equal(await container.exec('cat', '/a/other'), 'hello')
  // Out: the same rules.
  await docker.ok(['cp', `${id}:/c/.`, join(here, 'content')])
  assert.deepEqual(readdirSync(join(here, 'content')).sort(), ['deep', 'link', 'plain'])
  mkdirSync(join(here, 'there'))
  await docker.ok(['cp', `${id}:/c`, join(here, 'there')])
  assert.deepEqual(readdirSync(join(here, 'there')), ['c'])
  await docker.ok(['cp', `${id}:/a/other`, join(here, 'renamed')])
  assert.equal(readFileSync(join(here, 'renamed'), 'utf8'), 'hello\n')
  // A link is copied, or what it leads to.
  await docker.ok(['cp', `${id}:/c/link`, join(here, 'as-link')])
  assert.equal(lstatSync(join(here, 'as-link')).isSymbolicLink(), true)
  await docker.ok(['cp', '-L', `${id}:/c/link`, join(here, 'followed')])
  assert.equal(readFileSync(join(here, 'followed'), 'utf8'), 'hello\n')
})

test('targets that are missing, or of another kind, are refused', async () => {
  const top = tree()
  await using container = await sleeper('--name', 'plainly')
  await container.exec('sh', '-c', 'mkdir /dir; echo x > /file')
  assert.match(
    await docker.fails(['cp', 'plainly:/nowhere', here]),
    /Could not find the file \/nowhere in container plainly/,
  )
  assert.match(await docker.fails(['cp', top, 'plainly:/no/where/']), /Could not find|no such|not exist/i)
  assert.match(await docker.fails(['cp', top, 'plainly:/file']), /cannot copy directory/)
  assert.match(await docker.fails(['cp', join(top, 'plain'), 'plainly:/file/']), /no such directory/)
  assert.match(await docker.fails(['cp', 'plainly:/dir', join(top, 'plain')]), /cannot copy directory/)
})

test('paths lead through the links of the container, and never out of it', async () => {
  await using container = await sleeper()
  const { id } = container
  await container.exec(
    'sh',
    '-c',
    'mkdir -p /real/in; ln -s /real /way; ln -s ../../../../real/in /out; echo 1 > /real/in/x',
  )
  writeFileSync(join(here, 'new'), 'new')
  await docker.ok(['cp', join(here, 'new'), `${id}:/way/in/new`])
  await docker.ok(['cp', join(here, 'new'), `${id}:/out`])
  assert.equal(await container.exec('ls', '/real/in'), 'new\nx')
  await docker.ok(['cp', `${id}:/way/in/x`, join(here, 'x')])
  assert.equal(readFileSync(join(here, 'x'), 'utf8'), '1\n')
})

test('archives go through standard input and output', async () => {
  await using container = await sleeper('--user', '1234:99')
  const bytes = tar(
    { name: 'dir/', type: '5', mode: 0o700 },
    { name: 'dir/f', data: 'from a pipe', uid: 7, gid: 8 },
  )
  const owner = () => docker.ok(['exec', '--user', '0', container.id, 'stat', '-c', '%u:%g', '/tmp/dir/f'])
  await docker.ok(['cp', '-', `${container.id}:/tmp`], { input: bytes })
  assert.equal(await owner(), '7:8')
  await docker.ok(['cp', '-a', '-', `${container.id}:/tmp`], { input: bytes })
  assert.equal(await owner(), '1234:99')
  const out = join(here, 'out.tar')
  await run('sh', ['-c', '"$0" cp "$1":/tmp/dir - > "$2"', docker.command.path, container.id, out], {
    env: { ...docker.command.environment },
  })
  assert.match((await run('tar', ['-xOf', out, 'dir/f'])).stdout, /^from a pipe$/)
})

test('a container that was never started takes files, and has them when it starts', async () => {
  const top = tree()
  await using container = await created(
    '--workdir',
    '/srv/app',
    'busybox',
    'cat',
    'plain',
    '/tree/deep/er/run',
  )
  await docker.ok(['cp', `${top}/.`, `${container.id}:/srv/app`])
  await docker.ok(['cp', top, `${container.id}:/`])
  assert.equal(await container.inspect('{{.State.Status}}'), 'created')
  assert.equal(await docker.ok(['start', '-a', container.id]), 'hello\n#!/bin/sh')
})

test('a stopped container gives its files, and takes others', async () => {
  await using container = await docker.container(
    'busybox',
    'sh',
    '-c',
    'echo written > /note; cat /new 2>/dev/null',
  )
  await container.is('exited')
  await docker.ok(['cp', `${container.id}:/note`, join(here, 'note')])
  assert.equal(readFileSync(join(here, 'note'), 'utf8'), 'written\n')
  writeFileSync(join(here, 'new'), 'brought later')
  await docker.ok(['cp', join(here, 'new'), `${container.id}:/new`])
  assert.equal(await docker.ok(['start', '-a', container.id]), 'brought later')
})

test('several copy into one stopped container at the same time', async () => {
  await using container = await created('busybox', 'sh', '-c', 'cat /f*')
  await Promise.all(
    [1, 2, 3, 4].map(async (n) => {
      writeFileSync(join(here, `f${n}`), `${n}\n`)
      await docker.ok(['cp', join(here, `f${n}`), `${container.id}:/`])
    }),
  )
  assert.equal(await docker.ok(['start', '-a', container.id]), '1\n2\n3\n4')
})

test('the files of a paused container are there, and it stays paused', async () => {
  await using container = await docker.container(
    ...['busybox', 'sh', '-c', 'echo 1 > /note; i=0; while :; do echo $((i += 1)); sleep 0.02; done'],
  )
  await container.says('3')
  await docker.ok(['pause', container.id])
  const before = await container.logs()
  await docker.ok(['cp', `${container.id}:/note`, join(here, 'note')])
  await docker.ok(['cp', join(here, 'note'), `${container.id}:/other`])
  assert.equal(await container.inspect('{{.State.Status}}'), 'paused')
  assert.equal(await container.logs(), before)
  await docker.ok(['unpause', container.id])
  assert.equal(await container.exec('cat', '/other'), '1')
})

test('what the daemon was told is there after it was killed', async () => {
  await using container = await created('busybox', 'cat', '/kept')
  writeFileSync(join(here, 'kept'), 'kept')
  await docker.ok(['cp', join(here, 'kept'), `${container.id}:/kept`])
  await daemon.kill9()
  await daemon.restart()
  assert.equal(await docker.ok(['start', '-a', container.id]), 'kept')
})

test('a read-only root takes no files', async () => {
  await using container = await sleeper('--read-only')
  writeFileSync(join(here, 'x'), 'x')
  assert.match(await docker.fails(['cp', join(here, 'x'), `${container.id}:/x`]), /marked read-only/)
  await using never = await created('--read-only', 'busybox', 'true')
  assert.match(await docker.fails(['cp', join(here, 'x'), `${never.id}:/x`]), /marked read-only/)
})

test('diff tells what was added, changed and taken away, and nothing that was not', async () => {
  await using quiet = await docker.container('busybox', 'true')
  await quiet.is('exited')
  assert.equal(await docker.ok(['diff', quiet.id]), '')
  await using container = await sleeper()
  await container.exec('sh', '-c', 'mkdir /made; echo 1 > /made/f; rm /bin/ls; echo >> /etc/passwd')
  assert.deepEqual((await docker.ok(['diff', container.id])).split('\n').sort(), [
    'A /made',
    'A /made/f',
    'C /bin',
    'C /etc',
    'C /etc/passwd',
    'D /bin/ls',
  ])
})

test('an export is all files of a container, without what is mounted', async () => {
  await using container = await sleeper('--tmpfs', '/scratch')
  await container.exec('sh', '-c', 'echo 1 > /note; echo 2 > /scratch/gone; rm /bin/ls')
  const file = join(here, 'all.tar')
  await docker.ok(['export', '--output', file, container.id])
  const names = (await run('tar', ['-tf', file])).stdout.split('\n')
  for (const name of ['note', 'bin/busybox', 'proc/', 'scratch/']) assert.ok(names.includes(name), name)
  for (const name of ['scratch/gone', 'bin/ls', 'proc/1/']) assert.ok(!names.includes(name), name)
  const imported = await docker.ok(['import', file, 'exported'])
  assert.equal(await docker.ok(['run', '--rm', 'exported', '/bin/cat', '/note']), '1')
  await docker.ok(['rmi', imported])
})

test('a commit is an image with what was written, changed and taken away', async () => {
  await using container = await sleeper('--env', 'A=1')
  await container.exec('sh', '-c', 'echo 1 > /new; rm /bin/ls; mkdir /d; echo x > /d/x')
  const id = await docker.ok([
    ...['commit', '--author', 'Ada', '--message', 'first', '--change', 'ENV B=2', '--change', 'CMD ["env"]'],
    ...[container.id, 'made:1'],
  ])
  assert.equal(await docker.inspect('made:1', '{{.Id}}'), id)
  const env = (await docker.ok(['run', '--rm', 'made:1'])).split('\n')
  assert.ok(env.includes('A=1') && env.includes('B=2'), env.join())
  assert.equal(await docker.ok(['run', '--rm', 'made:1', 'sh', '-c', 'cat /new; test ! -e /bin/ls']), '1')
  assert.equal(
    await docker.inspect('made:1', '{{.Author}} {{.Comment}} {{.Parent}}'),
    `Ada first ${await docker.inspect('busybox', '{{.Id}}')}`,
  )
  assert.match(
    await docker.ok(['history', '--format', '{{.CreatedBy}} {{.Comment}}', 'made:1']),
    /^sleep 1000 first\n/,
  )

  // On top of it, of a container that does not run: what was deleted stays deleted, what comes again is there again.
  await using second = await docker.container('made:1', 'sh', '-c', 'rm -r /d /new; mkdir /d; echo 2 > /d/y')
  await second.is('exited')
  await docker.ok(['commit', second.id, 'made:2'])
  assert.equal(
    await docker.ok(['run', '--rm', 'made:2', 'sh', '-c', 'ls /d; cat /d/y; ls /new 2>&1; true']),
    'y\n2\nls: /new: No such file or directory',
  )
  await docker.ok(['rmi', '-f', 'made:2', 'made:1'])
})

test('a container stands still while it is committed', async () => {
  await using container = await docker.container(
    'busybox',
    'sh',
    '-c',
    'while :; do date +%s%N > /a; cp /a /b; done',
  )
  await docker.ok(['commit', container.id, 'still'])
  assert.equal(await container.inspect('{{.State.Status}}'), 'running')
  await container.exec('true')
  await docker.ok(['rmi', 'still'])
  assert.match(await docker.fails(['commit', container.id, 'Not:Right']), /invalid reference format/)
  assert.match(
    await docker.fails(['commit', '--change', 'RUN true', container.id]),
    /not a valid change command/,
  )
})

test('a large file goes in and out, and the daemon holds no more of it than a piece', async () => {
  const bytes = 128 * MiB
  const file = join(here, 'large')
  await run('dd', ['if=/dev/urandom', `of=${file}`, 'bs=1M', `count=${bytes / MiB}`])
  await using container = await sleeper()
  const before = peakBytes(daemon.pid)
  await docker.ok(['cp', file, `${container.id}:/large`], { deadlineMs: 300_000 })
  await docker.ok(['cp', `${container.id}:/large`, join(here, 'back')], { deadlineMs: 300_000 })
  const grown = peakBytes(daemon.pid) - before
  await run('cmp', [file, join(here, 'back')])
  assert.ok(grown < 64 * MiB, `the daemon grew by ${Math.round(grown / MiB)} MiB`)
})

test('who hangs up leaves no process behind, and no sandbox', async () => {
  await using container = await sleeper()
  await container.exec('sh', '-c', 'dd if=/dev/zero of=/large bs=1M count=200 2>/dev/null')
  await using stopped = await created('busybox', 'true')
  const path = (id: string, what: string) => `/v1.41/containers/${id}/archive?path=${what}`
  await new Promise<void>((resolve) => {
    const reading = request({ socketPath: daemon.socket, path: path(container.id, '/large') }, (response) => {
      response.once('data', () => {
        response.destroy()
        resolve()
      })
    })
    reading.on('error', () => {})
    reading.end()
  })
  const writing = request({ socketPath: daemon.socket, method: 'PUT', path: path(stopped.id, '/') })
  writing.on('error', () => {})
  writing.write(tar({ name: 'x', data: Buffer.alloc(MiB) }).subarray(0, 300_000))
  const opened = await until('a sandbox for the copy', () => daemon.sandboxOf(stopped.id), patience)
  writing.destroy()
  await until('its end', () => daemon.sandboxes().every(({ pid }) => pid !== opened), patience)
  assert.equal(await container.exec('true'), '')
  await docker.ok(['start', '-a', stopped.id])
})

test('the sizes that are told are those of what was written', async () => {
  await using container = await created('busybox', 'true')
  const size = async () =>
    Number(await docker.ok(['inspect', '--size', '--format', '{{.SizeRw}}', container.id]))
  assert.equal(await size(), 0)
  writeFileSync(join(here, 'some'), Buffer.alloc(8 * MiB, 'x'))
  await docker.ok(['cp', join(here, 'some'), `${container.id}:/some`])
  await docker.ok(['start', '-a', container.id])
  await until('it to be written', async () => (await size()) >= 8 * MiB, patience)
  assert.ok((await size()) < 16 * MiB)
})
