/**
 * Docker's framing of several streams on one connection, for processes without a terminal.
 *
 *     byte  0        1  2  3   4  5  6  7      8 …
 *           stream   0  0  0   length (BE)     data
 *
 * stream: 0 stdin, 1 stdout, 2 stderr, 3 an error of the daemon.
 */
const streamNumbers = { stdout: 1, stderr: 2 } as const
const headerBytes = 8

export function frame(stream: 'stdout' | 'stderr', data: Buffer): Buffer {
  const framed = Buffer.allocUnsafe(headerBytes + data.length)
  framed.writeUInt32BE(streamNumbers[stream] << 24, 0)
  framed.writeUInt32BE(data.length, 4)
  data.copy(framed, headerBytes)
  return framed
}

/** Raw for a terminal; framed for the rest, which only clients since 1.42 are told by its own type. */
export const rawStreamType = 'application/vnd.docker.raw-stream'
export const multiplexedStreamType = 'application/vnd.docker.multiplexed-stream'
