"""Journals on disk: written ahead of every reply, read as records or as frames."""

from bwsresearch.journals.files import JournalError, JournalFile, Reading, read
from bwsresearch.journals.frames import Frames

__all__ = ["Frames", "JournalError", "JournalFile", "Reading", "read"]
