/**
 * Sockets that live in a network's namespace and are used from outside of it: a socket stays where it was made, so the thread
 * goes in, makes it, and comes back before anything else runs.
 */
import { createSocket, type Socket } from 'node:dgram'
import { closeSync, openSync } from 'node:fs'
import { createServer, type Server, Socket as TcpSocket } from 'node:net'
import koffi from 'koffi'
import { internal } from '../../lib/errors.ts'

const libc = koffi.load('libc.so.6')
const setns = libc.func('int setns(int fd, int type)')
const socket = libc.func('int socket(int domain, int type, int protocol)')
const bind = libc.func('int bind(int fd, const void *address, uint32_t length)')

const CLONE_NEWNET = 0x40000000
const AF_INET = 2
const SOCK_STREAM = 1
const SOCK_DGRAM = 2
const SOCK_NONBLOCK = 0o4000
const SOCK_CLOEXEC = 0o2000000
const addressBytes = 16

const home = openSync('/proc/self/ns/net', 'r')

function check(result: number, what: string): number {
  if (result >= 0) return result
  throw internal('socket_failed', `${what}: ${koffi.os?.errno ? errnoName(koffi.errno()) : koffi.errno()}`)
}

function errnoName(errno: number): string {
  const found = Object.entries(koffi.os.errno).find(([, value]) => value === errno)
  return found ? found[0] : `errno ${errno}`
}

/** `act` must not wait for anything. */
function inside<T>(netns: string, act: () => T): T {
  const there = openSync(netns, 'r')
  try {
    check(setns(there, CLONE_NEWNET), `entering ${netns}`)
    try {
      return act()
    } finally {
      // A process that cannot come home would answer for the wrong network from here on.
      if (setns(home, CLONE_NEWNET) < 0) process.abort()
    }
  } finally {
    closeSync(there)
  }
}

function make(netns: string, type: number, at?: { readonly address: string; readonly port: number }): number {
  return inside(netns, () => {
    const fd = check(socket(AF_INET, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), 'making a socket')
    if (!at) return fd
    try {
      const address = Buffer.alloc(addressBytes)
      address.writeUInt16LE(AF_INET, 0)
      address.writeUInt16BE(at.port, 2)
      address.set(at.address.split('.').map(Number), 4)
      check(bind(fd, address, addressBytes), `binding ${at.address}:${at.port} in ${netns}`)
      return fd
    } catch (error) {
      closeSync(fd)
      throw error
    }
  })
}

/** Bound there, and listened on when it says so. */
export function udpServer(netns: string, address: string, port: number): Socket {
  const server = createSocket('udp4')
  server.bind({ fd: make(netns, SOCK_DGRAM, { address, port }) })
  return server
}

export function tcpServer(netns: string, address: string, port: number): Server {
  const server = createServer()
  server.listen({ fd: make(netns, SOCK_STREAM, { address, port }) })
  return server
}

export function udpClient(netns: string): Socket {
  const client = createSocket('udp4')
  client.bind({ fd: make(netns, SOCK_DGRAM) })
  return client
}

export function tcpClient(netns: string): TcpSocket {
  return new TcpSocket({ fd: make(netns, SOCK_STREAM) })
}
