# SPDX-License-Identifier: BSD-3-Clause
"""Run conditions over many recordings, on several processes, and compare them in pairs."""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from functools import cache
from pathlib import Path
from typing import Any, Final

import numpy as np
from scipy import stats

from toolkit.call.conditions import Condition, Job, Judge, Result, Setup, how, run_job
from toolkit.verify.scoring.metrics import Plcmos

CONFIDENCE: Final = 0.95

Results = dict[tuple[str, int, str], Result]  # file name, loss in percent, condition


def jobs_for(
    paths: Sequence[Path], rates: Sequence[int], conditions: Sequence[Condition], kept: Path
) -> list[Job]:
    """Return a job for each recording and rate; what loses nothing is done once, at rate 0."""
    whole = tuple(c for c in conditions if c.lossless)
    lossy = tuple(c for c in conditions if not c.lossless)
    at_rates = [Job(path, rate, lossy, kept) for path in paths for rate in rates]
    return [Job(path, 0, whole, kept) for path in paths if whole] + at_rates


def run_jobs(
    jobs: Sequence[Job], setup: Setup, processes: int, done: Callable[[], None]
) -> Results:
    """Run jobs, call `done` after each, and return all results.

    With one process, the jobs run in this one. More are spawned, not forked, since a scorer has
    threads. Raises the first error of a job; results that are done by then are kept.
    """
    found: Results = {}
    for job, results in _each(jobs, setup, processes):
        for key, result in results.items():
            found[job.path.name, job.loss, key] = result
        done()
    return found


def summary(
    results: Results, conditions: Sequence[Condition], rates: Sequence[int], setup: Setup,
    against: str,
) -> dict[str, Any]:  # fmt: skip
    """Return each condition's means at each rate, and its paired differences to `against`."""
    table = {}
    names = sorted({name for name, _, _ in results})
    for condition in conditions:
        at: dict[str, Any] = {}
        for rate in rates:
            own = _scores(results, condition, rate, names)
            other = next(c for c in conditions if c.key == against)
            told = [results[name, _rate(condition, rate), condition.key] for name in names]
            at[str(rate)] = {
                **interval("plcmos", own),
                "bitrate": float(np.mean([one["bitrate"] for one in told])),
                "lost_percent": float(np.mean([one["lost_percent"] for one in told])),
                "against": interval("difference", own - _scores(results, other, rate, names)),
                "files": dict(zip(names, own.tolist(), strict=True)),
            }
        table[condition.key] = {
            "title": condition.title, "how": how(condition, setup), "rates": at,
        }  # fmt: skip
    return {"files": names, "rates": list(rates), "against": against, "conditions": table}


def interval(name: str, values: np.ndarray[Any, np.dtype[np.float64]]) -> dict[str, float | None]:
    """Return the mean under `name`, and half of its 95 % interval by Student's t.

    The half is None for a single value.
    """
    count = len(values)
    half = None
    if count > 1:
        reach = float(stats.t.ppf((1 + CONFIDENCE) / 2, count - 1))
        half = reach * float(values.std(ddof=1)) / count**0.5
    return {name: float(values.mean()), "half": half}


def _rate(condition: Condition, rate: int) -> int:
    return 0 if condition.lossless else rate


def _scores(
    results: Results, condition: Condition, rate: int, names: Sequence[str]
) -> np.ndarray[Any, np.dtype[np.float64]]:
    rate = _rate(condition, rate)
    return np.array([results[name, rate, condition.key]["plcmos"] for name in names])


def _each(
    jobs: Sequence[Job], setup: Setup, processes: int
) -> Iterator[tuple[Job, Mapping[str, Result]]]:
    """Yield each job with its results, in the order in which they end."""
    if processes == 1:
        for job in jobs:
            yield job, run_job(job, setup, _judge)
        return
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(
        min(processes, len(jobs)), context, initializer=_begin, initargs=(setup,)
    )
    try:
        running: dict[Future[dict[str, Result]], Job] = {pool.submit(_work, j): j for j in jobs}
        for ended in as_completed(running):
            yield running[ended], ended.result()
        pool.shutdown()
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        for child in multiprocessing.active_children():
            child.terminate()
        raise


_shared: list[Setup] = []  # of a process of the pool


def _begin(setup: Setup) -> None:
    """Prepare a process of the pool; the process that started it handles Ctrl-C."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _shared[:] = [setup]


def _work(job: Job) -> dict[str, Result]:
    return run_job(job, _shared[0], _judge)


@cache
def _scorer() -> Plcmos:
    return Plcmos()


def _judge() -> Judge:
    return _scorer().score
