/** Layers as tars: the one program of busybox, and what one root file system has that another has not. */
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { run } from '../../../src/lib/spawn.ts'
import { type TestEntry, tar } from '../../../src/lib/support/tar.ts'
import { minuteMs } from '../../../src/lib/units.ts'

const users = `root:x:0:0:root:/root:/bin/sh
daemon:x:1:1:daemon:/usr/sbin:/bin/false
www-data:x:33:33:www-data:/var/www:/bin/false
alice:x:1000:1000:Alice:/home/alice:/bin/sh
nobody:x:65534:65534:nobody:/home:/bin/false
`
const groups = `root:x:0:
daemon:x:1:
audio:x:29:alice
www-data:x:33:
staff:x:50:alice
alice:x:1000:
nogroup:x:65534:
`

/** The static busybox of Debian, a few users, and the folders that programs expect. */
export async function busyboxLayer(): Promise<Buffer> {
  const program = '/bin/busybox'
  const { stdout } = await run(program, ['--list'])
  const applets = stdout.split('\n').filter((name) => name && name !== 'busybox')
  const directory = (name: string, mode = 0o755, owner = 0): TestEntry => {
    return { name: `${name}/`, type: '5', mode, uid: owner, gid: owner }
  }
  return tar(
    ...['bin', 'dev', 'etc', 'home', 'proc', 'root', 'sys', 'usr', 'usr/bin', 'var', 'var/www'].map((name) =>
      directory(name),
    ),
    directory('tmp', 0o1777),
    directory('home/alice', 0o755, 1000),
    { name: 'bin/busybox', mode: 0o755, data: await readFile(program) },
    ...applets.map((name): TestEntry => ({ name: `bin/${name}`, type: '2', link: 'busybox', mode: 0o777 })),
    { name: 'etc/passwd', data: users },
    { name: 'etc/group', data: groups },
    { name: 'etc/not-executable', data: '#!/bin/sh\necho no\n' },
  )
}

/** Nobody reads manuals in a container, and lists of packages are stale when the image is made. */
const leftOut =
  /^(dev|proc|sys|run|tmp|var\/cache\/apt|var\/lib\/apt\/lists|usr\/share\/(doc|man|locale|info))\/|^var\/log\/(apt\/|[^/]+\.log$)|^var\/cache\/(ldconfig\/|.*\.(bin|old)$)/

/** Path → everything that a layer says of it but its content, of which size and time tell. */
async function listing(root: string): Promise<Map<string, string>> {
  const format = '%P\\t%y %m %U %G %s %T@ %l\\n'
  const { stdout } = await run('find', [root, '-xdev', '-mindepth', '1', '-printf', format])
  const lines = stdout.split('\n').filter(Boolean)
  const pairs = lines.map((line): [string, string] => {
    const at = line.indexOf('\t')
    const said = line.slice(at + 1)
    // A directory changes its size and time with what is in it.
    return [line.slice(0, at), said.startsWith('d') ? said.split(' ').slice(0, 4).join(' ') : said]
  })
  return new Map(pairs.filter(([path]) => !leftOut.test(path)))
}

/** `below`: the root it is on top of. Files are never removed by our packages, so there are no whiteouts. */
export async function layerOf(root: string, below: string | null, scratch: string): Promise<Buffer> {
  const [all, before] = await Promise.all([listing(root), below ? listing(below) : new Map<string, string>()])
  const removed = [...before.keys()].filter((path) => !all.has(path))
  if (removed.length > 0) throw new Error(`the packages removed ${removed.join(', ')}`)
  const changed = [...all].filter(([path, said]) => before.get(path) !== said).map(([path]) => path)
  const list = join(scratch, 'layer-files')
  const file = join(scratch, 'layer.tar')
  await writeFile(
    list,
    changed
      .sort()
      .map((path) => `${path}\0`)
      .join(''),
  )
  const options = [
    '--numeric-owner',
    '--no-recursion',
    '--null',
    '--verbatim-files-from',
    '--files-from',
    list,
  ]
  await run('tar', ['-C', root, ...options, '-cf', file], { deadlineMs: 2 * minuteMs })
  return readFile(file)
}
