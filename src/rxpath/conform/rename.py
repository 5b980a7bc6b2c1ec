"""The same scenario under other names: addresses, ports, MAC addresses, device and payload seeds replaced consistently.

Whoever answers a scenario by behaviour answers the renamed one as well.  Checksums are updated incrementally, so a
wrong one stays wrong.  What means something by itself (127/8, 224.0.0/24, 240/4, 0/8, broadcast, ports below 1024)
keeps its name.  Used by tools/rename_cases.py.
"""

from __future__ import annotations

import json
import struct
from typing import Any

from rxpath.conform.tapfmt import csum_update, merged_env, pattern
from rxpath.wire.addr import ip4, ip4_str, mac, mac_str

FRAG = 0x3FFF


class Renamer:
    """A renaming; `salt` picks one of many."""

    def __init__(self, salt: int = 1) -> None:
        self.a = 3 + salt % 11
        self.b = 5 + salt * 3 % 90
        self.port_step = 11 + salt * 7 % 500
        self.seed_step = 1 + salt
        self.dev = "net%d" % (salt % 10)
        self.mac_head = bytes((0x06, 0x10 + salt % 64, 0x22, 0x33, 0x44))

    # --- names -------------------------------------------------------------------------------------------------------
    def ip(self, n: int) -> int:
        o = n >> 24
        if o == 10:
            second = 16 + ((n >> 16 & 255) + self.a) % 16
            return 172 << 24 | second << 16 | ((n >> 8) + self.b & 255) << 8 | n & 255
        if n >> 8 == 0xC00002:  # 192.0.2/24
            return 198 << 24 | 51 << 16 | 100 << 8 | n & 255
        if n == 0x08080808:
            return 0x09090909
        if o >> 4 == 14 and n >> 8 != 0xE00000:
            return n & 0xFFFF00FF | ((n >> 8) + self.b & 255) << 8
        return n

    def ips(self, text: str) -> str:
        """An address or prefix as text; other words as they are."""
        addr, slash, plen = text.partition("/")
        if addr.count(".") != 3:
            return text
        return ip4_str(self.ip(ip4(addr))) + slash + plen

    def port(self, p: int) -> int:
        return p if p < 1024 or p == 65535 else 1024 + (p - 1024 + self.port_step) % (65535 - 1024)

    def hw(self, m: bytes) -> bytes:
        if m[:5] == b"\x02\0\0\0\0":
            return self.mac_head + m[5:6]
        if m[:3] == b"\x01\0\x5e" and (m[3] or m[4]):
            return m[:4] + bytes(((m[4] + self.b) & 255,)) + m[5:]
        return m

    # --- packets -----------------------------------------------------------------------------------------------------
    def packet(self, p: bytearray, fill: bool = False) -> None:
        """An IPv4 packet in place.  `fill`: a header that the kernel completes (checksums are its own business)."""
        if len(p) < 20 or p[0] >> 4 != 4:
            self._addresses_only(p)
            return
        ihl = (p[0] & 15) << 2
        if ihl < 20:
            self._addresses_only(p)
            return
        end = min(ihl, len(p))
        old = bytes(p[:end])
        for at in (12, 16):
            struct.pack_into("!I", p, at, self.ip(struct.unpack_from("!I", p, at)[0]))
        self._options(p, 20, end)
        addrs_old, addrs_new = old[12:20], bytes(p[12:20])
        o2, n2 = bytearray(old), bytearray(p[:end])
        o2[10:12] = n2[10:12] = b"\0\0"
        if len(o2) % 2 == 0:
            struct.pack_into("!H", p, 10, csum_update(struct.unpack_from("!H", p, 10)[0], bytes(o2), bytes(n2)))
        first = not struct.unpack_from("!H", p, 6)[0] & 0x1FFF
        if first:
            self._transport(p, ihl, p[9], addrs_old, addrs_new)

    def _addresses_only(self, p: bytearray) -> None:
        """A header that nobody will accept: its addresses and its checksum all the same."""
        if len(p) < 20:
            return
        old = bytes(p[12:20])
        for at in (12, 16):
            struct.pack_into("!I", p, at, self.ip(struct.unpack_from("!I", p, at)[0]))
        struct.pack_into("!H", p, 10, csum_update(struct.unpack_from("!H", p, 10)[0], old, bytes(p[12:20])))

    def _options(self, p: bytearray, at: int, end: int) -> None:
        while at < end:
            k = p[at]
            if k == 0:
                return
            if k == 1:
                at += 1
                continue
            if at + 1 >= end or p[at + 1] < 2 or at + p[at + 1] > end:
                return
            stop = at + p[at + 1]
            step, first = 4, at + 3
            if k == 68:
                if stop - at < 4 or not p[at + 3] & 15:
                    at = stop
                    continue
                step, first = 8, at + 4
            if k in (7, 131, 137, 68):
                for i in range(first, stop - 3, step):
                    struct.pack_into("!I", p, i, self.ip(struct.unpack_from("!I", p, i)[0]))
            at = stop

    def _transport(self, p: bytearray, t: int, proto: int, addrs_old: bytes, addrs_new: bytes) -> None:
        old = bytes(p[t:])
        if proto in (17, 6) and len(p) >= t + 4:
            for at in (t, t + 2):
                struct.pack_into("!H", p, at, self.port(struct.unpack_from("!H", p, at)[0]))
            at = t + (6 if proto == 17 else 16)
            if len(p) >= at + 2:
                c = struct.unpack_from("!H", p, at)[0]
                if c or proto == 6:
                    c = csum_update(c, addrs_old + old[:4], addrs_new + bytes(p[t : t + 4]))
                    struct.pack_into("!H", p, at, c or (0xFFFF if proto == 17 else 0))
        elif proto == 1 and len(p) >= t + 8:
            if p[t] == 5:
                struct.pack_into("!I", p, t + 4, self.ip(struct.unpack_from("!I", p, t + 4)[0]))
            if p[t] in (3, 4, 5, 11, 12) and len(p) > t + 8:
                inner = bytearray(p[t + 8 :])
                self.packet(inner)
                p[t + 8 :] = inner
            new = bytes(p[t:])
            odd = len(new) % 2
            o2, n2 = bytearray(old + b"\0" * odd), bytearray(new + b"\0" * odd)
            o2[2:4] = n2[2:4] = b"\0\0"
            struct.pack_into("!H", p, t + 2, csum_update(struct.unpack_from("!H", p, t + 2)[0], bytes(o2), bytes(n2)))
        elif proto == 2 and len(p) >= t + 8:
            struct.pack_into("!I", p, t + 4, self.ip(struct.unpack_from("!I", p, t + 4)[0]))
            struct.pack_into(
                "!H", p, t + 2, csum_update(struct.unpack_from("!H", p, t + 2)[0], old[4:8], bytes(p[t + 4 : t + 8]))
            )

    def frame(self, b: bytes) -> bytes:
        if len(b) < 12:
            return b  # too short for addresses
        f = bytearray(b)
        f[0:6] = self.hw(bytes(f[0:6]))
        f[6:12] = self.hw(bytes(f[6:12]))
        at = 12
        while at + 4 <= len(f) and bytes(f[at : at + 2]) in (b"\x81\0", b"\x88\xa8", b"\x91\0"):
            at += 4
        kind = bytes(f[at : at + 2])
        at += 2
        if kind not in (b"\x08\0", b"\x08\x06") and f[at : at + 8] == b"\xaa\xaa\x03\0\0\0\x08\0":
            kind, at = b"\x08\0", at + 8
        if kind == b"\x08\0":
            p = f[at:]
            self.packet(p)
            f[at:] = p
        elif kind == b"\x08\x06" and len(f) >= at + 28:
            for o in (8, 18):
                f[at + o : at + o + 6] = self.hw(bytes(f[at + o : at + o + 6]))
            for o in (14, 24):
                struct.pack_into("!I", f, at + o, self.ip(struct.unpack_from("!I", f, at + o)[0]))
        return bytes(f)

    def spec(self, s: Any, seeds: bool) -> Any:
        if isinstance(s, str):
            return self.frame(bytes.fromhex(s)).hex()
        out = dict(s)
        f = bytearray.fromhex(s["hex"])
        if "pat" in s and seeds and s["pat"][0]:
            n, seed, start = s["pat"]
            at = self._checksum_at(bytes(f))
            if at and (len(f) - 14) % 2 == 0:
                pad = b"\0" * (n % 2)
                c = struct.unpack_from("!H", f, at)[0]
                if c:
                    new = pattern(n, seed + self.seed_step, start)
                    c = csum_update(c, pattern(n, seed, start) + pad, new + pad)
                    struct.pack_into("!H", f, at, c or 0xFFFF)
                out["pat"] = [n, seed + self.seed_step, start]
        out["hex"] = self.frame(bytes(f)).hex()
        return out

    def _checksum_at(self, f: bytes) -> int:
        """Where the checksum over the payload stands; 0 when there is none that could be updated."""
        if len(f) < 34 or f[12:14] != b"\x08\0" or f[14] != 0x45 or struct.unpack_from("!H", f, 20)[0] & FRAG:
            return 0
        at = {17: 40, 6: 50, 1: 36}.get(f[23], 0)
        return at if len(f) >= at + 2 else 0

    # --- scenarios ---------------------------------------------------------------------------------------------------
    def sock(self, d: dict[str, Any]) -> None:
        for key in ("bind", "connect", "to"):
            if key in d:
                d[key] = [self.ips(d[key][0]), self.port(d[key][1])]
        for key in ("join", "join_source"):
            if key in d:
                d[key] = [[self.ips(x) for x in row] for row in d[key]]
        if d.get("dev") == "tap0":
            d["dev"] = self.dev
        if "opts" in d:
            d["opts"] = [[k, self.opt(k, v)] for k, v in d["opts"]]

    def opt(self, name: str, value: Any) -> Any:
        if name == "SO_BINDTODEVICE" and value == "tap0":
            return self.dev
        if name == "IP_DROP_MEMBERSHIP":
            return [self.ips(x) for x in value]
        return value

    def key(self, k: str) -> str:
        return k.replace(".tap0.", f".{self.dev}.")

    def scenario(self, sc: dict[str, Any]) -> dict[str, Any]:
        """A renamed copy."""
        new: dict[str, Any] = json.loads(json.dumps(sc))
        env = merged_env(new)
        new["env"] = {
            **new.get("env", {}),
            "dev": self.dev,
            "mac": mac_str(self.hw(mac(env["mac"]))),
            "addrs": [self.ips(a) for a in env["addrs"]],
            "neigh": [[self.ips(a), mac_str(self.hw(mac(h)))] for a, h in env["neigh"]],
            "routes": [[self.ips(p), self.ips(g) if g else g] for p, g in env["routes"]],
        }
        if "sysctls" in new:
            new["sysctls"] = {self.key(k): v for k, v in new["sysctls"].items()}
        own_header = set()
        for d in new.get("sockets", []):
            self.sock(d)
            if ["IP_HDRINCL", 1] in d.get("opts", []) or d.get("proto") == 255:
                own_header.add(d["id"])
        specs = [s for st in new["steps"] if st["op"] == "inject" for s in st["frames"]]
        seeds = not any(_fragment(s) for s in specs)
        for st in new["steps"]:
            if st["op"] == "inject":
                st["frames"] = [self.spec(s, seeds) for s in st["frames"]]
            elif st["op"] == "sysctl":
                st["key"] = self.key(st["key"])
            elif st["op"] == "setsockopt":
                st["value"] = self.opt(st["opt"], st["value"])
            else:
                self.sock(st)
                if st["op"] in ("send", "sendto") and st.get("sock") in own_header:
                    p = bytearray.fromhex(st["data"])
                    self.packet(p)
                    st["data"] = p.hex()
        return new


def _fragment(spec: Any) -> bool:
    f = bytes.fromhex(spec if isinstance(spec, str) else spec["hex"])
    return f[12:14] == b"\x08\0" and len(f) >= 22 and bool(struct.unpack_from("!H", f, 20)[0] & FRAG)


def rename(scenario: dict[str, Any], salt: int = 1) -> dict[str, Any]:
    """The scenario under other names."""
    return Renamer(salt).scenario(scenario)
