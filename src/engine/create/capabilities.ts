/** Which capabilities a container's processes have: Docker's fourteen, more and fewer as asked, or all. */
import { invalid } from '../../lib/errors.ts'

/** In the kernel's order. */
export const allCapabilities: readonly string[] = [
  ...['CHOWN', 'DAC_OVERRIDE', 'DAC_READ_SEARCH', 'FOWNER', 'FSETID', 'KILL', 'SETGID', 'SETUID', 'SETPCAP'],
  ...[
    'LINUX_IMMUTABLE',
    'NET_BIND_SERVICE',
    'NET_BROADCAST',
    'NET_ADMIN',
    'NET_RAW',
    'IPC_LOCK',
    'IPC_OWNER',
  ],
  ...[
    'SYS_MODULE',
    'SYS_RAWIO',
    'SYS_CHROOT',
    'SYS_PTRACE',
    'SYS_PACCT',
    'SYS_ADMIN',
    'SYS_BOOT',
    'SYS_NICE',
  ],
  ...[
    'SYS_RESOURCE',
    'SYS_TIME',
    'SYS_TTY_CONFIG',
    'MKNOD',
    'LEASE',
    'AUDIT_WRITE',
    'AUDIT_CONTROL',
    'SETFCAP',
  ],
  ...['MAC_OVERRIDE', 'MAC_ADMIN', 'SYSLOG', 'WAKE_ALARM', 'BLOCK_SUSPEND', 'AUDIT_READ', 'PERFMON', 'BPF'],
  'CHECKPOINT_RESTORE',
].map((name) => `CAP_${name}`)

const defaults: readonly string[] = [
  ...[
    'CHOWN',
    'DAC_OVERRIDE',
    'FSETID',
    'FOWNER',
    'MKNOD',
    'NET_RAW',
    'SETGID',
    'SETUID',
    'SETFCAP',
    'SETPCAP',
  ],
  ...['NET_BIND_SERVICE', 'SYS_CHROOT', 'KILL', 'AUDIT_WRITE'],
].map((name) => `CAP_${name}`)

export interface CapabilityRequest {
  readonly privileged: boolean
  readonly capAdd: readonly string[]
  readonly capDrop: readonly string[]
}

/** Throws kind `invalid`, code `unknown_capability`, in dockerd's words. */
export function capabilitiesOf({ privileged, capAdd, capDrop }: CapabilityRequest): readonly string[] {
  const add = capAdd.map((name) => canonical(name, 'CapAdd'))
  const drop = capDrop.map((name) => canonical(name, 'CapDrop'))
  if (privileged) return allCapabilities
  // Docker's order of precedence: adding ALL minds single drops, dropping ALL minds single adds.
  if (add.includes('ALL')) return allCapabilities.filter((name) => !drop.includes(name))
  const kept = drop.includes('ALL') ? [] : defaults.filter((name) => !drop.includes(name))
  return [...new Set([...kept, ...add])]
}

function canonical(name: string, field: string): string {
  const upper = name.toUpperCase()
  if (upper === 'ALL') return upper
  const full = upper.startsWith('CAP_') ? upper : `CAP_${upper}`
  if (!allCapabilities.includes(full)) {
    throw invalid('unknown_capability', `invalid ${field}: unknown capability: "${full}"`)
  }
  return full
}
