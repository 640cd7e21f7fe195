"""`attention`: draw where a network looks."""

from collections.abc import Sequence
from pathlib import Path

from pydantic import Field
from pydantic_settings import CliPositionalArg, SettingsConfigDict

from service.inference.types import Box
from training.commands.options import OK, Options, parse


class AttentionOptions(Options):
    """Draws the attention maps of a run with an attention head over the crop of one person."""

    model_config = SettingsConfigDict(cli_prog_name="python -m training attention")

    run: CliPositionalArg[Path] = Field(description="A run's folder.")
    picture: CliPositionalArg[Path] = Field(description="A picture of a person.")
    output: Path = Field(description="The figure: a .png, .svg or .pdf file.")
    box: tuple[float, float, float, float] | None = Field(
        default=None, description="Around the person: x,y,width,height; else the whole picture."
    )


def run(arguments: Sequence[str]) -> int:
    """Draws and says where."""
    options = parse(AttentionOptions, arguments)
    from training.attention_maps import draw_attention

    box = None if options.box is None else Box.from_xywh(*options.box)
    draw_attention(options.run, options.picture, options.output, box)
    print(f"wrote {options.output}")
    return OK
