/** All cases, by which of Docker's nouns they are about. */
import type { Case } from '../case.ts'
import { buildCases } from './builds.ts'
import { containerCases } from './containers.ts'
import { fileCases } from './files.ts'
import { imageCases } from './images.ts'
import { lifecycleCases } from './lifecycle.ts'
import { networkCases } from './networks.ts'
import { streamCases } from './streams.ts'
import { systemCases } from './system.ts'
import { volumeCases } from './volumes.ts'

export const allCases: readonly (readonly [noun: string, cases: readonly Case[]])[] = [
  ['containers', containerCases],
  ['their life', lifecycleCases],
  ['streams', streamCases],
  ['files', fileCases],
  ['images', imageCases],
  ['builds', buildCases],
  ['networks', networkCases],
  ['volumes', volumeCases],
  ['the whole', systemCases],
]
