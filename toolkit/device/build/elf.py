# SPDX-License-Identifier: BSD-3-Clause
"""Read from a firmware image (ELF) its memory use, its symbols, and forbidden contents."""

import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from elftools.common.exceptions import ELFError
from elftools.elf.elffile import ELFFile
from elftools.elf.sections import NoteSection, SymbolTableSection

from toolkit.common.errors import InputError, ToolError
from toolkit.targets.target import Target

SHF_ALLOC = 0x2
SHF_EXECINSTR = 0x4

# The disassembler of a machine.
OBJDUMP = {"EM_ARM": "arm-none-eabi", "EM_AARCH64": "aarch64-linux-gnu"}
# An instruction on floats, scalar or vector: on Arm's 32-bit cores the type is in the mnemonic.
# VMOV moves bits, whatever its type says, unless it has a constant.
FLOAT_INSTRUCTION = re.compile(r"^v(?!mov)\w+(\.\w+)*\.(f16|f32|f64|bf16)\b")
FLOAT_MOVE = re.compile(r"^(fmov|vmov(\w\w)?\.f\w+)$")
# On 64-bit ones they begin with F, convert with CVT, or are the products of BF16. FMOV is as VMOV.
FLOAT_INSTRUCTION_64 = re.compile(r"^(f(?!mov)\w+|[su]cvtf|bf\w*(mmla|mlal|dot|cvt)\w*)$")
FLOAT_HELPER = re.compile(
    r"^(__aeabi_(c?[fd](add|sub|rsub|mul|div|neg|cmp\w*)|[fd]2\w+|\w+2[fdh]|h2f\w*)"
    r"|__(add|sub|mul|div|neg|cmp|unord|eq|ne|lt|le|gt|ge|pow\w?)[shdt]f[2-4]?"
    r"|__(float|fix|extend|trunc)\w*)$"
)
LIBM = re.compile(
    r"^(__ieee754_\w+|__kernel_\w+|(a?(sin|cos|tan)h?|atan2|exp2?|expm1|log(2|10|1p|b)?|pow|sqrt"
    r"|cbrt|floor|ceil|l?l?rint|nearbyint|l?l?round|trunc|fabs|fmod|fma|hypot|erfc?|[lt]gamma"
    r"|ldexp|frexp|scalbl?n|fmin|fmax)[fl]?)$"
)
MALLOC = re.compile(
    r"^(_?(malloc|calloc|realloc|free|memalign|aligned_alloc|sbrk)(_r)?|__malloc\w*)$"
)


@dataclass(frozen=True)
class MemoryUse:
    """Bytes of flash (code, constants, initial values) and RAM (data, zeroed data, stack)."""

    flash: int
    ram: int
    sections: dict[str, int]


@dataclass(frozen=True)
class Symbol:
    """A function or object of the image; the Thumb bit is taken off the address."""

    name: str
    address: int
    size: int
    is_function: bool


def _open(path: Path) -> ELFFile:
    try:
        # pyelftools reads lazily: the file object must live as long as it does.
        return ELFFile(path.open("rb"))
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None
    except ELFError as error:
        raise InputError(f"{path}: not an ELF image: {error}") from None


def build_id(path: Path) -> str:
    """Return the GNU build id in hex (SHA-1 of the linked image)."""
    image = _open(path)
    section = image.get_section_by_name(".note.gnu.build-id")
    if not isinstance(section, NoteSection):
        raise InputError(f"{path}: has no build id")
    for note in section.iter_notes():
        if note["n_type"] == "NT_GNU_BUILD_ID":
            return str(note["n_desc"])
    raise InputError(f"{path}: has no build id")


def load_sections(path: Path) -> dict[str, tuple[int, int]]:
    """Return (load address, bytes) of every section that a debugger writes, by name."""
    image = _open(path)
    found: dict[str, tuple[int, int]] = {}
    parts = [s for s in image.iter_segments() if s["p_type"] == "PT_LOAD" and s["p_filesz"]]
    for section in image.iter_sections():
        address, size = int(section["sh_addr"]), int(section["sh_size"])
        if not section["sh_flags"] & SHF_ALLOC or section["sh_type"] == "SHT_NOBITS" or not size:
            continue
        for part in parts:
            offset = address - int(part["p_vaddr"])
            if 0 <= offset < int(part["p_filesz"]):
                found[section.name] = (int(part["p_paddr"]) + offset, size)
    return found


def memory_use(path: Path, target: Target) -> MemoryUse:
    """Return the flash and RAM that the image takes, in bytes, and the size of each section.

    Raises ToolError for a section outside the target's memories: QEMU reads such addresses as zero
    on some boards, where the real board would fault.
    """
    image = _open(path)
    sections: dict[str, int] = {}
    ram = 0
    for section in image.iter_sections():
        size = int(section["sh_size"])
        if not section["sh_flags"] & SHF_ALLOC or not size:
            continue
        sections[section.name] = size
        start = int(section["sh_addr"])
        homes = [m for m in target.memories if m.origin <= start and start + size <= m.end]
        if not homes:
            raise ToolError(f"{path.name}: {section.name} lies outside {target.name}'s memories")
        ram += size if homes[0].kind == "ram" else 0
    flash = sum(size for _, size in load_sections(path).values())
    return MemoryUse(flash=flash, ram=ram, sections=sections)


def symbols(path: Path) -> list[Symbol]:
    """Return all functions and objects of the image."""
    found = []
    for section in _open(path).iter_sections():
        if not isinstance(section, SymbolTableSection):
            continue
        for symbol in section.iter_symbols():
            kind = symbol["st_info"]["type"]
            if kind in ("STT_FUNC", "STT_OBJECT", "STT_NOTYPE") and symbol.name:
                address = int(symbol["st_value"])
                is_function = kind == "STT_FUNC"
                found.append(
                    Symbol(
                        symbol.name,
                        address & ~1 if is_function else address,
                        int(symbol["st_size"]),
                        is_function,
                    )
                )
    return found


def read_bytes(path: Path, address: int, size: int) -> bytes:
    """Return initialised bytes of the image at a run-time address."""
    for section in _open(path).iter_sections():
        start = int(section["sh_addr"])
        inside = start <= address and address + size <= start + int(section["sh_size"])
        if section["sh_flags"] & SHF_ALLOC and section["sh_type"] == "SHT_PROGBITS" and inside:
            return bytes(section.data()[address - start : address - start + size])
    raise InputError(f"{path}: nothing at address 0x{address:08x}")


def machine(path: Path) -> str:
    """Return the machine that the image is for, as ELF names it: EM_ARM, EM_AARCH64."""
    return str(_open(path)["e_machine"])


def disassemble(path: Path) -> dict[str, list[tuple[str, str]]]:
    """Return (mnemonic, operands) of every instruction, by function."""
    prefix = OBJDUMP.get(machine(path))
    if prefix is None:
        raise InputError(f"{path}: is for {machine(path)}, of which dredkit knows no instructions")
    objdump = shutil.which(f"{prefix}-objdump")
    if objdump is None:
        raise ToolError(f"{prefix}-objdump is missing: apt-get install binutils-{prefix}")
    done = subprocess.run(
        [objdump, "-d", "--no-show-raw-insn", str(path)],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise ToolError(f"objdump cannot read {path}: {done.stderr.strip().splitlines()[-1]}")
    code: dict[str, list[tuple[str, str]]] = {}
    here: list[tuple[str, str]] = []
    for line in done.stdout.splitlines():
        head = re.match(r"^[0-9a-f]+ <(.+)>:$", line)
        if head:
            here = code.setdefault(head.group(1), [])
            continue
        body = re.match(r"^ *[0-9a-f]+:\t(\S+)(?:\t([^;@]*))?", line)
        if body:
            here.append((body.group(1), (body.group(2) or "").strip()))
    return code


def is_float(mnemonic: str, operands: str) -> bool:
    """Return whether an instruction computes with floats or loads a float constant."""
    if FLOAT_MOVE.match(mnemonic):
        return "#" in operands
    pattern = FLOAT_INSTRUCTION if mnemonic.startswith("v") else FLOAT_INSTRUCTION_64
    return bool(pattern.match(mnemonic))


def forbidden(path: Path) -> list[str]:
    """Find what firmware must not contain: float instructions, soft-float helpers, libm, malloc.

    Returns one text for each offence; none for a clean image.
    """
    found = [
        f"{symbol.name} ({kind})"
        for symbol in symbols(path)
        for kind, pattern in (("soft float", FLOAT_HELPER), ("libm", LIBM), ("heap", MALLOC))
        if pattern.match(symbol.name)
    ]
    for function, instructions in disassemble(path).items():
        floats = [mnemonic for mnemonic, operands in instructions if is_float(mnemonic, operands)]
        if floats:
            found.append(f"{floats[0]} in {function} ({len(floats)} float instructions)")
    return found
