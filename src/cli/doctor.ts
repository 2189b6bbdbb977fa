/** `hb doctor`: every requirement of the host, whether it is met, and what to do about it. Reads the host, changes nothing. */
import { accessSync, constants, existsSync, readFileSync, statfsSync } from 'node:fs'
import { freemem, totalmem } from 'node:os'
import pc from 'picocolors'
import { z } from 'zod'
import { guestArtifacts } from '../../scripts/setup/artifacts.mjs'
import { missingPackages, runPackages } from '../../scripts/setup/packages.mjs'
import { platformSteps } from '../../scripts/setup/platform.mjs'
import { messageOf } from '../lib/errors.ts'
import { run } from '../lib/spawn.ts'
import { GiB } from '../lib/units.ts'

const verdictSchema = z.object({ works: z.boolean(), why: z.string() })

export interface Requirement {
  readonly name: string
  /** `warning`: Hummingbird runs, but worse. */
  readonly status: 'ok' | 'missing' | 'warning'
  readonly found: string
  /** Empty when all is well. */
  readonly remedy: string
}

const ok = (name: string, found: string): Requirement => ({ name, status: 'ok', found, remedy: '' })
const missing = (name: string, found: string, remedy: string): Requirement => ({
  name,
  status: 'missing',
  found,
  remedy,
})
const warning = (name: string, found: string, remedy: string): Requirement => ({
  name,
  status: 'warning',
  found,
  remedy,
})

export async function requirements(options: {
  stateDir: string
  runtimeDir: string
}): Promise<Requirement[]> {
  return [
    ...(await platform()),
    memory(),
    ...packages(),
    ...artifacts(),
    tun(),
    kvm(options.stateDir),
    cgroups(),
    await works(
      'network namespaces',
      ['unshare', '--net', 'true'],
      'the kernel needs CONFIG_NET_NS, and you need root',
    ),
    await works(
      'bridges, veth and taps',
      [
        'unshare',
        '--net',
        'sh',
        '-ec',
        'ip link add name br0 type bridge; ip link add name ve0 type veth peer name ve1; ip tuntap add dev tap0 mode tap',
      ],
      'the kernel needs CONFIG_BRIDGE, CONFIG_VETH and CONFIG_TUN (modprobe bridge veth tun)',
    ),
    await works(
      'nftables with NAT',
      [
        'unshare',
        '--net',
        'sh',
        '-ec',
        'echo "table ip t { chain c { type nat hook postrouting priority 100; masquerade; }; }" | nft -f -',
      ],
      'the kernel needs CONFIG_NF_TABLES, CONFIG_NFT_NAT and CONFIG_NFT_MASQ (modprobe nft_nat nft_masq)',
    ),
    forwarding(),
    directory('state directory', options.stateDir, 2 * GiB),
    directory('runtime directory', options.runtimeDir, 0),
    await dockerCli(),
  ]
}

async function platform(): Promise<Requirement[]> {
  const found: Requirement[] = []
  for (const step of platformSteps) {
    const lacking = await step.missing()
    found.push(lacking === null ? ok(step.name, 'yes') : missing(step.name, lacking, step.remedy ?? ''))
  }
  const major = Number(process.versions.node.split('.')[0])
  found.push(
    major >= 24
      ? ok('Node 24 for the daemon', process.versions.node)
      : missing(
          'Node 24 for the daemon',
          process.versions.node,
          'run `node scripts/setup.mjs`, which brings it',
        ),
  )
  return found
}

function memory(): Requirement {
  const found = `${(totalmem() / GiB).toFixed(1)} GiB, ${(freemem() / GiB).toFixed(1)} free`
  return totalmem() >= 2 * GiB
    ? ok('memory', found)
    : warning(
        'memory',
        found,
        'each container needs its size in the worst case; 2 GiB is little for anything but trying it',
      )
}

function packages(): Requirement[] {
  const lacking = new Set(missingPackages(Object.keys(runPackages)))
  return Object.entries(runPackages).map(([name, use]) =>
    lacking.has(name)
      ? missing(
          `package ${name}`,
          `not installed (for ${use})`,
          `apt-get install ${name}, or run \`node scripts/setup.mjs\``,
        )
      : ok(`package ${name}`, `installed (for ${use})`),
  )
}

function artifacts(): Requirement[] {
  return Object.entries(guestArtifacts()).map(([name, path]) =>
    existsSync(path)
      ? ok(`guest: ${name}`, path)
      : missing(`guest: ${name}`, `${path} is not there`, 'run `node scripts/setup.mjs`, which builds it'),
  )
}

function tun(): Requirement {
  try {
    accessSync('/dev/net/tun', constants.R_OK | constants.W_OK)
    return ok('/dev/net/tun', 'usable')
  } catch (error) {
    return missing(
      '/dev/net/tun',
      messageOf(error),
      'load the tun module (modprobe tun), or allow the device',
    )
  }
}

const emulation =
  'containers run in software emulation, 10 to 50 times slower, and what isolates them is the jail round QEMU (QEMU promises nothing then)'
const useHardware = 'use a machine with hardware virtualization, and switch it on in the firmware'

/** The file proves nothing: a KVM that is there may still not run a guest. The daemon boots a probe, and remembers. */
function kvm(stateDir: string): Requirement {
  if (!existsSync('/dev/kvm')) return warning('/dev/kvm', `not there: ${emulation}`, useHardware)
  const verdict = probeVerdict(stateDir)
  if (!verdict)
    return ok('/dev/kvm', 'there; the daemon finds out at its first start whether it runs a guest')
  return verdict.works
    ? ok('/dev/kvm', `there, and ${verdict.why}`)
    : warning('/dev/kvm', `there, but ${verdict.why}; so ${emulation}`, useHardware)
}

function probeVerdict(stateDir: string): { works: boolean; why: string } | undefined {
  try {
    const parsed = verdictSchema.safeParse(JSON.parse(readFileSync(`${stateDir}/accelerator.json`, 'utf8')))
    return parsed.data
  } catch {
    // No daemon has run here yet.
    return undefined
  }
}

function cgroups(): Requirement {
  if (existsSync('/sys/fs/cgroup/cgroup.controllers')) return ok('cgroups', 'version 2')
  if (existsSync('/sys/fs/cgroup/memory')) return ok('cgroups', 'version 1')
  return warning(
    'cgroups',
    'not mounted',
    'mount cgroup2 on /sys/fs/cgroup: QEMU processes cannot be limited without',
  )
}

function forwarding(): Requirement {
  const on = readFileSync('/proc/sys/net/ipv4/ip_forward', 'utf8').trim() === '1'
  return on
    ? ok('IPv4 forwarding', 'on')
    : warning(
        'IPv4 forwarding',
        'off',
        'the daemon switches it on at start; to keep it: sysctl -w net.ipv4.ip_forward=1',
      )
}

function directory(name: string, path: string, bytesNeeded: number): Requirement {
  let probe = path
  while (!existsSync(probe)) probe = probe.slice(0, probe.lastIndexOf('/')) || '/'
  try {
    accessSync(probe, constants.W_OK)
    const { bavail, bsize } = statfsSync(probe)
    const free = `${path}: ${((bavail * bsize) / GiB).toFixed(1)} GiB free`
    return bavail * bsize >= bytesNeeded
      ? ok(name, free)
      : warning(name, free, 'make room, or choose another with its option')
  } catch (error) {
    return missing(
      name,
      messageOf(error),
      `make ${path} writable, or choose another directory with its option`,
    )
  }
}

async function works(
  name: string,
  command: readonly [string, ...string[]],
  remedy: string,
): Promise<Requirement> {
  try {
    await run(command[0], command.slice(1), { deadlineMs: 10_000 })
    return ok(name, 'usable')
  } catch (error) {
    return missing(name, messageOf(error), remedy)
  }
}

async function dockerCli(): Promise<Requirement> {
  try {
    const { stdout } = await run('docker', ['--version'], { deadlineMs: 10_000 })
    return ok('docker CLI', stdout.trim())
  } catch {
    return warning(
      'docker CLI',
      'not found on this machine',
      'apt-get install docker.io, or use one from another machine',
    )
  }
}

/** A table for people; answers whether everything required is there. */
export function formatRequirements(list: readonly Requirement[]): string {
  const marks = { ok: pc.green('ok     '), missing: pc.red('missing'), warning: pc.yellow('warning') }
  const width = Math.max(...list.map((requirement) => requirement.name.length))
  const rows = list.map(({ name, status, found, remedy }) => {
    const row = `${marks[status]}  ${name.padEnd(width)}  ${found}`
    return remedy === '' ? row : `${row}\n         ${' '.repeat(width)}  → ${remedy}`
  })
  const lacking = list.filter((requirement) => requirement.status === 'missing').length
  const verdict =
    lacking === 0 ? 'Everything required is there.' : `${lacking} of what is required is missing.`
  return `${rows.join('\n')}\n\n${verdict}\n`
}
