#!/bin/sh
# The first process of a lab: it builds a world of its own out of the lower folder, enters it and becomes systemd.
#
#   init.sh NAME DIR LOWER NODE SHARE PROJECT [MORE...]      runs in new mount, pid, uts, ipc and cgroup namespaces
#
# Whatever it mounts lives in its own mount namespace and is gone with its last process. It must never write to the
# lower folder, and nothing in the lab may reach the kernel settings that are shared with the machine: /proc/sys and
# /sys are read-only, which also tells systemd-sysctl and udev to stay away.
set -eu
name=$1 dir=$2 lower=$3 node=$4 share=$5
shift 5

# /proc is still the machine's, so this is the pid by which the machine knows us (inside we are 1).
read -r pid _ </proc/self/stat
echo "$pid" >&3
exec 3>&-

hostname "$name"
mount -t tmpfs -o mode=0755 "lab-$name" "$dir/fs"
mkdir "$dir/fs/upper" "$dir/fs/work" "$dir/fs/root"
mount -t overlay -o "lowerdir=$lower,upperdir=$dir/fs/upper,workdir=$dir/fs/work" overlay "$dir/fs/root"
cd "$dir/fs/root"

mkdir -p proc sys run tmp dev
mount -t proc -o nosuid,nodev,noexec proc proc
mount --bind proc/sys proc/sys
mount -o remount,bind,ro,nosuid,nodev,noexec proc/sys
if [ -e proc/sysrq-trigger ]; then mount --bind /dev/null proc/sysrq-trigger; fi
mount -t sysfs -o ro,nosuid,nodev,noexec sysfs sys
mount -t cgroup2 -o nosuid,nodev,noexec cgroup2 sys/fs/cgroup
mount -t tmpfs -o mode=0755,nosuid,nodev tmpfs run
mount -t tmpfs -o mode=1777,nosuid,nodev tmpfs tmp

mount -t tmpfs -o mode=0755,nosuid tmpfs dev
for device in null zero full random urandom tty; do
  : >"dev/$device"
  mount --bind "/dev/$device" "dev/$device"
done
mkdir dev/pts dev/shm
mount -t devpts -o newinstance,ptmxmode=0666,mode=0620,gid=5,nosuid,noexec devpts dev/pts
mount -t tmpfs -o mode=1777,nosuid,nodev tmpfs dev/shm
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
ln -s /proc/self/fd/0 dev/stdin
ln -s /proc/self/fd/1 dev/stdout
ln -s /proc/self/fd/2 dev/stderr

# An overlay shows neither what is mounted below its lower folder nor, reliably, what changes there later. So
# what both sides work on comes in as bind mounts at the same paths: the share to write, the rest to read.
mkdir -p "./$share"
mount --bind "$share" "./$share"
if [ ! "$node" -ef "./$node" ]; then
  mkdir -p "./${node%/*}"
  [ -e "./$node" ] || : >"./$node"
  mount --bind "$node" "./$node"
fi
for folder in "$@"; do
  mkdir -p "./$folder"
  mount --bind "$folder" "./$folder"
  mount -o remount,bind,ro "./$folder"
done

# A machine of its own: own id, own journal, no file systems to mount, and no unit that would only cost time here.
tr -d - <proc/sys/kernel/random/uuid >etc/machine-id
echo "$name" >etc/hostname
: >etc/fstab
rm -rf var/log/journal
mkdir -p etc/systemd/journald.conf.d etc/systemd/system
printf '[Journal]\nStorage=volatile\nRateLimitIntervalSec=0\n' >etc/systemd/journald.conf.d/lab.conf
for unit in systemd-udevd.service systemd-udevd-control.socket systemd-udevd-kernel.socket systemd-udev-trigger.service \
  systemd-timesyncd.service systemd-networkd.service systemd-networkd.socket systemd-resolved.service \
  systemd-logind.service getty.target console-getty.service systemd-pstore.service systemd-random-seed.service \
  systemd-sysctl.service systemd-modules-load.service systemd-remount-fs.service systemd-firstboot.service \
  systemd-update-utmp.service systemd-tmpfiles-clean.timer systemd-journal-flush.service tmp.mount timers.target \
  dev-hugepages.mount dev-mqueue.mount sys-kernel-debug.mount sys-kernel-tracing.mount sys-kernel-config.mount \
  sys-fs-fuse-connections.mount proc-sys-fs-binfmt_misc.automount keyboard-setup.service console-setup.service \
  apparmor.service ldconfig.service; do
  ln -sfn /dev/null "etc/systemd/system/$unit"
done

mkdir -p .machine
pivot_root . .machine
cd /
umount -l /.machine
rmdir /.machine
exec env -i container=lab /lib/systemd/systemd --system --unit=basic.target
