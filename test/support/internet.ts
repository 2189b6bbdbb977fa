/** A namespace that plays the world outside of this host, with servers in it. Nothing else can be asked in a test. */
import { type ChildProcess, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { Rollback } from '../../src/lib/rollback.ts'
import { run } from '../../src/lib/spawn.ts'

/** Of a range that documentation has for itself, four addresses for each test file that runs. */
const base = 4 * (process.pid % 63)
const hostEnd = `203.0.113.${base + 1}`
const farEnd = base + 2

/** Tells who asked; a name server tells of one name, `there.example`, that it is the far end. */
const serverSource = `
require('net').createServer((socket) => socket.end('hello ' + socket.remoteAddress + '\\n'))
  .listen(7000, '0.0.0.0', () => {
    const names = require('dgram').createSocket('udp4')
    names.on('message', (query, from) => {
      const end = query.indexOf(0, 12) + 5
      const known = query.subarray(12, end - 5).includes('there') && query[end - 3] === 1
      const head = Buffer.from([query[0], query[1], 0x81, known ? 0x80 : 0x83, 0, 1, 0, known ? 1 : 0, 0, 0, 0, 0])
      const answer = Buffer.from([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 203, 0, 113, ${farEnd}])
      names.send(Buffer.concat([head, query.subarray(12, end), ...(known ? [answer] : [])]), from.port, from.address)
    })
    names.bind(53, '0.0.0.0', () => console.log('ready'))
  })`

export class Internet implements AsyncDisposable {
  readonly address = `203.0.113.${farEnd}`
  readonly hostEnd = hostEnd
  readonly #name = `tw${randomBytes(2).toString('hex')}`
  readonly #undo = new Rollback()

  /** Its servers: one on TCP port 7000 that says hello, a name server on UDP port 53. */
  static async open(): Promise<Internet> {
    const internet = new Internet()
    try {
      await internet.#build()
      return internet
    } catch (error) {
      await internet[Symbol.asyncDispose]()
      throw error
    }
  }

  async #build(): Promise<void> {
    const name = this.#name
    await run('ip', ['netns', 'add', name])
    this.#undo.add(() => run('ip', ['netns', 'delete', name]))
    await run('ip', ['link', 'add', name, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', name])
    await run('ip', ['addr', 'add', `${hostEnd}/30`, 'dev', name])
    await run('ip', ['link', 'set', name, 'up'])
    await run('ip', ['-n', name, 'addr', 'add', `${this.address}/30`, 'dev', 'eth0'])
    await run('ip', ['-n', name, 'link', 'set', 'eth0', 'up'])
    await run('ip', ['-n', name, 'link', 'set', 'lo', 'up'])
    const child = spawn('nsenter', [`--net=/run/netns/${name}`, process.execPath, '-e', serverSource], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    this.#undo.add(() => end(child))
    for await (const line of createInterface(child.stdout)) if (line === 'ready') return
    throw new Error('the servers of the internet ended')
  }

  /** What a server in a container answers to this world, over a connection from outside of the host. */
  async ask(host: string, port: number): Promise<string> {
    const source = `require('net').connect({ host: '${host}', port: ${port} }).pipe(process.stdout)`
    const { stdout } = await run(
      'nsenter',
      [`--net=/run/netns/${this.#name}`, process.execPath, '-e', source],
      {
        deadlineMs: 20_000,
      },
    )
    return stdout
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#undo[Symbol.asyncDispose]()
  }
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const ended = once(child, 'exit')
  child.kill('SIGKILL')
  await ended
}
