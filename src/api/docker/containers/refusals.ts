/**
 * What Docker lets one ask for and a cloud of microVMs refuses: for good (kind `invalid`: there is no host to share) or
 * until it is built (kind `not_implemented`). Refused at creation, by name, so that nothing is silently left out.
 */
import { type HummingbirdError, invalid, notImplemented } from '../../../lib/errors.ts'
import type { HostConfig } from './containers.schema.ts'

type Refusal = HummingbirdError | false | undefined | ''
type Rule = (config: HostConfig) => Refusal

const never = (message: string) => invalid('refused_option', message)
const notYet = (message: string) => notImplemented('unsupported_option', message)

/** Throws the first refusal that applies. */
export function refuseHostConfig(config: HostConfig): void {
  for (const rule of rules) {
    const refusal = rule(config)
    if (refusal) throw refusal
  }
}

const inMicroVm = 'a container here has a microVM of its own and shares nothing with the host'
const hostMode = (option: string, value: string) =>
  value === 'host' && never(`${option} host is not possible: ${inMicroVm}`)
const containerMode = (option: string, value: string) =>
  value.startsWith('container:') &&
  notYet(`${option} ${value} is not supported yet: each container has a microVM of its own`)

const rules: readonly Rule[] = [
  (c) => hostMode('--network', c.NetworkMode) || containerMode('--network', c.NetworkMode),
  (c) => hostMode('--pid', c.PidMode) || containerMode('--pid', c.PidMode),
  (c) => hostMode('--ipc', c.IpcMode) || containerMode('--ipc', c.IpcMode),
  (c) => c.IpcMode === 'none' && notYet('--ipc none is not supported yet'),
  (c) => hostMode('--uts', c.UTSMode),
  (c) => hostMode('--cgroupns', c.CgroupnsMode),
  (c) =>
    !['', 'private'].includes(c.CgroupnsMode) && never(`invalid cgroup namespace mode: ${c.CgroupnsMode}`),
  (c) => c.Cgroup && c.Cgroup !== 'private' && never(`cgroup mode ${c.Cgroup} is not possible: ${inMicroVm}`),
  (c) => c.CgroupParent && never(`--cgroup-parent is not possible: ${inMicroVm}`),
  (c) => c.Devices.length > 0 && never(`--device is not possible: ${inMicroVm}`),
  (c) => c.DeviceRequests.length > 0 && notYet('--gpus is not supported: microVMs have no GPUs'),
  (c) => c.DeviceCgroupRules.length > 0 && never(`--device-cgroup-rule is not possible: ${inMicroVm}`),
  (c) =>
    !['', 'default'].includes(c.Isolation.toLowerCase()) &&
    never(`invalid isolation '${c.Isolation}' on linux`),
  (c) => Object.keys(c.StorageOpt).length > 0 && notYet('--storage-opt is not supported yet'),
  (c) =>
    (c.CpusetCpus || c.CpusetMems) &&
    notYet('--cpuset-cpus and --cpuset-mems are not supported: say how many CPUs with --cpus'),
  (c) =>
    (c.CpuRealtimePeriod !== 0 || c.CpuRealtimeRuntime !== 0) &&
    notYet('real-time CPU time is not supported'),
  (c) =>
    throttlesDisk(c) &&
    notYet('limits of block I/O (--blkio-weight, --device-read-bps, …) are not supported yet'),
  securityOptions,
]

function throttlesDisk(config: HostConfig): boolean {
  const devices = [
    config.BlkioWeightDevice,
    config.BlkioDeviceReadBps,
    config.BlkioDeviceWriteBps,
    config.BlkioDeviceReadIOps,
    config.BlkioDeviceWriteIOps,
  ]
  return config.BlkioWeight !== 0 || devices.some((list) => list.length > 0)
}

/** Kept apart by a kernel of its own, a container needs no profile of the host; a profile of one's own is not applied. */
function securityOptions(config: HostConfig): Refusal {
  for (const option of config.SecurityOpt) {
    const [name, value] = splitOption(option)
    if (name === 'no-new-privileges') {
      if (!['', 'true', 'false'].includes(value)) return never(`invalid --security-opt: "${option}"`)
    } else if (name === 'seccomp' || name === 'apparmor') {
      if (!['unconfined', 'builtin', 'docker-default', ''].includes(value)) {
        return notYet(`${name} profiles are not supported: a container here is confined by its microVM`)
      }
    } else if (name !== 'label') {
      return never(`invalid --security-opt ${name === option ? 1 : 2}: "${option.slice(0, 100)}"`)
    }
  }
  return undefined
}

/** `name=value`, the older `name:value`, or a name alone. */
export function splitOption(option: string): [name: string, value: string] {
  const at = option.search(/[=:]/)
  return at < 0 ? [option, ''] : [option.slice(0, at), option.slice(at + 1)]
}
