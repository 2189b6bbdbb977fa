/** The numbers of guest/protocol.md, which is the source; a test compares them with the guest's own header. */

export const portName = 'hb.control'
export const protocolVersion = 1

/*     0        4    5    6      8        12       16        20
       +--------+----+----+------+--------+--------+---------+-----------+
       | magic  |type|flag| zero | id     | length | crc     | payload…  |
       +--------+----+----+------+--------+--------+---------+-----------+  little-endian */
export const frameMagic = 0x31464248
export const frameHeaderBytes = 20
export const nonceBytes = 16

export const types = {
  hello: 1,
  helloAck: 2,
  request: 3,
  response: 4,
  data: 5,
  window: 6,
  event: 7,
} as const

export const streams = { stdin: 0, stdout: 1, stderr: 2 } as const
export const streamMask = 0x03
export const endFlag = 0x80

export const ops = {
  ping: 1,
  configure: 2,
  warm: 3,
  createContainer: 4,
  startProcess: 5,
  signal: 6,
  resize: 7,
  forget: 8,
  stats: 9,
  top: 10,
  deleteContainer: 11,
  shutdown: 12,
  sync: 13,
  updateContainer: 14,
  setClock: 15,
  startFiles: 16,
  setInterface: 17,
  removeInterface: 18,
  growDisk: 19,
  freezeContainer: 20,
} as const

export const tags = {
  message: 1,
  stage: 2,
  processId: 3,
  containerId: 4,
  entropy: 5,
  realtimeNs: 6,
  hostname: 7,
  domainname: 8,
  interface: 9,
  name: 10,
  mac: 11,
  mtu: 12,
  address: 13,
  gateway: 14,
  sysctl: 15,
  value: 16,
  rootDisk: 17,
  scratchDisk: 18,
  rootReadonly: 19,
  file: 20,
  path: 21,
  mode: 22,
  tmpfs: 23,
  flags: 24,
  mount: 25,
  disk: 26,
  sourcePath: 27,
  maskedPath: 28,
  readonlyPath: 29,
  shmBytes: 30,
  memoryMax: 31,
  cpuQuotaUs: 32,
  cpuPeriodUs: 33,
  cpuWeight: 34,
  pidsMax: 35,
  privileged: 36,
  main: 37,
  init: 38,
  tty: 39,
  stdin: 40,
  arg: 41,
  env: 42,
  cwd: 43,
  user: 44,
  group: 45,
  capBounding: 46,
  capEffective: 47,
  capInheritable: 48,
  capAmbient: 49,
  noNewPrivs: 50,
  rlimit: 51,
  number: 52,
  soft: 53,
  hard: 54,
  rows: 55,
  columns: 56,
  oomScoreAdj: 57,
  pid: 58,
  signal: 59,
  all: 60,
  text: 61,
  task: 62,
  ppid: 63,
  uid: 64,
  process: 65,
  state: 66,
  exitCode: 67,
  exitSignal: 68,
  exitedNs: 69,
  oom: 70,
  stdinAcked: 71,
  stdoutAcked: 72,
  stdoutEnd: 73,
  stderrAcked: 74,
  stderrEnd: 75,
  clockAheadNs: 76,
  action: 77,
  slot: 78,
  copyUp: 79,
  gid: 80,
  mtimeNs: 81,
  size: 82,
  device: 83,
  target: 84,
  xattr: 85,
  frozen: 86,
} as const

export const processStates = { running: 1, exited: 2 } as const

export const events = { exit: 1, oom: 2 } as const
