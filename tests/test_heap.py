import platform
import subprocess
import sys

import pytest

FAULTS = """
import resource
from bwsresearch import heap
heap.keep()
def page(): return [bytearray(171_000), bytearray(171_000)]
page()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(200): page()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other libraries keep what they like")
def test_pages_come_and_go_without_fresh_memory():
    ran = subprocess.run([sys.executable, "-c", FAULTS], capture_output=True, check=True, text=True)
    assert int(ran.stdout) < 200  # without `keep`, some 80 a page
