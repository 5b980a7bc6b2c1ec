"""The interrupt core: descriptors, flow handlers, request/free, affinity, the spurious-interrupt detector.

A hard interrupt never nests.  Its handler runs with interrupts off; the time it charged passes when it has returned,
before softirqs run.  Facts: kernel/irq/{chip,handle,manage,spurious}.c (3.13 to 6.1); /proc/irq errors as recorded on
6.1.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from rxpath.hw.irqchip import FIRST_DEVICE_VECTOR, LAST_DEVICE_VECTOR, InterruptController
from rxpath.kernel.cpu import MODE_HARDIRQ, VEC_CALL_FUNCTION, VEC_LOCAL_TIMER, VEC_RESCHEDULE, Cpu
from rxpath.kernel.errno import EBUSY, EINVAL, ENOSPC, linux_error
from rxpath.sim.engine import Cpu as EngineCpu

if TYPE_CHECKING:
    from rxpath.kernel.core import Kernel

IRQ_NONE: Final = 0
IRQ_HANDLED: Final = 1
IRQ_WAKE_THREAD: Final = 2
IRQF_SHARED: Final = 0x80

FIRST_MSI_IRQ: Final = 24

Handler = Callable[[int, object], int]


class IrqAction:
    """One handler on a line: `handler(irq, dev_id) -> IRQ_NONE | IRQ_HANDLED`."""

    __slots__ = ("handler", "flags", "name", "dev_id")

    def __init__(self, handler: Handler, flags: int, name: str, dev_id: object) -> None:
        self.handler = handler
        self.flags = flags
        self.name = name
        self.dev_id = dev_id


class IrqDesc:
    """One interrupt: its handlers, counts by CPU, where it goes.

    `level` lines follow a controller input (INTx); edge ones are messages, rewritten when the affinity
    changes.
    """

    __slots__ = (
        "irq",
        "chip",
        "flow",
        "hwirq",
        "level",
        "actions",
        "kstat",
        "affinity",
        "cpu",
        "vector",
        "depth",
        "irq_count",
        "irqs_unhandled",
        "last_unhandled",
        "pending_affinity",
        "write_msg",
        "gsi",
        "spurious_disabled",
        "affinity_hint",
        "device",
        "managed",
        "kind",
    )

    def __init__(self, irq: int, ncpus: int, chip: str, flow: str, hwirq: int, level: bool) -> None:
        self.irq = irq
        self.chip = chip
        self.flow = flow
        self.hwirq = hwirq
        self.level = level
        self.actions: list[IrqAction] = []
        self.kstat = [0] * ncpus
        self.affinity = (1 << ncpus) - 1
        self.cpu = 0
        self.vector = 0
        self.depth = 1  # disabled until an action is there
        self.irq_count = 0
        self.irqs_unhandled = 0
        self.last_unhandled = 0  # jiffies
        self.pending_affinity = -1
        self.write_msg: Callable[[int, int], None] | None = None
        self.gsi = -1
        self.spurious_disabled = False
        self.affinity_hint = 0
        self.device = ""
        self.managed = False
        self.kind = "legacy"


class Irqs:
    """All interrupts of one kernel."""

    __slots__ = ("kernel", "chip", "descs", "by_vector", "default_affinity", "next_vector", "retired")

    def __init__(self, kernel: Kernel, chip: InterruptController) -> None:
        self.kernel = kernel
        self.chip = chip
        self.descs: dict[int, IrqDesc] = {}
        self.by_vector: list[dict[int, IrqDesc]] = [{} for _ in kernel.cpus]
        self.default_affinity = (1 << len(kernel.cpus)) - 1
        self.next_vector = [FIRST_DEVICE_VECTOR] * len(kernel.cpus)
        self.retired = 0
        chip.deliver = self.deliver
        chip.deliver_line = self.deliver_line

    # --- from the controller --------------------------------------------------------------------------------
    def deliver(self, cpu: int, vector: int) -> None:
        desc = self.by_vector[cpu].get(vector)
        if desc is not None:
            self.kernel.cpus[cpu].pend(desc.irq)

    def deliver_line(self, gsi: int) -> None:
        for desc in self.descs.values():
            if desc.gsi == gsi:
                if desc.depth == 0:
                    c = self.kernel.cpus[desc.cpu]
                    if desc.irq not in c.irq_pending:
                        c.pend(desc.irq)
                return

    # --- making ---------------------------------------------------------------------------------------------
    def alloc_msi(self, hwirq: int, kind: str, device: str, write_msg: Callable[[int, int], None]) -> IrqDesc:
        """A message interrupt; `write_msg(addr, data)` puts the message into the device.  Raises
        OSError(ENOSPC).
        """
        irq = FIRST_MSI_IRQ
        while irq in self.descs:
            irq += 1
        desc = IrqDesc(irq, len(self.kernel.cpus), "PCI-MSI", "edge", hwirq, False)
        desc.kind = kind
        desc.device = device
        desc.write_msg = write_msg
        desc.affinity = self.default_affinity
        self.descs[irq] = desc
        try:
            self._place(desc, self._pick_cpu(desc.affinity))
        except OSError:
            del self.descs[irq]
            raise
        return desc

    def line_desc(self, gsi: int, device: str) -> IrqDesc:
        """The descriptor of an IO-APIC input, made when first asked for."""
        desc = self.descs.get(gsi)
        if desc is None:
            desc = IrqDesc(gsi, len(self.kernel.cpus), "IO-APIC", "fasteoi", gsi, True)
            desc.gsi = gsi
            desc.device = device
            desc.affinity = self.default_affinity
            desc.cpu = self._pick_cpu(desc.affinity)
            self.descs[gsi] = desc
        return desc

    def free_msi(self, desc: IrqDesc) -> None:
        """Give the vector back; every action must be gone."""
        if desc.actions:
            raise AssertionError("irq %d released with an action on it" % desc.irq)
        self.by_vector[desc.cpu].pop(desc.vector, None)
        for c in self.kernel.cpus:
            while desc.irq in c.irq_pending:
                c.irq_pending.remove(desc.irq)
        self.retired += sum(desc.kstat)
        self.descs.pop(desc.irq, None)

    def _pick_cpu(self, mask: int) -> int:
        """The vector allocator's choice: the online CPU of the mask that serves the fewest interrupts, lowest
        first.

        (arch/x86/kernel/apic/vector.c and the irq_matrix allocator since 4.15; before, the first of the
        mask.)
        """
        best = -1
        best_n = 0
        for c in self.kernel.cpus:
            if c.online and mask >> c.id & 1:
                n = len(self.by_vector[c.id]) if self.kernel.release.irq_spread else 0
                if best < 0 or n < best_n:
                    best = c.id
                    best_n = n
        if best < 0:
            for c in self.kernel.cpus:
                if c.online:
                    return c.id
        return best

    def _place(self, desc: IrqDesc, cpu: int) -> None:
        table = self.by_vector[cpu]
        v = self.next_vector[cpu]
        for _ in range(LAST_DEVICE_VECTOR - FIRST_DEVICE_VECTOR + 1):
            if v > LAST_DEVICE_VECTOR:
                v = FIRST_DEVICE_VECTOR
            if v not in table:
                break
            v += 1
        else:
            raise linux_error(ENOSPC, "interrupt vectors of cpu%d" % cpu)
        self.next_vector[cpu] = v + 1
        if desc.vector:
            self.by_vector[desc.cpu].pop(desc.vector, None)
        table[v] = desc
        desc.cpu = cpu
        desc.vector = v
        if desc.write_msg is not None:
            desc.write_msg(cpu, v)

    # --- actions --------------------------------------------------------------------------------------------
    def request_irq(self, irq: int, handler: Handler, flags: int, name: str, dev_id: object) -> None:
        """Add an action.  Raises OSError: EINVAL (no such line, shared without dev_id), EBUSY (sharing
        mismatch).
        """
        desc = self.descs.get(irq)
        if desc is None or (flags & IRQF_SHARED and dev_id is None):
            raise linux_error(EINVAL, "request_irq %d" % irq)
        if desc.actions and not (flags & IRQF_SHARED and desc.actions[0].flags & IRQF_SHARED):
            old = desc.actions[0]
            self.kernel.log.err(
                "genirq: Flags mismatch irq %d. %08x (%s) vs. %08x (%s)" % (irq, flags, name, old.flags, old.name)
            )
            raise linux_error(EBUSY, "irq %d" % irq)
        desc.actions.append(IrqAction(handler, flags, name, dev_id))
        if len(desc.actions) == 1:
            desc.depth = 0
            desc.irq_count = 0
            desc.irqs_unhandled = 0
            desc.spurious_disabled = False
        if desc.level and self.chip.level(desc.gsi):
            self.deliver_line(desc.gsi)
        self.kernel.irq_changed(desc)

    def free_irq(self, irq: int, dev_id: object) -> None:
        desc = self.descs.get(irq)
        if desc is None:
            return
        for i, a in enumerate(desc.actions):
            if a.dev_id is dev_id:
                del desc.actions[i]
                break
        if not desc.actions:
            desc.depth = 1
            for c in self.kernel.cpus:
                while irq in c.irq_pending:
                    c.irq_pending.remove(irq)
        self.kernel.irq_changed(desc)

    def disable_irq(self, irq: int) -> None:
        self.descs[irq].depth += 1

    def enable_irq(self, irq: int) -> None:
        desc = self.descs[irq]
        if desc.depth:
            desc.depth -= 1
        if desc.depth == 0 and desc.level and self.chip.level(desc.gsi):
            self.deliver_line(desc.gsi)

    # --- affinity -------------------------------------------------------------------------------------------
    def set_affinity(self, irq: int, mask: int) -> None:
        """Ask that `irq` go to a CPU of `mask`; effective at its next interrupt.  Raises OSError(EINVAL).

        The current target is kept when the new mask still holds it (6.1, recorded).
        """
        desc = self.descs[irq]
        online = 0
        for c in self.kernel.cpus:
            if c.online:
                online |= 1 << c.id
        if not mask & online:
            raise linux_error(EINVAL, "no online CPU in the mask")
        desc.affinity = mask
        if not mask >> desc.cpu & 1 or not self.kernel.cpus[desc.cpu].online:
            desc.pending_affinity = mask
        else:
            desc.pending_affinity = -1

    def irq_set_affinity_hint(self, irq: int, mask: int) -> None:
        """A driver says where it would like to be served; some releases make it the affinity.  0: no more."""
        desc = self.descs[irq]
        desc.affinity_hint = mask
        if mask and self.kernel.release.affinity_hint_applied:
            try:
                self.set_affinity(irq, mask)
            except OSError:  # none of its CPUs is online
                return

    def move_masked(self, desc: IrqDesc) -> None:
        """irq_move_irq: carry out a waiting change of affinity now."""
        mask = desc.pending_affinity
        desc.pending_affinity = -1
        cpu = self._pick_cpu(mask)
        if desc.level:
            desc.cpu = cpu
        else:
            self._place(desc, cpu)

    def common_interrupt(self, cpu: Cpu, vector: int) -> None:
        common_interrupt(self, cpu, vector)

    # --- a CPU goes down ------------------------------------------------------------------------------------
    def lapic_can_unplug_cpu(self, cpu: Cpu) -> None:
        """Raises OSError(ENOSPC) when the other CPUs have no room for this one's vectors."""
        room = 0
        for c in self.kernel.cpus:
            if c.online and c is not cpu:
                room += LAST_DEVICE_VECTOR - FIRST_DEVICE_VECTOR + 1 - len(self.by_vector[c.id])
        need = len(self.by_vector[cpu.id])
        if room < need:
            self.kernel.log.printk(4, "CPU %d has %d vectors, %d available. Cannot disable CPU" % (cpu.id, need, room))
            raise linux_error(ENOSPC, "interrupt vectors")

    def fixup_irqs(self, cpu: Cpu) -> None:
        """`cpu` is no longer online: its interrupts go elsewhere; what waits in its controller is sent again."""
        for irq in list(self.descs):
            self.migrate_one_irq(self.descs[irq], cpu)
        for irq in cpu.irq_pending:
            if irq >= 0:
                desc = self.descs.get(irq)
                if desc is not None:
                    target = self.kernel.cpus[desc.cpu]
                    if irq not in target.irq_pending:
                        target.pend(irq)
        cpu.irq_pending = [v for v in cpu.irq_pending if v < 0]

    def migrate_one_irq(self, desc: IrqDesc, cpu: Cpu) -> None:
        """Only what is aimed at that CPU moves.  A mask that holds no online CPU any more becomes that of all online
        CPUs (3.13: of all), and stays so when the CPU comes back.
        """
        online = 0
        for c in self.kernel.cpus:
            if c.online:
                online |= 1 << c.id
        pending = desc.pending_affinity
        if pending >= 0 and not pending & online:
            desc.pending_affinity = pending = -1
        if desc.cpu != cpu.id:
            return
        mask = pending if pending >= 0 else desc.affinity
        desc.pending_affinity = -1
        if not mask & online:
            if self.kernel.release.cpu_hotplug == "v3_13":
                self.kernel.log.printk(5, "Broke affinity for irq %d" % desc.irq)
                mask = (1 << len(self.kernel.cpus)) - 1
            else:
                mask = online
        desc.affinity = mask
        new = self._pick_cpu(mask)
        if desc.level:
            desc.cpu = new
            return
        try:
            self._place(desc, new)
        except OSError:
            self.kernel.log.printk(4, "IRQ%d: set affinity failed(-28)." % desc.irq)


# --- taking one ---------------------------------------------------------------------------------------------


def common_interrupt(irqs: Irqs, cpu: Cpu, vector: int) -> None:
    """Entry from the hardware: hard interrupt part, then irq exit with its softirqs."""
    k = irqs.kernel
    old = cpu.set_mode(MODE_HARDIRQ)
    cpu.hardirq_count += 1
    cpu.irqs_off += 1
    cpu.depth += 1
    if cpu.depth > cpu.max_depth:
        cpu.max_depth = cpu.depth
    if vector >= 0:
        __common_interrupt(irqs, cpu, vector)
    elif vector == VEC_LOCAL_TIMER:
        cpu.loc_count += 1
        cpu.accrued += k.costs.timer_irq
        k.timers.sysvec_apic_timer_interrupt(cpu)
    elif vector == VEC_CALL_FUNCTION:
        cpu.cal_count += 1
        cpu.accrued += k.costs.ipi_receive
        k.generic_smp_call_function_single_interrupt(cpu)
    elif vector == VEC_RESCHEDULE:
        cpu.res_count += 1
    cpu.irqs_off -= 1
    if cpu.accrued and cpu.irqs_off == 0:
        n = cpu.accrued
        cpu.accrued = 0
        cpu.advance(n)
    if cpu.irq_pending:  # what arrived meanwhile is taken at the next charge, in the softirqs if there are any
        cpu.attention = True
        k.engine.horizon = 0
    irq_exit_rcu(cpu)
    cpu.depth -= 1
    cpu.set_mode(old)


def __common_interrupt(irqs: Irqs, cpu: Cpu, irq: int) -> None:
    desc = irqs.descs.get(irq)
    if desc is None:
        return
    cpu.accrued += irqs.kernel.costs.hardirq
    if desc.level:
        handle_fasteoi_irq(irqs, cpu, desc)
    else:
        handle_edge_irq(irqs, cpu, desc)


def handle_edge_irq(irqs: Irqs, cpu: Cpu, desc: IrqDesc) -> None:
    """Edge flow: acknowledge (a waiting affinity change happens here), run the actions."""
    if desc.pending_affinity >= 0:
        irqs.move_masked(desc)
    if desc.depth:
        return
    desc.kstat[cpu.id] += 1
    handle_irq_event(irqs, cpu, desc)


def handle_fasteoi_irq(irqs: Irqs, cpu: Cpu, desc: IrqDesc) -> None:
    """Level flow: run the actions, then EOI; a line that is still asserted interrupts again."""
    if desc.pending_affinity >= 0:
        irqs.move_masked(desc)
    if desc.depth:
        return
    desc.kstat[cpu.id] += 1
    handle_irq_event(irqs, cpu, desc)
    if desc.depth == 0 and irqs.chip.level(desc.gsi):
        target = irqs.kernel.cpus[desc.cpu]
        if desc.irq not in target.irq_pending:
            target.pend(desc.irq)


def handle_irq_event(irqs: Irqs, cpu: Cpu, desc: IrqDesc) -> None:
    ret = __handle_irq_event_percpu(irqs, desc)
    if ret == IRQ_NONE or desc.irqs_unhandled:
        note_interrupt(irqs, desc, ret)


def __handle_irq_event_percpu(irqs: Irqs, desc: IrqDesc) -> int:
    ret = IRQ_NONE
    trace = irqs.kernel.trace
    irq = desc.irq
    for action in desc.actions:
        if trace.irq_handler_entry.on:
            trace.irq_handler_entry.fire(irq, action.name)
        r = action.handler(irq, action.dev_id)
        if trace.irq_handler_exit.on:
            trace.irq_handler_exit.fire(irq, r)
        ret |= r
    return ret


def note_interrupt(irqs: Irqs, desc: IrqDesc, ret: int) -> None:
    """The spurious detector: 99,900 unhandled of 100,000 disable the line (kernel/irq/spurious.c)."""
    k = irqs.kernel
    if ret == IRQ_NONE:
        j = k.jiffies()
        if j > desc.last_unhandled + k.hz // 10:
            desc.irqs_unhandled = 1
        else:
            desc.irqs_unhandled += 1
        desc.last_unhandled = j
    desc.irq_count += 1
    if desc.irq_count < 100000:
        return
    desc.irq_count = 0
    if desc.irqs_unhandled > 99900:
        k.log.printk(0, 'irq %d: nobody cared (try booting with the "irqpoll" option)' % desc.irq)
        k.log.printk(0, "Disabling IRQ #%d" % desc.irq)
        desc.spurious_disabled = True
        desc.depth += 1
    desc.irqs_unhandled = 0


def irq_exit_rcu(cpu: Cpu) -> None:
    """Leave hard interrupt context; pending softirqs run here unless nested (kernel/softirq.c)."""
    cpu.hardirq_count -= 1
    if cpu.softirq_pending and cpu.softirq_count == 0:
        cpu.kernel.softirq.invoke_softirq(cpu)


def current_cpu(c: EngineCpu | None) -> Cpu:
    assert isinstance(c, Cpu)
    return c
