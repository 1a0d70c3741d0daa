"""A cluster of Ray: the caller's own, one that is named, or one on this machine for as long as it is needed.

Enters: a request. Leaves: Ray, connected, without a dashboard, saying nothing of its own: stdout is the command's.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Iterator
from typing import Any

from probekit.errors import NetworkError, UsageError, reason_of
from probekit.extraction.request import Request

OBJECT_STORE = 80 << 20
"""Bytes, about the least that Ray takes: nothing large passes through it."""


@contextlib.contextmanager
def connected(request: Request) -> Iterator[Any]:
    """Yield Ray, connected to a cluster: the caller's own, one that is named, or one that is started here."""
    try:
        import ray
    except ImportError:
        raise UsageError("--engine ray needs the package ray: pip install 'probekit-nlp[ray]'.") from None
    if ray.is_initialized():
        yield ray
        return
    address = request.address or os.environ.get("RAY_ADDRESS")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault(
        "RAY_worker_niceness", "0"
    )  # what Ray starts here has the command's priority, not a lower one
    main = threading.current_thread() is threading.main_thread()
    before = signal.getsignal(signal.SIGTERM)
    quietly: dict[str, Any] = {"log_to_driver": False, "logging_level": "error"}
    try:
        if address is not None:
            ray.init(address=address, **quietly)
        else:
            ray.init(
                address="local",
                num_cpus=request.workers,
                include_dashboard=False,
                object_store_memory=OBJECT_STORE,
                **quietly,
            )
    except (ConnectionError, RuntimeError, ValueError) as error:
        where = f"at {address}" if address else "on this machine"
        raise NetworkError(
            f"No Ray cluster answers {where}: {reason_of(error)} Start one with `ray start --head`, or leave out "
            "--address and RAY_ADDRESS to use this machine alone."
        ) from error
    finally:
        if main:  # Ray puts a handler of its own in the place of the command's
            signal.signal(signal.SIGTERM, before)
    # log_to_driver is of workers alone: what a node says of a lost one would still be printed, on stdout.
    ray._private.worker._worker_logs_enabled = False
    try:
        yield ray
    finally:
        ray.shutdown()
        ray._private.worker._worker_logs_enabled = True
