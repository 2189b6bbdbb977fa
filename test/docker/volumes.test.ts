/** Volumes: what is written to them stays, whatever happens to containers and daemons, and they are seen as Docker shows them. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { installedDockers } from '../../src/api/support/docker-command.ts'
import { until } from '../../src/lib/deadline.ts'
import { tar } from '../../src/lib/support/tar.ts'
import { startCloud } from '../support/cloud.ts'
import { Docker, patience } from '../support/docker.ts'
import { busyboxLayer } from '../support/images/layers.ts'

const { daemon, docker } = await startCloud({ images: ['busybox'] })
const sh = (script: string) => ['busybox', 'sh', '-c', script]
const run = (...args: string[]) => docker.ok(['run', '--rm', ...args])
const volumes = async () => (await docker.ok(['volume', 'ls', '--quiet'])).split('\n').filter(Boolean)

/** /data of alice, with a file of hers, as a volume that the image declares. */
async function imageWithVolume(): Promise<void> {
  const data = tar(
    { name: 'data/', type: '5', mode: 0o750, uid: 1000, gid: 50 },
    { name: 'data/seed', data: 'of the image\n', mode: 0o640, uid: 1000, gid: 1000 },
    { name: 'data/deep/', type: '5', mode: 0o700, uid: 33, gid: 33 },
    { name: 'data/deep/link', type: '2', link: '../seed', mode: 0o777 },
  )
  const busybox = await busyboxLayer()
  // One archive: without the end of the first.
  const input = Buffer.concat([busybox.subarray(0, endOf(busybox)), data])
  await docker.ok(['import', '--change', 'VOLUME /data', '--change', 'ENV PATH=/bin', '-', 'seeded'], {
    input,
  })
}

function endOf(archive: Buffer): number {
  let end = archive.length
  while (end > 512 && archive.subarray(end - 512, end).every((byte) => byte === 0)) end -= 512
  return end
}

await imageWithVolume()

for (const client of installedDockers()) {
  test(`docker ${client.version} makes, lists, inspects and removes a volume`, async () => {
    using docker = new Docker(daemon.socket, client)
    const create = ['volume', 'create', '--label', 'tier=db', '--opt', 'size=1G', 'kept']
    assert.equal(await docker.ok(create), 'kept')
    assert.equal(await docker.ok(['volume', 'create', 'kept']), 'kept')
    assert.equal(
      await docker.ok([
        'volume',
        'inspect',
        '--format',
        '{{.Driver}} {{.Labels.tier}} {{.Options.size}} {{.Scope}}',
        'kept',
      ]),
      'local db 1G local',
    )
    assert.equal(await docker.ok(['volume', 'ls', '-q', '--filter', 'label=tier=db']), 'kept')
    const text = 'written by the first'
    await docker.ok(['run', '--rm', '-v', 'kept:/data', ...sh(`echo ${text} > /data/file`)])
    assert.equal(
      await docker.ok(['run', '--rm', '--mount', 'src=kept,dst=/other', 'busybox', 'cat', '/other/file']),
      text,
    )
    await using container = await docker.container('-v', 'kept:/data', 'busybox', 'sleep', '1000')
    assert.match(
      await docker.fails(['volume', 'rm', 'kept']),
      new RegExp(`remove kept: volume is in use - \\[${container.id}\\]`),
    )
    await docker.ok(['rm', '--force', container.id])
    assert.equal(await docker.ok(['volume', 'rm', 'kept']), 'kept')
    assert.match(await docker.fails(['volume', 'rm', 'kept']), /[Nn]o such volume/)
  })
}

test('what is written stays: over a stop, a kill of the daemon, a kill of the container, and its removal', async () => {
  const write = 'i=0; while :; do echo $((i += 1)) >> /data/lines; sleep 0.02; done'
  await using container = await docker.container('-v', 'lasting:/data', ...sh(write))
  const lines = async () => Number(await container.exec('sh', '-c', 'wc -l < /data/lines'))
  await until('some lines', async () => (await lines()) > 5, patience)
  await daemon.kill9()
  await daemon.launch()
  const before = await lines()
  await until('more lines', async () => (await lines()) > before, patience)
  // It is still had by the container that ran on.
  assert.match(
    await docker.fails(['run', '--rm', '-v', 'lasting:/data', 'busybox', 'true'], 125),
    /volume lasting is attached read-write to container/,
  )
  const ends: (() => Promise<unknown>)[] = [
    () => docker.ok(['stop', '-t', '0', container.id]),
    () => docker.ok(['kill', container.id]),
    () => docker.ok(['restart', '-t', '0', container.id]),
    () => docker.ok(['rm', '--force', container.id]),
  ]
  let least = 0
  for (const end of ends) {
    const seen = await lines()
    assert.ok(seen >= least, `${seen} lines, after there had been ${least}`)
    await end()
    const running = await docker.run(['inspect', '--format', '{{.State.Running}}', container.id])
    if (running.stdout.trim() === 'false') await docker.ok(['start', container.id])
    least = seen
  }
  const left = await run('-v', 'lasting:/data', ...sh('wc -l < /data/lines; tail -n 1 /data/lines'))
  const [count, last] = left.split('\n').map(Number)
  assert.ok(count! >= least, `${count} lines, after there had been ${least}`)
  assert.ok(last! > 0)
  await docker.ok(['volume', 'rm', 'lasting'])
})

test('a volume that an image declares is given what the image has there, with its owners', async () => {
  const list = 'stat -c "%n %u:%g %a" /data /data/seed /data/deep; cat /data/deep/link'
  const expected = ['/data 1000:50 750', '/data/seed 1000:1000 640', '/data/deep 33:33 700', 'of the image']
  assert.deepEqual((await run('seeded', 'sh', '-c', list)).split('\n'), expected)
  assert.deepEqual((await run('-v', 'filled:/data', 'seeded', 'sh', '-c', list)).split('\n'), expected)
  // What is in it counts, not what the image has.
  await run('-v', 'filled:/data', 'seeded', 'sh', '-c', 'rm -r /data/deep; echo mine > /data/seed')
  assert.equal(
    await run('-v', 'filled:/data', 'seeded', 'sh', '-c', 'cat /data/seed; ls /data'),
    'mine\nseed',
  )
  assert.equal(await run('-v', 'bare:/data:nocopy', 'seeded', 'ls', '/data'), '')
  assert.equal(await run('--mount', 'src=bare2,dst=/data,volume-nocopy', 'seeded', 'ls', '/data'), '')
  assert.equal(await run('-v', 'elsewhere:/mnt', 'seeded', 'ls', '/mnt'), '')
  await docker.ok(['volume', 'rm', 'filled', 'bare', 'bare2', 'elsewhere'])
})

test('anonymous volumes go with --rm and rm -v, and stay with rm', async () => {
  const before = await volumes()
  const added = async () => (await volumes()).filter((name) => !before.includes(name))
  await run('seeded', 'true')
  await run('-v', '/own', 'busybox', 'touch', '/own/file')
  assert.deepEqual(await added(), [])
  const id = await docker.ok(['create', '-v', '/own', '-v', 'named:/named', 'busybox', 'true'])
  const [anonymous] = (await added()).filter((name) => name !== 'named')
  assert.match(anonymous!, /^[0-9a-f]{64}$/)
  await docker.ok(['rm', id])
  assert.deepEqual((await added()).sort(), [anonymous, 'named'].sort())
  const again = await docker.ok(['create', '-v', `${anonymous}:/own`, '-v', '/more', 'busybox', 'true'])
  assert.equal((await added()).length, 3)
  await docker.ok(['rm', '-v', again])
  assert.deepEqual((await added()).sort(), [anonymous, 'named'].sort())
  assert.match(await docker.ok(['volume', 'prune', '--force']), new RegExp(anonymous!))
  await docker.ok(['volume', 'rm', 'named'])
  assert.deepEqual(await added(), [])
})

test('mounts are shown as dockerd shows them', async () => {
  const options = [
    ...['-v', 'shown:/data:ro', '-v', '/anonymous'],
    ...[
      '--mount',
      'type=volume,src=more,dst=/more,readonly',
      '--mount',
      'type=tmpfs,dst=/scratch,tmpfs-size=1m',
    ],
  ]
  const id = await docker.ok(['create', '--name', 'shown', ...options, 'busybox', 'true'])
  const mounts: Record<string, unknown>[] = JSON.parse(await docker.inspect(id, '{{json .Mounts}}'))
  const anonymous = mounts.find(({ Destination }) => Destination === '/anonymous')?.Name as string
  const volume = { Type: 'volume', Source: '', Driver: 'local', Propagation: '' }
  assert.deepEqual(mounts, [
    { ...volume, Name: 'shown', Destination: '/data', Mode: 'ro', RW: false },
    { ...volume, Name: 'more', Destination: '/more', Mode: 'z', RW: false },
    { ...volume, Name: anonymous, Destination: '/anonymous', Mode: '', RW: true },
    { Type: 'tmpfs', Source: '', Destination: '/scratch', Mode: '', RW: true, Propagation: '' },
  ])
  assert.equal(
    await docker.inspect(id, '{{.HostConfig.Binds}} {{.Config.Volumes}}'),
    '[shown:/data:ro] map[/anonymous:{}]',
  )
  const filter = (value: string) =>
    docker.ok(['ps', '--all', '--filter', `volume=${value}`, '--format', '{{.Names}} {{.Mounts}}'])
  assert.match(await filter('shown'), /^shown shown,more,[0-9a-f]+…,$|^shown shown,more,[0-9a-f]+…$/)
  assert.match(await filter('/more'), /^shown /)
  assert.equal(await filter('show'), '')
  const ls = (...filters: string[]) =>
    docker.ok(['volume', 'ls', '-q', ...filters.flatMap((one) => ['--filter', one])])
  assert.equal(await ls('dangling=true', 'name=shown'), '')
  assert.equal(await ls('dangling=false', 'name=^sho'), 'shown')
  const df = await docker.ok(['system', 'df', '-v', '--format', '{{json .Volumes}}'])
  const [told] = JSON.parse(df).filter(({ Name }: { Name: string }) => Name === 'shown')
  assert.equal(told.Links, '1')
  await docker.ok(['rm', '-v', id])
  await docker.ok(['volume', 'rm', 'shown', 'more'])
})

test('what makes no sense, or is of a host, is refused in the words of dockerd', async () => {
  const refused: [args: string[], message: RegExp][] = [
    [['-v', '/etc:/x'], /sees no files of a host/],
    [['--mount', 'type=bind,src=/etc,dst=/x'], /sees no files of a host/],
    [['-v', 'data:/x:often'], /invalid mode: often/],
    [['-v', 'data:/'], /destination can't be '\/'/],
    [['--mount', 'src=d,dst=/x'], /volume name is too short/],
    [['-v', 'one:/x', '-v', 'two:/x'], /Duplicate mount point: \/x/],
    [['-v', 'one:/x', '--tmpfs', '/x'], /Duplicate mount point: \/x/],
    [['--volumes-from', 'nosuch'], /No such container: nosuch/],
    [['--mount', 'src=data,dst=/x,volume-opt=type=nfs'], /the option "type" is not possible/],
    [['--mount', 'src=data,dst=/x,volume-opt=size=9T'], /the size of volume data cannot be 9 TiB: it can be/],
  ]
  const before = [await volumes(), await docker.ok(['ps', '--all', '--quiet'])]
  for (const [args, message] of refused) {
    assert.match(await docker.fails(['create', ...args, 'busybox', 'true']), message, args.join(' '))
  }
  assert.match(
    await docker.fails(['volume', 'create', '--opt', 'o=bind', 'x1']),
    /the option "o" is not possible/,
  )
  assert.match(await docker.fails(['volume', 'create', '-d', 'nfs', 'x1']), /plugin "nfs" not found/)
  const known = ['one', 'data']
  assert.deepEqual(
    (await volumes()).filter((name) => !known.includes(name)),
    before[0],
  )
  assert.equal(await docker.ok(['ps', '--all', '--quiet']), before[1])
  await docker.run(['volume', 'rm', '--force', ...known])
})

test('a volume holds what its size says, and not more', async () => {
  await docker.ok(['volume', 'create', '--opt', 'size=20m', 'small'])
  const fill = 'dd if=/dev/zero of=/data/zeros bs=1M count=100 2>&1; stat -c %s /data/zeros'
  const said = await run('-v', 'small:/data', ...sh(fill))
  assert.match(said, /No space left on device/)
  const written = Number(said.split('\n').at(-1))
  assert.ok(written > 8 << 20 && written < 20 << 20, String(written))
  await docker.ok(['volume', 'rm', 'small'])
})

test('what happens to volumes is told', async () => {
  const since = String(Math.floor(Date.now() / 1000))
  const id = await docker.ok(['create', '-v', 'told:/data', 'busybox', 'true'])
  await docker.ok(['start', '--attach', id])
  await docker.ok(['rm', id])
  await docker.ok(['volume', 'rm', 'told'])
  const until = String(Math.ceil(Date.now() / 1000) + 1)
  const events = ['events', '--since', since, '--until', until, '--filter', 'volume=told']
  const format = '{{.Action}} {{.Actor.Attributes.driver}} {{.Actor.Attributes.destination}}'
  assert.deepEqual((await docker.ok([...events, '--format', format])).split('\n'), [
    ...[
      'create local <no value>',
      'mount local /data',
      'unmount local <no value>',
      'destroy local <no value>',
    ],
  ])
})
