# SPDX-License-Identifier: BSD-3-Clause
"""Run rows side by side by dask.distributed: on processes of this machine, or on more machines."""

from __future__ import annotations

import logging
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from typing import Any, Final

from toolkit.call.table.conditions import Setup
from toolkit.call.table.row import Row, Scored, make_stream, score_row
from toolkit.common.errors import DredkitError, InputError, ToolError

_CONNECT_S: Final = 15.0
# A machine may be so busy that a process does not answer for minutes. dask would take it for dead.
_PATIENT: Final = {
    "distributed.comm.timeouts.connect": "600s",
    "distributed.comm.timeouts.tcp": "3600s",
    "distributed.scheduler.worker-ttl": None,
    "distributed.deploy.lost-worker-timeout": "600s",
    "distributed.worker.profile.enabled": False,  # its samples take time from the work
}


def run_rows(
    rows: Sequence[Row],
    recordings: Mapping[str, bytes],
    setup: Setup,
    jobs: int,
    address: str | None,
    done: Callable[[Row, Scored], None],
) -> None:
    """Run rows and call `done` with each as soon as it is there, in this process.

    Args:
        rows: what to run; rows with the same packets share them.
        recordings: int16 at 16 kHz as bytes, by name.
        setup: what all rows share.
        jobs: processes on this machine; with one, rows run in a thread of this process.
        address: of a dask scheduler whose workers run the rows in place of this machine's.
        done: gets each result.

    Raises:
        InputError, ToolError: the first error of a row, naming it; no scheduler, no workers.
    """
    if not rows:
        return
    from distributed import as_completed

    with _client(min(jobs, len(rows)), address) as client:
        shared = client.scatter(setup, broadcast=True, hash=False)
        sounds = {row.recording: None for row in rows}
        sounds = {name: client.scatter(recordings[name], hash=False) for name in sounds}
        streams: dict[Any, Any] = {}
        running = {}
        for place, row in enumerate(rows):
            packets = (row.recording, row.loss, row.condition.dred, row.condition.lbrr)
            if packets not in streams:
                streams[packets] = client.submit(
                    make_stream, shared, sounds[row.recording], row, pure=False, priority=-place
                )
            future = client.submit(
                score_row, shared, streams[packets], row, pure=False, priority=-place
            )
            running[future] = row
        for future in as_completed(list(running)):
            row = running.pop(future)
            done(row, _result(future, row))
            future.release()


def _result(future: Any, row: Row) -> Scored:
    try:
        found: Scored = future.result()
    except (DredkitError, InputError):
        raise
    except Exception as error:  # dask's own: a worker that died, or has no dredkit
        raise ToolError(f"{row}: {type(error).__name__}: {error}") from error
    return found


@contextmanager
def _client(jobs: int, address: str | None) -> Iterator[Any]:
    """Yield a client of a scheduler's, or of a new cluster of this machine that ends with it."""
    import dask
    from distributed import Client, LocalCluster

    logging.getLogger("distributed").setLevel(logging.CRITICAL + 1)
    with ExitStack() as stack:
        stack.enter_context(dask.config.set(_PATIENT))
        if address is not None:
            client = _connected(address)
            stack.callback(_close, client)
        else:
            cluster = LocalCluster(
                n_workers=jobs, threads_per_worker=1, processes=jobs > 1, memory_limit=0,
                dashboard_address="127.0.0.1:0", silence_logs=logging.CRITICAL + 1,
            )  # fmt: skip
            stack.callback(_close, cluster)
            client = Client(cluster)
            stack.callback(_close, client)
            if jobs > 1:
                client.run(_leave_interrupts)
        yield client


def _connected(address: str) -> Any:
    from distributed import Client

    try:
        client = Client(address, timeout=_CONNECT_S)
    except (OSError, ValueError, TypeError) as error:
        raise ToolError(
            f"--dask {address}: no scheduler answers: start one with `dask scheduler`, and "
            "`dask worker ADDRESS` on each machine, where dredkit is installed"
        ) from error
    if not client.scheduler_info()["workers"]:
        _close(client)
        raise ToolError(f"--dask {address}: no workers: start `dask worker {address}`")
    return client


def _close(part: Any) -> None:
    """Close a client or a cluster; what fails there must not hide why the run ended."""
    with suppress(Exception):
        part.close()


def _leave_interrupts() -> None:
    """Ignore Ctrl-C in a worker: the process that started it handles it, and ends the worker."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
