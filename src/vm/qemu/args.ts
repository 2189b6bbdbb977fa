/**
 * QEMU's command line. Every machine of a template has the same devices in the same order; what differs between its
 * first boot and a clone is what the memory is for, and what lies behind the disks.
 */
import { imageDiskBytes } from '../../lib/disks.ts'
import { scratchFile } from '../directories.ts'
import { portName } from '../guest/protocol.ts'
import type { MachineSpec } from '../hypervisor.ts'
import { seccomp } from '../jail/jail.ts'
import { memoryDescriptor } from '../jail/sealed-memory.ts'
import { viewPaths } from '../jail/view.ts'
import { machineMiB } from '../memory.ts'
import { furtherCards, volumeSlots } from '../slots.ts'

export interface Firmware {
  readonly binary: string
  readonly accelerator: 'kvm' | 'tcg'
  readonly kernel: string
  readonly initramfs: string
  readonly warmImage: string
  /** Under emulation the guest reads the host's own counter, and has nothing to measure it against. */
  readonly tscKhz: number | null
}

/** What a machine is called, by which its process is found: the directory that it was made in. */
export const guestName = (directory: string): string => `hummingbird:${directory}`

/** In QEMU's own view. */
export const socketPath = (name: string): string => `${viewPaths.sockets}/${name}`
export const diskPath = (file: string): string => `${viewPaths.disks}/${file}`

/** Translated code that QEMU keeps, for each sandbox; more was no faster. */
const translationCacheMiB = 32

/**
 * ERMS says that copying by `rep movsb` is the fastest way, and the guest's kernel copies and clears all of its memory so. Emulated, that
 * is a loop of one byte a turn: without it copying takes a third of the time, and starting a program a tenth less.
 */
const emulatedCpu = 'max,-erms'

/** Not the card's real address: that is set before the guest uses it. By slot. */
const templateMac = (slot: number): string => `52:54:00:48:42:0${1 + slot}`

function kernelArguments({ accelerator, tscKhz }: Firmware): string {
  return [
    'quiet panic=-1 reboot=t',
    // No devices that nobody asked for in every network namespace.
    'dummy.numdummies=0 fb_tunnels=none',
    'rcupdate.rcu_expedited=1 random.trust_cpu=1 cryptomgr.notests no_timer_check 8250.nr_uarts=0',
    ...(accelerator === 'tcg' && tscKhz !== null ? [`tsc_early_khz=${tscKhz} tsc=reliable`] : []),
  ].join(' ')
}

/** By the slot's name. */
export const isReadOnly = (slot: string): boolean =>
  slot === 'image' || volumeSlots.some((volume) => volume.slot === slot && volume.readOnly)

const blank = (bytes: number) => ({ driver: 'null-co', size: bytes, 'read-zeroes': true })
const file = (path: string, readOnly: boolean) => ({
  driver: 'file',
  filename: path,
  // No other process writes to them, and a lock would keep a file that has one reader from its next owner.
  locking: 'off',
  'read-only': readOnly,
  'auto-read-only': false,
  ...(readOnly ? {} : { discard: 'unmap' }),
})

/** What a slot is before something is put behind it; the slot's node is a `raw` over one of these. */
export function diskNodes(
  spec: MachineSpec,
  firmware: Firmware,
): readonly { slot: string; readOnly: boolean; child: object }[] {
  return [
    { slot: 'image', readOnly: true, child: blank(imageDiskBytes) },
    { slot: 'scratch', readOnly: false, child: file(diskPath(scratchFile), false) },
    { slot: 'kept', readOnly: false, child: blank(spec.scratchBytes) },
    { slot: 'warm', readOnly: true, child: file(firmware.warmImage, true) },
    ...volumeSlots.map((volume) => ({ ...volume, child: blank(0) })),
  ]
}

export const childNode = (slot: string): string => `${slot}-file`

/** For `blockdev-add`. */
export const fileNode = (name: string, path: string, readOnly: boolean) => ({
  ...file(path, readOnly),
  'node-name': name,
})

/** For `blockdev-reopen`, which takes the whole of a node's options. */
export const slotNode = (slot: string, child: string, readOnly: boolean) => ({
  driver: 'raw',
  'node-name': slot,
  file: child,
  'read-only': readOnly,
  ...(readOnly ? {} : { discard: 'unmap' }),
})

function diskArguments(spec: MachineSpec, firmware: Firmware): string[] {
  return diskNodes(spec, firmware).flatMap(({ slot, readOnly, child }) => [
    '-blockdev',
    JSON.stringify({ ...child, 'node-name': childNode(slot), ...(readOnly ? { 'read-only': true } : {}) }),
    '-blockdev',
    JSON.stringify(slotNode(slot, childNode(slot), readOnly)),
    '-device',
    // A full disk of the host is the guest's error to see; by default the machine would stand still.
    `virtio-blk-device,drive=${slot},serial=${slot},werror=report,rerror=report${readOnly ? '' : ',discard=on'}`,
  ])
}

function nicArguments(spec: MachineSpec): string[] {
  if (!spec.nic) return []
  return [
    ...['-netdev', `tap,id=net0,ifname=${spec.nic.tap},script=no,downscript=no,vhost=off`],
    ...['-device', `virtio-net-device,netdev=net0,mac=${templateMac(0)}`],
    ...furtherCards.flatMap((slot) => [
      ...['-netdev', `hubport,id=net${slot},hubid=${slot}`],
      ...['-device', `virtio-net-device,netdev=net${slot},mac=${templateMac(slot)}`],
    ]),
  ]
}

export function qemuArguments(spec: MachineSpec, firmware: Firmware, isClone: boolean): string[] {
  const { directory, size } = spec
  const { accelerator } = firmware
  return [
    ...['-name', `${guestName(directory).replaceAll(',', ',,')},debug-threads=on`],
    ...['-machine', 'microvm,x-option-roms=off,isa-serial=off,rtc=off,memory-backend=memory'],
    ...(accelerator === 'kvm'
      ? ['-accel', 'kvm', '-cpu', 'host,migratable=off']
      : ['-accel', `tcg,tb-size=${translationCacheMiB}`, '-cpu', emulatedCpu]),
    ...['-m', `${machineMiB(size)}M`, '-smp', String(size.vcpus)],
    ...['-nodefaults', '-no-user-config', '-display', 'none', '-no-reboot', '-sandbox', seccomp],
    ...[
      '-object',
      `memory-backend-file,id=memory,size=${machineMiB(size)}M,mem-path=/proc/self/fd/${memoryDescriptor},share=${isClone ? 'off' : 'on'}`,
    ],
    ...['-kernel', firmware.kernel, '-initrd', firmware.initramfs, '-append', kernelArguments(firmware)],
    ...['-qmp', `unix:${socketPath('qmp.sock')},server=on,wait=off`],
    ...['-chardev', `socket,id=control,path=${socketPath('control.sock')},server=on,wait=off`],
    ...['-device', 'virtio-serial-device,max_ports=2'],
    ...['-device', `virtserialport,chardev=control,name=${portName},nr=1`],
    ...diskArguments(spec, firmware),
    ...nicArguments(spec),
    // A template is stopped when it is saved; its clones are to run as soon as they are loaded.
    ...['-global', 'migration.store-global-state=off'],
    ...(isClone ? ['-incoming', 'defer'] : []),
  ]
}
