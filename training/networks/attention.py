"""Heatmaps behind two kinds of attention: where the person is, then where each joint is."""

import keras
from keras import layers

from service.inference.errors import InvalidData
from training.networks.config import AttentionHead
from training.networks.head import prior_bias

HOLISTIC = "attention_holistic"
PARTS = "attention_parts"
"""Layers whose outputs are the attention maps, `[N, h, w, 1]` and `[N, h, w, K]`."""

# Attention opens where that helps. Begun half open, it stays open everywhere, or closes everywhere
# under a loss of squares, and the joints are told apart without it.
_NEARLY_CLOSED = keras.initializers.Constant(-2.0)


def attention_head(
    x: keras.KerasTensor, config: AttentionHead, joints: int, prior: float | None
) -> keras.KerasTensor:
    """Logits per cell of features that attention weighs.

    The holistic map is the sum of maps of the features at several resolutions; it weighs the
    features for all joints. From these come the part-wise maps, one per joint, in 0..1; each weighs
    the features of its joint.

    Args:
        x: feature map `[N, h, w, C]`.
        config: scales of the holistic map, kernel and iterations of the mean field.
        joints: K.
        prior: probability that the untrained net gives each cell, as for the dense head.

    Returns:
        `[N, h, w, K]`.

    Raises:
        InvalidData: the map cannot be halved as often as `config.scales` asks.

    Source: Chu et al. 2017, Multi-context Attention for Human Pose Estimation, sections 3 and 4.
    """
    x = layers.Multiply(name="attended")([x, _holistic(x, config)])
    parts = _mean_field(x, joints, config, PARTS)
    # A map that weighs all channels alike weighs their sum: one product per cell, not per channel.
    # Evidence is never negative, so that attention cannot open on the background to push it down.
    x = layers.Conv2D(
        joints, 1, activation="softplus", bias_initializer=_NEARLY_CLOSED, name="evidence"
    )(x)
    x = layers.Multiply(name="attended_parts")([x, parts])
    # The bias comes last: where attention is 0, the answer is the background's, not 0.
    return layers.DepthwiseConv2D(
        1,
        depthwise_initializer="ones",
        bias_initializer=prior_bias(prior),
        dtype="float32",
        name="logits",
    )(x)


def _holistic(x: keras.KerasTensor, config: AttentionHead) -> keras.KerasTensor:
    _, height, width, _ = x.shape
    coarsest = 2 ** (config.scales - 1)
    if height % coarsest or width % coarsest:
        raise InvalidData(
            f"head.scales: {config.scales} needs a map that can be divided by {coarsest}, "
            f"got {height}x{width}"
        )
    maps = [_mean_field(x, 1, config, f"{HOLISTIC}_0")]
    for scale in range(1, config.scales):
        x = layers.AveragePooling2D(2, name=f"half_{scale}")(x)
        attention = _mean_field(x, 1, config, f"{HOLISTIC}_{scale}")
        maps.append(
            layers.UpSampling2D(2**scale, interpolation="bilinear", name=f"{HOLISTIC}_{scale}_up")(
                attention
            )
        )
    return layers.Identity(name=HOLISTIC)(sum(maps[1:], maps[0]))


def _mean_field(
    x: keras.KerasTensor, maps: int, config: AttentionHead, name: str
) -> keras.KerasTensor:
    """Attention in 0..1 in which neighbours agree: the mean field of a random field.

    U is a 3x3 convolution, Q begins as sigmoid(U) and becomes sigmoid(K * Q + U); the kernel K is
    the same in every cell and iteration.

    Source: Chu et al. 2017, equations 6 to 8.
    """
    unary = layers.Conv2D(
        maps, 3, padding="same", bias_initializer=_NEARLY_CLOSED, name=f"{name}_unary"
    )(x)
    kernel = layers.DepthwiseConv2D(
        config.kernel, padding="same", use_bias=False, name=f"{name}_kernel"
    )
    q = layers.Activation("sigmoid", name=f"{name}_start")(unary)
    for iteration in range(config.iterations):
        field = layers.Add(name=f"{name}_field_{iteration}")([kernel(q), unary])
        last = iteration == config.iterations - 1
        q = layers.Activation("sigmoid", name=name if last else f"{name}_{iteration}")(field)
    return q
