import assert from 'node:assert/strict'
import { test } from 'node:test'
import { identityOf } from './user-ids.ts'

const passwd = 'root:x:0:0:root:/root:/bin/sh\nwww-data:x:33:34::/var/www:\nbroken\n'
const group = 'root:x:0:\nstaff:x:50:www-data\n'

test('a user is found by name or number, its group by its own line unless another is named', () => {
  const cases: [user: string, uid: number, gid: number][] = [
    ['root', 0, 0],
    ['www-data', 33, 34],
    ['33', 33, 34],
    ['12345', 12345, 0],
    ['www-data:staff', 33, 50],
    ['33:99', 33, 99],
    [':50', 0, 50],
  ]
  for (const [user, uid, gid] of cases) assert.deepEqual(identityOf(user, passwd, group), { uid, gid }, user)
})

test('a name that the container does not know is refused', () => {
  assert.throws(() => identityOf('nobody', passwd, group), { kind: 'invalid', message: /user "nobody"/ })
  assert.throws(() => identityOf('root:nogroup', passwd, group), {
    kind: 'invalid',
    message: /group "nogroup"/,
  })
})
