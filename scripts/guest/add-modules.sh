#!/usr/bin/env bash
# add-modules.sh TREE FOLDER   copies what the test guest loads of an unpacked kernel package to FOLDER. What it loads at its start
# is in "order"; what tests with disks load, in "disks"; a guest that is a host, in "vhost"; a guest of Xen, in "xen".
set -euo pipefail
add() { "$(dirname "$0")/../../src/Tools/channelctl/appliance/add-modules.sh" "$tree" "$folder" "$@"; }
tree=$1 folder=$2
add order virtio_pci virtio_console virtio_blk virtio-rng virtio_net af_packet crc32c_generic ext4 vmw_vsock_virtio_transport vsock_loopback qemu_fw_cfg
add disks xfs loop fuse
add vhost vhost_vsock
add xen xen-evtchn xen-gntalloc xen-gntdev xen-blkfront
