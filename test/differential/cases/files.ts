/** Files of containers: archive, changes, export, commit. */
import { tar } from '../../../src/lib/support/tar.ts'
import { type Case, create, each, one, setUp, step, story } from '../case.ts'

const tarType = { 'Content-Type': 'application/x-tar' }
const archive = tar({ name: 'new', data: 'text' })
const putTo = (path: string, query: string, body: unknown = archive, note = '(a tar)') =>
  one(`PUT /containers/${path}/archive?${query}`, body, { headers: tarType, note })
const paths = [
  '',
  'path=',
  'path=/no/such',
  'path=/etc/passwd/x',
  'path=/etc/passwd',
  'path=/etc',
  'path=etc/passwd',
  'path=/etc/../etc/passwd',
  'path=/',
  'path=/bin/sh',
]

export const fileCases: readonly Case[] = [
  ...['up', 'fresh'].flatMap((name) =>
    paths.flatMap((path) => [
      one(`HEAD /containers/${name}/archive?${path}`),
      one(`GET /containers/${name}/archive?${path}`, undefined, { firstBytes: 1 }),
    ]),
  ),
  one('GET /containers/nobody/archive?path=/'),
  one('HEAD /containers/nobody/archive?path=/'),
  one('GET /containers/held/archive?path=/etc/passwd', undefined, { firstBytes: 1 }),
  one('GET /containers/over/archive?path=/etc/passwd', undefined, { firstBytes: 1 }),
  putTo('nobody', 'path=/'),
  putTo('fresh', ''),
  putTo('fresh', 'path=/no/such'),
  putTo('fresh', 'path=/etc/passwd'),
  putTo('fresh', 'path=/tmp', 'this is no tar', '(no tar)'),
  putTo('fresh', 'path=/tmp', '', '(nothing)'),
  story(
    'files put into a container',
    create(),
    step('PUT /containers/{c}/archive?path=/tmp', archive, { headers: tarType }),
    step('GET /containers/{c}/archive?path=/tmp/new', undefined, { firstBytes: 1 }),
    step('PUT /containers/{c}/archive?path=/tmp&noOverwriteDirNonDir=1', tar({ name: 'new/', type: '5' }), {
      headers: tarType,
    }),
  ),
  story(
    'files put into what cannot be written',
    create({ HostConfig: { ReadonlyRootfs: true } }),
    step('PUT /containers/{c}/archive?path=/tmp', archive, { headers: tarType }),
  ),
  ...['nobody', 'fresh'].map((name) => one(`GET /containers/${name}/changes`)),
  story(
    'changed files',
    create({ Cmd: ['sh', '-c', 'echo x > /tmp/made'] }),
    setUp('POST /containers/{c}/start'),
    setUp('POST /containers/{c}/wait'),
    step('GET /containers/{c}/changes', undefined, { values: ['0.Kind', '0.Path'] }),
  ),
  one('GET /containers/nobody/export'),
  one('GET /containers/fresh/export', undefined, { firstBytes: 1 }),
  one('POST /commit'),
  one('POST /commit?container=nobody'),
  one('POST /commit?container=fresh&repo=UPPER'),
  one('POST /commit?container=fresh&repo=a%20b'),
  one('POST /commit?container=fresh&repo=x&tag=a%20b'),
  one('POST /commit?container=fresh&changes=NONSENSE'),
  one('POST /commit?container=fresh&changes=RUN%20x'),
  ...each('POST /commit?container=nobody', '{', '[]', '{"Cmd":7}'),
  one('POST /commit?container=nobody', '{}', {
    headers: { 'Content-Type': 'text/plain' },
    note: '(text/plain)',
  }),
  story(
    'an image of a container',
    create(),
    step('POST /commit?container={c}&repo={it}&tag=one&comment=c&author=a&changes=ENV%20A=b', undefined, {
      keep: 'i',
    }),
    step('GET /images/{it}:one/json', undefined, {
      values: ['Comment', 'Author', 'Config.Env', 'Config.Cmd', 'RepoTags'],
    }),
    setUp('DELETE /images/{it}:one'),
  ),
]
