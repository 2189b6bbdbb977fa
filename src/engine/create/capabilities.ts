/** Which capabilities a container's processes have: Docker's fourteen, more and fewer as asked, or all. */
import { allCapabilities } from '../../lib/capabilities.ts'
import { invalid } from '../../lib/errors.ts'

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
