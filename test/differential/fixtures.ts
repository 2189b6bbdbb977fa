/** What both daemons have before the first case: two images, and a container in each state. */

import { sha256 } from '../../src/images/support/registry.ts'
import { tar } from '../../src/lib/support/tar.ts'
import { busyboxLayer } from '../support/images/layers.ts'
import { type Step, setUp, step } from './case.ts'

/** As `docker save` writes it, so that both have the same image under the same ID. */
export async function busyboxArchive(): Promise<Buffer> {
  const layer = await busyboxLayer()
  const config = JSON.stringify({
    architecture: 'amd64',
    os: 'linux',
    created: '2024-01-02T03:04:05Z',
    config: { Env: ['PATH=/bin'], Cmd: ['sh'], Labels: { of: 'tests' } },
    rootfs: { type: 'layers', diff_ids: [sha256(layer)] },
    history: [{ created: '2024-01-02T03:04:05Z', created_by: 'tests' }],
  })
  const name = `${sha256(config).slice('sha256:'.length)}.json`
  const manifest = [{ Config: name, RepoTags: ['busybox:latest', 'busybox:second'], Layers: ['layer.tar'] }]
  return tar(
    { name, data: config },
    { name: 'layer.tar', data: layer },
    { name: 'manifest.json', data: JSON.stringify(manifest) },
  )
}

const sleeper = { Image: 'busybox', Cmd: ['sleep', '3600'], HostConfig: {} }
const made = (name: string, body: object = {}): Step =>
  setUp(
    `POST /containers/create?name=${name}`,
    { ...sleeper, Labels: { fixture: name }, ...body },
    { keep: name },
  )

/**
 * `up` runs, `held` is paused, `fresh` was never started, `over` has ended with 3, `tty` runs on a terminal; `twin-a…`
 * and the names beside it begin alike.
 */
export async function fixtures(): Promise<Step[]> {
  const load = setUp('POST /images/load?quiet=1', await busyboxArchive(), {
    headers: { 'Content-Type': 'application/x-tar' },
  })
  return [
    load,
    made('up'),
    setUp('POST /containers/up/start'),
    made('held'),
    setUp('POST /containers/held/start'),
    setUp('POST /containers/held/pause'),
    made('fresh'),
    made('over', { Cmd: ['sh', '-c', 'echo said; echo more >&2; exit 3'] }),
    setUp('POST /containers/over/start'),
    step('POST /containers/over/wait'),
    made('tty', { Tty: true, OpenStdin: true, Cmd: ['sh'] }),
    setUp('POST /containers/tty/start'),
    setUp('POST /containers/up/exec', { Cmd: ['true'] }, { keep: 'exec' }),
    setUp('POST /containers/up/exec', { Cmd: ['true'] }, { keep: 'done' }),
    setUp('POST /exec/{done}/start', { Detach: true }),
    step('GET /exec/{done}/json', undefined, {
      until: ({ Running, ExitCode }) => !Running && ExitCode === 0,
    }),
  ]
}
