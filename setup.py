# SPDX-License-Identifier: BSD-3-Clause
"""Pack the firmware, the targets and the build files into the wheel, as toolkit/bundle.

All else is in pyproject.toml. An editable install uses the checkout's own files.
"""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

PACKED = ("firmware", "targets", "cmake", "CMakeLists.txt", "LICENSE", "requirements.lock")


class BuildWithFirmware(build_py):
    """Copy what is not Python beside the Python that needs it."""

    def run(self) -> None:
        """Build into an empty folder, since setuptools packs whatever an earlier build left."""
        if self.editable_mode:
            super().run()
            return
        shutil.rmtree(self.build_lib, ignore_errors=True)
        super().run()
        bundle = Path(self.build_lib) / "toolkit" / "bundle"
        for name in PACKED:
            if Path(name).is_dir():
                shutil.copytree(name, bundle / name)
            else:
                shutil.copy(name, bundle / name)


setup(cmdclass={"build_py": BuildWithFirmware})
