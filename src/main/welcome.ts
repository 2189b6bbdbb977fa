/** What a person sees when the cloud is up: what it is, and what to type next. */
import pc from 'picocolors'
import type { Config } from './config.ts'

export function welcome(config: Config, cloud: { accelerator: 'kvm' | 'tcg'; hypervisor: string }): string {
  const lines = [
    '',
    `${pc.bold('Hummingbird is ready.')} Every container gets a microVM of its own (${cloud.hypervisor}, ${cloud.accelerator}).`,
    '',
    'In another terminal:',
    '',
    `    export DOCKER_HOST=unix://${config.socket}`,
    '    docker run --rm busybox echo hello from a microVM',
    '    docker run -d --name web -p 8080:80 nginx && curl http://127.0.0.1:8080/',
    '',
    'Stop with Ctrl-C: containers run on, and the next `npm start` finds them again.',
    '',
  ]
  if (cloud.accelerator === 'tcg') {
    lines.splice(
      2,
      0,
      pc.yellow(
        'No usable hardware virtualization (KVM): programs inside run in software emulation, 10 to 50 times',
      ),
      pc.yellow('slower than on the bare CPU. `hb doctor` says why, and what isolation rests on then.'),
      '',
    )
  }
  return `${lines.join('\n')}\n`
}
