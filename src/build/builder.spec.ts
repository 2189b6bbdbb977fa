import assert from 'node:assert/strict'
import { test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { tar } from '../lib/support/tar.ts'
import { buildFixture, scope } from './support/fixture.ts'
import { resolve } from './tree.ts'

type Fixture = Awaited<ReturnType<typeof buildFixture>>

/** Kind, mode and owner of a path of an image, and its content. */
async function look({ images }: Fixture, id: string, path: string): Promise<string> {
  using files = await images.files(id)
  const { node } = resolve(files, path, { follow: false })
  if (!node) return 'nothing'
  const content =
    node.kind === 'file' ? Buffer.concat(await Array.fromAsync(files.content(node))).toString() : node.target
  return `${node.kind} ${node.mode.toString(8)} ${node.uid}:${node.gid} ${content}`.trim()
}

test('steps are told as by the classic builder, and the image has what they say', async (t) => {
  const fixture = await buildFixture(t)
  const { build, images, containers, base } = fixture
  containers.command = () => ({ out: 'said\n', layer: tar({ name: 'made', data: 'x' }) })
  const dockerfile = 'FROM base\nENV A=1 B="$A $PATH"\nWORKDIR /w/x\nCOPY f .\nRUN make $A\nCMD ["new"]\n'
  const { text, id } = await build(dockerfile, {
    files: [{ name: 'f', data: 'content', uid: 7 }],
    tags: ['t'],
  })
  const short = (text: string) => text.replaceAll(/\b[0-9a-f]{12}\b/g, 'ID')
  assert.equal(
    short(text),
    'Step 1/6 : FROM base\n ---> ID\nStep 2/6 : ENV A=1 B="$A $PATH"\n ---> ID\nStep 3/6 : WORKDIR /w/x\n ---> ID\n' +
      'Step 4/6 : COPY f .\n ---> ID\nStep 5/6 : RUN make $A\n ---> Running in ID\nsaid\nRemoving intermediate container ID\n' +
      ' ---> ID\nStep 6/6 : CMD ["new"]\n ---> ID\nSuccessfully built ID\nSuccessfully tagged t:latest\n',
  )
  assert.ok(text.includes(` ---> ${base.slice(7, 19)}\n`))
  const { config, history, layers } = await images.get(scope, 't')
  assert.deepEqual(
    [config.Env, config.WorkingDir, config.Cmd],
    [['PATH=/bin', 'A=1', 'B= /bin'], '/w/x', ['new']],
  )
  assert.equal(layers.length, 4)
  assert.match(history[3]!.createdBy, /^\/bin\/sh -c #\(nop\) COPY file:[0-9a-f]{64} in \/w\/x $/)
  assert.deepEqual(
    history.slice(1).map(({ createdBy, size }) => [createdBy.replace(/[0-9a-f]{64}/, 'HASH'), size]),
    [
      ['/bin/sh -c #(nop)  ENV A=1 B= /bin', 0],
      ['/bin/sh -c #(nop) WORKDIR /w/x', 0],
      ['/bin/sh -c #(nop) COPY file:HASH in /w/x ', 7],
      ['/bin/sh -c make $A', 1],
      ['/bin/sh -c #(nop)  CMD ["new"]', 0],
    ],
  )
  assert.equal(await look(fixture, id, '/w/x/f'), 'file 644 0:0 content')
  assert.equal(await look(fixture, id, '/made'), 'file 644 0:0 x')
  const [ran] = containers.ran
  assert.deepEqual([ran!.cmd, ran!.entrypoint, ran!.workingDir], [['/bin/sh', '-c', 'make $A'], [], '/w/x'])
  assert.deepEqual([containers.left, await fixture.temporary()], [0, []])
})

test('a step is used again as long as nothing it depends on has changed', async (t) => {
  const { build, containers, builder } = await buildFixture(t)
  containers.command = () => ({ layer: tar({ name: 'made', data: 'x' }) })
  const dockerfile = 'FROM base\nARG V=1\nCOPY a /\nRUN one\nLABEL x=y\n'
  const a = { files: [{ name: 'a', data: 'a' }] }
  const hits = (text: string) => text.split(' ---> Using cache\n').length - 1
  const first = await build(dockerfile, a)
  assert.equal(hits(first.text), 0)
  const second = await build(dockerfile, {
    files: [
      { ...a.files[0]!, mtime: 99 },
      { name: 'unused', data: '' },
    ],
  })
  assert.deepEqual([hits(second.text), second.id, containers.ran.length], [4, first.id, 1])
  assert.equal(hits((await build(dockerfile, { files: [{ name: 'a', data: 'b' }] })).text), 1)
  assert.equal(hits((await build(dockerfile, { ...a, args: { V: '2' } })).text), 2)
  assert.equal(hits((await build(`${dockerfile}CMD x`, a)).text), 4)
  assert.equal(hits((await build(dockerfile, { ...a, noCache: true })).text), 0)
  assert.equal(containers.ran.length, 4)
  // The steps of the last build took the places of those of the first.
  const { text } = await build(dockerfile, a)
  assert.equal(hits(text), 4)
  await builder.prune(scope, () => true)
  assert.equal(hits((await build(dockerfile, a)).text), 0)
})

test('a command that fails ends the build with its code, and is left to be looked at unless it is to go', async (t) => {
  const { build, containers, temporary } = await buildFixture(t)
  containers.command = () => ({ code: 3 })
  const failure = {
    kind: 'invalid',
    code: 'build_command_failed',
    message: "The command '/bin/sh -c exit 3' returned a non-zero code: 3",
    details: { exitCode: 3 },
  }
  await assert.rejects(build('FROM base\nRUN exit 3\nRUN never'), failure)
  assert.equal(containers.left, 1)
  await assert.rejects(build('FROM base\nRUN exit 3', { forceRemove: true }), failure)
  assert.deepEqual([containers.left, containers.ran.length, await temporary()], [1, 2, []])
})

test('who goes away, or cancels by name, ends the build, and no container of it stays', async (t) => {
  const { build, containers, builder, temporary } = await buildFixture(t)
  containers.command = () => 'for ever'
  const gone = new AbortController()
  containers.onStart = () => gone.abort()
  await assert.rejects(build('FROM base\nRUN sleep', { signal: gone.signal }))
  containers.onStart = () => builder.cancel(scope, 'mine')
  await assert.rejects(build('FROM base\nRUN sleep', { id: 'mine' }), { message: 'Build cancelled' })
  assert.deepEqual([containers.ran.length, containers.left, await temporary()], [2, 0, []])
})

test('arguments reach words and commands, and are not kept', async (t) => {
  const { build, containers, images } = await buildFixture(t)
  const { text, id } = await build(
    'ARG BASE=nosuch\nARG G=global\nFROM $BASE\nARG G\nARG D=default\nARG E\nENV E=env\nLABEL l=$G-$D-$E\nRUN x\n',
    { args: { BASE: 'base', D: 'given', E: 'lost', http_proxy: 'p', NOSUCH: '1' } },
  )
  assert.match(text, /\[Warning\] One or more build-args \[NOSUCH\] were not consumed\n/)
  const { config, history } = await images.get(scope, id)
  assert.deepEqual([config.Labels, config.Env], [{ l: 'global-given-env' }, ['PATH=/bin', 'E=env']])
  assert.equal(history.at(-1)!.createdBy, '|2 D=given G=global /bin/sh -c x')
  assert.deepEqual(containers.ran[0]!.env.toSorted(), [
    'D=given',
    'E=env',
    'G=global',
    'PATH=/bin',
    'http_proxy=p',
  ])
})

test('files are copied from stages and images, with their owners unless others are asked for', async (t) => {
  const fixture = await buildFixture(t)
  fixture.containers.command = () => ({
    layer: tar(
      { name: 'out/', type: '5', mode: 0o700, uid: 9 },
      { name: 'out/p', data: 'program', mode: 0o4755, uid: 9, gid: 8 },
      { name: 'out/again', type: '1', link: 'out/p' },
      { name: 'out/link', type: '2', link: '/out/p' },
    ),
  })
  const { id } = await fixture.build(
    'FROM base AS one\nRUN make\nFROM scratch\nCOPY --from=one /out /a\nCOPY --from=0 --chown=5:6 /out/link /b/\nCOPY --from=base /etc/p* /c/\n',
  )
  assert.equal(await look(fixture, id, '/a'), 'directory 755 0:0')
  assert.equal(await look(fixture, id, '/a/p'), 'file 4755 9:8 program')
  assert.equal(await look(fixture, id, '/a/again'), 'file 4755 9:8 program')
  assert.equal(await look(fixture, id, '/a/link'), 'symlink 644 0:0 /out/p')
  assert.equal(await look(fixture, id, '/b/link'), 'file 4755 5:6 program')
  assert.match(await look(fixture, id, '/c/passwd'), /^file 644 0:0 root/)
  const { images } = fixture
  using files = await images.files(id)
  const inode = (path: string) => resolve(files, path, { follow: false }).node!.inode
  assert.equal(inode('/a/p'), inode('/a/again'))
})

test('owners are found by name in the image, links of the image are followed, modes can be asked for', async (t) => {
  const fixture = await buildFixture(t)
  const files = [
    { name: 'd/', type: '5', mode: 0o750 },
    { name: 'd/f', data: 'f', uid: 3 },
    { name: 'd/sub/g', data: 'g' },
  ]
  const { id } = await fixture.build(
    'FROM base\nCOPY --chown=web d /new\nCOPY --chown=web:ops --chmod=0600 d/f /lib/x\nCOPY d/f d/sub/g /lib/\nCOPY d /lib\n',
    { files },
  )
  assert.equal(await look(fixture, id, '/new'), 'directory 755 33:44')
  assert.equal(await look(fixture, id, '/new/f'), 'file 644 33:44 f')
  assert.equal(await look(fixture, id, '/usr/lib/x'), 'file 600 33:55 f')
  assert.equal(await look(fixture, id, '/usr/lib/g'), 'file 644 0:0 g')
  assert.equal(await look(fixture, id, '/usr/lib/sub/g'), 'file 644 0:0 g')
  assert.equal(await look(fixture, id, '/lib'), 'symlink 644 0:0 usr/lib')
  const refused: [line: string, error: RegExp][] = [
    ['COPY --chown=nosuch d /x', /can't find uid for user nosuch: no such user: nosuch/],
    ['COPY --chown=web:nosuch d /x', /can't find gid for group nosuch/],
    ['COPY --chown=1:2:3 d /x', /invalid chown string format/],
    ['COPY --chmod=999 d /x', /invalid chmod parameter/],
    ['COPY d /bin/sh', /cannot copy to non-directory: \/bin\/sh/],
    ['COPY d/f /bin/sh/x', /mkdir \/bin\/sh: not a directory/],
    ['COPY ../x /', /forbidden path outside the build context: \.\.\/x/],
    [
      'COPY nosuch /',
      /file not found in build context or excluded by \.dockerignore: stat nosuch: file does not exist/,
    ],
    ['COPY d/no* /', /no source files were specified/],
    ['COPY d/f d/sub/g /x', /the destination must be a directory and end with a \//],
    ['COPY --from=1 d /x', /1 refers to current build stage|invalid from flag value 1/],
    ['ADD https://x/y /y', /the daemon fetches nothing/],
  ]
  for (const [line, error] of refused) {
    await assert.rejects(
      fixture.build(`FROM base\n${line}`, { files }),
      { kind: 'invalid', message: error },
      line,
    )
  }
})

test('ADD unpacks archives as they are packed, COPY does not', async (t) => {
  const fixture = await buildFixture(t)
  const archive = tar(
    { name: 'in/f', data: 'f', uid: 5, gid: 6, mode: 0o640 },
    { name: 'in/dev', type: '3', device: [1, 3] },
  )
  const files = [
    { name: 'a.tar', data: archive },
    { name: 'a.tgz', data: gzipSync(archive) },
    { name: 'b.gz', data: gzipSync('text') },
    { name: 'c.xz', data: Buffer.from([0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00, 1, 2, 3]) },
  ]
  const { id } = await fixture.build(
    'FROM scratch\nADD a.tar /t\nADD --chown=1:2 a.tgz /g/\nADD b.gz /b\nCOPY a.tar /copied\n',
    { files },
  )
  assert.equal(await look(fixture, id, '/t/in/f'), 'file 640 5:6 f')
  assert.match(await look(fixture, id, '/t/in/dev'), /^character/)
  assert.equal(await look(fixture, id, '/g/in/f'), 'file 640 1:2 f')
  assert.match(await look(fixture, id, '/b'), /^file/)
  assert.match(await look(fixture, id, '/copied'), /^file/)
  await assert.rejects(fixture.build('FROM scratch\nADD c.xz /', { files }), {
    message: /xz compression is not supported/,
  })
  assert.deepEqual(await fixture.temporary(), [])
})

test('an image hands its triggers on, once', async (t) => {
  const { build, images } = await buildFixture(t)
  await build('FROM base\nONBUILD LABEL was=triggered\nONBUILD COPY f /', { tags: ['parent'] })
  const { text, id } = await build('FROM parent\nLABEL x=y', { files: [{ name: 'f', data: '' }] })
  assert.match(text, /^Step 1\/2 : FROM parent\n# Executing 2 build triggers\n ---> /)
  const { config } = await images.get(scope, id)
  assert.deepEqual([config.Labels, config.OnBuild], [{ was: 'triggered', x: 'y' }, null])
})

test('labels and targets of the request, and a Dockerfile of another name', async (t) => {
  const { build, images } = await buildFixture(t)
  const { id } = await build('FROM nosuch', {
    files: [{ name: 'sub/My.df', data: 'FROM base AS a\nLABEL l=1\nFROM base AS b\nRUN never\n' }],
    dockerfile: 'sub/My.df',
    target: 'A',
    labels: { q: '$PATH "x"', r: "it's" },
  })
  assert.deepEqual((await images.get(scope, id)).labels, { l: '1', q: '$PATH "x"', r: "it's" })
  await assert.rejects(build('FROM base', { target: 'c' }), {
    message: 'failed to reach build target c in Dockerfile',
  })
  await assert.rejects(build('FROM base', { dockerfile: 'x' }), {
    message: 'Cannot locate specified Dockerfile: x',
  })
  await assert.rejects(build(''), { message: 'the Dockerfile (Dockerfile) cannot be empty' })
  await assert.rejects(build('FROM scratch'), {
    message: 'No image was generated. Is your Dockerfile empty?',
  })
})

test('what .dockerignore takes out is not copied, though the client sends it', async (t) => {
  const fixture = await buildFixture(t)
  const ignoring = (patterns: string) =>
    fixture.build('FROM scratch\nCOPY . /\n', { files: [{ name: '.dockerignore', data: patterns }] })
  assert.equal(await look(fixture, (await ignoring('Dockerfile')).id, '/Dockerfile'), 'nothing')
  assert.match(await look(fixture, (await ignoring('other')).id, '/Dockerfile'), /^file/)
})

test('images of steps go with what was made of them, and not while a build goes on with them', async (t) => {
  const { build, images, base, containers } = await buildFixture(t)
  const unused = { force: false, usedBy: () => [] }
  const dockerfile = 'FROM base\nLABEL a=1\nRUN x\n'
  const { id } = await build(dockerfile, { tags: ['t'] })
  const { parent } = await images.get(scope, id)
  await assert.rejects(images.remove(scope, parent, unused), {
    message: `conflict: unable to delete ${parent.slice(7, 19)} (cannot be forced) - image has dependent child images`,
  })
  const pruning = { danglingOnly: true, used: () => false, matches: () => true }
  assert.deepEqual((await images.prune(scope, pruning)).removed, [])
  const removed = await images.remove(scope, 't', unused)
  assert.deepEqual(removed, [{ untagged: 't:latest' }, { deleted: id }, { deleted: parent }])
  assert.deepEqual(
    (await images.list(scope)).map((image) => image.id),
    [base],
  )
  const pruned: unknown[] = []
  containers.onStart = () => void pruned.push(images.prune(scope, pruning))
  await build(dockerfile)
  assert.deepEqual(
    ((await Promise.all(pruned)) as { removed: unknown[] }[]).map((done) => done.removed),
    [[]],
  )
  assert.equal((await images.prune(scope, pruning)).removed.length, 2)
})

test('of steps no block images stay, and what needs one gets it again', async (t) => {
  const fixture = await buildFixture(t)
  const { build, images, containers } = fixture
  containers.command = () => ({ layer: tar({ name: `made${containers.ran.length}`, data: 'x' }) })
  const { id } = await build('FROM base\nRUN a\nWORKDIR /x\nRUN b\nCMD c\n', { tags: ['t'] })
  await fixture.builder.close()
  const blocks = () => fixture.blocks()
  // Of the base, of what WORKDIR looked into, and of the last.
  assert.equal((await blocks()).length, 3)
  await images.sweepSteps()
  assert.equal((await blocks()).length, 3)
  t.mock.timers.enable({ apis: ['Date'], now: Date.now() + 3_600_000 })
  await images.sweepSteps()
  assert.equal((await blocks()).length, 2)
  const { parent } = await images.get(scope, (await images.get(scope, id)).parent)
  await images.blockImage(parent)
  assert.equal((await blocks()).length, 3)
})

test('the next daemon takes away what a build had running', async (t) => {
  const { build, containers, reopen, temporary } = await buildFixture(t)
  containers.command = () => 'for ever'
  const started = new Promise<void>((resolve) => {
    containers.onStart = resolve
  })
  const gone = new AbortController()
  const building = build('FROM base\nRUN sleep', { signal: gone.signal })
  await started
  assert.equal((await temporary()).length, 2)
  await reopen()
  assert.deepEqual([containers.left, await temporary()], [0, []])
  gone.abort()
  await assert.rejects(building)
})
