/** The sizes a container can have, as Hyper.sh had them. */
export interface Size {
  readonly name: string
  readonly vcpus: number
  readonly memoryMiB: number
}

export const defaultSizes: readonly Size[] = [
  { name: 's1', vcpus: 1, memoryMiB: 64 },
  { name: 's2', vcpus: 1, memoryMiB: 128 },
  { name: 's3', vcpus: 1, memoryMiB: 256 },
  { name: 's4', vcpus: 1, memoryMiB: 512 },
  { name: 'm1', vcpus: 1, memoryMiB: 1024 },
  { name: 'm2', vcpus: 2, memoryMiB: 2048 },
  { name: 'm3', vcpus: 2, memoryMiB: 4096 },
  { name: 'l1', vcpus: 4, memoryMiB: 4096 },
  { name: 'l2', vcpus: 4, memoryMiB: 8192 },
  { name: 'l3', vcpus: 8, memoryMiB: 16384 },
]
