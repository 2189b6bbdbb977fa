/** What a program sees of its machine: what Docker shows, and nothing of the host. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { release } from 'node:os'
import { test } from 'node:test'
import { startCloud } from '../support/cloud.ts'

const { docker } = await startCloud({ images: ['busybox'] })
const shell = (script: string, ...options: string[]) =>
  docker.ok(['run', '--rm', ...options, 'busybox', 'sh', '-c', script])
const refused = async (script: string, ...options: string[]) =>
  (await docker.run(['run', '--rm', ...options, 'busybox', 'sh', '-c', script])).stderr

test('the program is process 1 and sees no others', async () => {
  assert.equal(await shell('echo $$; exec ls -d /proc/[0-9]*'), '1\n/proc/1')
})

test('it has the capabilities of Docker, and no more', async () => {
  const status = await shell('grep -E "^(Cap|NoNewPrivs)" /proc/self/status')
  assert.equal(
    status.replaceAll('\t', ' '),
    [
      'CapInh: 0000000000000000',
      'CapPrm: 00000000a80425fb',
      'CapEff: 00000000a80425fb',
      'CapBnd: 00000000a80425fb',
      'CapAmb: 0000000000000000',
      'NoNewPrivs: 0',
    ].join('\n'),
  )
})

test('/dev holds what Docker puts there', async () => {
  const devices = 'core fd full mqueue null ptmx pts random shm stderr stdin stdout tty urandom zero'
  assert.equal((await shell('ls /dev')).split('\n').join(' '), devices)
  assert.equal(
    (await docker.ok(['run', '--rm', '-t', 'busybox', 'ls', '-1', '/dev']))
      .replaceAll('\r', '')
      .split('\n')
      .join(' '),
    `console ${devices}`,
  )
  const kinds = await shell(
    'for d in null zero full random urandom tty; do stat -c "%n %t,%T %a" /dev/$d; done',
  )
  assert.equal(
    kinds,
    '/dev/null 1,3 666\n/dev/zero 1,5 666\n/dev/full 1,7 666\n/dev/random 1,8 666\n/dev/urandom 1,9 666\n/dev/tty 5,0 666',
  )
  assert.equal(
    await shell('for l in fd stdin core ptmx; do readlink /dev/$l; done'),
    '/proc/self/fd\n/proc/self/fd/0\n/proc/kcore\npts/ptmx',
  )
})

test('other devices cannot be opened, even when they are made', async () => {
  assert.match(await refused('mknod /tmp/disk b 254 0 && cat /tmp/disk'), /Operation not permitted/)
  assert.match(await refused('mknod /tmp/mem c 1 1 && cat /tmp/mem'), /Operation not permitted/)
})

test('/dev/shm is a tmpfs of 64 MiB, or as large as asked', async () => {
  const line = 'grep " /dev/shm " /proc/mounts'
  assert.match(await shell(line), /^\S+ \/dev\/shm tmpfs rw,nosuid,nodev,noexec,relatime,size=65536k/)
  assert.match(await shell(line, '--shm-size', '8m'), /size=8192k/)
})

test('/proc is masked where it tells of the machine, and read-only where it rules it', async () => {
  for (const path of ['/proc/kcore', '/proc/keys', '/proc/timer_list', '/proc/interrupts']) {
    assert.equal(await shell(`test ! -e ${path} || wc -c < ${path}`).then((size) => size || '0'), '0', path)
  }
  assert.equal(await shell('ls -A /proc/acpi /sys/firmware 2>/dev/null | grep -v ":$"; true'), '')
  for (const path of ['/proc/sys/kernel/hostname', '/proc/sys/vm/swappiness']) {
    assert.match(await refused(`echo 1 > ${path}`), /Read-only file system/, path)
  }
})

test('/sys and the cgroups are there to read only', async () => {
  const mounts = await shell('grep -E " /sys(/fs/cgroup)? " /proc/mounts')
  assert.match(mounts, /^sysfs \/sys sysfs ro,nosuid,nodev,noexec,relatime/m)
  assert.match(mounts, /^cgroup2? \/sys\/fs\/cgroup cgroup2 ro,nosuid,nodev,noexec,relatime/m)
  assert.match(await refused('mkdir /sys/fs/cgroup/mine'), /Read-only file system/)
})

test('nothing can be mounted', async () => {
  assert.match(await refused('mount -t tmpfs none /tmp'), /permission denied|Operation not permitted/i)
  assert.match(await refused('umount /dev/shm'), /Operation not permitted|must be superuser/i)
})

test('a privileged container has its machine for itself', async () => {
  const options = ['--privileged']
  assert.match(
    await shell('awk "/CapEff/ { print \\$2 }" /proc/self/status', ...options),
    /^00000[01]ffffffffff$/,
  )
  assert.equal(await shell('mount -t tmpfs none /tmp && echo mounted', ...options), 'mounted')
  assert.equal(
    await shell('echo 10 > /proc/sys/vm/swappiness && cat /proc/sys/vm/swappiness', ...options),
    '10',
  )
})

test('the root is writable, and the image below it stays as it was', async () => {
  assert.match(await shell('head -1 /proc/mounts'), /^overlay \/ overlay rw,/)
  assert.equal(await shell('echo changed > /etc/passwd; cat /etc/passwd'), 'changed')
  assert.match(await shell('cat /etc/passwd'), /^root:x:0:0/)
})

test('it is named after its id, in every place', async () => {
  await using container = await docker.container('busybox', 'sleep', '1000')
  const short = container.id.slice(0, 12)
  const address = await container.inspect('{{.NetworkSettings.IPAddress}}')
  assert.equal(await container.exec('hostname'), short)
  assert.equal(await container.exec('cat', '/etc/hostname'), short)
  const hosts = await container.exec('cat', '/etc/hosts')
  assert.match(hosts, /^127\.0\.0\.1\tlocalhost$/m)
  assert.ok(hosts.endsWith(`\n${address}\t${short}`), hosts)
  assert.match(await container.exec('cat', '/etc/resolv.conf'), /^nameserver \d+\.\d+\.\d+\.\d+$/m)
  assert.match(await container.exec('ip', 'addr', 'show', 'eth0'), new RegExp(`inet ${address}/24`))
  const mac = await container.inspect('{{.NetworkSettings.MacAddress}}')
  assert.equal(await container.exec('cat', '/sys/class/net/eth0/address'), mac)
})

test('the kernel is not that of the host', async () => {
  const [kernel, boot] = (await shell('uname -r; cat /proc/sys/kernel/random/boot_id')).split('\n')
  assert.notEqual(boot, readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim())
  assert.match(kernel!, /^6\.1\./)
  assert.ok(kernel !== release())
})
