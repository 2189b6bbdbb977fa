/** Numbers of bytes as people write and read them: `10G`, `1.5 GiB`. */

const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'] as const

/** As Docker reads sizes: `512m`, `10G`, `10gb`, `10GiB`, by 1024. undefined: it is none, or too large to count. */
export function parseBytes(text: string): number | undefined {
  const match = /^(\d{1,15}(?:\.\d{1,9})?) ?([kmgtp])?i?b?$/i.exec(text)
  if (!match) return undefined
  const power = ' kmgtp'.indexOf((match[2] ?? ' ').toLowerCase())
  const bytes = Math.floor(Number(match[1]) * 1024 ** power)
  return Number.isSafeInteger(bytes) ? bytes : undefined
}

/** With at most one digit behind the point. */
export function formatBytes(bytes: number): string {
  let power = 0
  while (power < units.length - 1 && bytes >= 1024 ** (power + 1)) power++
  const value = bytes / 1024 ** power
  return `${Number.isInteger(value) ? value : value.toFixed(1)} ${units[power]}`
}
