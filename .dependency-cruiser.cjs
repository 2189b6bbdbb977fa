/**
 * Which way imports may go, each rule with its why. Left to right as a request travels:
 * main → api → build → engine → {images, networks, volumes, vm} → lib; `store` is reached through ports alone.
 */
const folders = [
  'main',
  'api',
  'build',
  'engine',
  'images',
  'networks',
  'volumes',
  'vm',
  'store',
  'lib',
  'cli',
]
const only = (from, to, why) => ({
  name: `${from}-imports`,
  comment: why,
  severity: 'error',
  from: { path: `^src/${from}/`, pathNot: '\\.spec\\.ts$|/support/' },
  to: {
    path: `^src/(${folders.filter((f) => f !== from && !to.includes(f)).join('|')})/`,
    dependencyTypesNot: ['type-only'],
  },
})

module.exports = {
  forbidden: [
    {
      name: 'no-circular',
      severity: 'error',
      comment: 'a cycle has no bottom to understand first',
      from: {},
      to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } },
    },
    only('api', ['lib'], 'the front door knows the engine by its types only'),
    only(
      'build',
      ['images', 'lib'],
      'a build reads Dockerfiles and tars, and is given images and containers',
    ),
    only('engine', ['lib'], 'the engine is given images, networks and sandboxes'),
    only('images', ['lib'], 'images know nothing of networks or sandboxes'),
    only('networks', ['lib'], 'networks know nothing of images or sandboxes'),
    only('volumes', ['lib'], 'volumes know nothing of who attaches them'),
    only('vm', ['lib'], 'sandboxes know nothing of Docker'),
    only('store', ['lib'], 'the store implements ports and imports only their types'),
    only('lib', [], 'lib is at the bottom'),
    only(
      'cli',
      ['lib', 'vm', 'store'],
      '`hb` speaks HTTP; what holds a sandbox it reads with the code that makes it so, and repairs a store while no daemon runs',
    ),
    {
      name: 'sql-only-in-store',
      severity: 'error',
      comment: 'a second store must be possible',
      from: { path: '^src/', pathNot: '^src/store/' },
      to: { path: '^node_modules/kysely|^node:sqlite$', dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'child-processes-only-in-lib',
      severity: 'error',
      comment: 'one place for deadlines, bounds and ownership of children',
      from: { path: '^src/', pathNot: '^src/lib/spawn\\.ts$|\\.spec\\.ts$|/support/' },
      to: { path: '^(node:)?child_process$', dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'main-is-imported-by-nothing',
      severity: 'error',
      comment: 'only main constructs',
      from: { path: '^src/', pathNot: '^src/main/' },
      to: { path: '^src/main/' },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: 'specify',
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: { extensions: ['.ts', '.mjs', '.js'] },
  },
}
