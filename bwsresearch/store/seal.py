"""A digest of the footer, in front of the footer: a Parquet file has checksums for its pages alone.

Without one a flipped bit in the footer comes back as other coverage, hides rows from a range, or ends
the whole process inside of Arrow. Between pages and footer the format allows anything, so that other
readers do not see it.
"""

import hashlib
from typing import IO, Final

import pyarrow as pa

__all__ = ["footer_of", "write_sealed"]

_MARK: Final = b"bws seal"
_DIGEST: Final = 16
_SEAL: Final = len(_MARK) + _DIGEST
_END: Final = 8
"""Behind the footer: its length, four bytes, and the format's own mark."""
_AT_ONCE: Final = 65_536
"""A month's footer is a sixth of it."""


def write_sealed(content: pa.Buffer, file: IO[bytes]) -> None:
    """Write a whole Parquet file with its seal."""
    view = memoryview(content)
    at = len(view) - _END - _length(view[-_END:])
    file.write(view[:at])
    file.write(_MARK + _digest(view[at:]))
    file.write(view[at:])


def footer_of(file: pa.NativeFile) -> tuple[pa.Buffer, bool]:
    """Return the end of a Parquet file from its footer on, and whether it has a seal.

    Raises:
        ValueError: when the seal is broken, or the file is too short for its footer.
    """
    size = file.size()
    tail = _tail(file, size, min(size, _AT_ONCE))
    if tail.size < _END:
        raise ValueError(f"it is {size} bytes long")
    wanted = _length(memoryview(tail)[-_END:]) + _END
    if wanted > size:
        raise ValueError(f"its footer is {wanted} bytes long, the file {size}")
    if wanted + _SEAL > tail.size:
        tail = _tail(file, size, min(size, wanted + _SEAL))
    footer = tail.slice(tail.size - wanted)
    seal = bytes(memoryview(tail)[: tail.size - wanted][-_SEAL:])
    if not seal.startswith(_MARK):
        return footer, False
    if seal != _MARK + _digest(memoryview(footer)):
        raise ValueError("its footer is not what was written")
    return footer, True


def _tail(file: pa.NativeFile, size: int, count: int) -> pa.Buffer:
    file.seek(size - count)
    return file.read_buffer(count)


def _length(end: memoryview) -> int:
    return int.from_bytes(end[:4], "little")


def _digest(footer: memoryview) -> bytes:
    return hashlib.blake2b(footer, digest_size=_DIGEST).digest()
