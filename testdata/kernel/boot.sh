#!/bin/bash
# Boots the judge's virtual machine, made by make.sh.
#
#   testdata/kernel/boot.sh DIR [shell]
#
# DIR holds the case list `cases`, the disk `images` and the disk `output`, as the test leaves them there with
# VERITY_KERNEL_DIR=DIR. The machine writes `console`, `verdicts` and `output` there; with `shell`, its console
# is the terminal and it runs a shell first. $VERITY_KERNEL is target/kernel unless set.
set -euo pipefail

kernel=${VERITY_KERNEL:-$(dirname "$0")/../../target/kernel}
dir=$1
arguments="console=ttyS0 panic=-1 oops=panic quiet loglevel=5"
console=file:$dir/console
if [ "${2:-}" = shell ]; then
    arguments+=" shell"
    console=mon:stdio
fi

# With the variables of a UEFI firmware in DIR, that firmware boots the kernel.
firmware=()
if [ -f "$dir/variables" ]; then
    code=${VERITY_FIRMWARE:-/usr/share/OVMF/OVMF_CODE_4M.fd}
    firmware=(-drive "if=pflash,format=raw,readonly=on,file=$code" -drive "if=pflash,format=raw,file=$dir/variables")
fi

disk() {
    echo "file=$dir/$1,format=raw,if=virtio,cache=unsafe"
}

# The kernel takes the hash code for the best instructions it finds, and those for vectors take an emulator longest.
# SSE4 goes with SSSE3, which glibc takes for granted where there is SSE4, and AES and the product without carries go too, as
# the code for them takes SSSE3 for granted. Strings are said to be slow, so that they are copied by eight bytes: the
# emulator does one step of an instruction after the other.
cpu=max,avx2=off,avx=off,sse4.2=off,sse4.1=off,ssse3=off,aes=off,pclmulqdq=off,erms=off,fsrm=off

# This process becomes the machine, so that whoever started it can end it. Its clock counts instructions
# (icount): with a real one a kernel that shares its CPU with much else can find its timers broken, and hang.
exec qemu-system-x86_64 -machine pc -accel tcg,thread=single -icount shift=3,sleep=off -cpu "$cpu" -smp 1 -m 512 \
    -nodefaults -no-reboot -display none -serial "$console" -serial "file:$dir/verdicts" \
    -kernel "$kernel/vmlinuz" -initrd "$kernel/initramfs" -append "$arguments" "${firmware[@]}" \
    -drive "$(disk cases)" -drive "$(disk images)" -drive "$(disk output)"
