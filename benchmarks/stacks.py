"""What the workers of a running stack have used, read from /proc."""

import os
from pathlib import Path

from workers.torture.stack import Stack


def processor_seconds(stack: Stack) -> float:
    """Seconds that the workers have kept processors busy."""
    fields = [Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split() for pid in stack.processes("runworker")]
    return sum(int(one[11]) + int(one[12]) for one in fields) / os.sysconf("SC_CLK_TCK")


def peak_memory(stack: Stack, word: str = "runworker") -> float:
    """MiB that the largest process with the word in its command line has ever held."""
    texts = [Path(f"/proc/{pid}/status").read_text() for pid in stack.processes(word)]
    lines = [line for text in texts for line in text.splitlines() if line.startswith("VmHWM:")]
    return max(int(line.split()[1]) / 1024 for line in lines)
