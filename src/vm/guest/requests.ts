/** What the host asks of a guest, as the fields of guest/protocol.md. */
import { randomBytes } from 'node:crypto'
import type {
  GuestContainer,
  GuestLimits,
  GuestMount,
  GuestProcessSpec,
  GuestTmpfs,
  SandboxConfiguration,
  SandboxInterface,
} from '../../engine/ports/sandbox.ts'
import { allCapabilities } from '../../lib/capabilities.ts'
import { invalid } from '../../lib/errors.ts'
import { addressBytes } from './addresses.ts'
import { FieldWriter } from './fields.ts'
import { tags } from './protocol.ts'

/** As much as the guest's pool holds. */
const entropyBytes = 64

export function configureFields(
  { hostname, interfaces, sysctls }: SandboxConfiguration,
  clockAheadNs: bigint,
): FieldWriter {
  const fields = new FieldWriter()
    .bytes(tags.entropy, randomBytes(entropyBytes))
    .u64(tags.clockAheadNs, clockAheadNs)
    .text(tags.hostname, hostname)
  for (const [slot, card] of interfaces.entries())
    fields.nested(tags.interface, (inside) => interfaceFields(inside.u32(tags.slot, slot), card))
  return sysctlFields(fields, sysctls)
}

export function interfaceRequest(slot: number, of: SandboxInterface): FieldWriter {
  return new FieldWriter().nested(tags.interface, (inside) =>
    interfaceFields(inside.u32(tags.slot, slot), of),
  )
}

function interfaceFields(
  fields: FieldWriter,
  { name, mac, mtu, addresses, gateways }: SandboxInterface,
): void {
  fields
    .text(tags.name, name)
    .bytes(tags.mac, Buffer.from(mac.replaceAll(':', ''), 'hex'))
    .u32(tags.mtu, mtu)
  for (const cidr of addresses) {
    const [address, prefix] = cidr.split('/') as [string, string]
    fields.bytes(tags.address, Buffer.from([Number(prefix), ...addressBytes(address)]))
  }
  for (const gateway of gateways) fields.bytes(tags.gateway, addressBytes(gateway))
}

function sysctlFields(fields: FieldWriter, sysctls: Readonly<Record<string, string>>): FieldWriter {
  for (const [name, value] of Object.entries(sysctls)) {
    fields.nested(tags.sysctl, (inside) => inside.text(tags.name, name).text(tags.value, value))
  }
  return fields
}

export function limitFields(fields: FieldWriter, limits: GuestLimits): FieldWriter {
  return fields
    .u64(tags.memoryMax, limits.memoryBytes)
    .u64(tags.cpuQuotaUs, limits.cpuQuotaUs)
    .u64(tags.cpuPeriodUs, limits.cpuPeriodUs)
    .u32(tags.cpuWeight, limits.cpuWeight)
    .u32(tags.pidsMax, limits.pids)
}

export function containerFields(container: GuestContainer, scratchDisk: string): FieldWriter {
  const fields = new FieldWriter()
    .text(tags.containerId, container.id)
    .text(tags.rootDisk, 'image')
    .text(tags.scratchDisk, scratchDisk)
    .bool(tags.rootReadonly, container.readonlyRoot)
    .text(tags.hostname, container.hostname)
    .text(tags.domainname, container.domainname)
    .texts(tags.maskedPath, container.maskedPaths)
    .texts(tags.readonlyPath, container.readonlyPaths)
    .u64(tags.shmBytes, container.shmBytes)
    .bool(tags.privileged, container.privileged)
  for (const { path, mode, content } of container.files) {
    fields.nested(tags.file, (inside) =>
      inside.text(tags.path, path).u32(tags.mode, mode).text(tags.value, content),
    )
  }
  for (const mount of [...container.mounts].sort(byDepth))
    fields.nested(tags.mount, (inside) => mountFields(inside, mount))
  for (const tmpfs of container.tmpfs) fields.nested(tags.tmpfs, (inside) => tmpfsFields(inside, tmpfs))
  return sysctlFields(limitFields(fields, container.limits), container.sysctls)
}

/** mount(2)'s numbers; what is on by default has none. */
const mountFlags: Readonly<Record<string, number>> = {
  ...{ ro: 1, nosuid: 2, nodev: 4, noexec: 8, noatime: 1024, nodiratime: 2048 },
  ...{ relatime: 1 << 21, strictatime: 1 << 24 },
  ...{ rw: 0, suid: 0, dev: 0, exec: 0, atime: 0, diratime: 0, norelatime: 0, nostrictatime: 0 },
  // There is no disk below a tmpfs to wait for.
  ...{ sync: 0, async: 0 },
}

/** A place comes before what is inside it. */
const byDepth = (one: GuestMount, other: GuestMount): number => one.path.length - other.path.length

function mountFields(fields: FieldWriter, mount: GuestMount): void {
  const options = { ro: mount.readOnly, nosuid: mount.noSuid, nodev: mount.noDev, noexec: mount.noExec }
  let flags = 0
  for (const [option, isAsked] of Object.entries(options)) if (isAsked) flags |= mountFlags[option]!
  fields
    .text(tags.disk, mount.disk)
    .text(tags.sourcePath, mount.sourcePath)
    .text(tags.path, mount.path)
    .u64(tags.flags, flags)
  if (mount.copyUp) fields.bool(tags.copyUp, true)
}

function tmpfsFields(fields: FieldWriter, { path, options }: GuestTmpfs): void {
  let flags = 0
  const data: string[] = []
  for (const option of options.split(',').filter(Boolean)) {
    const flag = mountFlags[option]
    if (flag !== undefined) flags |= flag
    else data.push(option)
  }
  fields.text(tags.path, path).u64(tags.flags, flags).text(tags.value, data.join(','))
}

export function startFields(spec: GuestProcessSpec): FieldWriter {
  const { bounding, effective, inheritable, ambient } = spec.capabilities
  const fields = new FieldWriter()
    .u32(tags.processId, spec.id)
    .text(tags.containerId, spec.container)
    .bool(tags.main, spec.main)
    .bool(tags.init, spec.init)
    .bool(tags.tty, spec.tty)
    .bool(tags.stdin, spec.stdin)
    .texts(tags.arg, spec.args)
    .texts(tags.env, spec.env)
    .text(tags.cwd, spec.cwd)
    .text(tags.user, spec.user)
    .texts(tags.group, spec.groups)
    .u64(tags.capBounding, capabilityMask(bounding))
    .u64(tags.capEffective, capabilityMask(effective))
    .u64(tags.capInheritable, capabilityMask(inheritable))
    .u64(tags.capAmbient, capabilityMask(ambient))
    .bool(tags.noNewPrivs, spec.noNewPrivileges)
    .u32(tags.oomScoreAdj, spec.oomScoreAdj)
  for (const { name, soft, hard } of spec.rlimits) {
    const number = rlimits.indexOf(name)
    if (number < 0) throw invalid('unknown_ulimit', `invalid ulimit type: ${name}`)
    fields.nested(tags.rlimit, (inside) =>
      inside.u32(tags.number, number).u64(tags.soft, soft).u64(tags.hard, hard),
    )
  }
  if (spec.size) fields.u32(tags.rows, spec.size.rows).u32(tags.columns, spec.size.columns)
  return fields
}

function capabilityMask(names: readonly string[]): bigint {
  let mask = 0n
  for (const name of names) {
    const number = allCapabilities.indexOf(name)
    if (number < 0) throw invalid('unknown_capability', `unknown capability: ${name}`)
    mask |= 1n << BigInt(number)
  }
  return mask
}

/** By number, as in the kernel's <asm-generic/resource.h>. */
const rlimits = [
  ...[
    'cpu',
    'fsize',
    'data',
    'stack',
    'core',
    'rss',
    'nproc',
    'nofile',
    'memlock',
    'as',
    'locks',
    'sigpending',
  ],
  ...['msgqueue', 'nice', 'rtprio', 'rttime'],
]
