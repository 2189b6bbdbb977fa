/** Columns for people, as docker prints them. */

const gap = '   '

export function formatTable(titles: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = titles.map((title, at) => Math.max(title.length, ...rows.map((row) => row[at]!.length)))
  const line = (cells: readonly string[]) =>
    cells
      .map((cell, at) => cell.padEnd(widths[at]!))
      .join(gap)
      .trimEnd()
  return `${[titles, ...rows].map(line).join('\n')}\n`
}
