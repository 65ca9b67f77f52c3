# SPDX-License-Identifier: BSD-3-Clause
"""Options of every command: bounds, options that a form does not take, mistyped names.

Every command line ends before any work: the target is unknown, or a file is absent.
"""

import ast
import inspect
import textwrap
from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from quantize.codec.receiver_model import DecoderModel
from quantize.codec.sender import EncoderModel
from quantize.near import near
from quantize.nn.model import QuantisedModel
from toolkit.cli import COMMANDS, group, main
from toolkit.commands import generate, stream, verify
from toolkit.commands.shared import taken
from toolkit.common.errors import InputError
from toolkit.common.option_types import Destination, Folder, InputFile, OutputFile, Real
from toolkit.common.paths import ROOT
from toolkit.common.toml_table import Table
from toolkit.models.quantise import CLIP

WILD = ("-1", "0", "1", "2", str(2**63), "nan", "inf", "-inf", "1e400", "")
# Words that end a command after it has read its options and before it does any work.
ENDINGS = {
    "dredkit bench": ("--target", "toaster"),
    "dredkit boards": ("--map", "absent.toml"),
    "dredkit call": ("absent.wav",),
    "dredkit build": ("--target", "toaster"),
    "dredkit demo": ("--target", "toaster"),
    "dredkit explain": ("absent.bit",),
    "dredkit flash": ("--target", "toaster"),
    "dredkit generate": ("--target", "toaster"),
    "dredkit monitor": ("--port", "ssh://board"),
    "dredkit package": ("--target-core", "toaster"),
    "dredkit simulate": ("--model", "absent.dkq"),
    "dredkit soak": ("--target", "toaster"),
    "dredkit stream": ("--target", "toaster"),
    "dredkit train data": ("--source", "nobody"),
    "dredkit train fargan": ("--data", "absent"),
    "dredkit train lpcnet": ("--data", "absent"),
    "dredkit train pitch": ("--data", "absent"),
    "dredkit train predictor": ("--data", "absent"),
    "dredkit train rdovae": ("--data", "absent"),
    "dredkit verify": ("--target", "toaster"),
}
BESIDE = {"--bitrate": ("--loss", "20"), "--loss": ("--bitrate", "32000")}


def beside(path: str, flag: str) -> tuple[str, ...]:
    """Return the words that an option needs beside itself."""
    return () if path == "dredkit simulate" else BESIDE.get(flag, ())


NUMBERS = (click.types.IntParamType, click.types.FloatParamType)


def commands(found: click.Command, path: str = "dredkit") -> Iterator[tuple[str, click.Command]]:
    """Yield every command that does something, with its words."""
    if isinstance(found, click.Group):
        for name in found.list_commands(click.Context(found)):
            below = found.get_command(click.Context(found), name)
            assert below is not None
            yield from commands(below, f"{path} {name}")
    else:
        yield path, found


ALL = dict(commands(group))
NUMERIC = [
    (path, param)
    for path, found in ALL.items()
    for param in found.params
    if isinstance(param.type, NUMBERS)
]


@pytest.fixture
def ends(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Any:
    """Run words that must be refused with exit code 2 and one line; return that line."""
    monkeypatch.setenv("COLUMNS", "80")

    def run(*words: str | Path) -> str:
        with pytest.raises(SystemExit) as ended:
            main([str(word) for word in words])
        said = capsys.readouterr().err
        assert ended.value.code == 2, said
        lines = said.splitlines()
        assert len(lines) == 1, said
        assert lines[0].startswith("dredkit: ")
        return lines[0]

    return run


def test_every_command_is_walked() -> None:
    assert {path.split()[1] for path in ALL} == set(COMMANDS)
    assert {path for path, _ in NUMERIC} == set(ENDINGS) - {"dredkit flash"}


def test_every_numeric_option_has_both_bounds() -> None:
    for path, param in NUMERIC:
        kind = param.type
        assert isinstance(kind, click.IntRange | Real), f"{path} {param.opts}"
        assert kind.min is not None, f"{path} {param.opts}"
        assert kind.max is not None, f"{path} {param.opts}"
        assert kind.max < 2**63
        assert not kind.clamp


def test_every_path_option_says_what_it_is() -> None:
    ours = (InputFile, OutputFile, Folder, Destination)
    for path, found in ALL.items():
        for param in found.params:
            if isinstance(param, click.Option) and isinstance(param.type, click.Path):
                assert isinstance(param.type, ours), f"{path} {param.opts}"


@pytest.mark.parametrize(("path", "param"), NUMERIC, ids=lambda v: getattr(v, "name", v))
def test_wild_numbers_are_refused_in_one_line(
    ends: Callable[..., str], path: str, param: click.Parameter
) -> None:
    flag = max(param.opts, key=len)
    for value in WILD:
        given = (flag, *[value] * param.nargs, *beside(path, flag))
        said = ends(*path.split()[1:], *given, *ENDINGS[path])
        if value in ("nan", "inf", "-inf", "1e400", "", "-1", str(2**63)):
            assert f"invalid value for '{flag}'" in said


def test_numbers_at_the_bounds_are_taken(ends: Callable[..., str]) -> None:
    for hz in ("1000000", "10000000000"):
        assert "toaster" in ends("verify", "--clock", hz, "--target", "toaster")
    for hz in ("999999", "10000000001"):
        assert "'--clock'" in ends("verify", "--clock", hz, "--target", "toaster")
    for seed in ("0", "4294967295"):
        assert "absent.dkq" in ends("simulate", "--seed", seed, "--model", "absent.dkq")


def test_every_parameter_of_a_command_is_used() -> None:
    for path, found in ALL.items():
        assert found.callback is not None
        source = textwrap.dedent(inspect.getsource(inspect.unwrap(found.callback)))
        function = next(n for n in ast.walk(ast.parse(source)) if isinstance(n, ast.FunctionDef))
        used = {n.id for n in ast.walk(function) if isinstance(n, ast.Name)}
        arguments = {a.arg for a in (*function.args.args, *function.args.kwonlyargs)}
        assert arguments <= used, f"{path}: {arguments - used} are ignored"


def sample(path: str, name: str) -> tuple[str, ...]:
    """Return words that give a parameter an acceptable value."""
    param = next(p for p in ALL[path].params if p.name == name)
    flag = max(param.opts, key=len)
    assert isinstance(param, click.Option)
    if param.is_flag:
        return (flag,)
    kind = param.type
    if isinstance(kind, click.Choice):
        value = str(kind.choices[0])
    elif isinstance(kind, Real):
        value = str(kind.max)
    elif isinstance(kind, click.IntRange):
        value = "16000" if name == "input_rate" else str(kind.max)
    elif isinstance(kind, InputFile):
        value = str(CLIP)
    else:
        value = {
            "lose": "1-2",
            "voice": "pulse",
            "predictor": "none",
            "port": "socket://x:1",
            "device": "cpu",
        }.get(name, "somewhere")
    return (flag, *[value] * param.nargs)


# Command, words that choose a form, the form's name, and all forms of the command.
FORMS: list[tuple[str, tuple[str, ...], str, taken.Forms]] = [
    *(
        (f"dredkit {word}", ("--stage", stage), f"--stage {stage}", taken.STAGES)
        for word in ("quantize", "verify", "generate", "bench")
        for stage in ("encoder", "decoder", "rdovae_enc")
    ),
    ("dredkit verify", ("--port", "socket://x:1"), "a board at --port", taken.PORTS),
    ("dredkit stream", ("--port", "socket://x:1"), "a board at --port", taken.PORTS),
    ("dredkit bench", ("--port", "socket://x:1"), "a board at --port", taken.PORTS),
    ("dredkit stream", ("--role", "encoder"), "--role encoder", taken.ROLES),
    ("dredkit stream", ("--role", "decoder"), "--role decoder", taken.ROLES),
    (
        "dredkit stream",
        ("--role", "decoder", "--payloads", str(CLIP)),
        "--payloads",
        {"--payloads": (), "without --payloads": ("sender", *taken.RATE)},
    ),
    ("dredkit flash", ("--server", "openocd"), "--server", {"": ("port", "check")}),
    ("dredkit build", ("--target", "virt-a53"), "a board", {"--target host": ("sanitize",)}),
    (
        "dredkit bench",
        ("--all",),
        "--all",
        {"without --all": ("stage", "weights", "batch", "cycles", "steps", "layers", "plot")},
    ),
    ("dredkit bench", (), "one measurement (without --all)", {"--all": ("write",)}),
    (
        "dredkit simulate",
        ("--read", str(CLIP)),
        "--read",
        {"": ("audio", "pitch", "output", "bitrate", "duration")},
    ),
    (
        "dredkit simulate",
        ("--model", "absent.dkq"),
        "--model",
        {"": ("weights", "pitch", "tables")},
    ),
    (
        "dredkit simulate",
        ("--read", str(CLIP), "--tables", str(CLIP)),
        "--read with --tables",
        {"": ("weights",)},
    ),
    (
        "dredkit train predictor",
        ("--evaluate",),
        "--evaluate",
        {"": ("state", "steps", "minutes", "device", "pack")},
    ),
    (
        "dredkit train rdovae",
        ("--evaluate",),
        "--evaluate",
        {"": ("state", "steps", "batch", "begin", "minutes", "device", "pack")},
    ),
    (
        "dredkit train pitch",
        ("--evaluate",),
        "--evaluate",
        {"": ("state", "steps", "minutes", "device")},
    ),
    (
        "dredkit train lpcnet",
        ("--evaluate",),
        "--evaluate",
        {"": ("steps", "batch", "rate", "anneal", "sparse", "int8", "regrow", "minutes", "pack",
              "export", "workers", "device")},
    ),
    (
        "dredkit train fargan",
        ("--evaluate",),
        "--evaluate",
        {"": ("voice", "steps", "batch", "rate", "anneal", "critics", "persuaded_rate", "density",
              "sparse", "int8", "minutes", "pack", "export", "device")},
    ),
    ("dredkit train lpcnet", ("--fresh",), "--fresh", {"": ("regrow",)}),
    ("dredkit train data", (), "recorded speech", {"": ("minutes_per_voice",)}),
    ("dredkit score", ("--voice", "pulse"), "these voices", {"": ("weights", "fargan_path")}),
]  # fmt: skip
IGNORED = [
    (path, words, form, name)
    for path, words, form, forms in FORMS
    for name in sorted({n for names in forms.values() for n in names})
    if name not in forms.get(form, ()) and name in {p.name for p in ALL[path].params}
]


@pytest.mark.parametrize(("path", "words", "form", "name"), IGNORED)
def test_an_option_that_a_form_ignores_is_refused_by_name(
    ends: Callable[..., str], path: str, words: tuple[str, ...], form: str, name: str
) -> None:
    targeted = "target" in {p.name for p in ALL[path].params} and "--target" not in words
    target = ("--target", "virt-a53") if targeted and words != ("--all",) else ()
    given = sample(path, name)
    said = ends(*path.split()[1:], *target, *words, *given, *beside(path, given[0]))
    first = "--bitrate" if given[0] == "--loss" else given[0]
    assert said.startswith(f"dredkit: {first}: {form} does not take it; "), said
    assert said.endswith((" does", " do"))


@pytest.mark.parametrize("stage", ["encoder", "decoder", "rdovae_enc"])
def test_what_a_stage_takes_is_not_refused(stage: str) -> None:
    for word in ("quantize", "verify", "bench", "generate"):
        found = ALL[f"dredkit {word}"]
        names = {p.name for p in found.params}
        for name in sorted(names & set(taken.STAGES[f"--stage {stage}"])):
            words = [*(() if word in ("quantize", "bench") else ("--target", "virt-a53"))]
            words += ["--stage", stage, *sample(f"dredkit {word}", name)]
            with found.make_context(word, words):
                taken.check_stage(stage)


MODELS = {"encoder": EncoderModel, "decoder": DecoderModel, "rdovae_enc": QuantisedModel}


@pytest.mark.parametrize(
    ("command", "kind", "name"),
    [
        (command, kind, name)
        for command, kind in product(("verify", "generate", "bench"), MODELS)
        for name in sorted({n for names in taken.MODELS.values() for n in names})
        if name in {p.name for p in ALL[f"dredkit {command}"].params}
    ],
)
def test_a_model_takes_the_options_of_its_kind_alone(command: str, kind: str, name: str) -> None:
    form = {
        "encoder": "--model of a sender",
        "decoder": "--model of a receiver",
        "rdovae_enc": "--model of one network",
    }[kind]
    model: Any = object.__new__(MODELS[kind])
    words = ["--target", "virt-a53", "--model", "x.dkq", *sample(f"dredkit {command}", name)]
    with ALL[f"dredkit {command}"].make_context(command, words):
        if name in taken.MODELS[form]:
            taken.check_stage("encoder", model, Path("x.dkq"))
        else:
            flag = sample(f"dredkit {command}", name)[0]
            with pytest.raises(InputError, match=f"^{flag}: {form} does not take it; "):
                taken.check_stage("encoder", model, Path("x.dkq"))


@pytest.mark.parametrize(("stage", "kind"), list(product(MODELS, MODELS)))
def test_a_stage_and_a_model_that_contradict_each_other(stage: str, kind: str) -> None:
    model: Any = object.__new__(MODELS[kind])
    words = ["--target", "virt-a53", "--model", "x.dkq", "--stage", stage]
    with ALL["dredkit verify"].make_context("verify", words):
        if stage == kind:
            taken.check_stage(stage, model, Path("x.dkq"))
            return
        with pytest.raises(InputError, match=rf"^--stage {stage}: x\.dkq holds (a|one) "):
            taken.check_stage(stage, model, Path("x.dkq"))


@pytest.mark.parametrize("module", [verify, generate, stream])
def test_the_commands_ask_what_a_model_takes(
    ends: Callable[..., str], module: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = object.__new__(QuantisedModel)
    monkeypatch.setattr(module, "load_quantised", lambda path, stage="encoder": model)
    words = (module.command.name, "--target", "virt-a53", "--model", "x.dkq")
    said = ends(*words, "--input-rate", "8000")
    assert said.startswith("dredkit: --input-rate: --model of one network does not take it; ")


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (("verifyy",), "verify"),
        (("train", "rdovea"), "rdovae"),
        (("verify", "--target", "mps3-an574"), "mps3-an547"),
        (("verify", "--target", "mps3"), "mps3-an547"),
        (("verify", "--target", "Virt_A53"), "virt-a53"),
        (("verify", "--target", "virt-a53", "--stage", "encoderr"), "encoder"),
        (("stream", "--target", "virt-a53", "--role", "Decoder"), "decoder"),
        (("verify", "--target", "virt-a53", "--stage", "decoder", "--voice", "plse"), "pulse"),
        (("score", "--voice", "integerr"), "integer"),
        (("flash", "--target", "netduinoplus2", "--image", CLIP, "--server", "opencd"), "openocd"),
        (("train", "data", "--source", "kokro"), "kokoro"),
        (("train", "lpcnet", "--preset", "edgy"), "edge"),
        (("train", "pitch", "--device", "cudaa"), "cuda"),
    ],
)
def test_a_mistyped_name_is_answered_with_the_one_that_was_meant(
    ends: Callable[..., str], words: tuple[str, ...], meant: str
) -> None:
    assert f"; did you mean '{meant}'?" in ends(*words)


def test_a_mistyped_option_is_answered_with_the_one_that_was_meant(
    ends: Callable[..., str],
) -> None:
    said = ends("verify", "--target", "virt-a53", "--weigths", CLIP)
    assert "no such option '--weigths'" in said
    assert "'--weights'" in said


def test_names_far_from_all_are_not_guessed() -> None:
    assert near("tenor", ("pulse", "lpcnet")) == ""
    assert near("", ("pulse", "lpcnet")) == ""
    assert near("SSRAM_1", ("ssram1", "psram")) == "; did you mean 'ssram1'?"


def test_a_target_files_mistyped_words_are_answered_too() -> None:
    table = Table("x.toml", "", {"kind": "rams", "leng": 1})
    with pytest.raises(InputError, match=r"kind: must be .*; did you mean 'ram'\?"):
        table.choice("kind", ("flash", "ram"))
    table = Table("x.toml", "", {"length": 1, "originn": 2})
    assert table.integer("length") == 1
    assert "origin" not in table
    with pytest.raises(InputError, match=r"originn: unknown key; did you mean 'origin'\?"):
        table.done()


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--audio", ""), "an empty name is no path"),
        (("--audio", ROOT), "is a folder; a file is wanted"),
        (("--audio", ROOT / "absent.wav"), "absent.wav: no such file"),
        (("--model", ROOT), "is a folder; a file is wanted"),
        (("--output", CLIP), "is a file; a folder is wanted"),
        (("--output", CLIP / "below"), "clip.wav is a file, not a folder"),
        (("--junit", ROOT), "is a folder; a file is wanted"),
        (("--junit", CLIP / "below" / "it"), "clip.wav is a file, not a folder"),
        (("--json", ROOT), "is a folder; a file is wanted"),
    ],
)
def test_wrong_paths_are_refused_before_any_work(
    ends: Callable[..., str], words: tuple[str | Path, ...], says: str
) -> None:
    said = ends("verify", *words, "--target", "toaster")
    assert f"verify: invalid value for '{words[0]}'" in said
    assert says in said


@pytest.mark.parametrize("span", ["2-1", "1-1", "nan-2", "0-inf", "1", "a-b", "-1-2", "1-2-3", ""])
def test_spans_of_time_have_a_beginning_and_an_end(ends: Callable[..., str], span: str) -> None:
    words = ("stream", "--target", "toaster", "--role", "decoder", f"--lose={span}")
    assert "want two times in seconds" in ends(*words)


def test_a_group_without_a_command_shows_its_help(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["train"])
    assert ended.value.code == 2
    assert "rdovae" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "cure"),
    [
        (["stream", "--target", "host", "--role", "decoder"], " --stage decoder"),
        (["stream", "--target", "host"], ""),
        (["generate", "--target", "host", "--stage", "decoder"], " --stage decoder"),
        (["generate", "--target", "host", "--stage", "rdovae_enc"], " --stage rdovae_enc"),
        (["verify", "--target", "host", "--stage", "decoder"], " --stage decoder"),
        (["bench", "--target", "netduinoplus2", "--stage", "decoder"], " --stage decoder"),
        (["export"], " --stage rdovae_enc"),
    ],
)
def test_a_missing_model_names_the_command_that_makes_it(
    tmp_path: Path, words: list[str], cure: str
) -> None:
    model = tmp_path / "none.dkq"
    for text in (None, "a text\n"):
        if text is not None:
            model.write_text(text)
        done = CliRunner().invoke(group, [*words, "--model", str(model)])
        assert isinstance(done.exception, InputError)
        assert str(done.exception).endswith(f"; run `dredkit quantize{cure}` first")
