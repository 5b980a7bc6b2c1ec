"""e1000e's module parameters: ranges, defaults and the lines that they print at probe.

Facts: e1000e/param.c of 6.1; lines recorded on 6.1.
"""

from __future__ import annotations

from typing import Final

from rxpath.drivers.e1000e.e1000 import (
    FLAG2_CRC_STRIPPING,
    FLAG2_DFLT_CRC_STRIPPING,
    FLAG2_DMA_BURST,
    FLAG_HAS_MSIX,
    FLAG_HAS_SMART_POWER_DOWN,
    FLAG_IS_ICH,
    FLAG_READ_ONLY_NVM,
    FLAG_SMART_POWER_DOWN,
    INT_MODE_MSI,
    INT_MODE_MSIX,
    E1000Adapter,
)
from rxpath.kernel.log import KERN_NOTICE

E1000_MAX_NIC: Final = 32
OPTION_UNSET: Final = -1
DEFAULT_ITR: Final = 3

PARAMETERS: Final[dict[str, str]] = {
    "copybreak": "Maximum size of packet that is copied to a new buffer on receive",
    "TxIntDelay": "Transmit Interrupt Delay",
    "TxAbsIntDelay": "Transmit Absolute Interrupt Delay",
    "RxIntDelay": "Receive Interrupt Delay",
    "RxAbsIntDelay": "Receive Absolute Interrupt Delay",
    "InterruptThrottleRate": "Interrupt Throttling Rate",
    "IntMode": "Interrupt Mode",
    "SmartPowerDownEnable": "Enable PHY smart power down",
    "KumeranLockLoss": "Enable Kumeran lock loss workaround",
    "WriteProtectNVM": "Write-protect NVM [WARNING: disabling this can lead to corrupted NVM]",
    "CrcStripping": "Enable CRC Stripping, disable if your BMC needs the CRC",
    "debug": "Debug level (0=none,...,16=all)",
}


def e1000_validate_option(
    adapter: E1000Adapter,
    value: int,
    name: str,
    err: str,
    default: int,
    lo: int,
    hi: int,
    enable: bool = False,
) -> tuple[int, bool]:
    """(the value to use, whether the given one was accepted); prints what Linux prints."""
    if value == OPTION_UNSET:
        return default, True
    if enable:
        if value in (0, 1):
            adapter.pdev.info("%s %s" % (name, "Enabled" if value else "Disabled"))
            return value, True
    elif lo <= value <= hi:
        adapter.pdev.info("%s set to %d" % (name, value))
        return value, True
    adapter.pdev.info("Invalid %s value specified (%d) %s" % (name, value, err))
    return default, False


def _delay(adapter: E1000Adapter, param: str, name: str, printed_default: int, default: int) -> int:
    params = adapter.module.params
    given = params.ints(param)
    if adapter.bd_number >= len(given):
        return default
    return e1000_validate_option(
        adapter, given[adapter.bd_number], name, "using default of %d" % printed_default, default, 0, 0xFFFF
    )[0]


def e1000e_check_options(adapter: E1000Adapter) -> None:
    """Read this board's values, check them, fall back to defaults, say so."""
    params = adapter.module.params
    bd = adapter.bd_number
    pdev = adapter.pdev
    if bd >= E1000_MAX_NIC:
        pdev.printk(KERN_NOTICE, "Warning: no configuration for board #%d" % bd)
        pdev.printk(KERN_NOTICE, "Using defaults for all values")
    burst = bool(adapter.flags2 & FLAG2_DMA_BURST)
    adapter.tx_int_delay = _delay(adapter, "TxIntDelay", "Transmit Interrupt Delay", 8, 8)
    adapter.tx_abs_int_delay = _delay(adapter, "TxAbsIntDelay", "Transmit Absolute Interrupt Delay", 32, 32)
    adapter.rx_int_delay = _delay(adapter, "RxIntDelay", "Receive Interrupt Delay", 0, 0x20 if burst else 0)
    adapter.rx_abs_int_delay = _delay(
        adapter, "RxAbsIntDelay", "Receive Absolute Interrupt Delay", 8, 0x20 if burst else 8
    )
    _throttle(adapter)

    has_msix = bool(adapter.flags & FLAG_HAS_MSIX)
    mode = INT_MODE_MSIX if has_msix else INT_MODE_MSI
    given = params.ints("IntMode")
    if bd < len(given):
        adapter.int_mode = e1000_validate_option(
            adapter,
            given[bd],
            "Interrupt Mode",
            "defaulting to 2 (MSI-X)" if has_msix else "defaulting to 1 (MSI)",
            mode,
            0,
            mode,
        )[0]
    else:
        adapter.int_mode = mode

    given = params.ints("SmartPowerDownEnable")
    if bd < len(given):
        on = e1000_validate_option(adapter, given[bd], "PHY Smart Power Down", "defaulting to Disabled", 0, 0, 1, True)
        if adapter.flags & FLAG_HAS_SMART_POWER_DOWN and on[0]:
            adapter.flags |= FLAG_SMART_POWER_DOWN
    given = params.ints("CrcStripping")
    strip = 1
    if bd < len(given):
        strip = e1000_validate_option(adapter, given[bd], "CRC Stripping", "defaulting to Enabled", 1, 0, 1, True)[0]
    if strip:
        adapter.flags2 |= FLAG2_CRC_STRIPPING | FLAG2_DFLT_CRC_STRIPPING
    given = params.ints("KumeranLockLoss")
    if bd < len(given):
        e1000_validate_option(
            adapter, given[bd], "Kumeran Lock Loss Workaround", "defaulting to Enabled", 1, 0, 1, True
        )
    if adapter.flags & FLAG_IS_ICH:
        given = params.ints("WriteProtectNVM")
        protect = 1
        if bd < len(given):
            protect = e1000_validate_option(
                adapter, given[bd], "Write-protect NVM", "defaulting to Enabled", 1, 0, 1, True
            )[0]
        if protect:
            adapter.flags |= FLAG_READ_ONLY_NVM


def _throttle(adapter: E1000Adapter) -> None:
    """InterruptThrottleRate: a mode (0, 1, 3, 4) or interrupts a second."""
    name = "Interrupt Throttling Rate (ints/sec)"
    pdev = adapter.pdev
    given = adapter.module.params.ints("InterruptThrottleRate")
    if adapter.bd_number < len(given):
        itr = given[adapter.bd_number]
        # an unsigned in Linux: a negative one is a huge rate
        if (itr > 4 or itr < 0) and not e1000_validate_option(
            adapter, itr, name, "using default of %d" % DEFAULT_ITR, DEFAULT_ITR, 100, 100000
        )[1]:
            itr = DEFAULT_ITR
        if itr < 0:
            itr = DEFAULT_ITR
    else:
        itr = DEFAULT_ITR
    adapter.itr = itr
    adapter.itr_setting = itr
    if itr == 0:
        pdev.info("%s turned off" % name)
    elif itr == 1:
        pdev.info("%s set to dynamic mode" % name)
        adapter.itr = 20000
    elif itr in (2, 3):
        if itr == 2:
            pdev.info("%s Invalid mode - setting default" % name)
            adapter.itr_setting = DEFAULT_ITR
        pdev.info("%s set to dynamic conservative mode" % name)
        adapter.itr = 20000
    elif itr == 4:
        pdev.info("%s set to simplified (2000-8000 ints) mode" % name)
    else:
        adapter.itr_setting &= ~3  # the low bits are the modes
