"""What our processes do when they start."""

import ctypes
import os
import signal

from django.core.management.base import CommandError

from lunatasks.luna_services.embedded.face_models.weights import models_problems

PR_SET_PDEATHSIG = 1


def die_with(parent: int) -> None:
    """Linux: this process is killed when its parent dies, so that no tree survives its supervisor."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL) != 0:
        raise OSError(ctypes.get_errno(), "prctl")
    if os.getppid() != parent:  # it died before the call
        os._exit(1)


def refuse_without_models() -> None:
    """Raise CommandError when a weight file is missing or is not the one we know."""
    problems = models_problems()
    if problems:
        raise CommandError("\n".join(problems))
