/** Every change of the tables, in order. A migration that has landed is never edited: a new one follows it. */
import type { Migration } from 'kysely/migration'
import * as projects from './001-projects.ts'
import * as containers from './002-containers.ts'
import * as images from './003-images.ts'
import * as networks from './004-networks.ts'
import * as volumes from './005-volumes.ts'
import * as ownNetworks from './006-own-networks.ts'
import * as builds from './008-builds.ts'

export const migrations: Record<string, Migration> = {
  '001-projects': projects,
  '002-containers': containers,
  '003-images': images,
  '004-networks': networks,
  '005-volumes': volumes,
  '006-own-networks': ownNetworks,
  '008-builds': builds,
}
