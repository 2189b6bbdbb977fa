/** Options of `docker run` that shape the process: its environment, user, rights and limits. */
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { startCloud } from '../support/cloud.ts'

const { docker } = await startCloud({ images: ['busybox'] })
const run = (options: string[], ...command: string[]) =>
  docker.ok(['run', '--rm', ...options, 'busybox', ...command])
const shell = (options: string[], script: string) => run(options, 'sh', '-c', script)

test('variables come from the command line, a file and the caller', async () => {
  const file = join(docker.command.config, 'environment')
  writeFileSync(file, '# comment\nFROM_FILE=a b\nOVER=file\n')
  const options = ['--env-file', file, '-e', 'OVER=line', '-e', 'EMPTY=', '-e', 'PATH']
  const env = await run(options, 'env')
  assert.match(env, /^FROM_FILE=a b$/m)
  assert.match(env, /^OVER=line$/m)
  assert.match(env, /^EMPTY=$/m)
  assert.match(env, new RegExp(`^PATH=${process.env.PATH}$`, 'm'))
  assert.match(env, /^HOME=\/root$/m)
  assert.match(env, /^HOSTNAME=[0-9a-f]{12}$/m)
})

test('the working directory is made when it is missing', async () => {
  assert.equal(await run(['-w', '/var/new/deep'], 'pwd'), '/var/new/deep')
  assert.equal(await run(['-w', '/etc'], 'pwd'), '/etc')
  assert.equal(await run([], 'pwd'), '/')
})

test('a user is given by name or number, with a group or without', async () => {
  const id = (user: string) => run(['-u', user], 'id')
  assert.equal(await id('alice'), 'uid=1000(alice) gid=1000(alice) groups=29(audio),50(staff),1000(alice)')
  assert.match(await id('1000'), /^uid=1000\(alice\) gid=1000\(alice\)/)
  assert.equal(await id('alice:www-data'), 'uid=1000(alice) gid=33(www-data) groups=33(www-data)')
  assert.equal(await id('4711:4712'), 'uid=4711 gid=4712 groups=4712')
  assert.match(await id('4711'), /^uid=4711 gid=0\(root\)/)
  assert.match(
    await docker.fails(['run', '--rm', '-u', 'nosuch', 'busybox', 'id'], 125),
    /unable to find user nosuch/,
  )
  assert.equal(
    await shell(['-u', 'alice'], 'echo $HOME; cd; touch mine && echo written'),
    '/home/alice\nwritten',
  )
})

test('further groups are added', async () => {
  const groups = await run(['-u', '4711:4712', '--group-add', 'audio', '--group-add', '777'], 'id', '-G')
  assert.deepEqual(new Set(groups.split(' ')), new Set(['4712', '29', '777']))
})

test('the entrypoint is what is run, the command its arguments', async () => {
  assert.equal(await run(['--entrypoint', 'echo'], 'a', 'b'), 'a b')
  assert.equal(await docker.ok(['run', '--rm', '--entrypoint', '', 'busybox', 'echo', 'plain']), 'plain')
})

test('a container has the host name it is given, and knows it', async () => {
  assert.equal(
    await shell(['--hostname', 'box', '--domainname', 'example.org'], 'hostname; cat /etc/hostname'),
    'box\nbox',
  )
  assert.match(await run(['--hostname', 'box'], 'cat', '/etc/hosts'), /^10\.\d+\.\d+\.\d+\tbox$/m)
})

test('labels are kept', async () => {
  await using container = await docker.container('--label', 'app=web', '-l', 'bare', 'busybox', 'true')
  assert.equal(await container.inspect('{{json .Config.Labels}}'), '{"app":"web","bare":""}')
})

test('memory is limited, by the sandbox and within it', async () => {
  assert.equal(await run(['-m', '48m'], 'cat', '/sys/fs/cgroup/memory.max'), String(48 << 20))
  await using container = await docker.container('-m', '100m', 'busybox', 'sleep', '1000')
  assert.equal(await container.inspect('{{.HostConfig.Memory}}'), String(100 << 20))
  const totalKiB = Number(await container.exec('sh', '-c', 'awk "/MemTotal/ { print \\$2 }" /proc/meminfo'))
  assert.ok(totalKiB > 80 * 1024 && totalKiB < 130 * 1024, `a sandbox for 100 MiB has ${totalKiB} KiB`)
})

test('CPUs are as many as asked for, or a part of one', async () => {
  assert.equal(await run([], 'nproc'), '1')
  assert.equal(await run(['--cpus', '2'], 'nproc'), '2')
  assert.equal(await run(['--cpus', '0.5'], 'cat', '/sys/fs/cgroup/cpu.max'), '50000 100000')
  assert.equal(
    await run(['--cpu-quota', '25000', '--cpu-period', '50000'], 'cat', '/sys/fs/cgroup/cpu.max'),
    '25000 50000',
  )
})

test('the number of processes is limited', async () => {
  assert.equal(await run(['--pids-limit', '20'], 'cat', '/sys/fs/cgroup/pids.max'), '20')
  const script = 'for i in 1 2 3 4 5 6 7 8 9 10; do sleep 1000 & done 2>/dev/null; echo made; kill $(jobs -p)'
  assert.notEqual(
    (await docker.run(['run', '--rm', '--pids-limit', '5', 'busybox', 'sh', '-c', script])).code,
    0,
  )
})

test('a tmpfs is where and as large as asked', async () => {
  const mounts = await shell(
    ['--tmpfs', '/scratch:size=1m,mode=700', '--tmpfs', '/run'],
    'grep tmpfs /proc/mounts',
  )
  assert.match(mounts, /^tmpfs \/scratch tmpfs rw,nosuid,nodev,noexec,relatime,size=1024k,mode=700/m)
  assert.match(mounts, /^tmpfs \/run tmpfs rw,nosuid,nodev,noexec/m)
  const full = await docker.run([
    'run',
    '--rm',
    '--tmpfs',
    '/s:size=1m',
    'busybox',
    'dd',
    'if=/dev/zero',
    'of=/s/x',
    'bs=64k',
    'count=20',
  ])
  assert.match(full.stderr, /No space left on device/)
  const mounted = await shell(['--mount', 'type=tmpfs,target=/m,tmpfs-size=2m'], 'grep " /m " /proc/mounts')
  assert.match(mounted, /size=2048k/)
})

test('a read-only root takes no writes, what is mounted over it does', async () => {
  const script = 'touch /x; touch /tmp/y && echo tmp; touch /dev/shm/z && echo shm'
  const ended = await docker.run([
    'run',
    '--rm',
    '--read-only',
    '--tmpfs',
    '/tmp',
    'busybox',
    'sh',
    '-c',
    script,
  ])
  assert.match(ended.stderr, /touch: \/x: Read-only file system/)
  assert.equal(ended.stdout, 'tmp\nshm\n')
})

test('capabilities are added and dropped', async () => {
  const effective = (...options: string[]) =>
    shell(options, 'awk "/CapEff/ { print \\$2 }" /proc/self/status')
  assert.equal(await effective(), '00000000a80425fb')
  assert.equal(await effective('--cap-drop', 'ALL'), '0000000000000000')
  assert.equal(await effective('--cap-drop', 'ALL', '--cap-add', 'CHOWN'), '0000000000000001')
  assert.equal(await effective('--cap-add', 'SYS_TIME'), '00000000aa0425fb')
  assert.equal(await effective('-u', 'alice'), '0000000000000000')
  assert.match(
    await docker.fails(['run', '--cap-add', 'NO_SUCH', 'busybox'], 125),
    /unknown capability: "CAP_NO_SUCH"/,
  )
  const chown = await docker.run([
    'run',
    '--rm',
    '--cap-drop',
    'CHOWN',
    'busybox',
    'chown',
    '1',
    '/etc/passwd',
  ])
  assert.match(chown.stderr, /Operation not permitted/)
})

test('limits of the process are those asked for', async () => {
  assert.equal(await shell(['--ulimit', 'nofile=64:128'], 'ulimit -Sn; ulimit -Hn'), '64\n128')
  assert.equal(await shell(['--ulimit', 'core=0'], 'ulimit -c'), '0')
})

test('with --init the program is not process 1, and orphans are reaped', async () => {
  assert.equal(await shell([], 'echo $$'), '1')
  // An orphan that nobody reaps has a name for ever.
  const orphan = "sh -c 'sleep 0.05 & exit'; while pidof sleep >/dev/null; do usleep 10000; done"
  const [pid, end] = (await shell(['--init'], `echo $$; ${orphan}; echo reaped`)).split('\n')
  assert.notEqual(pid, '1')
  assert.equal(end, 'reaped')
})

test('stop sends the signal that was chosen', async () => {
  const program = 'trap "echo usr1; exit 3" USR1; echo ready; while :; do sleep 0.05; done'
  await using container = await docker.container('--stop-signal', 'USR1', 'busybox', 'sh', '-c', program)
  await container.says('ready')
  await docker.ok(['stop', container.id])
  assert.equal(await container.inspect('{{.State.ExitCode}}'), '3')
  assert.equal(await container.logs(), 'ready\nusr1')
})

test('names and name servers are added', async () => {
  const hosts = await run(['--add-host', 'db:10.1.2.3', '--add-host', 'gw:host-gateway'], 'cat', '/etc/hosts')
  assert.match(hosts, /^10\.1\.2\.3\tdb$/m)
  assert.match(hosts, /^10\.\d+\.\d+\.1\tgw$/m)
  const dns = ['--dns', '192.0.2.53', '--dns-search', 'example.org', '--dns-option', 'ndots:2']
  const resolver = await run(dns, 'cat', '/etc/resolv.conf')
  assert.equal(resolver, 'nameserver 192.0.2.53\nsearch example.org\noptions ndots:2')
})

test('kernel parameters of its own namespaces can be set', async () => {
  assert.equal(await run(['--sysctl', 'net.ipv4.ip_forward=1'], 'cat', '/proc/sys/net/ipv4/ip_forward'), '1')
})

test('with no-new-privileges a program cannot gain any', async () => {
  const script = 'awk "/NoNewPrivs/ { print \\$2 }" /proc/self/status'
  assert.equal(await shell(['--security-opt', 'no-new-privileges'], script), '1')
  assert.equal(await shell([], script), '0')
})

test('a size can be asked for by name', async () => {
  const total = 'awk "/MemTotal/ { print int(\\$2 / 1024) }" /proc/meminfo'
  const small = Number(await shell(['--label', 'hummingbird.size=s1'], total))
  const large = Number(await shell(['--label', 'hummingbird.size=m1'], total))
  assert.ok(small < 64 && large > 800 && large < 1024, `${small} and ${large} MiB`)
})

test('a runtime names the size of the microVM, and the sizes are told of', async () => {
  const cpus = ['busybox', 'sh', '-c', 'nproc; free -m | grep -o "Mem: *[0-9]*"']
  assert.match(await docker.ok(['run', '--rm', '--runtime', 's2', ...cpus]), /^1\nMem: +1[012]\d$/)
  assert.match(
    await docker.fails(['run', '--runtime', 'nope', 'busybox'], 125),
    /runtime name: nope: .*s1 \(1 CPU, 64 MiB\)/,
  )
  const clash = ['run', '--runtime', 's1', '--label', 'hummingbird.size=s2', 'busybox']
  assert.match(await docker.fails(clash, 125), /Conflicting options/)
  const runtimes = Object.keys(JSON.parse(await docker.ok(['info', '--format', '{{json .Runtimes}}'])))
  assert.ok(runtimes.includes('s1') && runtimes.includes('l3'), runtimes.join())
})

test('a privileged container has all of its guest: mounts, devices, sysctls, links', async () => {
  const script = `mkdir /m && mount -t tmpfs none /m && mount -o remount,ro /m && echo mounted
    mknod /dev/made b 7 7 && echo made
    sysctl -qw vm.overcommit_memory=1 && cat /proc/sys/vm/overcommit_memory
    ip link set lo down && echo down
    grep CapEff /proc/self/status`
  const all = 'mounted\nmade\n1\ndown\nCapEff:\t000001ffffffffff'
  assert.equal(await docker.ok(['run', '--rm', '--privileged', 'busybox', 'sh', '-c', script]), all)
  const denied = await docker.run(['run', '--rm', 'busybox', 'mount', '-t', 'tmpfs', 'none', '/proc'])
  assert.match(denied.stderr, /[Pp]ermission denied|[Oo]peration not permitted/)
})
