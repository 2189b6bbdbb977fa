/**
 * What a start asks of a guest, step by step and each awaited alone: by the clock, and in CPU time of its QEMU, which says
 * the same on a busy machine. Of a clone out of the pool, and of one that was made for the claim.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import type { GuestContainer, GuestProcessSpec, Sandbox } from '../src/engine/ports/sandbox.ts'
import { MiB } from '../src/lib/units.ts'
import { type Lab, openLab } from './lab.ts'
import { quiet } from './quiet.ts'
import { median } from './statistics.ts'

/** Longer than the pool waits before it makes another, and warms it. */
const refillMs = 700

interface Step {
  readonly clockMs: number
  readonly cpuMs: number
}

export interface Steps {
  readonly what: string
  readonly pooled: Readonly<Record<string, Step>>
  readonly fresh: Readonly<Record<string, Step>>
}

export async function measureSteps(directory: string, count: number): Promise<Steps> {
  await using lab = await openLab('steps', directory)
  await (await lab.claim()).kill()
  const fresh = await medians(lab, count, async () => {})
  lab.keep(1)
  const pooled = await medians(lab, count, () => sleep(refillMs))
  return {
    what: 'medians of what a guest does to start a container that runs true: by the clock, and in CPU time of its QEMU',
    pooled,
    fresh,
  }
}

async function medians(lab: Lab, count: number, before: () => Promise<void>): Promise<Record<string, Step>> {
  const taken: Record<string, Step[]> = {}
  for (let i = 0; i < count; i++) {
    await before()
    await quiet()
    for (const [name, step] of Object.entries(await oneStart(lab))) {
      taken[name] ??= []
      taken[name].push(step)
    }
  }
  return Object.fromEntries(
    Object.entries(taken).map(([name, steps]) => [
      name,
      { clockMs: median(steps.map((step) => step.clockMs)), cpuMs: median(steps.map((step) => step.cpuMs)) },
    ]),
  )
}

async function oneStart(lab: Lab): Promise<Record<string, Step>> {
  const steps: Record<string, Step> = {}
  let pid: number | undefined
  const step = async <T>(name: string, work: () => Promise<T>): Promise<T> => {
    const [clock, cpu] = [performance.now(), cpuMs(pid)]
    const result = await work()
    steps[name] = { clockMs: performance.now() - clock, cpuMs: cpuMs(pid) - cpu }
    return result
  }
  const sandbox = await step('claim', () => lab.claim())
  pid = sandbox.handle.pid
  // Cloned and, in the pool, warmed: what it has cost until now, whoever waited for it.
  steps['made ready'] = { clockMs: 0, cpuMs: cpuMs(pid) }
  const { id } = sandbox.handle
  await step('configure', () => configure(sandbox))
  await step('create container', () => sandbox.createContainer(containerOf(id)))
  const process = await step('start process', () => sandbox.startProcess(processOf(id), { write() {} }))
  await step('run true to its exit', () => process.exited)
  pid = undefined
  await step('kill', () => sandbox.kill())
  return steps
}

function configure(sandbox: Sandbox): Promise<void> {
  const card = { name: 'eth0', mac: '02:42:0a:63:00:05', mtu: 1500, addresses: ['10.99.0.5/24'] }
  return sandbox.configure({
    hostname: 'bench',
    interfaces: [{ ...card, gateways: ['10.99.0.1'] }],
    sysctls: {},
  })
}

function containerOf(id: string): GuestContainer {
  const file = (path: string) => ({ path, mode: 0o644, content: '127.0.0.1 localhost\n' })
  return {
    id,
    ...{
      hostname: 'bench',
      domainname: '',
      readonlyRoot: false,
      privileged: false,
      tmpfs: [],
      mounts: [],
      sysctls: {},
    },
    files: ['/etc/hosts', '/etc/hostname', '/etc/resolv.conf'].map(file),
    maskedPaths: ['/proc/kcore', '/proc/keys', '/proc/timer_list', '/proc/scsi', '/sys/firmware'],
    readonlyPaths: ['/proc/bus', '/proc/fs', '/proc/irq', '/proc/sys', '/proc/sysrq-trigger'],
    shmBytes: 64 * MiB,
    limits: { memoryBytes: 0, cpuQuotaUs: 0, cpuPeriodUs: 0, cpuWeight: 0, pids: 0 },
  }
}

function processOf(container: string): GuestProcessSpec {
  const capabilities = ['CAP_CHOWN', 'CAP_SETGID', 'CAP_SETUID', 'CAP_KILL', 'CAP_NET_BIND_SERVICE']
  return {
    ...{
      id: 1,
      container,
      main: true,
      init: false,
      tty: false,
      stdin: false,
      args: ['true'],
      env: ['PATH=/bin'],
    },
    ...{ cwd: '/', user: '', groups: [], noNewPrivileges: false, rlimits: [], oomScoreAdj: 0 },
    capabilities: { bounding: capabilities, effective: capabilities, inheritable: [], ambient: [] },
  }
}

/** Of all its threads; 0 without a process. */
function cpuMs(pid: number | undefined): number {
  if (pid === undefined) return 0
  const nanos = readdirSync(`/proc/${pid}/task`).map((thread) =>
    Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8').split(' ')[0]),
  )
  return nanos.reduce((sum, each) => sum + each, 0) / 1e6
}
