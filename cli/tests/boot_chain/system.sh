#!/bin/busybox sh
# The first process of a release: it tells what runs, sees whether it is healthy, says so to the boot loader, and does
# what the test wants.
export PATH=/usr/sbin:/usr/bin:/sbin:/bin:/tmp LANG=C LC_ALL=C
argument() { sed -n "s/.*\b$1=\([^ ]*\).*/\1/p" /proc/cmdline; }
slot=$(argument slot)
/bin/busybox mount -t tmpfs tmp /tmp
/bin/busybox --install -s /tmp
echo "release: $(cat /etc/release-number)"
echo "slot: $slot"
echo "status: $(verity status root --json)"
echo "mounted: $(grep ' / ' /proc/mounts | tail -1)"
# Of a machine whose power is about to be cut, others ask that.
[ "$(argument files)" = unread ] ||
    echo "files: $(find / -xdev -type f | sort | tr '\n' '\0' | xargs -0 cat | cksum)"
if [ -e /etc/unhealthy ]; then
    echo "health: bad"
    /tmp/reboot -f
fi
echo "health: good"
verity slots /dev/vda mark-good "$slot" -q || echo "not marked"

# The updater. What a slot boots from is brought while it does not boot.
install_release() {
    local other=b boot=/dev/vda4
    [ "$slot" = a ] || other=a boot=/dev/vda1
    ifconfig eth0 10.0.2.15 netmask 255.255.255.0 up
    verity slots /dev/vda retire "$other" -q || return
    wget -q -O "$boot" "$(argument server)/$1.boot-$other" || return
    mount -t ext4 /dev/vda7 /mnt || return
    verity install "$(argument server)/$1" --certificate /etc/vendor.pem --disk /dev/vda --inactive \
        --reuse "/dev/vda#ROOT-$slot" --state /mnt/state --image-name os --max-requests 1 --bridge 0 \
        --activate --tries 1 --json 2>/tmp/said
    echo "install: $?"
    cat /tmp/said
    umount /mnt
}
task=$(argument task)
[ "$task" = none ] || install_release "$task" || echo "not installed"
sync
echo "the end"
/tmp/poweroff -f
