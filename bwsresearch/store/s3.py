"""The few calls that a cache makes of S3: read with a version, replace that very version, remove it.

A version is an ETag: two of one object are equal when their bytes are, so that nothing is lost when an
object changes and changes back. Source: Amazon S3 User Guide, "Conditional requests".
"""

import uuid
from dataclasses import dataclass, field
from threading import Lock
from typing import Any, Final

__all__ = ["S3", "Overtaken", "code"]

_NO_VERSION: Final = '"00000000000000000000000000000000"'


class Overtaken(Exception):
    """Another writer has replaced the object meanwhile, or removed it, or made it first."""


@dataclass
class S3:
    """One bucket's calls by way of s3fs, whose paths are bucket/key; they may come from any thread.

    Errors are those of s3fs, FileNotFoundError where there is no object.
    """

    files: Any
    _proofs: tuple[bool, bool, bool] | None = field(default=None, repr=False)
    _proving: Lock = field(default_factory=Lock, repr=False)

    def get(self, path: str, last: int | None = None) -> tuple[bytes, str]:
        """Return an object's bytes, or the last of them, and its version: one request."""
        from fsspec.asyn import sync  # noqa: PLC0415 - an extra's

        part = {} if last is None else {"Range": f"bytes=-{last}"}
        try:
            return sync(self.files.loop, self._get, path, part)  # type: ignore[no-any-return] # untyped
        except OSError as error:
            if _status(error) != 416 or last is None:
                raise
        return self.get(path)  # of nothing there is no last part

    async def _get(self, path: str, part: dict[str, str]) -> tuple[bytes, str]:
        from aiohttp import ClientError  # noqa: PLC0415 - an extra's
        from botocore.exceptions import HTTPClientError  # noqa: PLC0415

        left = self.files.retries
        while True:
            answer = await self.files._call_s3("get_object", **self._at(path), **part)  # noqa: SLF001 - the public one cannot read the body
            try:
                async with answer["Body"] as body:
                    return await body.read(), answer["ETag"]
            except (ClientError, HTTPClientError):
                left -= 1  # the connection broke in the middle
                if left <= 0:
                    raise

    def put(self, path: str, content: bytes, version: str | None) -> str:
        """Write an object in the place of that version, None for none, and return the new one.

        Raises:
            Overtaken: when that is not what is there; nothing is written.
        """
        condition = {"IfNoneMatch": "*"} if version is None else {"IfMatch": version}
        answer = self._told("put_object", path, Body=content, **condition)
        return str(answer["ETag"])

    def delete(self, path: str, version: str) -> None:
        """Remove that version of an object; raises Overtaken when it is not what is there."""
        self._told("delete_object", path, IfMatch=version)

    def _told(self, method: str, path: str, **arguments: object) -> Any:
        try:
            return self.files.call_s3(method, **self._at(path), **arguments)
        except OSError as error:
            # 404: what should be replaced is gone. 409: another write of it was under way.
            if _status(error) in (409, 412) or code(error) == "NoSuchKey":
                raise Overtaken from error
            raise

    def _at(self, path: str) -> dict[str, str]:
        bucket, key, _ = self.files.split_path(path)
        return {"Bucket": bucket, "Key": key}

    def proofs(self, folder: str) -> tuple[bool, bool, bool]:
        """Return whether If-None-Match and If-Match of writes, and If-Match of removal are honoured.

        Found once, by way of an object in `folder` that is removed again: a server that does not know
        a condition ignores it.
        """
        with self._proving:
            if self._proofs is None:
                self._proofs = self._prove(f"{folder}/{uuid.uuid4().hex}")
            return self._proofs

    def _prove(self, path: str) -> tuple[bool, bool, bool]:
        version = self.put(path, b"1", None)
        try:
            is_same = self._is_refused(self.put, path, b"2", _NO_VERSION)
            is_same = is_same and not self._is_refused(self.put, path, b"3", version)
            is_new = self._is_refused(self.put, path, b"4", None)
            return is_new, is_same, self._is_refused(self.delete, path, _NO_VERSION)
        finally:
            self.files.rm_file(path)

    @staticmethod
    def _is_refused(call: Any, *arguments: object) -> bool:
        try:
            call(*arguments)
        except Overtaken:
            return True
        except OSError as error:
            if _status(error) != 501:  # Not Implemented
                raise
        return False


def code(error: BaseException) -> str:
    """Return the store's own word for an error, such as NoSuchBucket, else the error's class."""
    response = _response(error)
    return str(response["Error"].get("Code", "")) if response else type(error).__name__


def _status(error: BaseException) -> int | None:
    response = _response(error)
    return response["ResponseMetadata"].get("HTTPStatusCode") if response else None


def _response(error: BaseException) -> Any:
    """Return what the store answered; s3fs gives the store's error as the cause of its own."""
    return getattr(error, "response", None) or getattr(error.__cause__, "response", None)
