/** The ratios as a bar chart in SVG that reads in light and in dark. */
import type { Results } from './results.ts'

const width = 860
const left = 270
const right = 230
const top = 62
const rowHeight = 30
const barHeight = 16
const scaleWidth = width - left - right
/** Longer bars are cut, or the short ones, which matter as much, could not be told apart. */
const ratioMax = 2

const style = `
  text { font: 13px system-ui, -apple-system, 'Segoe UI', sans-serif; fill: #1f2328 }
  .title { font-size: 15px; font-weight: 600 }
  .note { fill: #59636e; font-size: 12px }
  .better { fill: #1a7f37 } .worse { fill: #bc4c00 }
  .grid { stroke: #d1d9e0 } .one { stroke: #1f2328; stroke-width: 1.5 }
  @media (prefers-color-scheme: dark) {
    text { fill: #f0f6fc } .note { fill: #9198a1 }
    .better { fill: #3fb950 } .worse { fill: #db6d28 }
    .grid { stroke: #3d444d } .one { stroke: #f0f6fc }
  }`

export function chart({ comparisons, machine, docker, peers }: Results): string {
  const bottom = top + comparisons.length * rowHeight
  const height = bottom + 48
  const note =
    `${machine.cores} cores, QEMU ${machine.qemu} with ${machine.accelerator.toUpperCase()}, docker ${docker.cli}, ` +
    `dockerd ${peers.dockerd.dockerd}, runc ${peers.dockerd.runc}. Ratio: median of neighbouring samples`
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" role="img">`,
    `<title>Hummingbird ÷ dockerd + runc, lower is better</title>`,
    `<style>${style}\n</style>`,
    text(16, 28, 'Hummingbird ÷ dockerd + runc, lower is better', 'title'),
    ...grid(bottom),
    ...comparisons.flatMap((comparison, i) => bar(comparison, top + i * rowHeight)),
    text(16, height - 12, note, 'note'),
    '</svg>',
    '',
  ].join('\n')
}

function grid(bottom: number): string[] {
  return [0, 0.5, 1, 1.5, 2].flatMap((value) => {
    const x = at(value)
    const label = `<text class="note" x="${x}" y="${bottom + 16}" text-anchor="middle">${value.toFixed(1)}</text>`
    return [line(x, top - 8, bottom, value === 1 ? 'one' : 'grid'), label]
  })
}

function bar({ title, ratio, summary }: Results['comparisons'][number], y: number): string[] {
  const middle = y + rowHeight / 2
  const label = `<text x="${left - 12}" y="${middle + 4}" text-anchor="end">${escaped(title)}</text>`
  if (!ratio || !summary.hummingbird || !summary.dockerd)
    return [label, text(left + 8, middle + 4, 'failed', 'worse')]
  const value = ratio.medianOfPairs
  const length = at(Math.min(value, ratioMax)) - left
  const figures = `${value.toFixed(2)}  ·  ${ms(summary.hummingbird.median)} ÷ ${ms(summary.dockerd.median)} ms`
  return [
    label,
    `<rect class="${value <= 1 ? 'better' : 'worse'}" x="${left}" y="${middle - barHeight / 2}" width="${length.toFixed(1)}" height="${barHeight}" rx="2"/>`,
    // Beyond the scale a bar says that it is cut.
    text(width - right + 14, middle + 4, value > ratioMax ? `→ ${figures}` : figures),
  ]
}

function at(value: number): number {
  return left + (value / ratioMax) * scaleWidth
}

function line(x: number, y1: number, y2: number, kind: string): string {
  return `<line class="${kind}" x1="${x}" x2="${x}" y1="${y1}" y2="${y2}"/>`
}

function text(x: number, y: number, content: string, kind?: string): string {
  return `<text${kind ? ` class="${kind}"` : ''} x="${x}" y="${y}">${escaped(content)}</text>`
}

function escaped(content: string): string {
  return content.replaceAll('&', '&amp;').replaceAll('<', '&lt;')
}

function ms(value: number): string {
  return value >= 100 ? value.toFixed(0) : value.toFixed(1)
}
