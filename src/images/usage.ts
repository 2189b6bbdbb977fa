/** What images take on the disk: the layers as they came, and the block images made of them; each once. */
import type { ImagesUsage } from '../api/docker/backends.ts'
import type { ProjectImage } from './records.ts'

export async function imagesUsage(
  images: readonly ProjectImage[],
  blockBytes: (chain: string) => Promise<number>,
): Promise<ImagesUsage> {
  const chains = [...new Set(images.map(({ chain }) => chain))]
  const blocks = await Promise.all(chains.map(async (chain) => [chain, await blockBytes(chain)] as const))
  const pieces = new Map<string, { bytes: number; users: number }>(
    blocks.map(([chain, bytes]) => [`block ${chain}`, { bytes, users: 0 }]),
  )
  for (const { layers } of images) {
    for (const { digest, bytes } of layers) pieces.set(digest, { bytes, users: 0 })
  }
  const ofImage = ({ layers, chain }: ProjectImage) =>
    [...new Set([`block ${chain}`, ...layers.map(({ digest }) => digest)])].map((name) => pieces.get(name)!)
  for (const image of images) for (const piece of ofImage(image)) piece.users++
  const sum = (list: readonly { bytes: number }[]) => list.reduce((total, { bytes }) => total + bytes, 0)
  return {
    bytes: sum([...pieces.values()]),
    images: new Map(
      images.map((image) => {
        const own = ofImage(image)
        return [image.id, { bytes: sum(own), shared: sum(own.filter(({ users }) => users > 1)) }]
      }),
    ),
  }
}
