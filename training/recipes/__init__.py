"""Recipes: named starting points of a run, one function each."""

from collections.abc import Callable, Mapping

from service.inference.errors import InvalidInput
from training.config import TrainConfig
from training.recipes.fcn8s import fcn8s_vgg16
from training.recipes.person_detector import person_detector, person_detector_debug
from training.recipes.pose import (
    efficientnet_lite0_heatmap,
    mobilenetv2_heatmap,
    mobilenetv2_heatmap_debug,
    mobilenetv2_wide_heatmap,
)
from training.recipes.simcc import (
    efficientnet_lite0_simcc,
    mobilenetv2_simcc,
    mobilenetv3_simcc,
    resnet50_simcc,
)
from training.recipes.simple_baseline import (
    mobilenetv2_deconv,
    resnet50_deconv,
    resnet50_deconv_attention,
    resnet101_deconv,
    resnet152_deconv,
)

Recipe = Callable[[], TrainConfig]


def recipes() -> Mapping[str, Recipe]:
    """All recipes by the name that `--recipe` takes."""
    functions = (
        mobilenetv2_heatmap,
        mobilenetv2_wide_heatmap,
        mobilenetv2_heatmap_debug,
        efficientnet_lite0_heatmap,
        mobilenetv2_simcc,
        mobilenetv3_simcc,
        efficientnet_lite0_simcc,
        resnet50_simcc,
        fcn8s_vgg16,
        mobilenetv2_deconv,
        resnet50_deconv,
        resnet101_deconv,
        resnet152_deconv,
        resnet50_deconv_attention,
        person_detector,
        person_detector_debug,
    )
    return {function.__name__.replace("_", "-"): function for function in functions}


def recipe(name: str) -> TrainConfig:
    """The configuration of a recipe.

    Raises:
        InvalidInput: there is no such recipe.
    """
    known = recipes()
    if name not in known:
        raise InvalidInput(f"recipe: unknown name {name!r}; expected one of {', '.join(known)}")
    return known[name]()


def summary(function: Recipe) -> str:
    """The first line of a recipe's docstring."""
    return (function.__doc__ or "").strip().splitlines()[0]
