/** A docker command with a terminal: script(1), which every Debian has, holds the other end of it. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { DockerCommand, Ended, Running } from '../../src/api/support/docker-command.ts'
import { until } from '../../src/lib/deadline.ts'
import { run } from '../../src/lib/spawn.ts'
import { minuteMs } from '../../src/lib/units.ts'

/** Tells which terminal it is, has its size, and becomes the command. */
const starter = 'tty > "$TERMINAL_NAME"; stty rows "$ROWS" cols "$COLS"; eval "exec $COMMAND"'

export class Terminal implements Disposable {
  readonly #running: Running
  readonly #directory = mkdtempSync(join(tmpdir(), 'hb-terminal-'))
  #seen = 0

  constructor(command: DockerCommand, args: readonly string[], size = { rows: 24, columns: 80 }) {
    this.#running = command.startProgram(
      'script',
      ['--quiet', '--return', '--command', starter, '/dev/null'],
      {
        SHELL: '/bin/sh',
        TERM: 'xterm',
        TERMINAL_NAME: join(this.#directory, 'name'),
        ROWS: String(size.rows),
        COLS: String(size.columns),
        COMMAND: [command.path, ...args].map((word) => `'${word.replaceAll("'", "'\\''")}'`).join(' '),
      },
    )
  }

  /** All that was on the screen until now. */
  get screen(): string {
    return this.#running.said()
  }

  type(text: string): void {
    this.#running.child.stdin!.write(text)
  }

  /** Waits until the text comes up after what was waited for before. */
  async shows(text: string | RegExp): Promise<void> {
    await until(
      `the terminal to show ${text}`,
      () => {
        const rest = this.screen.slice(this.#seen)
        const at = typeof text === 'string' ? rest.indexOf(text) : rest.search(text)
        if (at < 0) throw new Error(`it shows ${JSON.stringify(this.screen.slice(-400))}`)
        this.#seen += at + (typeof text === 'string' ? text.length : text.exec(rest)![0].length)
        return true
      },
      { deadlineMs: minuteMs, everyMs: 20 },
    )
  }

  /** As when the user pulls at the window's edge: the kernel tells docker. */
  async resize(rows: number, columns: number): Promise<void> {
    const name = readFileSync(join(this.#directory, 'name'), 'utf8').trim()
    await run('stty', ['-F', name, 'rows', String(rows), 'cols', String(columns)])
  }

  get ended(): Promise<Ended> {
    return this.#running.ended
  }

  [Symbol.dispose](): void {
    this.#running.child.kill('SIGKILL')
    rmSync(this.#directory, { recursive: true, force: true })
  }
}
