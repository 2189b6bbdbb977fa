/** Containers and execs with a terminal, driven through a real one. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { until } from '../../src/lib/deadline.ts'
import { startCloud } from '../support/cloud.ts'
import { patience } from '../support/docker.ts'
import type { Terminal } from '../support/terminal.ts'

const { docker } = await startCloud({ images: ['busybox'] })
const interactive = ['run', '--rm', '-it', 'busybox', 'sh']
const detachKeys = '\x10\x11'

/** Docker tells the size after the program has begun, so a program may see another one first. */
async function hasSize(terminal: Terminal, size: string): Promise<void> {
  await until(
    `the program's terminal to be ${size}`,
    async () => {
      terminal.type('stty size; echo asked\n')
      // Not what was typed: a shell that learns of a new size meanwhile draws its line again, in pieces.
      await terminal.shows('\nasked\r\n')
      return terminal.screen.includes(`\n${size}\r\n`)
    },
    patience,
  )
}

test('with -t a program has a terminal, whose lines end as those of terminals do', async () => {
  const { code, stdout } = await docker.run([
    'run',
    '--rm',
    '-t',
    'busybox',
    'sh',
    '-c',
    'tty; echo $TERM; echo err >&2',
  ])
  assert.deepEqual([code, stdout], [0, '/dev/pts/0\r\nxterm\r\nerr\r\n'])
  const without = await docker.run(['run', '--rm', 'busybox', 'tty'])
  assert.deepEqual([without.code, without.stdout], [1, 'not a tty\n'])
})

test('a terminal as input is asked for, and a pipe refused', async () => {
  assert.match(await docker.fails(interactive), /the input device is not a TTY/)
})

test('one types to a shell, and it ends with the code it is told', async () => {
  using terminal = docker.terminal(interactive)
  await terminal.shows('/ # ')
  terminal.type('echo $((40 + 2)); hostname\n')
  await terminal.shows(/\r\n42\r\n[0-9a-f]{12}\r\n/)
  terminal.type('exit 3\n')
  assert.equal((await terminal.ended).code, 3)
})

test('the terminal has the size of the window, and follows it', async () => {
  using terminal = docker.terminal(interactive, { rows: 33, columns: 101 })
  await terminal.shows('/ # ')
  await hasSize(terminal, '33 101')
  await terminal.resize(50, 120)
  await hasSize(terminal, '50 120')
  terminal.type('exit\n')
  assert.equal((await terminal.ended).code, 0)
})

test('ctrl-c interrupts the program in front, not the shell, and ctrl-d ends it', async () => {
  using terminal = docker.terminal(interactive)
  await terminal.shows('/ # ')
  // While the shell edits a line the terminal is not as cat has it.
  terminal.type('echo up; cat\n')
  await terminal.shows('\nup\r\n')
  terminal.type('echoed\n')
  await terminal.shows('echoed\r\nechoed\r\n')
  terminal.type('\x03')
  await terminal.shows('/ # ')
  terminal.type('echo code $?\n')
  await terminal.shows('code 130')
  // An end typed between two lines is forgotten.
  await terminal.shows('/ # ')
  terminal.type('\x04')
  assert.equal((await terminal.ended).code, 0)
})

test('one detaches by ctrl-p ctrl-q, the program runs on, and one attaches again', async () => {
  using first = docker.terminal(['run', '-it', '--name', 'detached', 'busybox', 'sh'])
  await first.shows('/ # ')
  first.type('kept=yes\n')
  await first.shows('/ # ')
  first.type(detachKeys)
  assert.equal((await first.ended).code, 0)
  assert.equal(await docker.inspect('detached', '{{.State.Running}}'), 'true')
  using second = docker.terminal(['attach', 'detached'])
  // The shell does not know that somebody else looks now.
  second.type('\n')
  await second.shows('/ # ')
  second.type('echo kept=$kept\n')
  await second.shows('\nkept=yes')
  second.type('exit 4\n')
  assert.equal((await second.ended).code, 4)
  await docker.ok(['rm', 'detached'])
})

test('the keys to detach by can be chosen', async () => {
  using terminal = docker.terminal([
    'run',
    '-it',
    '--name',
    'chosen',
    '--detach-keys',
    'ctrl-x,x',
    'busybox',
    'sh',
  ])
  await terminal.shows('/ # ')
  terminal.type('\x18x')
  assert.equal((await terminal.ended).code, 0)
  assert.equal(await docker.inspect('chosen', '{{.State.Running}}'), 'true')
  await docker.ok(['rm', '--force', 'chosen'])
})

test('two who are attached see the same, and both may type', async () => {
  await using container = await docker.container('-it', 'busybox', 'sh')
  using one = docker.terminal(['attach', container.id])
  using two = docker.terminal(['attach', container.id])
  one.type('\n')
  await one.shows('/ # ')
  await two.shows('/ # ')
  two.type('echo from-$((1 + 1))\n')
  await one.shows('from-2')
  await two.shows('from-2')
})

test('an exec has a terminal of its own', async () => {
  await using container = await docker.container('busybox', 'sleep', '1000')
  using terminal = docker.terminal(['exec', '-it', '-e', 'PS1=exec> ', container.id, 'sh'], {
    rows: 30,
    columns: 90,
  })
  await terminal.shows('exec> ')
  await hasSize(terminal, '30 90')
  await terminal.resize(31, 91)
  await hasSize(terminal, '31 91')
  terminal.type('exit 6\n')
  assert.equal((await terminal.ended).code, 6)
  using other = docker.terminal(['exec', '-it', container.id, 'sh'])
  await other.shows('# ')
  other.type(detachKeys)
  // So says docker of an exec, where of a run it says nothing.
  await other.shows('read escape sequence')
})

test('what was on the terminal is in the log', async () => {
  await using container = await docker.container('-t', 'busybox', 'sh', '-c', 'echo on the terminal; tty')
  assert.equal(await docker.ok(['wait', container.id]), '0')
  assert.equal(await container.logs(), 'on the terminal\r\n/dev/pts/0\r')
})
