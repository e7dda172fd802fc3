"""A disk that fails, and one whose power is cut: an APSW VFS between SQLite and the real files.

While a `Disk` is entered, every file that SQLite opens in this process goes through it. It notes what is written and
synced, in order; from these notes `Platter` tells what is left of the files if the power is cut at any point: what was
synced, and of the rest whatever the drive had got to, torn or in another order.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random
from types import TracebackType
from typing import Any, Literal, TypeAlias

import apsw
import msgspec

Kind: TypeAlias = Literal["write", "sync"]
_SECTOR = 512


class Opened(msgspec.Struct, frozen=True):
    name: str


class Written(msgspec.Struct, frozen=True):
    name: str
    offset: int
    data: bytes


class Truncated(msgspec.Struct, frozen=True):
    name: str
    size: int


class Synced(msgspec.Struct, frozen=True):
    name: str


class Deleted(msgspec.Struct, frozen=True):
    name: str
    synced: bool


class Told(msgspec.Struct, frozen=True):
    """Something that became known outside, such as a receipt."""

    what: Any


Note: TypeAlias = Opened | Written | Truncated | Synced | Deleted | Told


class Failure:
    """Lets the Nth write or sync of files with a certain ending fail with a SQLite result code.

    Args:
        kind: what fails.
        number: the how manieth, counted from when the failure is set; later ones succeed unless `lasting`.
        code: a SQLite extended result code.
        ending: what the file's name ends with.
        lasting: whether all later ones fail as well, until the failure is taken off the disk.
    """

    def __init__(self, kind: Kind, number: int, code: int, *, ending: str = "-wal", lasting: bool = False) -> None:
        self.kind, self.number, self.code, self.ending, self.lasting = kind, number, code, ending, lasting
        self.count = 0
        self.struck = 0

    def check(self, kind: Kind, name: str) -> None:
        """Raise if this is the one."""
        if kind != self.kind or not name.endswith(self.ending):
            return
        self.count += 1
        if self.count == self.number or (self.lasting and self.count > self.number):
            self.struck += 1
            raise apsw.exception_for(self.code)


class Disk(apsw.VFS):
    """Between SQLite and the files of this process, while it is entered.

    Attributes:
        notes: what happened to the files since it was entered, if `noting`.
        failure: what fails next.
    """

    _made = Counter[str]()

    def __init__(self, *, noting: bool = False) -> None:
        self.notes: list[Note] = []
        self.failure: Failure | None = None
        self.noting = noting
        self.real = os.environ.get("TWOFOLD_TEST_VFS", "unix")

    def __enter__(self) -> Disk:
        Disk._made["vfs"] += 1
        super().__init__(f"twofold-faults-{Disk._made['vfs']}", self.real, makedefault=True)
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.unregister()

    def note(self, note: Note) -> None:
        """Remember what happened."""
        if self.noting:
            self.notes.append(note)

    def tell(self, what: Any) -> None:
        """Remember that something became known outside."""
        self.note(Told(what))

    def check(self, kind: Kind, name: str) -> None:
        """Fail, if it is time to."""
        if self.failure is not None:
            self.failure.check(kind, name)

    def xOpen(self, name: str | apsw.URIFilename | None, flags: list[int]) -> apsw.VFSFile:
        return _DiskFile(self, name, flags)

    def xDelete(self, filename: str, syncdir: bool) -> None:
        super().xDelete(filename, syncdir)
        self.note(Deleted(os.path.basename(filename), syncdir))


class _DiskFile(apsw.VFSFile):
    def __init__(self, disk: Disk, name: str | apsw.URIFilename | None, flags: list[int]) -> None:
        path = name.filename() if isinstance(name, apsw.URIFilename) else name or ""
        self._disk, self._name = disk, os.path.basename(path)
        disk.note(Opened(self._name))
        super().__init__(disk.real, name, flags)

    def xWrite(self, data: Any, offset: int) -> None:
        self._disk.check("write", self._name)
        super().xWrite(data, offset)
        if self._disk.noting:
            self._disk.note(Written(self._name, offset, bytes(data)))

    def xSync(self, flags: int) -> None:
        self._disk.check("sync", self._name)
        super().xSync(flags)
        self._disk.note(Synced(self._name))

    def xTruncate(self, newsize: int) -> None:
        super().xTruncate(newsize)
        self._disk.note(Truncated(self._name, newsize))


class _Inode:
    """A file's content: what is safe, and what was done to it since."""

    def __init__(self) -> None:
        self.safe = bytearray()
        self.since: list[Written | Truncated] = []

    def sync(self) -> None:
        for note in self.since:
            _apply(self.safe, note)
        self.since.clear()

    def after_cut(self, chance: Random) -> bytes:
        """Return what is found when the power is back."""
        content = bytearray(self.safe)
        mood = chance.choice(("nothing", "everything", "some", "some", "first"))
        until = chance.randrange(len(self.since) + 1)
        for number, note in enumerate(self.since):
            kept = {"nothing": False, "everything": True, "some": chance.random() < 0.5, "first": number < until}[mood]
            if kept:
                torn = isinstance(note, Written) and mood != "everything" and chance.random() < 0.3
                _apply(content, _torn(note, chance) if torn else note)
        return bytes(content)


def _apply(content: bytearray, note: Written | Truncated) -> None:
    if isinstance(note, Truncated):
        del content[note.size :]
        return
    if len(content) < note.offset:
        content.extend(bytes(note.offset - len(content)))
    content[note.offset : note.offset + len(note.data)] = note.data


def _torn(note: Written | Truncated, chance: Random) -> Written | Truncated:
    if isinstance(note, Truncated):
        return note
    sectors = max(1, len(note.data) // _SECTOR)
    return Written(note.name, note.offset, note.data[: chance.randrange(sectors) * _SECTOR])


class Platter:
    """What a drive holds, as the notes of a `Disk` are played to it one after another."""

    def __init__(self) -> None:
        self._names: dict[str, _Inode] = {}
        self._safe_names: dict[str, _Inode] = {}
        self._name_changes: list[tuple[str, _Inode | None]] = []
        self.told: list[Any] = []

    @staticmethod
    def cuts(
        notes: Sequence[Note], count: int, seed: int, check: Callable[[Path, list[Any]], None], folder: Path
    ) -> None:
        """Cut the power at so many points of what a disk has noted, and check what is left each time.

        Args:
            notes: what happened.
            count: how many cuts.
            seed: of their places and of what each leaves.
            check: is given the folder after the cut and what had become known before it.
            folder: where the folders are made.
        """
        chance = Random(seed)
        platter = Platter()
        played = 0
        for number, place in enumerate(sorted(chance.randrange(len(notes)) for _ in range(count))):
            platter.play(notes[played:place])
            played = place
            left = folder / f"cut-{number}"
            platter.cut(left, chance)
            check(left, list(platter.told))

    def play(self, notes: Sequence[Note]) -> None:
        """Let these happen."""
        for note in notes:
            match note:
                case Told(what):
                    self.told.append(what)
                case Opened(name):
                    self._inode(name)
                case Written(name) | Truncated(name):
                    self._inode(name).since.append(note)
                case Synced(name):
                    self._sync(name)
                case Deleted(name, synced):
                    self._names.pop(name, None)
                    self._name_changes.append((name, None))
                    if synced:
                        self._settle_names(len(self._name_changes))

    def cut(self, folder: Path, chance: Random) -> None:
        """Write the files that are found after a power cut at this point into a folder."""
        folder.mkdir(parents=True)
        names = dict(self._safe_names)
        for name, inode in self._name_changes[: chance.randrange(len(self._name_changes) + 1)]:
            _rename(names, name, inode)
        for name, inode in names.items():
            (folder / name).write_bytes(inode.after_cut(chance))

    def _inode(self, name: str) -> _Inode:
        if name not in self._names:
            self._names[name] = _Inode()
            self._name_changes.append((name, self._names[name]))
        return self._names[name]

    def _sync(self, name: str) -> None:
        inode = self._inode(name)
        inode.sync()
        # SQLite syncs the folder together with a log that is new in it.
        new = [place for place, change in enumerate(self._name_changes, 1) if change[1] is inode]
        self._settle_names(new[-1] if new else 0)

    def _settle_names(self, count: int) -> None:
        for name, inode in self._name_changes[:count]:
            _rename(self._safe_names, name, inode)
        del self._name_changes[:count]


def _rename(names: dict[str, _Inode], name: str, inode: _Inode | None) -> None:
    if inode is None:
        names.pop(name, None)
    else:
        names[name] = inode
