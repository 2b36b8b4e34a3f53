"""Files whose reads fail, of a disk or for want of memory, told from those that hold what they should not."""

from __future__ import annotations

import io
import os
from typing import Any


class Disk(io.RawIOBase):
    """An open file that keeps the error of a read, which those who take archives apart hide or give other names."""

    def __init__(self, raw: io.FileIO) -> None:
        self._raw = raw
        self.error: OSError | None = None

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go to a byte and return its number."""
        return self._raw.seek(offset, whence)

    def readinto(self, buffer: Any) -> int | None:
        """Read into a buffer and return the number of bytes. Raises OSError."""
        try:
            return self._raw.readinto(buffer)
        except OSError as error:
            self.error = error
            raise


def named(error: OSError | MemoryError, path: str) -> Exception:
    """Return the same error with the name of a file."""
    if isinstance(error, OSError):
        return OSError(error.errno, error.strerror, path)
    return MemoryError(f"{path} holds more than there is memory for{': ' * bool(str(error))}{error}")
