"""Journal files: append, lock, sync, rotate, read, and mend a torn end.

A run writes `journal-<run>-<n>.jsonl` into a folder that it alone may write to. Lines that `write` has
taken survive the death of the process; what a power cut may cost is the policy's:
"always" syncs before `write` returns, "group" within 5 ms behind it, "off" leaves it to the system.
"""

import contextlib
import os
import re
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Literal, Self, TypeAlias

from filelock import FileLock
from filelock import Timeout as LockTimeout

from bwsresearch import heap
from bwsresearch.errors import BwsError
from bwsresearch.exchange.journal import Damaged, Record, checked, decoded

__all__ = ["Fsync", "JournalError", "JournalFile", "Reading", "lines_of", "read", "taken_up"]

Fsync: TypeAlias = Literal["always", "group", "off"]

_GROUP_S: Final = 0.005
_PATTERN: Final = "journal-*-*.jsonl"


class JournalError(BwsError):
    """A journal cannot be written or read as what it should be."""


class JournalFile:
    """The end of a journal: whole lines in, safe when `write` returns.

    It holds the folder from the beginning, and begins its first file with the first line.

    Args:
        folder: where the files go; made when it is not there.
        run: the name of this run, part of the files' names; later runs must have greater names.
        fsync: "always", "group" or "off".
        rotate_mb: a new file is begun when the last one is larger.

    Raises:
        JournalError: when somebody else writes here, or the folder cannot be written.
    """

    def __init__(
        self, folder: str | Path, run: str, *, fsync: Fsync = "group", rotate_mb: int = 64
    ) -> None:
        self.folder, self.run, self.fsync = Path(folder), run, fsync
        self._most = rotate_mb * 1_000_000
        self._number = self._size = 0
        self._file: int | None = None
        self._pid = os.getpid()
        self._dirty = threading.Condition()
        self._ended = threading.Event()
        self._unsynced = self._closed = False
        self._failure: OSError | None = None
        _check_local(self.folder)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._lock = FileLock(self.folder / ".lock", thread_local=False)
            self._lock.acquire(timeout=0)
        except LockTimeout:
            raise JournalError(
                f"{self.folder} is written already, here or by another process; "
                "close() that, or choose another folder"
            ) from None
        except OSError as error:
            raise _unwritable(self.folder, error) from error
        if fsync == "group":
            threading.Thread(
                target=self._sync_behind, name="bwsresearch-fsync", daemon=True
            ).start()

    @property
    def path(self) -> Path:
        """The file that is written now."""
        return self.folder / f"journal-{self.run}-{self._number:05d}.jsonl"

    def write(self, lines: bytes) -> None:
        """Append whole lines.

        Raises:
            JournalError: when they cannot be written or synced; nothing may be traded then.
        """
        if self._closed or self._failure is not None:
            raise JournalError(f"the journal in {self.folder} is closed or broken; start anew")
        if self._pid != os.getpid():
            raise JournalError(
                f"the journal in {self.folder} is written by the process that this one was forked "
                "from; open another"
            )
        with self._dirty:
            try:
                self._append(lines)
            except OSError as error:
                self._failure = error
                raise _unwritable(self.folder, error) from error
            if not self._unsynced:
                self._unsynced = True
                self._dirty.notify()

    def _append(self, lines: bytes) -> None:
        file = self._file
        if file is None or (self._size and self._size + len(lines) > self._most):
            file = self._open_next(file)
        _write_all(file, lines)
        self._size += len(lines)
        if self.fsync == "always":
            os.fsync(file)

    def close(self) -> None:
        """Sync and close; closing twice is fine."""
        if self._pid != os.getpid():
            return  # it is the parent's, lock and all
        with self._dirty:
            self._closed = True
            self._ended.set()
            self._dirty.notify()
            file, self._file = self._file, None
            if file is not None:
                os.fsync(file)
                os.close(file)
            self._lock.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _open_next(self, last: int | None) -> int:
        if last is not None:
            os.fsync(last)
            os.close(last)
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL
        while True:
            self._number += 1
            with contextlib.suppress(FileExistsError):
                self._file = os.open(self.path, flags, 0o600)
                self._size = 0
                return self._file

    def _sync_behind(self) -> None:
        """Sync soon after every write, several writes at once."""
        while True:
            with self._dirty:
                while not self._unsynced and not self._closed:
                    self._dirty.wait()
                if self._closed:
                    return
                self._unsynced = False
                file = os.dup(self._file) if self._file is not None else None
            if file is None:
                return
            try:
                os.fsync(file)
            except OSError as error:
                self._failure = error
                return
            finally:
                os.close(file)
            # Not on the condition: each write would wake this thread, and wait for it.
            self._ended.wait(_GROUP_S)


def _write_all(file: int, lines: bytes) -> None:
    view = memoryview(lines)
    while view:
        view = view[os.write(file, view) :]


def _check_local(folder: Path) -> None:
    """Raise JournalError for what was a URL: a path has one slash where that had two."""
    if any(re.fullmatch(r"[a-z][a-z0-9+.-]+:", part) for part in folder.parts):
        raise JournalError(
            f"the journal's folder is {folder}, must be on this machine: a store of objects cannot "
            "append safely"
        )


def _unwritable(folder: Path, error: OSError) -> JournalError:
    return JournalError(
        f"the journal in {folder} cannot be written ({error.strerror}); free space or mend its rights"
    )


@dataclass(frozen=True, slots=True)
class Reading:
    """What a journal holds: its records, and how many bytes of the last file are a torn line."""

    records: list[Record]
    files: list[Path]
    torn: int

    def mend(self) -> Path | None:
        """Move a torn end out of the way, into a file beside; return it, None without one."""
        if not self.torn:
            return None
        last = self.files[-1]
        data = last.read_bytes()
        aside = last.with_suffix(".torn")
        aside.write_bytes(data[-self.torn :])
        os.truncate(last, len(data) - self.torn)
        return aside


def read(place: str | Path) -> Reading:
    """Return the records of a journal file, or of all files of a folder in the order of writing.

    A journal may be read while it is written: reading stops at the last whole line.

    Raises:
        JournalError: when there is none, or a line before the last is damaged or missing.
    """
    lines = _Lines(_files(place))
    with heap.uncollected():
        records = [decoded(line) for _, line in lines]
    return Reading(records, lines.files, lines.torn)


def _files(place: str | Path) -> list[Path]:
    path = Path(place)
    files = _ordered(path)
    if not files:
        raise JournalError(f"{path} holds no journal (journal-*.jsonl); check the path")
    return files


def lines_of(place: str | Path) -> dict[str, list[bytes]]:
    """Return the lines of a journal by the kind of their records, checked but not yet read.

    Raises:
        JournalError: as `read` does.
    """
    kinds: dict[str, list[bytes]] = {}
    with heap.uncollected():
        for kind, line in _Lines(_files(place)):
            kinds.setdefault(kind, []).append(line)
    return kinds


class _Lines:
    """The sound lines of files with the kinds of their records; `torn` is known after the last."""

    def __init__(self, files: list[Path]) -> None:
        self.files, self.torn = files, 0

    def __iter__(self) -> Iterator[tuple[str, bytes]]:
        last: int | None = None
        for file in self.files:
            if self.torn:
                raise JournalError(f"{file} follows a torn file; the records between are lost")
            lines, self.torn = _lines(file)
            for number, line in enumerate(lines, 1):
                try:
                    seq, kind = checked(line)
                except Damaged as damage:
                    if number < len(lines):
                        raise JournalError(f"{file}, line {number}: {damage}") from None
                    self.torn += len(line) + 1
                    continue
                if last is not None and seq != last + 1:
                    raise JournalError(
                        f"{file}, line {number}: record {seq} follows {last}; records are missing"
                    )
                last = seq
                yield kind, line


def taken_up(folder: str | Path, *, fsync: Fsync = "group") -> tuple[JournalFile, list[Record]]:
    """Return the end of a journal and the records that it has already; a torn end is put aside.

    Raises:
        JournalError: when somebody else writes it, or it cannot be read or written.
    """
    place = Path(folder).expanduser()
    file = JournalFile(place, _next_run(place), fsync=fsync)
    try:
        if not _ordered(place):
            return file, []
        reading = read(place)
        reading.mend()
    except BaseException:
        file.close()
        raise
    return file, reading.records


def _next_run(folder: Path) -> str:
    """Return a name that sorts behind those of all earlier runs, whatever the clock says."""
    runs = (file.name.split("-")[1] for file in folder.glob(_PATTERN))
    return f"{max([time.time_ns(), *(int(run) + 1 for run in runs if run.isdecimal())]):019d}"


def _ordered(path: Path) -> list[Path]:
    """Return the files of a journal; their names sort as they were written."""
    return [path] if path.is_file() else sorted(path.glob(_PATTERN))


def _lines(file: Path) -> tuple[list[bytes], int]:
    """Return the whole lines of a file, and the length of what follows the last of them."""
    try:
        data = file.read_bytes()
    except OSError as error:
        raise JournalError(f"{file} cannot be read ({error.strerror})") from error
    end = data.rfind(b"\n") + 1
    return data[:end].split(b"\n")[:-1], len(data) - end
