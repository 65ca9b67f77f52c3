# SPDX-License-Identifier: BSD-3-Clause
"""`dredkit report`: make the page and JUnit of a verification again from its record."""

from pathlib import Path

import click

from toolkit.commands.shared.outcome import Telling
from toolkit.common.console import emit_json, err, json_option
from toolkit.common.option_types import OutputFile
from toolkit.common.places import JUNIT, PAGE
from toolkit.report.junit import write_junit
from toolkit.report.page import write_page
from toolkit.report.record import load_record
from toolkit.report.table import table


@click.command("report", cls=Telling)
@click.argument("folder", type=click.Path(path_type=Path))
@click.option(
    "--output", type=OutputFile(), help="The page to write; FOLDER/index.html if left out."
)
@click.option(
    "--junit", type=OutputFile(), help="The JUnit XML to write; FOLDER/junit.xml if left out."
)
@json_option
def command(folder: Path, output: Path | None, junit: Path | None, json_to: str | None) -> None:
    """Write the HTML page of a verification.

    FOLDER is where `dredkit verify` or `dredkit demo` left verify.json and run.npz.
    """
    record = load_record(folder)
    page = output or folder / PAGE
    write_page(record, page)
    write_junit(record.facts, junit or folder / JUNIT)
    err.print(table(record.facts))
    err.print(str(page), markup=False, soft_wrap=True)
    emit_json(json_to, record.facts)
