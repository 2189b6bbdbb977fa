/** Images that come and go as files, and to a registry one may write to. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { Rollback } from '../../src/lib/rollback.ts'
import { run } from '../../src/lib/spawn.ts'
import { tar } from '../../src/lib/support/tar.ts'
import { startCloud } from '../support/cloud.ts'
import { emptyRegistry } from '../support/registry.ts'

const { docker, registry } = await startCloud({ images: ['busybox', 'debian:12'] })
const directory = mkdtempSync(join(tmpdir(), 'hb-archives-'))
after(() => rmSync(directory, { recursive: true }))

test('an image that was saved and removed is the same when it is loaded', async () => {
  const file = join(directory, 'saved.tar')
  await docker.ok(['tag', 'debian:12', 'saved:1'])
  const id = await docker.inspect('saved:1', '{{.Id}}')
  await docker.ok(['save', '--output', file, 'saved:1'])
  await docker.ok(['rmi', '--force', 'saved:1', 'debian:12'])
  assert.match(await docker.fails(['inspect', 'saved:1']), /No such object/)
  assert.match(await docker.ok(['load', '--input', file]), /^Loaded image: saved:1$/m)
  assert.equal(await docker.inspect('saved:1', '{{.Id}}'), id)
  assert.equal(
    await docker.ok(['run', '--rm', 'saved:1', 'cat', '/etc/debian_version']).then((v) => v.split('.')[0]),
    '12',
  )
  await docker.ok(['tag', 'saved:1', 'debian:12'])
  await docker.ok(['rmi', 'saved:1'])
})

test('several images are saved into one archive, and loaded from standard input', async () => {
  await docker.ok(['tag', 'busybox', 'one:1'])
  await docker.ok(['tag', 'debian:12', 'two:1'])
  const file = join(directory, 'several.tar')
  await docker.ok(['save', '--output', file, 'one:1', 'two:1'])
  await docker.ok(['rmi', 'one:1', 'two:1'])
  const loaded = await run('sh', ['-c', `exec "$0" load < "$1"`, docker.command.path, file], {
    env: { ...docker.command.environment },
  })
  assert.match(loaded.stdout, /Loaded image: one:1/)
  assert.match(loaded.stdout, /Loaded image: two:1/)
  await docker.ok(['rmi', 'one:1', 'two:1'])
})

test('what skopeo writes from a registry can be loaded, and what is saved it reads', async () => {
  const oci = join(directory, 'skopeo.tar')
  const source = `docker://${registry.host}/busybox`
  await run('skopeo', [
    'copy',
    '--quiet',
    '--src-tls-verify=false',
    source,
    `docker-archive:${oci}:from-skopeo:1`,
  ])
  assert.match(await docker.ok(['load', '--input', oci]), /^Loaded image: from-skopeo:1$/m)
  assert.equal(await docker.ok(['run', '--rm', 'from-skopeo:1', 'echo', 'loaded']), 'loaded')
  const saved = join(directory, 'for-skopeo.tar')
  await docker.ok(['save', '--output', saved, 'from-skopeo:1'])
  const { stdout } = await run('skopeo', ['inspect', `docker-archive:${saved}`])
  assert.equal(JSON.parse(stdout).Architecture, 'amd64')
  await docker.ok(['rmi', 'from-skopeo:1'])
})

test('an OCI archive can be loaded', async () => {
  const oci = join(directory, 'oci.tar')
  const source = `docker://${registry.host}/busybox`
  await run('skopeo', ['copy', '--quiet', '--src-tls-verify=false', source, `oci-archive:${oci}:oci:1`])
  const said = await docker.ok(['load', '--input', oci])
  assert.match(said, /^Loaded image(:| ID:) /m)
})

test('a root file system is imported, with changes to its configuration', async () => {
  const { stdout: program } = await run('sh', ['-c', 'base64 -w0 /bin/busybox'])
  const root = tar(
    { name: 'bin/', type: '5', mode: 0o755 },
    { name: 'bin/busybox', mode: 0o755, data: Buffer.from(program, 'base64') },
    { name: 'greeting', data: 'hello from a tar\n' },
  )
  const file = join(directory, 'root.tar')
  writeFileSync(file, root)
  const changes = ['--change', 'CMD ["/bin/busybox", "cat", "/greeting"]', '--change', 'ENV KIND=imported']
  const id = await docker.ok(['import', ...changes, '--message', 'by a test', file, 'imported:1'])
  assert.match(id, /^sha256:[0-9a-f]{64}$/)
  assert.equal(await docker.ok(['run', '--rm', 'imported:1']), 'hello from a tar')
  assert.match(await docker.inspect('imported:1', '{{.Config.Env}}'), /KIND=imported/)
  assert.match(await docker.ok(['history', '--format', '{{.Comment}}', 'imported:1']), /by a test/)
  const piped = await docker.ok(['import', '-', 'imported:2'], { input: root })
  assert.match(piped, /^sha256:/)
  await docker.ok(['rmi', 'imported:1', 'imported:2'])
})

test('what is no archive is refused, and nothing of it is kept', async () => {
  const before = await docker.ok(['images', '--quiet', '--all'])
  const bad = join(directory, 'bad.tar')
  writeFileSync(bad, 'this is no archive, only a text that is long enough to be looked at\n'.repeat(30))
  assert.notEqual((await docker.run(['load', '--input', bad])).code, 0)
  assert.notEqual((await docker.run(['import', bad, 'bad:1'])).code, 0)
  assert.equal(await docker.ok(['images', '--quiet', '--all']), before)
})

test('an image is pushed to a registry, and comes back by the digest it got there', async () => {
  await using undo = new Rollback()
  const { host } = await emptyRegistry(undo)
  await docker.ok(['tag', 'busybox', `${host}/team/pushed:1`])
  const said = await docker.ok(['push', `${host}/team/pushed:1`])
  const digest = /^1: digest: (sha256:[0-9a-f]{64}) size: \d+$/m.exec(said)?.[1]
  assert.ok(digest, said)
  await docker.ok(['rmi', `${host}/team/pushed:1`])
  assert.match(await docker.ok(['pull', `${host}/team/pushed@${digest}`]), new RegExp(digest))
  const ran = await docker.ok(['run', '--rm', `${host}/team/pushed@${digest}`, 'echo', 'back'])
  assert.equal(ran, 'back')
  await docker.ok(['rmi', `${host}/team/pushed@${digest}`])
})

test('an archive has the size of what is in it', async () => {
  const file = join(directory, 'size.tar')
  await docker.ok(['save', '--output', file, 'busybox'])
  const size = Number(await docker.inspect('busybox', '{{.Size}}'))
  assert.ok(statSync(file).size > size / 4 && statSync(file).size < size * 2)
})
