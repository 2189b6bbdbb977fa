/** `docker top`: the guest has no ps, so the columns that ps would print are made here. */
import type { ContainerTask } from '../../../engine/ports/sandbox.ts'
import { invalid } from '../../../lib/errors.ts'
import { clip } from '../query.ts'

type Cell = (task: ContainerTask, now: Date) => string
interface Column {
  readonly title: string
  readonly cell: Cell
}

const column = (title: string, cell: Cell): Column => ({ title, cell })
const user: Cell = ({ uid }) => (uid === 0 ? 'root' : String(uid))
const arguments_: Cell = ({ command, name }) => command || `[${name}]`
const cpuShare = ({ cpuSeconds, startedAt }: ContainerTask, now: Date): number => {
  const lifeSeconds = Math.max((now.getTime() - startedAt.getTime()) / 1000, 1)
  return Math.min((cpuSeconds / lifeSeconds) * 100, 100)
}
const start: Cell = ({ startedAt }, now) => {
  const text = startedAt.toUTCString()
  return startedAt.toDateString() === now.toDateString()
    ? text.slice(17, 22)
    : text.slice(8, 11) + text.slice(5, 7)
}
const two = (value: number): string => String(Math.floor(value)).padStart(2, '0')
const cpuTime: Cell = ({ cpuSeconds: s }) => `${two(s / 3600)}:${two((s / 60) % 60)}:${two(s % 60)}`
const elapsed: Cell = ({ startedAt }, now) => {
  const s = Math.max(0, Math.floor((now.getTime() - startedAt.getTime()) / 1000))
  return s < 3600 ? `${two(s / 60)}:${two(s % 60)}` : `${two(s / 3600)}:${two((s / 60) % 60)}:${two(s % 60)}`
}

/** By the names that `ps -o` takes. */
const columns: Readonly<Record<string, Column>> = {
  uid: column('UID', ({ uid }) => String(uid)),
  user: column('USER', user),
  euser: column('EUSER', user),
  pid: column('PID', ({ pid }) => String(pid)),
  ppid: column('PPID', ({ ppid }) => String(ppid)),
  c: column('C', (task, now) => String(Math.floor(cpuShare(task, now)))),
  pcpu: column('%CPU', (task, now) => cpuShare(task, now).toFixed(1)),
  rss: column('RSS', ({ rssKiB }) => String(rssKiB)),
  vsz: column('VSZ', ({ vszKiB }) => String(vszKiB)),
  tty: column('TT', ({ tty }) => tty || '?'),
  stat: column('STAT', ({ state }) => state),
  stime: column('STIME', start),
  start: column('STARTED', start),
  time: column('TIME', cpuTime),
  etime: column('ELAPSED', elapsed),
  comm: column('COMMAND', ({ name }) => name),
  args: column('COMMAND', arguments_),
}
const sameAs: Readonly<Record<string, string>> = {
  '%cpu': 'pcpu',
  cmd: 'args',
  command: 'args',
  ucmd: 'comm',
  ucomm: 'comm',
  s: 'stat',
  state: 'stat',
  tt: 'tty',
  tname: 'tty',
  vsize: 'vsz',
  rssize: 'rss',
  cputime: 'time',
  start_time: 'stime',
}

const full: readonly Column[] = [
  column('UID', user),
  columns.pid!,
  columns.ppid!,
  columns.c!,
  columns.stime!,
  column('TTY', columns.tty!.cell),
  columns.time!,
  column('CMD', arguments_),
]
const bsd: readonly Column[] = [
  columns.user!,
  columns.pid!,
  columns.pcpu!,
  columns.vsz!,
  columns.rss!,
  column('TTY', columns.tty!.cell),
  columns.stat!,
  column('START', start),
  columns.time!,
  columns.args!,
]

export function topJson(tasks: readonly ContainerTask[], psArgs: string, now: Date) {
  const shown = columnsOf(psArgs)
  return {
    Titles: shown.map(({ title }) => title),
    Processes: tasks.map((task) => shown.map(({ cell }) => cell(task, now))),
  }
}

/** Which processes are shown is not for the options to say: all of the container's. So `-e`, `-A` and `a` change nothing. */
function columnsOf(psArgs: string): readonly Column[] {
  const words = psArgs.trim().split(/\s+/).filter(Boolean)
  const chosen: Column[] = []
  let style = full
  for (let word = words.shift(); word !== undefined; word = words.shift()) {
    const options = /^(-?)([a-zA-Z]*?)o(.*)$/.exec(word)
    if (/^-?a?u?x?$/.test(word) && word.includes('u')) style = bsd
    else if (/^(-[eAfaw]{1,8}|[axwf]{1,8})$/.test(word)) continue
    else if (options && /^[eAax]*$/.test(options[2]!))
      chosen.push(...named(options[3] || words.shift() || '', psArgs))
    else throw unknownOptions(psArgs)
  }
  return chosen.length > 0 ? chosen : style
}

/** `pid,comm=NAME`: a title may be given. */
function named(list: string, psArgs: string): Column[] {
  return list.split(',').map((entry) => {
    const [name = '', title] = entry.split('=')
    const found = Object.hasOwn(sameAs, name) ? sameAs[name]! : name
    if (!Object.hasOwn(columns, found)) throw unknownOptions(psArgs)
    return { cell: columns[found]!.cell, title: title || columns[found]!.title }
  })
}

const unknownOptions = (psArgs: string) =>
  invalid(
    'bad_ps_options',
    `the ps options "${clip(psArgs)}" are not supported: use -ef, aux, or -o with ${Object.keys(columns).join(', ')}`,
  )
