/** A volume in Docker's JSON, and the filters of a list. */

import type { VolumeView } from '../backends.ts'
import type { Filters } from '../filters.ts'
import { rfc3339Nano } from '../time.ts'

/** What dockerd since 23 tells a volume by that nobody named. */
const anonymousLabel = 'com.docker.volume.anonymous'

export interface VolumeUsage {
  readonly bytes: number
}

/** There is no place of the host where its files could be seen, and `Mountpoint` says so. */
export function volumeJson(volume: VolumeView, usage?: VolumeUsage) {
  const { name, driver, options, createdAt } = volume
  const labels = labelsOf(volume)
  return {
    CreatedAt: rfc3339Nano(createdAt),
    Driver: driver,
    Labels: Object.keys(labels).length > 0 ? labels : null,
    Mountpoint: '',
    Name: name,
    Options: Object.keys(options).length > 0 ? options : null,
    Scope: 'local',
    ...(usage ? { UsageData: { RefCount: volume.containers.length, Size: usage.bytes } } : {}),
  }
}

export function labelsOf({
  labels,
  anonymous,
}: Pick<VolumeView, 'labels' | 'anonymous'>): Readonly<Record<string, string>> {
  return anonymous ? { ...labels, [anonymousLabel]: '' } : labels
}

export const listFilters = ['dangling', 'driver', 'label', 'name'] as const

export function volumeMatcher(filters: Filters): (volume: VolumeView) => boolean {
  const dangling = filters.boolean('dangling')
  return (volume) =>
    (dangling === undefined || dangling === (volume.containers.length === 0)) &&
    filters.allows('driver', volume.driver) &&
    filters.allowsLabels(labelsOf(volume)) &&
    filters.allowsPattern('name', [volume.name])
}
