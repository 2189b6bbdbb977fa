/** Events: which are asked for, and their JSON, with the fields that clients of before 1.22 look for. */
import type { EngineEvent } from '../../../engine/model.ts'
import { Filters } from '../filters.ts'

const names = [
  ...[
    'config',
    'container',
    'daemon',
    'event',
    'image',
    'label',
    'network',
    'node',
    'plugin',
    'scope',
    'secret',
  ],
  ...['service', 'type', 'volume'],
]
/** Kinds of objects that do not exist here: nothing ever happens to them. */
const absent = ['config', 'node', 'plugin', 'secret', 'service'] as const

export function eventFilter(json: string): (event: EngineEvent) => boolean {
  const filters = new Filters(json, names)
  if (absent.some((name) => filters.has(name))) return () => false
  return ({ type, action, actor }) => {
    const { id, attributes } = actor
    const named = [id, attributes.name ?? ''].filter(Boolean)
    return (
      filters.allows('scope', 'local') &&
      filters.allows('type', type) &&
      allowsAction(filters, action) &&
      filters.allowsLabels(attributes) &&
      filters.allowsPrefix('container', type === 'container' ? named : [attributes.container ?? '']) &&
      filters.allowsPrefix('volume', type === 'volume' ? named : []) &&
      filters.allowsPrefix('network', type === 'network' ? named : []) &&
      filters.allowsPrefix('daemon', type === 'daemon' ? named : []) &&
      allowsImage(filters, type, id, attributes)
    )
  }
}

/** `exec_create` means every `exec_create: command`. */
function allowsAction(filters: Filters, action: string): boolean {
  return filters.allows('event', action) || filters.allows('event', action.split(':')[0]!)
}

function allowsImage(
  filters: Filters,
  type: string,
  id: string,
  attributes: Readonly<Record<string, string>>,
): boolean {
  if (!filters.has('image')) return true
  const names = type === 'image' ? [id, attributes.name ?? ''] : [attributes.image ?? '']
  const bare = names.map((name) => name.replace(/:[^/:]*$/, ''))
  return filters.get('image').some((wanted) => names.includes(wanted) || bare.includes(wanted))
}

/** Nanoseconds since 1970 are more than a number of JavaScript holds. */
const { rawJSON } = JSON as unknown as { rawJSON(text: string): unknown }

export function eventJson({ type, action, actor, timeNano }: EngineEvent) {
  const { id, attributes } = actor
  const legacy =
    type === 'container' || type === 'image'
      ? { status: action, id, ...(attributes.image ? { from: attributes.image } : {}) }
      : {}
  return {
    ...legacy,
    Type: type,
    Action: action,
    Actor: { ID: id, Attributes: attributes },
    scope: 'local',
    time: Number(timeNano / 1_000_000_000n),
    timeNano: rawJSON(String(timeNano)),
  }
}
