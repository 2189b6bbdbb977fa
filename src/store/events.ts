/** Events in the state store. */
import type { EventStore } from '../engine/ports/store.ts'
import type { Database } from './database.ts'

export type EventTables = {
  events: { time_nano: string; project: string; event: string }
}

/** Far below SQLite's limit of variables in one statement. */
const eventsInStatementMax = 500

export function createEventStore(database: Database): EventStore {
  const db = database.withTables<EventTables>()
  return {
    async append(events) {
      const rows = events.map(({ timeNano, project, type, action, actor }) => ({
        time_nano: digits(timeNano),
        project,
        event: JSON.stringify({ type, action, actor }),
      }))
      for (let from = 0; from < rows.length; from += eventsInStatementMax) {
        const some = rows.slice(from, from + eventsInStatementMax)
        await db.insertInto('events').values(some).execute()
      }
    },

    async between(project, fromNano, toNano, limit) {
      const rows = await db
        .selectFrom('events')
        .selectAll()
        .where('project', '=', project)
        .where('time_nano', '>=', digits(fromNano))
        .where('time_nano', '<=', digits(toNano))
        .orderBy('time_nano')
        .limit(limit)
        .execute()
      return rows.map((row) => ({
        ...JSON.parse(row.event),
        project: row.project,
        timeNano: BigInt(row.time_nano),
      }))
    },

    async trim(countMax) {
      const last = await db
        .selectFrom('events')
        .select('time_nano')
        .orderBy('time_nano', 'desc')
        .offset(countMax)
        .limit(1)
        .executeTakeFirst()
      if (last) await db.deleteFrom('events').where('time_nano', '<=', last.time_nano).execute()
    },
  }
}

const longest = 10n ** 19n - 1n

/** As many as every time has, so that their order as text is that of the times. */
function digits(nano: bigint): string {
  return (nano < 0n ? 0n : nano > longest ? longest : nano).toString().padStart(19, '0')
}
