"""Rows on this machine: Parquet files with what they cover, archives and recordings that become such.

What a user calls is `bwsresearch.cache`.
"""

from bwsresearch.store.cache import Cache, DamagedFileWarning
from bwsresearch.store.layout import default_root
from bwsresearch.store.spans import Spans

__all__ = ["Cache", "DamagedFileWarning", "Spans", "default_root"]
