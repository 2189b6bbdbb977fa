import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { emptyConfig, readConfig, writeConfig } from '../config.ts'
import { applyChanges } from './changes.ts'

const apply = (...changes: string[]) => applyChanges(emptyConfig, changes)

test('each instruction does what it does in a Dockerfile', () => {
  const cases: [change: string | string[], expected: object][] = [
    ['CMD ["a", "b"]', { Cmd: ['a', 'b'] }],
    ['CMD a  b', { Cmd: ['/bin/sh', '-c', 'a  b'] }],
    ['cmd []', { Cmd: [] }],
    ['ENTRYPOINT ["/x"]', { Entrypoint: ['/x'] }],
    ['ENTRYPOINT [x]', { Entrypoint: ['/bin/sh', '-c', '[x]'] }],
    ['ENV A=1 B="two words" C=\'$A\' D=a\\ b', { Env: ['A=1', 'B=two words', 'C=$A', 'D=a b'] }],
    ['ENV A some words', { Env: ['A=some words'] }],
    [['ENV A=1', 'ENV A=2 B=$A', `ENV C=\${A}x\${Z:-d}\${A:+y}`], { Env: ['A=2', 'B=1', 'C=2xdy'] }],
    ['LABEL a=b "c d"="e=f"', { Labels: { a: 'b', 'c d': 'e=f' } }],
    [
      'EXPOSE 80 53/udp 8000-8002/TCP',
      { ExposedPorts: { '80/tcp': {}, '53/udp': {}, '8000/tcp': {}, '8001/tcp': {}, '8002/tcp': {} } },
    ],
    ['USER 1000:1000', { User: '1000:1000' }],
    ['VOLUME /a /b', { Volumes: { '/a': {}, '/b': {} } }],
    ['VOLUME ["/a b"]', { Volumes: { '/a b': {} } }],
    [['WORKDIR /a', 'WORKDIR b/../c'], { WorkingDir: '/a/c' }],
    ['WORKDIR ../../x', { WorkingDir: '/x' }],
    ['STOPSIGNAL SIGQUIT', { StopSignal: 'SIGQUIT' }],
    ['HEALTHCHECK NONE', { Healthcheck: { Test: ['NONE'] } }],
    [
      'HEALTHCHECK --interval=1m30s --retries=3 CMD curl x',
      { Healthcheck: { Test: ['CMD-SHELL', 'curl x'], Interval: 90e9, Retries: 3 } },
    ],
    ['HEALTHCHECK --timeout=500ms CMD ["a"]', { Healthcheck: { Test: ['CMD', 'a'], Timeout: 5e8 } }],
    ['ONBUILD RUN x', { OnBuild: ['RUN x'] }],
    ['# a remark', {}],
    ['ENV A=1 \\\n  B=2', { Env: ['A=1', 'B=2'] }],
  ]
  for (const [change, expected] of cases) {
    assert.deepEqual(apply(...[change].flat()), { ...emptyConfig, ...expected }, String(change))
  }
})

test('what is no change is refused', () => {
  const cases: [change: string, error: RegExp][] = [
    ['FROM x', /from is not a valid change command/],
    ['RUN x', /run is not a valid change command/],
    ['__proto__ x', /is not a valid change command/],
    ['CMD', /CMD requires at least one argument/],
    ['ENV A', /ENV must have two arguments/],
    ['ENV A=1 B', /can't find = in "B"/],
    ['ENV =x', /names can not be blank/],
    ['ENV A="x', /unexpected end of statement/],
    ['EXPOSE 0', /Invalid containerPort: 0/],
    ['EXPOSE 70000', /Invalid containerPort/],
    ['EXPOSE 9-8', /Invalid containerPort/],
    ['EXPOSE x', /Invalid containerPort: x/],
    ['VOLUME [""]', /can not be an empty string/],
    ['STOPSIGNAL ;rm', /Invalid signal/],
    ['HEALTHCHECK x', /Unknown type "X" in HEALTHCHECK/],
    ['HEALTHCHECK CMD', /Missing command/],
    ['HEALTHCHECK --constructor=1s CMD x', /Unknown flag: constructor/],
    ['HEALTHCHECK --interval=1 CMD x', /invalid duration "1"/],
    ['HEALTHCHECK --interval=1us CMD x', /less than 1ms/],
    ['ONBUILD ONBUILD x', /isn't allowed/],
    ['ONBUILD FROM x', /isn't allowed as an ONBUILD trigger/],
  ]
  for (const [change, error] of cases)
    assert.throws(() => apply(change), { kind: 'invalid', message: error }, change)
})

test('any line is either applied or refused as the caller fault', () => {
  fc.assert(
    fc.property(
      fc.constantFrom('ENV', 'LABEL', 'CMD', 'EXPOSE', 'VOLUME', 'HEALTHCHECK', 'WORKDIR'),
      fc.string({ maxLength: 40 }),
      (name, rest) => {
        try {
          apply(`${name} ${rest}`)
        } catch (error) {
          assert.equal((error as { kind?: string }).kind, 'invalid', String(error))
        }
      },
    ),
    { numRuns: 3000 },
  )
})

test('a configuration that was written is read as it was', () => {
  const config = apply('ENV A=1', 'CMD ["x"]', 'LABEL l=m', 'HEALTHCHECK CMD y')
  const createdAt = new Date('2024-01-02T03:04:05.000Z')
  const diffId = `sha256:${'a'.repeat(64)}`
  const read = readConfig(writeConfig({ config, diffId, comment: 'why', createdAt }))
  assert.deepEqual(read.config, config)
  assert.deepEqual([read.createdAt, read.diffIds, read.comment], [createdAt, [diffId], 'why'])
})

test('a configuration from elsewhere is read with what is missing, and refused with what is wrong', () => {
  assert.deepEqual(readConfig('{"rootfs":{"diff_ids":null}}').config, emptyConfig)
  assert.deepEqual(
    readConfig('{"rootfs":{},"config":{"Env":null,"Labels":null,"Volumes":{"/a":null}}}').config.Volumes,
    { '/a': {} },
  )
  for (const text of [
    '',
    '[]',
    'null',
    '{}',
    '{"rootfs":{"diff_ids":["x"]}}',
    '{"rootfs":{},"config":{"Env":"x"}}',
    '['.repeat(100_000),
    '{"rootfs":{},"config":{"Labels":{"a":1}}}',
  ]) {
    assert.throws(() => readConfig(text), { kind: 'invalid' }, text.slice(0, 40))
  }
})
