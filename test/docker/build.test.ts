/** Building images with the classic builder: every command in a microVM of its own, every step an image. */
import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after, test } from 'node:test'
import { until } from '../../src/lib/deadline.ts'
import { run } from '../../src/lib/spawn.ts'
import { MiB, minuteMs } from '../../src/lib/units.ts'
import { startCloud } from '../support/cloud.ts'
import { patience } from '../support/docker.ts'

const { daemon, docker } = await startCloud({ images: ['busybox', 'debian:12'] })
const root = mkdtempSync(join(tmpdir(), 'hb-build-test-'))
after(() => rmSync(root, { recursive: true }))

/** A new directory with a Dockerfile and other files. */
function context(dockerfile: string, files: Readonly<Record<string, string | Buffer>> = {}): string {
  const directory = mkdtempSync(join(root, 'context-'))
  for (const [name, content] of Object.entries({ ...files, Dockerfile: dockerfile })) {
    mkdirSync(dirname(join(directory, name)), { recursive: true })
    writeFileSync(join(directory, name), content)
  }
  return directory
}

const build = (directory: string, ...args: string[]) =>
  docker.ok(['build', ...args, directory], { deadlineMs: 5 * minuteMs })

test('an image is built, step by step, and runs as its Dockerfile says', async () => {
  const directory = context(
    `FROM busybox
ENV GREETING=hello WHO="the world"
WORKDIR /app/data
COPY greet.sh /app/
RUN echo "$GREETING from a microVM" > said && id -u > who
RUN echo staff:x:500:500::/:/bin/sh >> /etc/passwd; chown staff said
USER staff
RUN id -un; pwd; echo more >> said
CMD ["sh", "/app/greet.sh"]
`,
    { 'greet.sh': 'cat said; echo "$GREETING $WHO"; id -un\n' },
  )
  const said = await build(directory, '-t', 'greeter:1', '-t', 'greeter:two')
  assert.match(said, /^Step 1\/9 : FROM busybox$/m)
  assert.match(
    said,
    /^Step 8\/9 : RUN id -un; pwd; echo more >> said\n ---> Running in [0-9a-f]{12}\nstaff\n\/app\/data\n/m,
  )
  assert.match(said, /^Removing intermediate container [0-9a-f]{12}$/m)
  const id = /^Successfully built ([0-9a-f]{12})$/m.exec(said)![1]!
  assert.match(said, /^Successfully tagged greeter:1\nSuccessfully tagged greeter:two$/m)
  assert.equal(
    await docker.ok(['run', '--rm', 'greeter:1']),
    'hello from a microVM\nmore\nhello the world\nstaff',
  )
  assert.ok((await docker.inspect('greeter:two', '{{.Id}}')).startsWith(`sha256:${id}`))
  assert.equal(
    await docker.inspect('greeter:1', '{{.Config.User}} {{.Config.WorkingDir}}'),
    'staff /app/data',
  )
  assert.match(
    await docker.ok(['history', '--no-trunc', 'greeter:1']),
    /\/bin\/sh -c id -un; pwd; echo more >> said/,
  )
  assert.equal(await docker.ok(['ps', '-aq']), '')
})

test('what was done before is used again; a changed file is done anew, and so is all after it', async () => {
  const dockerfile = 'FROM busybox\nRUN echo first > /first\nCOPY f /\nRUN cat /f > /g\n'
  const hits = (said: string) => said.split(' ---> Using cache\n').length - 1
  const directory = context(dockerfile, { f: '1' })
  assert.equal(hits(await build(directory, '-t', 'cached')), 0)
  const first = await docker.inspect('cached', '{{.Id}}')
  assert.equal(hits(await build(directory, '-t', 'cached')), 3)
  assert.equal(await docker.inspect('cached', '{{.Id}}'), first)
  writeFileSync(join(directory, 'f'), '2')
  assert.equal(hits(await build(directory, '-t', 'cached')), 1)
  assert.equal(await docker.ok(['run', '--rm', 'cached', 'cat', '/g']), '2')
  assert.equal(hits(await build(directory, '--no-cache', '-q')), 0)
  // The cache is in the state store.
  await daemon.kill9()
  await daemon.launch()
  assert.equal(hits(await build(directory, '-t', 'cached')), 3)
  assert.match(await docker.ok(['system', 'df']), /^Build Cache +[1-9]\d* +\d+ +0B +0B$/m)
  await docker.ok(['builder', 'prune', '--all', '--force'])
  assert.equal(hits(await build(directory, '-t', 'cached')), 0)
})

test('a command that fails ends the build with its code, and its container can be looked at', async () => {
  const directory = context('FROM busybox\nRUN echo before > /before; exit 3\nRUN never\n')
  const failed = await docker.fails(['build', directory], 3)
  assert.match(
    failed,
    /The command '\/bin\/sh -c echo before > \/before; exit 3' returned a non-zero code: 3/,
  )
  const left = await docker.ok(['ps', '-aq', '--filter', 'exited=3'])
  await docker.ok(['commit', left, 'left'])
  assert.equal(await docker.ok(['run', '--rm', 'left', 'cat', '/before']), 'before')
  await docker.ok(['rm', left])
  await docker.fails(['build', '--force-rm', directory], 3)
  assert.equal(await docker.ok(['ps', '-aq']), '')
  const missing = await docker.fails(['build', context('FROM busybox\nRUN ["/nosuch"]\n'), '--force-rm'])
  assert.match(missing, /\/nosuch.*no such file or directory/)
  assert.match(
    await docker.fails(['build', context('FROM busybox\nFOO\n')]),
    /parse error line 2: unknown instruction: FOO/,
  )
})

test('stages take files of one another and of images; what was deleted stays deleted', async () => {
  const directory = context(
    `ARG BASE=nosuch
FROM $BASE AS compile
ARG VERSION=1
RUN mkdir /out; echo "program $VERSION" > /out/program; chmod 4755 /out/program; ln -s program /out/link; echo x > /out/drop
RUN rm /out/drop; rm -r /root; mkdir -p /root/new
FROM scratch AS result
COPY --from=compile / /
COPY --from=debian:12 /etc/debian_version /etc/
COPY --chown=12:34 --chmod=0640 f /chowned/
FROM result AS tests
RUN exit 9
`,
    { f: 'f' },
  )
  const args = ['--build-arg', 'BASE=busybox', '--build-arg', 'VERSION=7']
  await build(directory, ...args, '--target', 'result', '-t', 'staged', '--label', 'made=here')
  const listed = await docker.ok([
    'run',
    '--rm',
    'staged',
    '/bin/sh',
    '-c',
    'cat /out/program /etc/debian_version; ls /out /root; stat -c "%a %u:%g" /out/program /chowned /chowned/f; readlink /out/link',
  ])
  assert.match(
    listed,
    /^program 7\n12\.\d+\n\/out:\nlink\nprogram\n\n\/root:\nnew\n4755 0:0\n755 12:34\n640 12:34\nprogram$/,
  )
  assert.equal(await docker.inspect('staged', '{{json .Config.Labels}}'), '{"made":"here"}')
  assert.match(
    await docker.fails(['build', ...args, '--target', 'tests', directory, '--force-rm'], 9),
    /non-zero code: 9/,
  )
})

test('archives are unpacked by ADD, owners found by name in the image', async () => {
  const packed = context('', { 'in/a': 'a', 'in/b': 'b' })
  await run('tar', ['-C', packed, '-czf', join(packed, 'packed.tgz'), '--owner=7', '--group=8', 'in'])
  const directory = context(
    'FROM debian:12\nADD packed.tgz /x\nCOPY --chown=www-data:games f /y/\nRUN stat -c "%u:%g %n" /x/in/a /y/f\n',
    { 'packed.tgz': readFileSync(join(packed, 'packed.tgz')), f: '' },
  )
  const said = await build(directory)
  assert.match(said, /^7:8 \/x\/in\/a\n33:60 \/y\/f$/m)
})

test('who goes away in the middle of a build leaves no container', async () => {
  const directory = context('FROM busybox\nRUN echo sleeping; sleep 1000\n')
  const building = docker.start(['build', directory])
  await until(
    'the command to run',
    async () => (await docker.ok(['ps', '-q', '--filter', 'status=running'])) !== '',
    patience,
  )
  building.child.kill('SIGKILL')
  await building.ended
  await until('its container to go', async () => (await docker.ok(['ps', '-aq'])) === '', patience)
})

test('a daemon that is killed in the middle of a build leaves no container to the next one', async () => {
  const building = docker.start(['build', context('FROM busybox\nRUN echo sleeping; sleep 1000\n')])
  await until('the command to say so', () => building.said().includes('\nsleeping\n'), patience)
  await daemon.kill9()
  await building.ended
  await daemon.launch()
  assert.equal(await docker.ok(['ps', '-aq']), '')
})

test('images of steps are shown to who asks for all, and go with what was made of them', async () => {
  const ids = async (...args: string[]) => new Set((await docker.ok(['images', '-q', ...args])).split('\n'))
  await docker.ok(['image', 'prune', '--force'])
  const [shown, all] = [await ids(), await ids('-a')]
  await build(context('FROM busybox\nENV UNIQUE=1\nENV UNIQUE=2\n'), '-t', 'three-steps')
  assert.equal((await ids()).size, shown.size + 1)
  assert.equal((await ids('-a')).size, all.size + 2)
  assert.match(
    await docker.ok(['rmi', 'three-steps']),
    /^Untagged: three-steps:latest(\nDeleted: sha256:[0-9a-f]{64}){2}$/,
  )
  assert.deepEqual([await ids(), await ids('-a')], [shown, all])
  const parent = await docker.inspect('greeter:1', '{{.Parent}}')
  assert.match(await docker.fails(['rmi', parent]), /cannot be forced\) - image has dependent child images/)
})

test('a large context takes disk, not memory', async () => {
  const residentBytes = () =>
    Number(/VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${daemon.pid}/status`, 'utf8'))![1]) * 1024
  const dockerfile = 'FROM scratch\nCOPY . /\nCOPY big /again\n'
  const ofSize = (bytes: number) => context(dockerfile, { big: Buffer.alloc(bytes, 'some text ') })
  await build(ofSize(50 * MiB))
  const before = residentBytes()
  await build(ofSize(200 * MiB), '-t', 'large')
  const more = residentBytes() - before
  // Node lets some 64 MiB of buffers gather before it gives them back; 600 MiB went through here.
  assert.ok(more < 100 * MiB, `${more} bytes more`)
  assert.equal(await docker.inspect('large', '{{.Size}}'), String(2 * 200 * MiB + dockerfile.length))
})

test('commands of a build run without a network, in more memory, and with more hosts when they are asked to', async () => {
  const directory = context(
    'FROM busybox\nRUN ls /sys/class/net; grep added /etc/hosts; cat /proc/meminfo | grep MemTotal\n',
  )
  const said = await build(directory, '--network', 'none', '--add-host', 'added:1.2.3.4', '--memory', '1g')
  assert.match(said, /^lo\n1\.2\.3\.4\s+added$/m)
  assert.ok(Number(/MemTotal: +(\d+) kB/.exec(said)![1]) > 900_000)
})
