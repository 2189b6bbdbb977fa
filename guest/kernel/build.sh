#!/bin/bash
# Builds the guest kernel: build.sh SOURCE_TARBALL FRAGMENT WORK_DIR OUTPUT_DIR
# WORK_DIR is scratch space of the caller's; OUTPUT_DIR receives vmlinux and vmlinux.config only when both are whole.
set -euo pipefail
tarball=$1 fragment=$2 work=$3 output=$4

# Nothing of when, where and by whom it was built may be in the kernel.
export KBUILD_BUILD_TIMESTAMP='Thu Jan  1 00:00:00 UTC 1970' KBUILD_BUILD_USER=hummingbird KBUILD_BUILD_HOST=hummingbird
export KCONFIG_NOTIMESTAMP=1 LC_ALL=C

echo "unpacking $(basename "$tarball")"
tar -C "$work" -xf "$tarball"
cd "$work"/linux-source-*

# Where there is no PCI, this kernel's ACPI gives up over the handler for PCI that it does not have itself: do not let it ask.
handlers=drivers/acpi/acpica/evhandler.c
[ "$(grep -c $'^\tACPI_ADR_SPACE_PCI_CONFIG,$' "$handlers")" = 1 ] || { echo "$handlers is not as it was"; exit 1; }
sed -i $'/^\tACPI_ADR_SPACE_PCI_CONFIG,$/d' "$handlers"

make -s tinyconfig
scripts/kconfig/merge_config.sh -m .config "$fragment" >merge.log
make -s olddefconfig

# An option whose dependencies are missing is dropped without a word: find it now, not in a container.
lost=0
while read -r line; do
  case $line in
    CONFIG_*=n) grep -q "^${line%=n}=" .config && { echo "not honoured: $line"; lost=1; } ;;
    CONFIG_*) grep -qxF "$line" .config || { echo "not honoured: $line"; lost=1; } ;;
  esac
done <"$fragment"
[ "$lost" = 0 ] || { echo 'the fragment asks for what this kernel source does not give'; exit 1; }

make -j"$(nproc)" vmlinux
strip -o "$output/vmlinux" vmlinux
cp .config "$output/vmlinux.config"
