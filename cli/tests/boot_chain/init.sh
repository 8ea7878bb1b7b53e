#!/bin/busybox sh
# The first process of the initial file system. The boot loader says which slot it has chosen, and the arguments that
# it took from the boot partition there say which root file system is meant.
export PATH=/usr/sbin:/usr/bin:/sbin:/bin LANG=C
for kind in devtmpfs:dev proc:proc sysfs:sys tmpfs:run; do
    busybox mkdir -p "/${kind#*:}"
    busybox mount -t "${kind%:*}" "${kind%:*}" "/${kind#*:}"
done
busybox --install -s /bin
exec >/dev/ttyS1 2>&1
for module in $(cat /modules/order) failover net_failover virtio_net; do
    insmod "/modules/$module.ko" || echo "init: no module $module"
done
argument() { sed -n "s/.*\b$1=\([^ ]*\).*/\1/p" /proc/cmdline; }
mkdir -p /boot /sysroot
case $(argument slot) in a) boot=/dev/vda1 ;; b) boot=/dev/vda4 ;; esac
mount -t ext4 -o ro "$boot" /boot
verity open "/dev/vda#$(argument systemd.verity_root_data)" root "/dev/vda#$(argument systemd.verity_root_hash)" \
    "$(argument roothash)" --root-hash-signature /boot/roothash.p7s || reboot -f
mount -t erofs -o ro /dev/mapper/root /sysroot || reboot -f
umount /boot
for place in dev proc sys run; do mount --move "/$place" "/sysroot/$place"; done
exec switch_root /sysroot /sbin/init
