"""A cluster of Ray: the caller's own, one that is named, or one on this machine for as long as it is needed.

Enters: a request. Leaves: Ray, connected, without a dashboard, saying nothing of its own: stdout is the command's.
Surprise: Ray tries an address where nobody listens for minutes and then ends the process, so it is knocked at first.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import threading
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from probekit.errors import NetworkError, ProbekitError, ResourceError, UsageError, reason_of
from probekit.extraction.request import Request

OBJECT_STORE = 80 << 20
"""Bytes, about the least that Ray takes: nothing large passes through it."""

KNOCK = 5.0
"""Seconds that an address has to answer."""


@contextlib.contextmanager
def connected(request: Request) -> Iterator[Any]:
    """Yield Ray, connected to a cluster: the caller's own, one that is named, or one that is started here.

    Raises
    ------
    UsageError
        Ray is not installed.
    NetworkError
        The cluster that is named does not answer.
    ResourceError
        Ray does not start on this machine.
    """
    try:
        import ray
    except ImportError:
        raise UsageError("--engine ray needs the package ray: pip install 'probekit-nlp[ray]'.") from None
    if ray.is_initialized():
        yield ray
        return
    address = request.address or os.environ.get("RAY_ADDRESS")
    if address:
        knock(address)
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    # What Ray starts here has the command's priority, not a lower one.
    os.environ.setdefault("RAY_worker_niceness", "0")
    main = threading.current_thread() is threading.main_thread()
    before = signal.getsignal(signal.SIGTERM)
    quietly: dict[str, Any] = {"log_to_driver": False, "logging_level": "error"}
    try:
        if address:
            ray.init(address=address, **quietly)
        else:
            ray.init(
                address="local",
                num_cpus=request.workers,
                include_dashboard=False,
                object_store_memory=OBJECT_STORE,
                **quietly,
            )
    except Exception as error:  # a bare one where a node has not begun within Ray's 30 seconds
        raise _unanswered(address, error) from error
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


def knock(address: str) -> None:
    """See that somebody listens at ``HOST:PORT`` or ``ray://HOST:PORT``; an address without a port is Ray's to find.

    Raises
    ------
    NetworkError
    """
    try:
        found = urlsplit(address if "://" in address else f"//{address}")
        host, port = found.hostname, found.port
    except ValueError:  # no number for a port: Ray says what it takes
        return
    if host is None or port is None:
        return
    try:
        socket.create_connection((host, port), timeout=KNOCK).close()
    except OSError as error:
        raise _unanswered(address, error) from error


def _unanswered(address: str | None, error: Exception) -> ProbekitError:
    reason = reason_of(error).rstrip(". ")
    if not address:
        return ResourceError(
            f"Ray did not start on this machine: {reason}. Run it again when less is at work here, or take --engine "
            "local; shards that are complete are kept."
        )
    return NetworkError(
        f"No Ray cluster answers at {address}: {reason}. Start one with `ray start --head`, or leave out --address and "
        "RAY_ADDRESS to use this machine alone."
    )
