import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { MountRequest } from '../../../engine/model.ts'
import { createBody } from './containers.schema.ts'
import { mountsOf } from './mounts.request.ts'

const asked = (HostConfig: object, more: object = {}) =>
  mountsOf(createBody.parse({ Image: 'busybox', HostConfig, ...more }))

const plain: Omit<MountRequest, 'destination'> = {
  ...{ readOnly: false, noCopy: false, driver: '', labels: {}, options: {}, mode: 'z' },
}

test('binds name a volume, a place and how', () => {
  const binds: [bind: string, mount: Partial<MountRequest>][] = [
    ['/data', { destination: '/data' }],
    ['data:/data', { volume: 'data', destination: '/data' }],
    ['data:/a/../b//c/', { volume: 'data', destination: '/b/c' }],
    ['data:/data:ro', { volume: 'data', destination: '/data', readOnly: true, mode: 'ro' }],
    ['data:/data:', { volume: 'data', destination: '/data' }],
    ['data:/d:rw,z,nocopy', { volume: 'data', destination: '/d', noCopy: true, mode: 'rw,z,nocopy' }],
    // The engine knows what a name may be.
    ['../data:/data', { volume: '../data', destination: '/data' }],
  ]
  for (const [bind, mount] of binds) {
    assert.deepEqual(asked({ Binds: [bind] }).mounts, [{ ...plain, ...mount }], bind)
  }
})

test('binds that make no sense are refused in the words of dockerd', () => {
  const wrong: [bind: string, message: string | RegExp][] = [
    ['', "invalid volume specification: ''"],
    [':/x', "invalid volume specification: ':/x'"],
    ['a:b:c:d', "invalid volume specification: 'a:b:c:d'"],
    ['data:', "invalid volume specification: 'data:'"],
    [
      'data:x',
      /^invalid volume specification: 'data:x': invalid mount config for type "volume": invalid mount path: 'x' mount/,
    ],
    ['x', /invalid mount path: 'x' mount path must be absolute$/],
    ['data:/', /invalid specification: destination can't be '\/'$/],
    ['data:/..', /destination can't be '\/'$/],
    ['data:/x:foo', 'invalid mode: foo'],
    ['data:/x:ro,rw', 'invalid mode: ro,rw'],
    ['data:/x:z,Z', 'invalid mode: z,Z'],
    ['data:/x:rshared', /field BindOptions must not be specified$/],
    ['/etc:/x', /^invalid mount config for type "bind": \/etc:\/x: .*sees no files of a host/],
    ['/etc:/x:ro', /sees no files of a host/],
  ]
  for (const [bind, message] of wrong) {
    assert.throws(() => asked({ Binds: [bind] }), { kind: 'invalid', message }, bind)
  }
})

test('mounts say more of a volume', () => {
  const { mounts } = asked({
    Mounts: [
      { Type: 'volume', Source: 'data', Target: '/a', ReadOnly: true },
      { Type: 'volume', Target: '/b' },
      {
        Type: 'volume',
        Source: 'new',
        Target: '/c',
        VolumeOptions: {
          NoCopy: true,
          Subpath: 'x/./y/',
          Labels: { a: 'b' },
          DriverConfig: { Name: 'local', Options: { size: '1G' } },
        },
      },
    ],
  })
  assert.deepEqual(mounts, [
    { ...plain, volume: 'data', destination: '/a', readOnly: true },
    { ...plain, destination: '/b' },
    {
      ...{ ...plain, volume: 'new', destination: '/c', noCopy: true, subpath: 'x/y' },
      ...{ driver: 'local', labels: { a: 'b' }, options: { size: '1G' } },
    },
  ])
})

test('mounts that make no sense, or are of a host, are refused', () => {
  const volume = { Type: 'volume', Source: 'data', Target: '/x' }
  const wrong: [mount: object, message: string | RegExp][] = [
    [{ ...volume, Target: '' }, 'invalid mount config for type "volume": field Target must not be empty'],
    [{ ...volume, Target: 'x' }, /type "volume": invalid mount path: 'x' mount path must be absolute$/],
    [{ ...volume, Target: '/' }, /type "volume": invalid specification: destination can't be '\/'$/],
    [{ ...volume, BindOptions: {} }, /type "volume": field BindOptions must not be specified$/],
    [
      { Type: 'volume', Target: '/x', ReadOnly: true },
      /must not set ReadOnly mode when using anonymous volumes$/,
    ],
    [{ ...volume, VolumeOptions: { Subpath: '../x' } }, /subpath must be a relative path within the volume$/],
    [{ ...volume, VolumeOptions: { Subpath: 'a/../../x' } }, /subpath must be a relative path within/],
    [{ ...volume, VolumeOptions: { Subpath: '/x' } }, /subpath must be a relative path within the volume$/],
    [{ Type: 'volume', Target: '/x', VolumeOptions: { Subpath: 'x' } }, /must not set Subpath when/],
    [{ Type: '', Source: 'aa', Target: '/x' }, 'invalid mount config for type "": mount type unknown'],
    [{ Type: 'bind', Source: '/etc', Target: '/x' }, /type "bind": .*sees no files of a host/],
    [{ Type: 'image', Source: 'aa', Target: '/x' }, /^invalid mount config for type "image": an image is/],
    [{ Type: 'cluster', Source: 'aa', Target: '/x' }, /^invalid mount config for type "cluster": .*swarms/],
    [{ Type: 'npipe', Source: 'aa', Target: '/x' }, /^invalid mount config for type "npipe": /],
    [
      { Type: 'tmpfs', Source: 'aa', Target: '/x' },
      'invalid mount config for type "tmpfs": field Source must not be specified',
    ],
    [{ Type: 'tmpfs', Target: '/' }, /type "tmpfs": invalid specification: destination can't be '\/'$/],
    [{ Type: 'tmpfs', Target: '/x', TmpfsOptions: { SizeBytes: -1 } }, /must not be negative/],
  ]
  for (const [mount, message] of wrong) {
    assert.throws(() => asked({ Mounts: [mount] }), { kind: 'invalid', message }, JSON.stringify(mount))
  }
})

test('anonymous volumes and those of other containers are asked for', () => {
  const request = asked(
    { VolumesFrom: ['web', 'db:ro', 'x:rw,z'], VolumeDriver: 'local' },
    { Volumes: { '/data/': {}, '/b': {} } },
  )
  assert.deepEqual(request.anonymousVolumes, ['/data', '/b'])
  assert.equal(request.volumeDriver, 'local')
  assert.deepEqual(request.volumesFrom, [
    { container: 'web', readOnly: false },
    { container: 'db', readOnly: true },
    { container: 'x', readOnly: false },
  ])
  assert.throws(() => asked({ VolumesFrom: [''] }), { message: /cannot be an empty string$/ })
  assert.throws(() => asked({ VolumesFrom: ['c1:ro:x'] }), { message: 'invalid mode: ro:x' })
  assert.throws(() => asked({ VolumesFrom: ['c1:nocopy'] }), { message: 'invalid mode: nocopy' })
  assert.throws(() => asked({}, { Volumes: { x: {} } }), { message: /'x' mount path must be absolute$/ })
})

test('a tmpfs may be asked for in two ways, with its size and mode', () => {
  const { tmpfs, mounts } = asked({
    Tmpfs: { '/a/': 'size=1m' },
    Mounts: [
      { Type: 'tmpfs', Target: '/b', ReadOnly: true, TmpfsOptions: { SizeBytes: 1024, Mode: 0o1777 } },
      { Type: 'tmpfs', Target: '/c', TmpfsOptions: { Options: [['exec'], ['uid', '1000']] } },
    ],
  })
  assert.deepEqual(tmpfs, { '/a': 'size=1m', '/b': 'ro,size=1024,mode=1777', '/c': 'exec,uid=1000' })
  assert.deepEqual(mounts, [])
})
