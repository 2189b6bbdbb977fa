/** The images that tests and benchmarks run: what is in each, and how it is configured. */

export interface Recipe {
  /** As it is pulled: `redis`, `python:3`. */
  readonly name: string
  readonly config: object
  /** Packages of Debian on top of its smallest system; `busybox`: that one program, and nothing of Debian. */
  readonly packages: readonly string[] | 'busybox'
  /** Run in the finished root, by its shell. */
  readonly finish?: string
  readonly compression?: 'gzip' | 'zstd'
}

const path = 'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'

/** `multi` and `zstd` are the same busybox in other forms: behind an index, and in another compression. */
export const recipes: readonly Recipe[] = [
  { name: 'busybox', packages: 'busybox', config: { Env: [path], Cmd: ['sh'] } },
  { name: 'busybox:zstd', packages: 'busybox', config: { Env: [path], Cmd: ['sh'] }, compression: 'zstd' },
  { name: 'debian:12', packages: [], config: { Env: [path], Cmd: ['bash'] } },
  {
    name: 'nginx',
    packages: ['nginx'],
    finish: 'ln -sf /dev/stdout /var/log/nginx/access.log; ln -sf /dev/stderr /var/log/nginx/error.log',
    config: {
      Env: [path],
      Cmd: ['nginx', '-g', 'daemon off;'],
      ExposedPorts: { '80/tcp': {} },
      StopSignal: 'SIGQUIT',
      Labels: { maintainer: 'tests' },
    },
  },
  {
    name: 'redis',
    packages: ['redis-server'],
    finish: 'mkdir /data; chown redis:redis /data',
    config: {
      Env: [path],
      Cmd: ['redis-server', '--protected-mode', 'no', '--save', '3600 1'],
      ExposedPorts: { '6379/tcp': {} },
      WorkingDir: '/data',
      User: 'redis',
    },
  },
  {
    name: 'python:3',
    // python3 itself, without its library of everything.
    packages: ['python3.11-minimal'],
    finish: 'ln -s python3.11 /usr/bin/python3',
    config: { Env: [path, 'LANG=C.UTF-8'], Cmd: ['python3'] },
  },
]

/** An index of two platforms, of which only one is this one. */
export const multiArchName = 'busybox:multi'
