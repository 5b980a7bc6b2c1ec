"""A gigabit copper PHY behind a management interface (IEEE 802.3 clause 22 and 40), and a word-wise NVM.

What belongs here: PHY registers, pages, autonegotiation with a partner that offers everything, NVM words
and their checksum. Which chip register leads here is the chip model's business.
"""

from __future__ import annotations

from typing import Final

BMCR: Final = 0
BMSR: Final = 1
PHYSID1: Final = 2
PHYSID2: Final = 3
ADVERTISE: Final = 4
LPA: Final = 5
EXPANSION: Final = 6
CTRL1000: Final = 9
STAT1000: Final = 10
ESTATUS: Final = 15
SPEC_CTRL: Final = 16
SPEC_STATUS: Final = 17

BMCR_SPEED1000: Final = 0x0040
BMCR_FULLDPLX: Final = 0x0100
BMCR_ANRESTART: Final = 0x0200
BMCR_ISOLATE: Final = 0x0400
BMCR_PDOWN: Final = 0x0800
BMCR_ANENABLE: Final = 0x1000
BMCR_SPEED100: Final = 0x2000
BMCR_LOOPBACK: Final = 0x4000
BMCR_RESET: Final = 0x8000

PHY_SAME: Final = 0
PHY_CHANGED: Final = 1
PHY_RESTART: Final = 2


class Phy:
    """A transceiver and its link partner.

    `cable` is set by the device model. `write` tells what the model must do: nothing, look at the link
    again, or run autonegotiation (the link drops; call `complete` when it is over).
    """

    __slots__ = ("cable", "done")

    def __init__(self) -> None:
        self.cable: bool = False
        self.done: bool = False

    def reset(self) -> None:
        """Hardware reset: default register values, autonegotiation to be run."""
        raise NotImplementedError

    def restart(self) -> None:
        """Autonegotiation begins: no link until `complete`."""
        self.done = False

    def complete(self) -> None:
        """Autonegotiation is over."""
        self.done = True

    def link(self) -> bool:
        """Whether the link is up."""
        raise NotImplementedError

    def loopback(self) -> bool:
        """Whether the PHY sends back what it is given to transmit."""
        return False

    def speed(self) -> int:
        """Mbit/s, 0 when the two ends have none in common."""
        raise NotImplementedError

    def full_duplex(self) -> bool:
        return True

    def read(self, reg: int) -> int:
        """Register `reg`."""
        raise NotImplementedError

    def write(self, reg: int, value: int) -> int:
        """Write register `reg`; returns PHY_SAME, PHY_CHANGED or PHY_RESTART."""
        raise NotImplementedError


class MiiPhy(Phy):
    """Registers of a PHY whose registers 16 and up are paged by `page_reg` (0: not paged)."""

    __slots__ = ("id1", "id2", "latched_down", "page", "page_reg", "regs")

    def __init__(self, id1: int, id2: int, page_reg: int = 22) -> None:
        """`id1`, `id2`: the identifier registers 2 and 3."""
        super().__init__()
        self.id1: int = id1
        self.id2: int = id2
        self.page_reg: int = page_reg
        self.regs: dict[int, int] = {}
        self.page: int = 0
        self.latched_down: bool = True
        self.reset()

    def reset(self) -> None:
        """Hardware reset: default register values, autonegotiation to be run."""
        self.page = 0
        self.done = False
        self.latched_down = True
        self.regs = {
            BMCR: BMCR_ANENABLE | BMCR_FULLDPLX | BMCR_SPEED1000,
            PHYSID1: self.id1,
            PHYSID2: self.id2,
            ADVERTISE: 0x0DE1,
            CTRL1000: 0x0200,
            ESTATUS: 0x3000,
            SPEC_CTRL: 0x0060,
        }

    def loopback(self) -> bool:
        return bool(self.regs[BMCR] & BMCR_LOOPBACK)

    def powered(self) -> bool:
        return not self.regs[BMCR] & BMCR_PDOWN

    def link(self) -> bool:
        """Link up: powered, cable plugged in, negotiation over (or speed forced); also in loopback."""
        bmcr = self.regs[BMCR]
        if bmcr & BMCR_PDOWN:
            return False
        if bmcr & BMCR_LOOPBACK:
            return True
        return self.cable and (self.done or not bmcr & BMCR_ANENABLE)

    def complete(self) -> None:
        """Autonegotiation is over (with success if there is a cable)."""
        self.done = self.cable and self.powered()

    def restart(self) -> None:
        """Autonegotiation begins: no link until `complete`."""
        self.done = False
        self.latched_down = True

    def speed(self) -> int:
        """Mbit/s: negotiated (highest that both offer) or forced."""
        bmcr = self.regs[BMCR]
        if bmcr & BMCR_ANENABLE and not bmcr & BMCR_LOOPBACK:
            if self.regs[CTRL1000] & 0x0300:
                return 1000
            return 100 if self.regs[ADVERTISE] & 0x0180 else 10
        if bmcr & BMCR_SPEED1000:
            return 1000
        return 100 if bmcr & BMCR_SPEED100 else 10

    def full_duplex(self) -> bool:
        bmcr = self.regs[BMCR]
        if bmcr & BMCR_ANENABLE and not bmcr & BMCR_LOOPBACK:
            if self.regs[CTRL1000] & 0x0200:
                return True
            if self.regs[CTRL1000] & 0x0100:
                return False
            adv = self.regs[ADVERTISE]
            return bool(adv & 0x0100) if adv & 0x0180 else bool(adv & 0x0040)
        return bool(bmcr & BMCR_FULLDPLX)

    def read(self, reg: int) -> int:
        """Register `reg` (0..31) of the current page."""
        if reg == BMSR:
            v = 0x7949
            up = self.link()
            if up and not self.latched_down:
                v |= 0x0004
            self.latched_down = not up
            if self.done:
                v |= 0x0020
            return v
        if reg == LPA:
            return 0xCDE1 if self.done else 0
        if reg == EXPANSION:
            return 0x000F if self.done else 0x0004
        if reg == STAT1000:
            return 0x3C00 if self.link() and self.speed() == 1000 else 0
        if reg == self.page_reg and self.page_reg:
            return self.page
        if reg < 16:
            return self.regs.get(reg, 0)
        if reg == SPEC_STATUS and self.page == 0:
            if not self.link():
                return 0
            speed = self.speed()
            return (
                (0x8000 if speed == 1000 else 0x4000 if speed == 100 else 0)
                | 0x0C00
                | (0x2000 if self.full_duplex() else 0)
            )
        return self.regs.get(self.page << 5 | reg, 0)

    def write(self, reg: int, value: int) -> int:
        """Write register `reg`; returns PHY_SAME, PHY_CHANGED or PHY_RESTART."""
        if reg == BMCR:
            old = self.regs[BMCR]
            self.regs[BMCR] = value & ~(BMCR_RESET | BMCR_ANRESTART)
            if value & (BMCR_RESET | BMCR_ANRESTART):
                return PHY_RESTART
            changed = old ^ value
            if changed & (BMCR_PDOWN | BMCR_ANENABLE | BMCR_LOOPBACK):
                return PHY_RESTART
            return PHY_CHANGED if changed else PHY_SAME
        if reg in (BMSR, PHYSID1, PHYSID2, LPA, EXPANSION, STAT1000, ESTATUS):
            return PHY_SAME
        if reg == self.page_reg and self.page_reg:
            self.page = value
            return PHY_SAME
        self.regs[reg if reg < 16 else self.page << 5 | reg] = value
        return PHY_SAME


class Nvm:
    """Words of 16 bits, addressed by number."""

    __slots__ = ("words",)

    def __init__(self, words: list[int]) -> None:
        self.words: list[int] = list(words)

    def read(self, addr: int) -> int:
        """Word `addr`; 0xffff beyond the end."""
        return self.words[addr] if 0 <= addr < len(self.words) else 0xFFFF

    def write(self, addr: int, value: int) -> None:
        """Store word `addr`; nothing beyond the end."""
        if 0 <= addr < len(self.words):
            self.words[addr] = value & 0xFFFF

    def fix_checksum(self, first: int = 0, at: int = 0x3F, total: int = 0xBABA) -> None:
        """Set word `at` so that words `first`..`at` add up to `total`."""
        self.words[at] = (total - sum(self.words[first:at])) & 0xFFFF
