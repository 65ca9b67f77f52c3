# SPDX-License-Identifier: BSD-3-Clause
"""The result of a verification for people and for CI: a folder with a page, JUnit and JSON.

verify.json  the verdict and every fact that the page shows
run.npz      the recording, the streamed inputs and the outputs
junit.xml    one test case a check
index.html   the page, made from the first two files alone
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from toolkit.common.places import JUNIT, PAGE
from toolkit.report.junit import write_junit
from toolkit.report.page import write_page
from toolkit.report.record import Record, save_record

if TYPE_CHECKING:
    from toolkit.verify.verify import Verification

__all__ = ["JUNIT", "PAGE", "write_report", "write_verification"]


def write_verification(
    verification: "Verification", directory: Path, more: Mapping[str, Any] | None = None
) -> Record:
    """Write the record, JUnit and page of a verification, each file whole or not at all.

    `more` are further facts, such as its history.

    Raises InputError if the recording cannot be read again or a file cannot be written.
    """
    record = save_record(verification, directory, more)
    write_report(record, directory)
    return record


def write_report(record: Record, directory: Path) -> None:
    """Write junit.xml and index.html from a record."""
    write_junit(record.facts, directory / JUNIT)
    write_page(record, directory / PAGE)
