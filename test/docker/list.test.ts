/** `docker ps`: what is listed, how, and every filter. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startCloud } from '../support/cloud.ts'

const { docker } = await startCloud({ images: ['busybox'] })

// Five containers in different states, that every test looks at.
await docker.ok(['tag', 'busybox', 'other:1'])
const first = await docker.container(
  '--name',
  'first',
  '--label',
  'tier=web',
  '-l',
  'color=red',
  'busybox',
  'sleep',
  '1000',
)
const second = await docker.container(
  '--name',
  'second',
  '--label',
  'tier=db',
  '--expose',
  '5432',
  'other:1',
  'sleep',
  '1000',
)
await docker.run(['run', '--name', 'failed', 'busybox', 'sh', '-c', 'exit 3'])
await docker.ok(['create', '--name', 'made', '--label', 'tier=web', '--network', 'none', 'busybox', 'true'])
const third = await docker.container('--name', 'third', '-p', '127.0.0.1:0:8080', 'busybox', 'sleep', '1000')
await docker.ok(['pause', 'third'])

const names = async (...args: string[]) =>
  (await docker.ok(['ps', '--format', '{{.Names}}', ...args])).split('\n').join(' ')
const filter = (text: string, ...args: string[]) => names('--all', '--filter', text, ...args)

test('running containers are listed, newest first, and with -a all of them', async () => {
  assert.equal(await names(), 'third second first')
  assert.equal(await names('--all'), 'third made failed second first')
})

test('the latest ones can be asked for', async () => {
  assert.equal(await names('--latest'), 'third')
  assert.equal(await names('--last', '3'), 'third made failed')
})

test('a line tells id, image, command, age, state, ports and name', async () => {
  const format =
    '{{.ID}}|{{.Image}}|{{.Command}}|{{.RunningFor}}|{{.Status}}|{{.Ports}}|{{.Names}}|{{.State}}'
  const lines = (await docker.ok(['ps', '--all', '--format', format])).split('\n')
  assert.match(
    lines[0]!,
    /^[0-9a-f]{12}\|busybox\|"sleep 1000"\|.* ago\|Up .* \(Paused\)\|127\.0\.0\.1:\d+->8080\/tcp\|third\|paused$/,
  )
  assert.match(lines[1]!, /\|Created\|\|made\|created$/)
  assert.match(lines[2]!, /\|"sh -c 'exit 3'"\|.*\|Exited \(3\) .* ago\|\|failed\|exited$/)
  assert.match(lines[3]!, /\|other:1\|.*\|Up .*\|5432\/tcp\|second\|running$/)
  assert.match(
    lines[4]!,
    /\|Up (Less than a second|\d+ seconds?|About a minute|\d+ minutes)\|\|first\|running$/,
  )
  assert.equal(await docker.ok(['ps', '--quiet', '--no-trunc', '--filter', 'name=first']), first.id)
  assert.match(
    await docker.ok(['ps', '--size', '--filter', 'name=first', '--format', '{{.Size}}']),
    /B \(virtual [\d.]+MB\)$/,
  )
})

test('they are filtered by name and id', async () => {
  assert.equal(await filter('name=ir'), 'third first')
  assert.equal(await filter('name=^/?first$'), 'first')
  assert.equal(await filter('name=nosuch'), '')
  assert.equal(await filter(`id=${second.id.slice(0, 10)}`), 'second')
})

test('they are filtered by label', async () => {
  assert.equal(await filter('label=tier'), 'made second first')
  assert.equal(await filter('label=tier=web'), 'made first')
  assert.equal(await filter('label=tier=web', '--filter', 'label=color=red'), 'first')
  assert.equal(await names('--filter', 'label=tier=web'), 'first')
})

test('they are filtered by state and exit code', async () => {
  assert.equal(await names('--filter', 'status=exited'), 'failed')
  assert.equal(await filter('status=created', '--filter', 'status=paused'), 'third made')
  assert.equal(await filter('status=running'), 'second first')
  assert.equal(await filter('exited=3'), 'failed')
  assert.equal(await filter('exited=0'), '')
  assert.match(
    await docker.fails(['ps', '--filter', 'status=asleep']),
    /invalid filter 'status=asleep'|Invalid filter/i,
  )
})

test('they are filtered by the image they come from', async () => {
  assert.equal(await filter('ancestor=other:1'), 'third made failed second first')
  assert.equal(await filter('ancestor=nosuch'), '')
})

test('they are filtered by age', async () => {
  assert.equal(await filter('before=failed'), 'second first')
  assert.equal(await filter('since=failed'), 'third made')
  assert.match(await docker.fails(['ps', '--filter', 'since=nosuch']), /No such container: nosuch/)
})

test('they are filtered by network and port', async () => {
  assert.equal(await filter('network=none'), 'made')
  assert.equal(await filter('network=bridge'), 'third failed second first')
  assert.equal(await filter('publish=8080'), 'third')
  assert.equal(await filter('publish=8000-9000/tcp'), 'third')
  assert.equal(await filter('expose=5432'), 'second')
  assert.equal(await filter('expose=5000-6000'), 'second')
})

test('filters that no container here can meet, and some that none exist', async () => {
  assert.equal(await filter('health=healthy'), '')
  assert.equal(await filter('health=none', '--filter', 'name=first'), 'first')
  assert.equal(await filter('volume=data'), '')
  // Of Windows: elsewhere dockerd does not look at it.
  assert.equal(await filter('isolation=hyperv'), 'third made failed second first')
  assert.match(await docker.fails(['ps', '--filter', 'nosuch=1']), /[Ii]nvalid filter '?nosuch/)
})

test('ids may be shortened as long as they are of one', async () => {
  assert.equal(await docker.inspect(third.id.slice(0, 8), '{{.Name}}'), '/third')
  assert.match(await docker.fails(['inspect', '--type', 'container', 'nosuch']), /No such container: nosuch/)
})
