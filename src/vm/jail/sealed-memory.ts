/**
 * Memory that is written once and then sealed: who opens it afterwards, with whatever rights, maps private copies of it and can
 * change nothing. It has no path; a keeper process holds it, so that it outlives the daemon, and its successor finds it there.
 */
import { closeSync, ftruncateSync, openSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import koffi from 'koffi'
import { z } from 'zod'
import { internal } from '../../lib/errors.ts'
import { isAlive, killProcess, type ProcessRecord, processesWith, startTicksOf } from '../../lib/processes.ts'
import { launch } from '../../lib/spawn.ts'

const libc = koffi.load('libc.so.6')
const memfdCreate = libc.func('int memfd_create(const char *name, unsigned int flags)')
const fcntl = libc.func('int fcntl(int fd, int cmd, int arg)')

/** From linux/memfd.h and linux/fcntl.h. */
const MFD_ALLOW_SEALING = 2
const F_ADD_SEALS = 1033
const F_GET_SEALS = 1034
/** SEAL, SHRINK, GROW, WRITE: for ever, for everybody. */
const allSeals = 0xf

/** Where a keeper has it, and where QEMU is given it. */
export const memoryDescriptor = 3

const recordSchema = z.object({ pid: z.int().positive(), pidStartTicks: z.int().nonnegative() })

/** Answers a descriptor of the daemon. */
export function createMemory(bytes: number): number {
  const fd: number = memfdCreate('hummingbird-template', MFD_ALLOW_SEALING)
  if (fd < 0) throw internal('no_memory_file', 'the kernel gave no memory file (memfd_create failed)')
  ftruncateSync(fd, bytes)
  return fd
}

/** Nobody may have it mapped for writing any more. */
export function sealMemory(fd: number): void {
  if (fcntl(fd, F_ADD_SEALS, allSeals) < 0 || fcntl(fd, F_GET_SEALS, 0) !== allSeals)
    throw internal('not_sealed', 'the memory of a template could not be sealed: somebody still writes to it')
}

export const closeMemory = (fd: number): void => closeSync(fd)

const keeperName = (template: string): string => `hummingbird-template:${template}`

/** Starts a process that does nothing but hold it, and writes down which. `name`: path of the template, which `ps` shows. */
export async function keepMemory(fd: number, recordFile: string, name: string): Promise<void> {
  const child = launch('/usr/bin/sleep', ['infinity'], {
    argv0: keeperName(name),
    stdio: ['ignore', 'ignore', 'ignore', fd],
    cwd: '/',
    env: {},
  })
  const pidStartTicks = child.pid === undefined ? undefined : startTicksOf(child.pid)
  if (child.pid === undefined || pidStartTicks === undefined)
    throw internal('no_keeper', 'no process could be started to hold the memory of a template')
  await writeFile(recordFile, JSON.stringify({ pid: child.pid, pidStartTicks }), { mode: 0o600 })
}

/** undefined when its keeper is gone, and the memory with it. */
export async function findMemory(recordFile: string): Promise<number | undefined> {
  const keeper = await readKeeper(recordFile)
  if (!keeper || !isAlive(keeper)) return undefined
  const fd = openSync(`/proc/${keeper.pid}/fd/${memoryDescriptor}`, 'r')
  if (fcntl(fd, F_GET_SEALS, 0) === allSeals) return fd
  closeSync(fd)
  return undefined
}

/** The memory is free when the last who uses it has ended. */
export async function forgetMemory(recordFile: string): Promise<void> {
  const keeper = await readKeeper(recordFile)
  if (keeper) killProcess(keeper)
}

/** Of all templates below the directory: when nobody will look for them any more. */
export function endKeepers(directory: string): void {
  for (const keeper of processesWith((argument) => argument.startsWith(keeperName(`${directory}/`))))
    killProcess(keeper)
}

async function readKeeper(recordFile: string): Promise<ProcessRecord | undefined> {
  try {
    return recordSchema.parse(JSON.parse(await readFile(recordFile, 'utf8')))
  } catch {
    // Of a daemon that died before it had written it.
    return undefined
  }
}
