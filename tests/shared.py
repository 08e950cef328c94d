"""What several files of tests share: what takes long to make, once for all workers; and coroutines run to their end."""

import asyncio
import os
import shutil
from concurrent.futures import ThreadPoolExecutor

from filelock import FileLock


def made_once(factory, name, make):
    """A folder that all workers of this session share.

    Args:
        factory: pytest's, of any worker.
        name: of the folder.
        make: fills it; the others wait meanwhile.
    """
    # each worker's own folder lies in the session's
    session = factory.getbasetemp().parent if "PYTEST_XDIST_WORKER" in os.environ else factory.getbasetemp()
    folder = session / name
    whole = session / f"{name}.whole"
    with FileLock(session / f"{name}.lock"):
        if not whole.exists():
            # what another has left half made
            shutil.rmtree(folder, ignore_errors=True)
            make(folder)
            whole.touch()
    return folder


def in_a_thread(coroutine):
    """What a coroutine returns; run in a thread of its own, as a browser of this worker may have a loop in this one."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, coroutine).result()
