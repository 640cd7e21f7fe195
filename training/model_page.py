"""The page about a model for people to read, written from its card alone."""

import shlex
from collections.abc import Mapping

from pydantic import JsonValue

from service.inference.card import ModelCard
from service.inference.signature import shapes_of
from training.changes import changed_flags

_GROUPS = ("AP", "AR")


def model_page(card: ModelCard, notes: str | None = None) -> str:
    """Markdown: what the model is, takes and answers, how it was made and measured, its limits.

    Args:
        card: of the model.
        notes: by its author, Markdown; they stand at the end.
    """
    sections = {
        f"{card.name} {card.version}": _summary(card),
        "What it is for": _purpose(card),
        "Input and output": _interface(card),
        "Use": _use(card),
        "Training": _training(card),
        "Data": _data(card),
        "Precision": _precision(card),
        "Metrics": _metrics(card),
        "Limits": _limits(card),
        "File": _file(card),
    }
    if notes is not None:
        sections["Notes"] = notes.strip()
    first, *others = sections.items()
    parts = [f"# {first[0]}\n\n{first[1]}", *(f"## {title}\n\n{text}" for title, text in others)]
    return "\n\n".join(parts) + "\n"


def training_command(card: ModelCard) -> str:
    """The command that the recipe and configuration amount to; paths stand without folders."""
    words = ["python", "-m", "training", "train", "--recipe", card.recipe]
    for kind in ("train", "val"):
        for data in _sets(card, kind):
            weight = f":{data['weight']:g}" if data["weight"] != 1 else ""
            words += [f"--data.{kind}", f"{data['annotations']}:{data['images']}{weight}"]
    words += changed_flags(card.config, card.recipe)
    trained = card.name if card.conversion is None else card.conversion.source.partition("/")[0]
    return " ".join(shlex.quote(word) for word in [*words, "--output", f"runs/{trained}"])


def _summary(card: ModelCard) -> str:
    size = " or ".join(f"{one.width}x{one.height}" for one in card.sizes)
    if card.skeleton is None:
        return f"Finds the people in a picture, which it sees at {size} pixels, as boxes."
    count = len(card.skeleton.names)
    return f"Finds the {count} joints of one person in a crop of {size} pixels."


def _purpose(card: ModelCard) -> str:
    role = "finding people" if card.skeleton is None else "finding the joints of people"
    return (
        f"For {role} in ordinary photographs and videos, on a CPU or a GPU, as a part of products, "
        "art, sport and research, where a wrong answer does no harm.\n\n"
        "Not for decisions about a person, for telling who someone is, for surveillance, and not "
        "for safety or medicine without a test of your own on your own pictures."
    )


def _interface(card: ModelCard) -> str:
    height, width = card.input.height, card.input.width
    lines = [
        f"- `image`: uint8 RGB `{shapes_of(card.sizes)}`, values 0..255; "
        + ("crops around one person each." if card.skeleton else _letterboxed(card))
    ]
    if card.skeleton is None:
        lines += [
            "- `boxes`: float32 `[N, P, 4]`, x0 y0 x1 y1 in pixels of the input, best first.",
            "- `scores`: float32 `[N, P]` in 0..1; 0 in slots that are not needed. No further "
            "suppression is necessary.",
        ]
    else:
        count = len(card.skeleton.names)
        lines += [
            f"- `keypoints`: float32 `[N, {count}, 3]`, x and y in pixels of the crop (the centre "
            "of the first pixel is 0.5, 0.5) and a score in 0..1.",
            f"- Crop: the person's box, widened to {width}:{height} and enlarged "
            f"{card.crop_padding:g} times.",
            f"- Joints, in this order: {', '.join(card.skeleton.names)}.",
        ]
    return "\n".join(lines)


def _letterboxed(card: ModelCard) -> str:
    fit = ", in the size that shows them largest" if card.other_inputs else ""
    return f"whole pictures, letterboxed{fit}."


def _use(card: ModelCard) -> str:
    role = "detector" if card.skeleton is None else "keypoints"
    return (
        f"Put the folder into `models/{card.reference}/`, name it in "
        f'`models/pipelines.toml` (`{role} = "{card.reference}"`) and run '
        "`python -m service predict photo.jpg`. Normalisation and decoding are in `model.onnx`."
    )


def _training(card: ModelCard) -> str:
    return (
        f"Recipe `{card.recipe}`; the whole configuration is in `card.json`. Paths are shown "
        f"without their folders.{_effort(card)}\n\n```sh\n{training_command(card)}\n```"
    )


def _effort(card: ModelCard) -> str:
    took = card.effort
    if took is None:
        return ""
    samples = f"{took.samples:,} samples"
    return f" This last run saw {samples} in {took.hours:.1f} hours on {took.processor}."


def _data(card: ModelCard) -> str:
    if not card.data:
        return "Not recorded."
    unit = "pictures" if card.skeleton is None else "people"
    rows = [f"| {data.name} | {data.samples} | {data.licence} |" for data in card.data]
    return "\n".join([f"| training set | {unit} | licence |", "|---|---|---|", *rows])


def _precision(card: ModelCard) -> str:
    operators = "" if card.opset is None else f" The file uses ONNX opset {card.opset}."
    made = card.conversion
    if made is None:
        return f"All layers compute in float32.{operators}"
    body = "float16" if card.precision == "fp16" else "eight bits"
    lines = [
        f"Made from `{made.source}`: layers compute in {body}; input, normalisation, decoding and "
        f"outputs are as there.{operators}",
        "",
        f"- SHA-256 of `{made.source}`: `{made.source_sha256}`",
        f"- AP of `{made.source}` on the pictures of the table below: {made.source_ap:.3f}",
    ]
    ranges = made.calibration
    if ranges is not None:
        unit = "pictures" if card.skeleton is None else "people"
        lines += [
            f"- Ranges measured on {ranges.samples} {unit} of {', '.join(ranges.data)}",
            f"- In float32: {ranges.float_layers} layers at either end",
        ]
    return "\n".join(lines)


def _metrics(card: ModelCard) -> str:
    """One table for figures of the same kind: AP and AR by boxes, PCK by joint, sizes of sets."""
    if not card.metrics:
        return "Not measured: the network was exported without a validation set."
    rows: dict[str, dict[str, float]] = {}
    for name, value in card.metrics.items():
        row, _, figure = name.rpartition("/")
        rows.setdefault(row, {})[figure] = value
    kinds: dict[str, dict[str, dict[str, float]]] = {"figures": {}, "joints": {}, "sizes": {}}
    for row, figures in rows.items():
        is_scores = any(figure.startswith(_GROUPS) for figure in figures)
        kind = "joints" if "/PCK@" in row else "figures" if is_scores else "sizes"
        kinds[kind][row] = figures
    tables = [_figure_table(kinds["figures"]), _joint_table(kinds["joints"])]
    sizes = [f"`{row}`: {_sizes(figures)}." for row, figures in kinds["sizes"].items()]
    return "\n\n".join(["Measured on this file.", *sizes, *filter(None, tables)])


def _figure_table(rows: Mapping[str, Mapping[str, float]]) -> str:
    names = list(dict.fromkeys(name for figures in rows.values() for name in figures))
    return _table(
        ["measured with", *names],
        [[f"`{row}`", *(_cell(one.get(name)) for name in names)] for row, one in rows.items()],
    )


def _joint_table(rows: Mapping[str, Mapping[str, float]]) -> str:
    """Joints as rows: there are more of them than thresholds."""
    joints = list(dict.fromkeys(name for figures in rows.values() for name in figures))
    return _table(
        ["joint", *(f"`{row}`" for row in rows)],
        [[joint, *(_cell(one.get(joint)) for one in rows.values())] for joint in joints],
    )


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) if rows else ""


def _cell(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


def _sizes(figures: Mapping[str, float]) -> str:
    return ", ".join(f"{value:g} {name}" for name, value in figures.items())


def _file(card: ModelCard) -> str:
    return f"SHA-256 of `model.onnx`: `{card.sha256 or 'not known'}`"


def _limits(card: ModelCard) -> str:
    if card.skeleton is None:
        slots = _mapping(card.config.get("codec")).get("slots")
        return (
            f"- At most {slots} people per picture.\n"
            "- A person who is a few pixels high in the input is not found.\n"
            "- Scores rank the boxes; they are no calibrated probabilities."
        )
    return (
        "- It needs a box around each person, and answers for one person per crop, even where "
        "nobody is.\n"
        "- Every joint gets a position; the score tells whether it was seen.\n"
        "- Scores are no calibrated probabilities."
    )


def _sets(card: ModelCard, kind: str) -> list[Mapping[str, JsonValue]]:
    entries = _mapping(card.config.get("data")).get(kind)
    return [_mapping(entry) for entry in entries] if isinstance(entries, list) else []


def _mapping(value: JsonValue) -> Mapping[str, JsonValue]:
    return value if isinstance(value, dict) else {}
