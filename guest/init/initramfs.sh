#!/bin/sh
# Writes a cpio archive (newc) with the given program as /init, the console's device node, and nothing else: the same
# bytes whoever runs it, without the rights to make device nodes.
#
#     initramfs.sh INIT > initramfs.cpio
set -eu

inode=0
# entry NAME MODE(octal) SIZE RDEV-MAJOR RDEV-MINOR: the header and the name, padded to four bytes
entry() {
  inode=$((inode + 1))
  name_size=$((${#1} + 1))
  printf '070701%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%s\0' \
    "$inode" "$((0$2))" 0 0 1 0 "$3" 0 0 "$4" "$5" "$name_size" 0 "$1"
  pad $((110 + name_size))
}
pad() {
  case $(($1 % 4)) in
    1) printf '\0\0\0' ;;
    2) printf '\0\0' ;;
    3) printf '\0' ;;
  esac
}

size=$(wc -c < "$1")
entry dev 040755 0 0 0
entry dev/console 020600 0 5 1
entry init 100755 "$size" 0 0
cat "$1"
pad "$size"
inode=-1
entry 'TRAILER!!!' 0 0 0 0
