# SPDX-License-Identifier: BSD-3-Clause
"""Facts read from an image: sizes, build id, stack, and code that must not be in it."""

import subprocess
from pathlib import Path

import pytest

from tests.support.probe import BOARDS, built
from toolkit.common.errors import InputError, ToolError
from toolkit.device.build import elf
from toolkit.device.build.callgraph import INTERRUPT, worst_stack
from toolkit.targets.target import load_target

M4 = ["-mthumb", "-mcpu=cortex-m4", "-mfpu=fpv4-sp-d16", "-mfloat-abi=hard", "-O2"]
SOFT = ["-mthumb", "-mcpu=cortex-m3", "-O2"]


def link(folder: Path, source: str, flags: list[str], libraries: tuple[str, ...] = ()) -> Path:
    """Compile and link a few lines of C; return the image, with its .ci files beside it."""
    (folder / "a.c").write_text(source, encoding="utf-8")
    subprocess.run(
        ["arm-none-eabi-gcc", *flags, "-fcallgraph-info=su", "-fno-builtin", "-c", "a.c"],
        cwd=folder, check=True,
    )  # fmt: skip
    subprocess.run(
        ["arm-none-eabi-gcc", *flags, "-nostartfiles", "-Wl,-e,dk_reset", "a.o", *libraries,
         "--specs=nosys.specs", "-o", "a.elf"],
        cwd=folder, check=True, capture_output=True,
    )  # fmt: skip
    return folder / "a.elf"


@pytest.mark.parametrize(
    ("source", "flags", "found"),
    [
        ("float x; void dk_reset(void) { x *= 1.5f; }", M4, "vmov.f32 in dk_reset (2 float"),
        ("float x; int y; void dk_reset(void) { y = (int)x; }", M4, "vcvt.s32.f32 in dk_reset"),
        ("float x; void dk_reset(void) { x *= 1.5f; }", SOFT, "__aeabi_fmul (soft float)"),
        ("double x; void dk_reset(void) { x += 1.5; }", SOFT, "__aeabi_dadd (soft float)"),
        ("double x; int y; void dk_reset(void) { x = y; }", SOFT, "__aeabi_i2d (soft float)"),
        ("double sin(double); double x; void dk_reset(void) { x = sin(x); }", M4, "sin (libm)"),
        ("void *malloc(unsigned); void *x; void dk_reset(void) { x = malloc(4); }", M4,
         "malloc (heap)"),
    ],
)  # fmt: skip
def test_forbidden_things_are_found(
    tmp_path: Path, source: str, flags: list[str], found: str
) -> None:
    offences = elf.forbidden(link(tmp_path, source, flags, ("-lm",)))
    assert any(offence.startswith(found) for offence in offences), offences


def test_innocent_names_and_integer_vectors_are_not(tmp_path: Path) -> None:
    source = """
    int freedom, log_level, extern_round; unsigned long long big;
    void dk_reset(void) { freedom = log_level / extern_round; big /= 3u + (unsigned)freedom; }
    """
    assert elf.forbidden(link(tmp_path, source, M4)) == []
    helium = ["-mthumb", "-mcpu=cortex-m55+nofp", "-mfloat-abi=hard", "-O2"]
    source = """
    #include <arm_mve.h>
    int16_t in[8], out[8];
    void dk_reset(void) { vst1q_s16(out, vqrdmulhq_s16(vld1q_s16(in), vld1q_s16(out))); }
    """
    assert elf.forbidden(link(tmp_path, source, helium)) == []


A64_FLOATS = """
float x; double y; int i; unsigned u;
void product(void) { x *= 1.5f; }
void constant(void) { x = 2.0f; }
void convert(void) { x = (float)i; }
void convert_unsigned(void) { y = u; }
void narrow(void) { x = (float)y; }
void to_integer(void) { i = (int)y; }
"""
A64_INTEGERS = """
#include <arm_neon.h>
int16_t in[8], out[8]; int64_t bits, other;
void vectors(void) { vst1q_s16(out, vqrdmulhq_s16(vld1q_s16(in), vld1q_s16(out))); }
int moved(uint64_t set) { return __builtin_popcountll(set); }
void set(void) { vst1_s64(&bits, vadd_s64(vcreate_s64(other), vcreate_s64(bits))); }
void fields(void) { bits = (bits & ~0xff00) | ((other & 0xff) << 8); }
"""


def test_a_64_bit_cores_floats_are_told_from_its_integers(tmp_path: Path) -> None:
    offences = {}
    for name, source in (("floats", A64_FLOATS), ("integers", A64_INTEGERS)):
        (tmp_path / f"{name}.c").write_text(source, encoding="utf-8")
        image = tmp_path / f"{name}.o"
        subprocess.run(
            ["aarch64-linux-gnu-gcc", "-O2", "-c", f"{name}.c", "-o", str(image)],
            cwd=tmp_path, check=True,
        )  # fmt: skip
        offences[name] = " ".join(elf.forbidden(image))
    for function in ("product", "constant", "convert", "convert_unsigned", "narrow", "to_integer"):
        assert f" in {function} (" in offences["floats"], offences
    assert "fmov" in str(elf.disassemble(image)["moved"])
    assert offences["integers"] == ""


def test_a_32_bit_cores_floats_are_told_from_its_integers(tmp_path: Path) -> None:
    neon = ["-mthumb", "-mcpu=cortex-a7", "-mfpu=neon-vfpv4", "-mfloat-abi=hard", "-O2"]
    floats = """
    #include <arm_neon.h>
    float32_t x[4]; double y; int32_t i;
    void vectors(void) { vst1q_f32(x, vmlaq_f32(vld1q_f32(x), vld1q_f32(x), vld1q_f32(x))); }
    void convert(void) { y = i; }
    void constant(void) { vst1q_f32(x, vdupq_n_f32(2.0f)); }
    void dk_reset(void) { vectors(); convert(); constant(); }
    """
    offences = " ".join(elf.forbidden(link(tmp_path, floats, [*neon, "-fno-inline"])))
    for function in ("vectors", "convert", "constant"):
        assert f" in {function} (" in offences, offences
    integers = """
    #include <arm_neon.h>
    #include <string.h>
    int16_t in[8], out[8]; int64_t sums[2]; char from[999], to[999];
    void dk_reset(void) {
        vst1q_s16(out, vqrdmulhq_s16(vld1q_s16(in), vld1q_s16(out)));
        vst1q_s64(sums, vpadalq_s32(vld1q_s64(sums), vpaddlq_s16(vld1q_s16(out))));
        memcpy(to, from, (unsigned)out[0]);
    }
    """
    image = link(tmp_path, integers, neon)
    # The C library moves a float register onto itself, so that later code need not wait for it.
    assert ("vmov.f32", "s0, s0") in elf.disassemble(image)["memcpy"]
    assert elf.forbidden(image) == []


def test_an_image_of_an_unknown_machine_is_refused(tmp_path: Path) -> None:
    subprocess.run(["gcc", "-c", "-x", "c", "/dev/null", "-o", str(tmp_path / "a.o")], check=True)
    with pytest.raises(InputError, match=r"a\.o: is for EM_\w+, of which dredkit knows no instr"):
        elf.disassemble(tmp_path / "a.o")


@pytest.mark.parametrize("name", BOARDS)
def test_firmware_is_integer_only(name: str) -> None:
    assert elf.forbidden(built(name).elf) == []


@pytest.mark.parametrize("name", BOARDS)
def test_figures_agree_with_the_size_tool(name: str) -> None:
    result, target = built(name), load_target(name)
    said = subprocess.run(
        [f"{target.toolchain.prefix}size", "-A", str(result.elf)],
        capture_output=True,
        text=True,
        check=True,
    )
    sizes = {
        words[0]: int(words[1])
        for words in map(str.split, said.stdout.splitlines())
        if len(words) == 3 and words[0].startswith(".")
    }
    flash = (".vectors", ".note.gnu.build-id", ".text", ".rodata", ".data")
    assert result.flash == sum(sizes[section] for section in flash)
    assert result.ram == sum(sizes[section] for section in (".stack", ".data", ".bss"))
    assert sizes[".stack"] == target.stack_bytes
    assert result.flash_limit == target.size_of("flash")


def test_a_section_outside_the_memories_is_refused() -> None:
    with pytest.raises(ToolError, match=r"firmware\.elf: \.vectors lies outside netduinoplus2's"):
        elf.memory_use(built("mps3-an547").elf, load_target("netduinoplus2"))


@pytest.mark.parametrize("name", BOARDS)
def test_build_id_is_the_notes(name: str) -> None:
    result, prefix = built(name), load_target(name).toolchain.prefix
    said = subprocess.run(
        [f"{prefix}readelf", "-n", str(result.elf)], capture_output=True, text=True, check=True
    )
    assert f"Build ID: {result.build_id}" in said.stdout
    assert len(result.build_id) == 40


def test_stack_is_the_deepest_chain_and_an_interrupt(tmp_path: Path) -> None:
    source = """
    typedef struct { void (*reset)(void); void (*step)(void); } engine;
    volatile char sink;
    static __attribute__((noipa)) void fill(int n) {
        char room[400]; for (int i = 0; i < n; i++) { ((volatile char *)room)[i] = sink; }
    }
    static void reset(void) { sink = 1; }
    static __attribute__((noinline)) void step(void) { fill(400); sink = 2; }
    extern const engine dk_app_engine;
    const engine dk_app_engine = {reset, step};
    void dk_uart_isr(void) { char room[100]; ((volatile char *)room)[sink] = 1; }
    void dk_reset(void) {
        const engine *volatile e = &dk_app_engine;
        e->reset(); e->step(); dk_uart_isr();
    }
    """
    image = link(tmp_path, source, [*SOFT, "-fno-inline"])
    frames = {}
    for line in (tmp_path / "a.ci").read_text(encoding="utf-8").splitlines():
        if line.startswith("node:") and " bytes (static)" in line:
            title = line.split('"')[1].rpartition(":")[2]
            frames[title] = int(line.partition(" bytes")[0].rpartition("\\n")[2])
    assert frames["fill"] >= 400
    main = frames["dk_reset"] + frames["step"] + frames["fill"]
    stacked = INTERRUPT["EM_ARM"][1]
    assert worst_stack(image, tmp_path) == main + stacked + frames["dk_uart_isr"]


def test_library_functions_are_measured(tmp_path: Path) -> None:
    source = """
    void *memmove(void *, const void *, unsigned); char a[99];
    void dk_uart_isr(void) {}
    void dk_reset(void) { memmove(a, a + 9, 90); a[0]++; }
    """
    image = link(tmp_path, source, SOFT)
    pushes = [
        operands
        for mnemonic, operands in elf.disassemble(image)["memmove"]
        if mnemonic.startswith("push")
    ]
    own = worst_stack(image, tmp_path) - INTERRUPT["EM_ARM"][1]
    assert pushes
    assert own >= 8 + 4 * 4


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ("__attribute__((noipa)) int dk_reset(int n) { return n ? n ^ dk_reset(n - 1) * 3 : 0; }",
         "recursion"),
        ("int g(int); __attribute__((noipa)) int f(int n) { return n ? 1 + g(n) : 0; } "
         "__attribute__((noipa)) int g(int n) { return 1 + f(n - 1); } "
         "int dk_reset(int n) { return 1 + f(n); }", "recursion, so the stack has no bound: f"),
        ("char c; void dk_reset(int n) { volatile char a[n]; a[n - 1] = c; c = a[0]; }",
         "no fixed size"),
    ],
)  # fmt: skip
def test_a_stack_without_bound_is_refused(tmp_path: Path, source: str, why: str) -> None:
    image = link(tmp_path, source, SOFT)
    with pytest.raises(ToolError, match=why):
        worst_stack(image, tmp_path)


def test_what_is_no_elf_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "x.elf"
    with pytest.raises(InputError, match=r"x\.elf: cannot be read"):
        elf.build_id(path)
    path.write_bytes(b"")
    with pytest.raises(InputError, match=r"x\.elf: not an ELF image"):
        elf.build_id(path)
    path.write_bytes(b"\x7fELF" + bytes(10))
    with pytest.raises(InputError, match=r"x\.elf: not an ELF image"):
        elf.load_sections(path)
    with pytest.raises(ToolError, match="no call graph files"):
        worst_stack(built("mps3-an547").elf, tmp_path)
