"""Journals on disk: written ahead of every reply, read as records or as frames."""

from bwsresearch.journals.clients import ClientJournal
from bwsresearch.journals.files import JournalError, JournalFile, Reading, read, taken_up
from bwsresearch.journals.frames import Frames

__all__ = ["ClientJournal", "Frames", "JournalError", "JournalFile", "Reading", "read", "taken_up"]
