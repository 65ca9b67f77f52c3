# SPDX-License-Identifier: BSD-3-Clause
"""Answer a mistyped command line with one line that suggests the nearest name."""

import click

from quantize.near import near


class SuggestingGroup(click.Group):
    """A group that answers an unknown command with the nearest known one."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Resolve as click does; raises UsageError with a suggestion for an unknown command."""
        known = self.list_commands(ctx)
        if args and not args[0].startswith("-") and args[0] not in known:
            hint = near(args[0], known) or f"; commands: {', '.join(known)}"
            raise click.UsageError(f"no such command '{args[0]}'{hint}", ctx)
        return super().resolve_command(ctx, args)


def is_help(error: click.ClickException) -> bool:
    """Return whether click answers with the full help, as for a group without a command."""
    return type(error).__name__ == "NoArgsIsHelpError"


def usage_line(error: click.ClickException) -> str:
    """Return click's complaint as one line that names the command and its --help."""
    text = " ".join(error.format_message().split()).removesuffix(".")
    ctx = error.ctx if isinstance(error, click.UsageError) else None
    if ctx is None:
        return text
    words = ctx.command_path.split()[1:]
    where = f"{' '.join(words)}: " if words else ""
    return f"{where}{text[:1].lower()}{text[1:]} (see `{ctx.command_path} --help`)"
