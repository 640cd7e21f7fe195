"""`convert`: write another tool's labels as a COCO file."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from pydantic import BeforeValidator, Field
from pydantic_settings import CliPositionalArg, SettingsConfigDict

from training.commands.options import OK, Options, parse
from training.data.convert.labels import Format, Source
from training.data.convert.target import Description, Joints

if TYPE_CHECKING:
    from training.data.convert.conversion import Conversion


def _pair(text: object) -> object:
    """`left_ear:right_ear` as two names."""
    if not isinstance(text, str):
        return text
    first, separator, second = (part.strip() for part in text.partition(":"))
    if not separator or not first or not second:
        raise ValueError("expected two names, as in left_ear:right_ear")
    return first, second


Pair = Annotated[tuple[str, str], BeforeValidator(_pair)]


class ConvertOptions(Options):
    """Writes another tool's labels as a COCO file, for train, evaluate and check-data.

    What is left out or changed is counted and printed.
    """

    model_config = SettingsConfigDict(cli_prog_name="python -m training convert")

    format: CliPositionalArg[Format] = Field(
        description="mpii (.mat, or .json of HRNet), posetrack (folder of .json), lsp (joints.mat, "
        "LSPET too), crowdpose, yolo-pose (data.yaml), labelme (folder of .json), coco (keypoints "
        "as CVAT and others export them)."
    )
    source: CliPositionalArg[Path] = Field(description="File or folder with the labels.")
    output: Path = Field(description="COCO file to write.")
    images: Path | None = Field(
        default=None, description="Folder of the pictures; else looked for near the labels."
    )
    skeleton: Joints | None = Field(
        default=None,
        description="coco: COCO's 17 joints, those without a label unlabelled, to be mixed with "
        "other sets; native: the set's own. Else coco for sets of people.",
    )
    split: str | None = Field(
        default=None, description="yolo-pose: train (usual), val or test; lsp: train, test or all."
    )
    category: tuple[str, ...] = Field(
        default=(), description="Class of the people, where the labels have several."
    )
    keypoint_names: tuple[str, ...] = Field(
        default=(), description="Own joints in order, a,b,c, where the labels have no names."
    )
    edges: tuple[Pair, ...] = Field(default=(), description="Own joints to join: a:b,a:c.")
    flip_pairs: tuple[Pair, ...] = Field(
        default=(), description="Own joints of two sides; else by left and right in the names."
    )
    sigmas: tuple[float, ...] = Field(
        default=(), description="OKS sigmas of own joints; else COCO's, or 0.05."
    )
    force: bool = Field(default=False, description="Replace the output.")


def run(arguments: Sequence[str]) -> int:
    """Converts and says what came of it."""
    options = parse(ConvertOptions, arguments)
    from training.data.convert.conversion import convert

    conversion = convert(
        options.format,
        Source(
            path=options.source,
            images=options.images,
            split=options.split,
            categories=options.category,
            keypoint_names=options.keypoint_names,
        ),
        options.output,
        joints=options.skeleton,
        description=Description(options.edges, options.flip_pairs, options.sigmas),
        force=options.force,
    )
    _report(conversion, options.output)
    return OK


def _report(conversion: "Conversion", output: Path) -> None:
    print(
        f"wrote {output}: {conversion.pictures} pictures, {conversion.people} people, "
        f"{conversion.posed} of them with joints"
    )
    print(f"joints ({len(conversion.skeleton.names)}): {', '.join(conversion.skeleton.names)}")
    if conversion.unlabelled:
        print(f"never labelled: {', '.join(conversion.unlabelled)}")
    if conversion.unused:
        print(
            f"not written, since COCO lacks them: {', '.join(conversion.unused)} "
            "(--skeleton native keeps them)"
        )
    for finding in conversion.findings:
        examples = "; ".join(finding.examples[:2])
        print(f"{finding.severity}: {finding.count} {finding.message}\n    such as {examples}")
    print(f"next: python -m training check-data {output}:{conversion.images}")
