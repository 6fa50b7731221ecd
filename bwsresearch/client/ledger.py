"""The budget of one server in one small file, which all processes of this user share.

Each turn takes the file's lock, reads, changes and writes; some ten microseconds. filelock would
take ten times as long, as it opens and checks a file of its own. A process that dies leaves no lock
behind. A file that is torn, or not ours, counts as empty.
"""

import os
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeVar
from urllib.parse import quote

import msgspec
import platformdirs

from bwsresearch.client.budget import Budget

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

__all__ = ["Ledger", "path_of"]

T = TypeVar("T")

_SIZE: Final = 512
"""Always as long, so that a write replaces all that was there."""
_MOST_OWED: Final = 1000
_DECODER: Final = msgspec.json.Decoder(Budget)
_ENCODER: Final = msgspec.json.Encoder()
_FLAGS: Final = os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)


def path_of(server: str) -> Path:
    """Return the file of a server, in the folder that BWS_STATE_DIR names or the user's own."""
    folder = os.environ.get("BWS_STATE_DIR") or platformdirs.user_state_path("bwsresearch")
    return Path(folder).expanduser() / "weight" / f"{quote(server, safe='')}.json"


class Ledger:
    """A budget that is shared through `path`, or one of this process alone when that is None.

    When the file cannot be used, this process goes on alone, and says so once.
    """

    def __init__(self, path: Path | None, budget: Budget | None = None) -> None:
        self._path, self._budget = path, budget or Budget()
        self._owed: list[Callable[[Budget], object]] = []

    @property
    def path(self) -> Path | None:
        """The file, None when nothing is shared."""
        return self._path

    def turn(self, act: Callable[[Budget], T]) -> T | None:
        """Let `act` look at the budget and change it; None at once when another has its turn."""
        if self._path is None:
            return self._acted(act)
        try:
            file = _opened(self._path)
        except OSError as error:
            self.part(f"cannot be written ({error.strerror or error})")
            return self._acted(act)
        if file is None:
            return None
        try:
            was = os.read(file, _SIZE + 1)
            self._budget = budget = _budget(was)
            done = self._acted(act)
            self._write(file, was, budget)
        finally:
            _unlock(file)
            os.close(file)
        return done

    def note(self, act: Callable[[Budget], object]) -> None:
        """Let `act` change the budget: now, or with the next turn when another has its own."""
        if len(self._owed) < _MOST_OWED:
            self._owed.append(act)
        self.turn(lambda _: True)

    def look(self) -> Budget:
        """Return the budget as it stands; it may be a moment old."""
        if self._path is not None:
            try:
                with self._path.open("rb") as file:
                    return _budget(file.read(_SIZE + 1))
            except OSError:
                pass  # not made yet, or not to be read: what this process knows is all
        return msgspec.structs.replace(self._budget)

    def part(self, why: str) -> None:
        """Go on alone, with what is known."""
        path, self._path = self._path, None
        warnings.warn(
            f"{path} {why}: request weight is counted for this process alone; "
            "set BWS_STATE_DIR to a folder of yours",
            RuntimeWarning,
            stacklevel=2,
        )

    def _acted(self, act: Callable[[Budget], T]) -> T:
        owed, self._owed = self._owed, []
        for one in owed:
            one(self._budget)
        return act(self._budget)

    def _write(self, file: int, was: bytes, budget: Budget) -> None:
        text = _ENCODER.encode(budget).ljust(_SIZE)
        if text == was:
            return
        try:
            os.lseek(file, 0, os.SEEK_SET)
            os.write(file, text)
            if len(was) != _SIZE:
                os.ftruncate(file, _SIZE)
        except OSError as error:
            self.part(f"cannot be written ({error.strerror or error})")


def _budget(text: bytes) -> Budget:
    try:
        return _DECODER.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return Budget()


def _opened(path: Path) -> int | None:
    """Return the file, locked; None when another has locked it."""
    try:
        file = os.open(path, _FLAGS, 0o600)
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = os.open(path, _FLAGS, 0o600)
    try:
        _lock(file)
    except BlockingIOError:
        os.close(file)
        return None
    except BaseException:
        os.close(file)
        raise
    return file


def _unlock(file: int) -> None:
    # Not by closing alone: a process that was forked this very moment holds the file open too.
    if sys.platform != "win32":
        fcntl.flock(file, fcntl.LOCK_UN)


def _lock(file: int) -> None:
    """Lock a file, or raise BlockingIOError."""
    if sys.platform == "win32":
        os.lseek(file, _SIZE * 2, os.SEEK_SET)  # what is locked there cannot be read either
        try:
            msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
        except PermissionError as error:
            raise BlockingIOError from error
        os.lseek(file, 0, os.SEEK_SET)
    else:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
