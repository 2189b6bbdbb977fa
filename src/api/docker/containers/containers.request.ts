/** Docker's JSON for a new container → what the engine is asked for. What cannot be is refused, never left out. */
import type { ContainerRequest } from '../../../engine/model.ts'
import { clip, refuseIf, terminalSizeMax } from '../query.ts'
import { attachmentsOf, type FindNetwork } from './attachments.request.ts'
import type { CreateBody, HostConfig } from './containers.schema.ts'
import { defaultRuntime, echoOf } from './frontend.ts'
import { healthCheck, healthWarnings } from './health.request.ts'
import { mountsOf } from './mounts.request.ts'
import { exposedPorts, extraHosts, publishedPorts } from './ports.request.ts'
import { refuseHostConfig, splitOption } from './refusals.ts'
import {
  capabilityNames,
  logConfig,
  resources,
  resourceWarnings,
  restartPolicy,
  ulimits,
} from './resources.request.ts'

/** A label that names the size of the microVM, for clients that know only Docker. */
export const sizeLabel = 'hummingbird.size'

/** Throws kind `invalid` or `not_implemented`, naming what was asked for and why it is refused. */
export async function containerRequest(
  input: { original: Readonly<Record<string, unknown>>; body: CreateBody },
  name: string,
  find: FindNetwork,
): Promise<{ request: ContainerRequest; warnings: string[] }> {
  const { original, body } = input
  const host = body.HostConfig
  const said = Object.keys(original).filter((name) => name !== 'HostConfig' && name !== 'NetworkingConfig')
  refuseIf(said.length === 0, 'config cannot be empty in order to create a container')
  refuseHostConfig(host)
  const request: ContainerRequest = {
    ...identity(body, name),
    ...process(body),
    ...healthCheck(body),
    ...isolation(host),
    ...resources(host),
    ...(await networking(body, find)),
    restartPolicy: restartPolicy(host),
    logConfig: logConfig(host),
    ulimits: ulimits(host),
    autoRemove: host.AutoRemove,
    init: host.Init ?? false,
    ...mountsOf(body),
    sysctls: host.Sysctls,
    frontend: echoOf(original, body),
  }
  return { request, warnings: [...resourceWarnings(host), ...healthWarnings(body)] }
}

function identity(body: CreateBody, name: string) {
  refuseIf(body.Image === '' && !body.Cmd && !body.Entrypoint, 'no command specified')
  refuseIf(body.Image === '', 'no image specified: Image must name one')
  const size = sizeOf(body)
  return {
    ...(name === '' ? {} : { name: name.replace(/^\//, '') }),
    image: body.Image,
    labels: body.Labels,
    ...(size ? { size } : {}),
  }
}

/** Runtimes that clients name when they mean the usual one. */
const usualRuntimes = ['', 'runc', 'io.containerd.runc.v2', defaultRuntime]

/** Every size is a runtime: `docker run --runtime m1`. Which there are the engine knows. */
function sizeOf({ Labels: labels, HostConfig: { Runtime: runtime } }: CreateBody): string | undefined {
  const named = usualRuntimes.includes(runtime) ? undefined : runtime
  const labelled = labels[sizeLabel] || undefined
  refuseIf(
    named !== undefined && labelled !== undefined && named !== labelled,
    `Conflicting options: the runtime ${clip(named ?? '')} and the label ${sizeLabel}=${clip(labelled ?? '')} name two sizes`,
  )
  return named ?? labelled
}

function process(body: CreateBody) {
  for (const entry of body.Env) {
    refuseIf(entry === '' || entry.startsWith('='), `invalid environment variable: ${clip(entry)}`)
  }
  const { WorkingDir: workingDir, StopTimeout: stopTimeoutSeconds } = body
  refuseIf(
    workingDir !== '' && !workingDir.startsWith('/'),
    `the working directory '${clip(workingDir)}' is invalid, it needs to be an absolute path`,
  )
  refuseIf(body.Hostname.length > 64, `invalid hostname ${clip(body.Hostname)}: longer than 64 characters`)
  refuseIf(
    body.Domainname.length > 64,
    `invalid domain name ${clip(body.Domainname)}: longer than 64 characters`,
  )
  return {
    ...(body.Cmd ? { cmd: body.Cmd } : {}),
    ...(body.Entrypoint ? { entrypoint: body.Entrypoint } : {}),
    env: body.Env,
    ...(workingDir === '' ? {} : { workingDir }),
    ...(body.User === '' ? {} : { user: body.User }),
    ...(body.Hostname === '' ? {} : { hostname: body.Hostname }),
    ...(body.Domainname === '' ? {} : { domainname: body.Domainname }),
    ...(body.StopSignal === '' ? {} : { stopSignal: body.StopSignal }),
    ...(stopTimeoutSeconds === null ? {} : { stopTimeoutSeconds }),
    tty: body.Tty,
    ...(body.Tty ? consoleSize(body.HostConfig) : {}),
    openStdin: body.OpenStdin,
    stdinOnce: body.StdinOnce,
    attach: { stdin: body.AttachStdin, stdout: body.AttachStdout, stderr: body.AttachStderr },
  }
}

/** What the client's terminal has now; clients before 1.42 tell it a moment after the start. */
function consoleSize({ ConsoleSize: size }: HostConfig) {
  const [rows = 0, columns = 0] = size
  const fits = (value: number) => value > 0 && value <= terminalSizeMax
  return fits(rows) && fits(columns) ? { consoleSize: { rows, columns } } : {}
}

function isolation(host: HostConfig) {
  return {
    privileged: host.Privileged,
    readonlyRoot: host.ReadonlyRootfs,
    capAdd: capabilityNames(host.CapAdd, 'CapAdd'),
    capDrop: capabilityNames(host.CapDrop, 'CapDrop'),
    groupAdd: host.GroupAdd,
    noNewPrivileges: host.SecurityOpt.some((option) => {
      const [name, value] = splitOption(option)
      return name === 'no-new-privileges' && value !== 'false'
    }),
    ...(host.MaskedPaths ? { maskedPaths: host.MaskedPaths } : {}),
    ...(host.ReadonlyPaths ? { readonlyPaths: host.ReadonlyPaths } : {}),
  }
}

async function networking(body: CreateBody, find: FindNetwork) {
  const host = body.HostConfig
  return {
    attachments: await attachmentsOf(body, find),
    exposedPorts: exposedPorts(body),
    publish: publishedPorts(host),
    publishAll: host.PublishAllPorts,
    dns: host.Dns,
    dnsSearch: host.DnsSearch,
    dnsOptions: host.DnsOptions,
    extraHosts: extraHosts(host.ExtraHosts),
  }
}
