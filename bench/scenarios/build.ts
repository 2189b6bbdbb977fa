/** Images that are built. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { place } from '../enclosure.ts'
import type { Scenario } from './scenario.ts'

const dockerfile = `ARG BASE
FROM $BASE
ENV A=1
WORKDIR /app
COPY small .
RUN echo one > one
COPY large sub/
RUN echo two > two
RUN true
CMD ["true"]
`
const largeBytes = 1_000_000

/** The same for both daemons; it goes with the bench's own directory. */
function context(): string {
  const directory = join(place().directory, 'build-context')
  mkdirSync(directory, { recursive: true })
  writeFileSync(join(directory, 'Dockerfile'), dockerfile)
  writeFileSync(join(directory, 'small'), 'small')
  writeFileSync(join(directory, 'large'), Buffer.alloc(largeBytes, 'some text '))
  return directory
}

export const build: Scenario = {
  id: 'build',
  title: 'build of ten steps',
  what: 'docker build --no-cache of a Dockerfile of ten steps, three of them RUN, with the classic builder, until the CLI ends',
  sample: (peer, { image }) =>
    peer.docker.time('build', '--quiet', '--no-cache', '--build-arg', `BASE=${image}`, context()),
}
