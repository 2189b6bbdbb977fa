/** Builds of Dockerfiles: what is wrong with the context, the file or the query. */
import { tar } from '../../../src/lib/support/tar.ts'
import { type Case, one, setUp, step, story } from '../case.ts'

const headers = { 'Content-Type': 'application/x-tar' }
const context = (dockerfile: string) =>
  tar({ name: 'Dockerfile', data: dockerfile }, { name: 'file', data: 'x' })
const build = (query: string, dockerfile: string): Case =>
  one(`POST /build?${query}`, context(dockerfile), { headers, note: JSON.stringify(dockerfile) })

export const buildCases: readonly Case[] = [
  one('POST /build', '', { headers, note: '(nothing)' }),
  one('POST /build', 'this is no tar', { headers, note: '(no tar)' }),
  one('POST /build', tar({ name: 'other', data: '' }), { headers, note: '(no Dockerfile)' }),
  one('POST /build', context('FROM scratch'), {
    headers: { 'Content-Type': 'text/plain' },
    note: '(text/plain)',
  }),
  ...[
    'dockerfile=nothing',
    't=UPPER',
    't=a%20b',
    'buildargs=x',
    'buildargs=[]',
    'labels=x',
    'cachefrom=x',
    'ulimits=x',
    'shmsize=x',
    'memory=x',
    'cpushares=x',
    'platform=a/b/c/d/e',
    'isolation=nonsense',
    'version=nonsense',
    'target=nothing',
    'networkmode=nowhere',
    'remote=nonsense',
  ].map((query) => build(query, 'FROM busybox\nENV A=b')),
  ...[
    '',
    '# nothing',
    'NONSENSE',
    'FROM',
    'FROM a b',
    'FROM UPPER',
    'RUN true',
    'ENV A=b',
    'FROM busybox\nNONSENSE x',
    'FROM busybox\nCOPY',
    'FROM busybox\nCOPY nothing /',
    'FROM busybox\nCOPY ../file /',
    'FROM busybox\nENV A',
    'FROM busybox\nEXPOSE x',
    'FROM busybox\nUSER',
    'FROM busybox\nLABEL',
    'FROM busybox\nSTOPSIGNAL NONSENSE',
    'FROM busybox\nHEALTHCHECK x',
    'FROM busybox\nCMD ["a"',
  ].map((dockerfile) => build('q=1', dockerfile)),
  story(
    'a build',
    step('POST /build?t={it}:one', context('FROM busybox\nCOPY file /\nENV A=b\nCMD ["x"]'), { headers }),
    step('GET /images/{it}:one/json', undefined, { values: ['Config.Env', 'Config.Cmd', 'RepoTags'] }),
    setUp('DELETE /images/{it}:one'),
  ),
  one('POST /build/prune'),
  one('POST /build/prune?filters=x'),
  one('POST /build/prune?keep-storage=x'),
]
