/** What work costs this thread, however busy the machine is with others: for bounds that tell linear from quadratic. */
export function cpuMs(work: () => void): number {
  const before = process.threadCpuUsage()
  work()
  const { user, system } = process.threadCpuUsage(before)
  return (user + system) / 1_000
}
