"""Let a guest's driver write more than 256 registers in a row, in virtual time.

    python3 fix_posted_writes.py <kernel source tree>

Linux 6.1's arch/um/drivers/virt-pci.c posts register writes to a ring of 256 entries and takes back what is finished
only in an interrupt or while it waits for a read. In virtual time no interrupt comes while no time passes, so a driver
that writes its multicast and unicast tables one after the other (igb: 2 x 128 registers) fills the ring: the next read
fails and the driver says "PCIe link lost". This script makes each posted write take back what is finished. It is a
fault of the transport, not of the NIC drivers, which stay unmodified; in real time all works without it.
"""

import pathlib
import sys

OLD = """\
	if (posted) {
		virtqueue_kick(dev->cmd_vq);
		ret = 0;
"""
NEW = """\
	if (posted) {
		void *done;

		virtqueue_kick(dev->cmd_vq);
		while ((done = virtqueue_get_buf(dev->cmd_vq, &len)))
			if (!HANDLE_IS_NO_FREE(done))
				kfree(done);
		ret = 0;
"""


def main(tree: str) -> None:
    path = pathlib.Path(tree, "arch/um/drivers/virt-pci.c")
    text = path.read_text()
    if NEW in text:
        print("already done")
        return
    if text.count(OLD) != 1:
        sys.exit(f"{path} is not as in Linux 6.1")
    path.write_text(text.replace(OLD, NEW))
    print("changed", path)


if __name__ == "__main__":
    main(sys.argv[1])
