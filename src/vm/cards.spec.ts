import assert from 'node:assert/strict'
import { readdir, readlink } from 'node:fs/promises'
import { test } from 'node:test'
import type { Nic, Sandbox, SandboxInterface } from '../engine/ports/sandbox.ts'
import { until } from '../lib/deadline.ts'
import { hasCode } from '../lib/errors.ts'
import { silentLog } from '../lib/log.ts'
import { furtherCards } from './slots.ts'
import { Namespaces } from './support/namespaces.ts'
import { finish, needsRoot, Sandboxes, smallSize, start } from './support/real.ts'

const card = (name: string, address: string): SandboxInterface => ({
  ...{ name, mtu: 1500, addresses: [`${address}/24`], gateways: [] },
  mac: `02:00:${address
    .split('.')
    .map((part) => Number(part).toString(16).padStart(2, '0'))
    .join(':')}`,
})

test('cards of sandboxes', needsRoot, async (t) => {
  await using namespaces = new Namespaces()
  for (const network of ['home', 'far']) await namespaces.make(network)
  await using sandboxes = await Sandboxes.open(
    process.env.HB_TEST_LOG ? { ...silentLog, ...console } : silentLog,
    namespaces,
  )
  const open = (address: string) =>
    sandboxes.container({ network: 'home', interfaces: [card('eth0', address)], privileged: true })
  /** Descriptors of taps. */
  const tapsOpen = async ({ handle: { pid } }: Sandbox) => {
    const links = await Promise.all(
      (await readdir(`/proc/${pid}/fd`)).map((fd) => readlink(`/proc/${pid}/fd/${fd}`).catch(() => '')),
    )
    return links.filter((link) => link === '/dev/net/tun').length
  }
  const answer = async (from: Sandbox, to: Sandbox, address: string) => {
    const served = await start(to, 1, 'echo it is me | nc -l -p 5000')
    const asked = await finish(
      from,
      1,
      `for i in 1 2 3 4 5 6 7 8; do nc -w 5 ${address} 5000 && exit; sleep 0.2; done`,
    )
    await to.kill()
    await from.kill()
    assert.equal(asked.output.stdout, 'it is me\n', asked.output.stderr + served.output.stderr)
  }

  await t.test('two sandboxes reach one another by their first cards, in any network', async () => {
    const [one, two] = [await open('10.1.0.1'), await open('10.1.0.2')]
    for (const { handle } of [one, two]) await namespaces.move(handle.nic!, 'far')
    await answer(one, two, '10.1.0.2')
  })

  await t.test('and by further ones that come while they run', async () => {
    const [one, two] = [await open('10.1.0.1'), await open('10.1.0.2')]
    const nics: Nic[] = []
    for (const [sandbox, address] of [
      [one, '10.2.0.1'],
      [two, '10.2.0.2'],
    ] as const) {
      // Through the last of them, so that each is where its number says.
      for (const slot of furtherCards) {
        const nic = await namespaces.create('home')
        assert.equal(await sandbox.attachNic(nic), slot)
        nics.push(nic)
      }
      await namespaces.move(nics.at(-1)!, 'far')
      await sandbox.setInterface(furtherCards.length, card('eth1', address))
    }
    await answer(one, two, '10.2.0.2')
    for (const nic of nics) await namespaces.delete(nic)
  })

  await t.test('a container sees the cards that it has, by their names, and no others', async () => {
    const sandbox = await open('10.1.0.6')
    const { process, output } = await start(
      sandbox,
      1,
      'while read line; do ls /sys/class/net; cat /proc/net/dev | cut -s -d: -f1 | xargs; echo .; done',
    )
    const seen = async () => {
      const from = output.stdout.length
      await process.writeStdin(Buffer.from('\n'))
      await until('an answer', () => output.stdout.endsWith('.\n') && output.stdout.length > from, {
        deadlineMs: 5_000,
      })
      return output.stdout.slice(from).split('\n').at(-3)
    }
    assert.equal(await seen(), 'lo eth0')
    const nic = await namespaces.create('home')
    const slot = await sandbox.attachNic(nic)
    assert.equal(await seen(), 'lo eth0')
    await sandbox.setInterface(slot, card('eth1', '10.2.0.1'))
    assert.equal(await seen(), 'lo eth0 eth1')
    await sandbox.removeInterface('eth0')
    assert.equal(await seen(), 'lo eth1')
    await sandbox.removeInterface('eth1')
    await sandbox.setInterface(slot, card('eth0', '10.2.0.1'))
    assert.equal(await seen(), 'lo eth0')
    await sandbox.setInterface(0, card('eth3', '10.1.0.6'))
    assert.deepEqual((await seen())?.split(' ').sort(), ['eth0', 'eth3', 'lo'])
    await sandbox.kill()
    await namespaces.delete(nic)
  })

  await t.test('a card that came and went fifty times leaves nothing', async () => {
    const sandbox = await open('10.1.0.3')
    const before = await tapsOpen(sandbox)
    for (let round = 0; round < 50; round++) {
      const nic = await namespaces.create('home')
      assert.equal(await sandbox.attachNic(nic), 1)
      assert.equal(await tapsOpen(sandbox), before + 1)
      await sandbox.detachNic(1)
      await namespaces.delete(nic)
    }
    assert.equal(await tapsOpen(sandbox), before)
    assert.deepEqual(await namespaces.taps('home'), [sandbox.handle.nic!.tap])
    await sandbox.kill()
  })

  await t.test(
    'there are so many and no more, and what the next daemon does not know of is let go',
    async () => {
      const sandbox = await open('10.1.0.4')
      const nics = []
      for (const slot of furtherCards) {
        const nic = await namespaces.create('home')
        assert.equal(await sandbox.attachNic(nic), slot)
        nics.push(nic)
      }
      await assert.rejects(sandbox.attachNic(nics[0]!), (error) => hasCode(error, 'too_many_networks'))
      await sandboxes.provider.close()
      const known = { ...sandbox.handle, nics: { 2: nics[1]! } }
      const adopted = await (await sandboxes.daemon()).adopt(known)
      await until('the rest to be let go', async () => (await tapsOpen(sandbox)) === 2, { deadlineMs: 5_000 })
      assert.equal(await adopted.attachNic(nics[0]!), 1)
      await adopted.detachNic(2)
      await adopted.detachNic(2)
      assert.equal(await tapsOpen(sandbox), 2)
      await adopted.kill()
      for (const nic of nics) await namespaces.delete(nic)
    },
  )

  await t.test('a tap that is not there is an error, and the slot is free again', async () => {
    const sandbox = await open('10.1.0.5')
    const nic = { ...sandbox.handle.nic!, tap: 'tap999' }
    await assert.rejects(sandbox.attachNic(nic))
    const good = await namespaces.create('home')
    assert.equal(await sandbox.attachNic(good), 1)
    await sandbox.kill()
    await namespaces.delete(good)
    const without = await sandboxes.container()
    await assert.rejects(without.attachNic(good), (error) => hasCode(error, 'no_card'))
    await without.kill()
  })

  await t.test('a clone that waits for one network is taken for another', async () => {
    sandboxes.provider.fill([{ size: smallSize, network: 'home', count: 1 }])
    const from = await until(
      'one to be taken',
      async () => {
        const sandbox = await sandboxes.claim({ network: 'far' })
        await sandbox.kill()
        return sandbox.handle.nic?.network === 'home' && sandbox.handle.nic
      },
      { deadlineMs: 30_000 },
    )
    assert.equal(from.netns, `/run/netns/${namespaces.nameOf('home')}`)
  })

  await t.test('nothing is left of any of them', async () => {
    await sandboxes.provider.close()
    await until('the last to be cleared away', async () => (await sandboxes.remains()).length === 0, {
      deadlineMs: 10_000,
    })
    const left = async () => [...(await namespaces.taps('home')), ...(await namespaces.taps('far'))]
    await until('the last card to be deleted', async () => (await left()).length === 0, {
      deadlineMs: 10_000,
    })
  })
})
