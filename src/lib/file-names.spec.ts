import assert from 'node:assert/strict'
import { test } from 'node:test'
import { bytesOfName, nameOfBytes } from './file-names.ts'

test('every name comes back as the bytes it was, and is plain text where it is UTF-8', () => {
  assert.equal(nameOfBytes(Buffer.from('grün/日本')), 'grün/日本')
  for (const hex of ['ff', '61ff62', 'c3', 'c3a4c3', 'eda080', '80c3a4f09f9880fe', '6100']) {
    const bytes = Buffer.from(hex, 'hex')
    assert.equal(bytesOfName(nameOfBytes(bytes)).toString('hex'), hex)
  }
  assert.notEqual(nameOfBytes(Buffer.from('ff', 'hex')), nameOfBytes(Buffer.from('fe', 'hex')))
  assert.equal(nameOfBytes(Buffer.from('61ff62', 'hex')), 'a\udcffb')
})
