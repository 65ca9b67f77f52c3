# SPDX-License-Identifier: BSD-3-Clause
"""A verification as JUnit XML, the format that CI servers read: one test case a check."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from quantize.files.write import write_whole
from toolkit.report.text import fit_text
from toolkit.verify.checks import Check, checks


def write_junit(facts: Mapping[str, Any], path: Path) -> None:
    """Write the XML, whole or not at all; raises InputError if it cannot be written."""
    write_whole(path, junit(facts))


def junit(facts: Mapping[str, Any], found: Sequence[Check] | None = None) -> bytes:
    """Return the XML; the message of a failed check has its figures or its first mismatch.

    `found` has the checks if they are not those of `checks`.
    """
    found = checks(facts) if found is None else found
    failed = sum(not check.ok for check in found)
    target = fit_text(facts["target"])
    skipped = sum(not check.judged for check in found)
    counts = {"tests": str(len(found)), "failures": str(failed), "errors": "0"}
    counts["skipped"] = str(skipped)
    root = ElementTree.Element("testsuites", counts)
    about = {"name": f"dredkit verify {target}", "timestamp": fit_text(facts["recorded"])}
    suite = ElementTree.SubElement(root, "testsuite", {**about, **counts})
    properties = ElementTree.SubElement(suite, "properties")
    for key in ("stage", "scheme", "model_hash", "build_id", "audio"):
        value = {"name": key, "value": fit_text(str(facts[key]))}
        ElementTree.SubElement(properties, "property", value)
    for check in found:
        name = {"classname": f"dredkit.{target}.{check.kind}", "name": fit_text(check.name)}
        case = ElementTree.SubElement(suite, "testcase", name)
        text = fit_text(check.text)
        if not check.judged:
            ElementTree.SubElement(case, "skipped", {"message": text})
        elif check.ok:
            ElementTree.SubElement(case, "system-out").text = text
        else:
            failure = {"message": text, "type": check.kind}
            ElementTree.SubElement(case, "failure", failure).text = f"{check.name}: {text}"
    return _as_bytes(root)


def junit_error(command: str, target: str | None, kind: str, line: str) -> bytes:
    """Return the XML of a run that ended without a verdict: one <error> of type `kind`."""
    counts = {"tests": "1", "failures": "0", "errors": "1", "skipped": "0"}
    root = ElementTree.Element("testsuites", counts)
    where = fit_text(target or "unknown")
    now = datetime.now(timezone.utc).isoformat(timespec="seconds")
    about = {"name": f"dredkit {command} {where}", "timestamp": now}
    suite = ElementTree.SubElement(root, "testsuite", {**about, **counts})
    name = {"classname": f"dredkit.{where}", "name": command}
    case = ElementTree.SubElement(suite, "testcase", name)
    error = {"message": fit_text(line), "type": kind}
    ElementTree.SubElement(case, "error", error).text = fit_text(line)
    return _as_bytes(root)


def _as_bytes(root: ElementTree.Element) -> bytes:
    ElementTree.indent(root)
    data: bytes = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    return data + b"\n"
