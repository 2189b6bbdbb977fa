import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseTimestamp } from './query.ts'
import { humanDuration, parseMoment, rfc3339Nano, rfc3339NanoFixed } from './time.ts'

test('times are printed as Go does', () => {
  const at = (text: string) => rfc3339Nano(new Date(text))
  assert.equal(at('2026-01-02T03:04:10.120Z'), '2026-01-02T03:04:10.12Z')
  assert.equal(at('2026-01-02T03:04:10Z'), '2026-01-02T03:04:10Z')
  assert.equal(rfc3339Nano(null), '0001-01-01T00:00:00Z')
  assert.equal(rfc3339NanoFixed(1_767_323_050_000_000_007n), '2026-01-02T03:04:10.000000007Z')
})

test('ages are told as docker ps tells them', () => {
  const minute = 60
  const hour = 60 * minute
  const day = 24 * hour
  for (const [seconds, text] of [
    [0.5, 'Less than a second'],
    [1, '1 second'],
    [59, '59 seconds'],
    [60, 'About a minute'],
    [2 * minute, '2 minutes'],
    [59 * minute, '59 minutes'],
    [hour, 'About an hour'],
    [1.6 * hour, '2 hours'],
    [47 * hour, '47 hours'],
    [2 * day, '2 days'],
    [14 * day, '2 weeks'],
    [60 * day, '2 months'],
    [730 * day, '2 years'],
  ] as const) {
    assert.equal(humanDuration(seconds * 1000), text)
  }
})

test('timestamps of clients keep their nanoseconds', () => {
  assert.equal(parseTimestamp('1700000000'), 1_700_000_000_000_000_000n)
  assert.equal(parseTimestamp('1700000000.000000001'), 1_700_000_000_000_000_001n)
  assert.equal(parseTimestamp('1700000000.5'), 1_700_000_000_500_000_000n)
  for (const bad of ['', 'x', '1e5', '1.', '2026-01-01', '9'.repeat(30)])
    assert.equal(parseTimestamp(bad), null)
})

test('moments for prune are durations, dates or seconds', () => {
  const now = new Date('2026-01-02T00:00:00Z')
  assert.equal(parseMoment('24h', now)?.toISOString(), '2026-01-01T00:00:00.000Z')
  assert.equal(parseMoment('1h30m', now)?.toISOString(), '2026-01-01T22:30:00.000Z')
  assert.equal(parseMoment('2026-01-01', now)?.toISOString(), '2026-01-01T00:00:00.000Z')
  assert.equal(parseMoment('2026-01-01T01:02:03+01:00', now)?.toISOString(), '2026-01-01T00:02:03.000Z')
  assert.equal(parseMoment('0', now)?.getTime(), 0)
  for (const bad of ['', '1x', 'h', '24 h', '2026-13-99', '9'.repeat(40)])
    assert.equal(parseMoment(bad, now), null)
})
