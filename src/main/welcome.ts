/** What a person sees when the cloud is up: what it is, and what to type next. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import pc from 'picocolors'
import type { Config } from './config.ts'

interface Running {
  readonly accelerator: 'kvm' | 'tcg'
  readonly hypervisor: string
}

export function welcome(config: Config, { accelerator, hypervisor }: Running, path: string): string {
  const emulated = [
    pc.yellow(
      'No usable hardware virtualization (KVM): programs inside run in software emulation, 10 to 50 times slower',
    ),
    pc.yellow('than on the bare CPU. `bin/hb doctor` says why, and what isolation rests on then.'),
    '',
  ]
  const missing = missingPackages(path)
  return [
    '',
    `${pc.bold('Hummingbird is ready.')} Every container gets a microVM of its own (${hypervisor}, ${accelerator}).`,
    '',
    ...(accelerator === 'tcg' ? emulated : []),
    'In another terminal:',
    '',
    ...(missing === ''
      ? []
      : [`    apt-get install -y ${missing}      # this machine has no such command yet`]),
    `    export DOCKER_HOST=unix://${config.socket}`,
    '    docker run --rm busybox echo hello from a microVM',
    '    docker run -d --name web -p 8080:80 nginx',
    '    curl --retry 9 --retry-connrefused http://127.0.0.1:8080/',
    '',
    'No way out to Docker Hub from here? The README has a first session that needs none.',
    'Stop with Ctrl-C: containers run on, and the next `npm start` finds them again.',
    '',
    '',
  ].join('\n')
}

/** Debian's packages of what is typed below and is not there yet. */
const missingPackages = (path: string): string =>
  [
    ['docker', 'docker.io'],
    ['curl', 'curl'],
  ]
    .filter(
      ([command]) => !path.split(':').some((directory) => directory && existsSync(join(directory, command!))),
    )
    .map(([, name]) => name)
    .join(' ')
