/**
 * docs/docker-api.md, made of the code: of the route table, of what unserved endpoints answer, and of what becomes of each
 * field of a container request. Written anew by `node src/api/support/reference.ts`.
 */
import { writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { HummingbirdError, messageOf } from '../../lib/errors.ts'
import { parseWith } from '../body.ts'
import { containerRequest } from '../docker/containers/containers.request.ts'
import { createRequest } from '../docker/containers/containers.schema.ts'
import { dockerRoutes } from '../docker/routes.ts'
import type { Route } from '../route.ts'
import { apiVersion, apiVersionMin } from '../versions.ts'
import { listedDifferences } from './differences.ts'
import { bridgeView, fakeNetwork, ownView } from './fake-networks.ts'
import { configSamples, endpointNotes, type FieldSample, hostConfigSamples } from './reference-samples.ts'
import { Served } from './serve.ts'

export const referencePath = fileURLToPath(new URL('../../../docs/docker-api.md', import.meta.url))

type Json = Readonly<Record<string, unknown>>

const image = { Image: 'busybox' }

/** What the engine is asked for, without what is only echoed. */
async function requestOf(body: Json): Promise<{ asked: string; warnings: string[] }> {
  const parsed = parseWith(createRequest, { ...image, ...body }, 'invalid JSON')
  const { request, warnings } = await containerRequest(parsed, '', async (ref) =>
    fakeNetwork([bridgeView, ownView], ref),
  )
  return { asked: JSON.stringify({ ...request, frontend: null }), warnings }
}

async function outcome(body: Json, without: Json): Promise<string> {
  const base = await requestOf(without)
  try {
    const { asked, warnings } = await requestOf(body)
    const told = warnings.map((warning) => `, with the warning *${warning}*`).join('')
    return asked === base.asked ? `no effect${told}` : `works${told}`
  } catch (error) {
    const forNow = error instanceof HummingbirdError && error.kind === 'not_implemented'
    return `${forNow ? 'refused as yet' : 'refused'}: *${messageOf(error)}*`
  }
}

const cell = (text: string) => text.replaceAll('|', '\\|').replaceAll('\n', ' ')
const row = (...cells: string[]) => `| ${cells.map(cell).join(' | ')} |`

async function fieldRow(name: string, sample: FieldSample, wrap: (value: Json) => Json): Promise<string> {
  const { values, note, beside = {} } = sample
  const answers: string[] = []
  for (const value of values) {
    const answer = await outcome({ ...beside, ...wrap({ [name]: value }) }, beside)
    answers.push(`\`${JSON.stringify(value)}\` ${answer}`)
  }
  return row(`\`${name}\``, answers.join('<br>'), note ?? '')
}

async function fieldTable(
  samples: Readonly<Record<string, FieldSample>>,
  wrap: (value: Json) => Json,
): Promise<string[]> {
  const rows = Object.entries(samples).map(([name, sample]) => fieldRow(name, sample, wrap))
  return [
    '| field | asked for, and what comes of it | |',
    '| --- | --- | --- |',
    ...(await Promise.all(rows)),
  ]
}

export const nameOf = ({ method, path }: Pick<Route, 'method' | 'path'>) => `${method} ${path}`

async function endpointRow(route: Route, served: Served): Promise<string> {
  const { method, path, since } = route
  const note = endpointNotes[nameOf(route)]
  if (route.served) return row(method, `\`${path}\``, since, note ? `differs: ${note}` : 'works')
  const concrete = path.replace(':id', 'bridge').replace('*name', 'name')
  // An answer to HEAD has no body.
  const { status, json } = await served.ask(method === 'HEAD' ? 'GET' : method, concrete)
  return row(method, `\`${path}\``, since, `refused (${status}): *${json.message}*`)
}

export async function dockerReference(): Promise<string> {
  await using served = await Served.start()
  const endpoints: string[] = []
  for (const route of dockerRoutes) endpoints.push(await endpointRow(route, served))
  return [
    "# Docker's API, as it is answered here",
    '',
    'Made by `node src/api/support/reference.ts` of the code itself, by asking it; a spec fails when the two differ.',
    `Versions ${apiVersionMin} to ${apiVersion} are spoken.`,
    '',
    '## Endpoints',
    '',
    '| method | path | since | |',
    '| --- | --- | --- | --- |',
    ...endpoints,
    '',
    '## Fields of a new container',
    '',
    '*No effect* means: accepted, and nothing comes of it. Inspect shows such fields, and any that is not named here, as they',
    'were sent, or as they are.',
    '',
    ...(await fieldTable(configSamples, (value) => value)),
    '',
    '### HostConfig',
    '',
    ...(await fieldTable(hostConfigSamples, (value) => ({ HostConfig: value }))),
    '',
    '## Where the answer is not that of dockerd',
    '',
    "The tests ask a real dockerd (Debian's 20.10, API 1.41) and Hummingbird the same, good requests and bad ones",
    '(`test/differential`). Statuses, Content-Types, messages, and the keys and types of bodies are the same but for what',
    'stands here, and a test fails when one of these is not so any more. `{up}`, `{it}` and the like stand for containers and',
    'names that the test made; in the answers, `(id)` and the like for what no two daemons have in common.',
    '',
    ...differenceTables(),
  ].join('\n')
}

const differenceRow = (title: string, lines: readonly string[]) =>
  row(`\`${title}\``, lines.map((line) => `\`${line}\``).join('<br>'))

/** By reason, as test/differential finds them. */
function differenceTables(): string[] {
  return listedDifferences()
    .filter(({ cases }) => Object.keys(cases).length > 0)
    .flatMap(({ why, cases }) => [
      `**${why}**`,
      '',
      '| request | dockerd 20.10 → Hummingbird |',
      '| --- | --- |',
      ...Object.entries(cases).map(([title, lines]) => differenceRow(title, lines)),
      '',
    ])
}

if (import.meta.main) writeFileSync(referencePath, await dockerReference())
