/** What is mounted in a container, in Docker's JSON. */
import { z } from 'zod'
import type { Container } from '../../../engine/model.ts'
import { readFrontend } from './frontend.ts'

const tmpfsMount = z.object({
  Type: z.literal('tmpfs'),
  Target: z.string(),
  ReadOnly: z.boolean().nullish(),
})

/** As dockerd: volumes, and those tmpfs that were asked for as mounts. `Source` is a place of the host: a volume has none there. */
export function mountsJson({ spec }: Container) {
  const volumes = spec.mounts.map(({ name, destination, mode, readOnly }) => ({
    Type: 'volume',
    Name: name,
    Source: '',
    Destination: destination,
    Driver: 'local',
    Mode: mode,
    RW: !readOnly,
    Propagation: '',
  }))
  const asked = readFrontend(spec.frontend).hostConfig.Mounts
  const tmpfs = (Array.isArray(asked) ? asked : []).flatMap((mount) => {
    const parsed = tmpfsMount.safeParse(mount)
    if (!parsed.success) return []
    const { Target: target, ReadOnly: readOnly } = parsed.data
    return [{ Type: 'tmpfs', Source: '', Destination: target, Mode: '', RW: !readOnly, Propagation: '' }]
  })
  return [...volumes, ...tmpfs]
}
