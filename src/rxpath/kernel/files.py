"""The /proc and /sys tree: text files by path, read and written whole.

What lives here: the tree and its errors.  Who makes a file registers functions; contents are nobody's
business here.
"""

from __future__ import annotations

from collections.abc import Callable

from rxpath.kernel.errno import EACCES, EISDIR, ENOENT, ENOTDIR, linux_error

ReadFn = Callable[[], str]
WriteFn = Callable[[str], None]


class File:
    """One file: `read()` gives its text, `write(text)` takes one; either may be absent."""

    __slots__ = ("read", "write", "mode")

    def __init__(self, read: ReadFn | None, write: WriteFn | None, mode: int) -> None:
        self.read = read
        self.write = write
        self.mode = mode


class FileTree:
    """Files by absolute path.  Directories exist because files (or `mkdir`) do."""

    __slots__ = ("files", "dirs", "links")

    def __init__(self) -> None:
        self.files: dict[str, File] = {}
        self.dirs: dict[str, int] = {"/": 0}  # path -> number of children
        self.links: dict[str, str] = {}

    def add(self, path: str, read: ReadFn | None, write: WriteFn | None = None, mode: int = 0) -> None:
        """Register a file; `mode` defaults to 0444, 0644 or 0200 by what it can do."""
        if mode == 0:
            mode = (0o644 if write is not None else 0o444) if read is not None else 0o200
        if path not in self.files:
            self._link_parents(path)
        self.files[path] = File(read, write, mode)

    def mkdir(self, path: str) -> None:
        if path not in self.dirs:
            self._link_parents(path)
            self.dirs[path] = 0

    def symlink(self, path: str, target: str) -> None:
        """A symbolic link; `read` follows it for the last component and for directories on the way."""
        self._link_parents(path)
        self.links[path] = target

    def _link_parents(self, path: str) -> None:
        parent = path.rsplit("/", 1)[0] or "/"
        if parent not in self.dirs:
            self.dirs[parent] = 0
            if parent != "/":
                self._link_parents(parent)
        self.dirs[parent] += 1

    def remove(self, path: str) -> None:
        """Remove a file, or a directory with everything under it."""
        prefix = path + "/"
        for p in [p for p in self.files if p == path or p.startswith(prefix)]:
            del self.files[p]
        for p in [p for p in self.links if p == path or p.startswith(prefix)]:
            del self.links[p]
        for p in [p for p in self.dirs if p == path or p.startswith(prefix)]:
            del self.dirs[p]

    def resolve(self, path: str) -> str:
        """Follow links; normalises '.', '..' and double slashes."""
        for _ in range(16):
            out: list[str] = []
            for part in path.split("/"):
                if part in ("", "."):
                    continue
                if part == "..":
                    if out:
                        out.pop()
                    continue
                out.append(part)
            path = "/" + "/".join(out)
            for i in range(1, len(out) + 1):
                head = "/" + "/".join(out[:i])
                target = self.links.get(head)
                if target is not None:
                    base = target if target.startswith("/") else head.rsplit("/", 1)[0] + "/" + target
                    path = base + "/" + "/".join(out[i:])
                    break
            else:
                return path
        return path

    def _get(self, path: str) -> File:
        p = self.resolve(path)
        f = self.files.get(p)
        if f is None:
            if p in self.dirs:
                raise linux_error(EISDIR, path)
            q = p
            while "/" in q[1:]:
                q = q.rsplit("/", 1)[0]
                if q in self.files:
                    raise linux_error(ENOTDIR, path)
            raise linux_error(ENOENT, path)
        return f

    def exists(self, path: str) -> bool:
        p = self.resolve(path)
        return p in self.files or p in self.dirs

    def read(self, path: str) -> str:
        """The text of a file.  Raises OSError with Linux's errno (ENOENT, EISDIR, EACCES, its own)."""
        f = self._get(path)
        if f.read is None:
            raise linux_error(EACCES, path)
        return f.read()

    def write(self, path: str, text: str) -> None:
        """One write(2) of `text`.  Raises OSError with Linux's errno."""
        f = self._get(path)
        if f.write is None:
            raise linux_error(EACCES, path)
        f.write(text)

    def mode(self, path: str) -> int:
        return self._get(path).mode

    def is_dir(self, path: str) -> bool:
        return self.resolve(path) in self.dirs

    def listdir(self, path: str) -> list[str]:
        """Names in a directory, in the order of their making (directories of files made later follow)."""
        p = self.resolve(path)
        if p not in self.dirs:
            raise linux_error(ENOTDIR if p in self.files else ENOENT, path)
        prefix = p if p.endswith("/") else p + "/"
        seen: dict[str, int] = {}
        for table in (self.files, self.dirs, self.links):
            for q in table:
                if q.startswith(prefix) and len(q) > len(prefix):
                    seen[q[len(prefix) :].split("/", 1)[0]] = 1
        return list(seen)
