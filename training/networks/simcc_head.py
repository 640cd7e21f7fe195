"""The SimCC head: one token per joint, attention among them, two classifications."""

from typing import Any

import keras
from keras import layers, ops

from training.networks.config import SimccHead

_EPSILON = 1e-5


def simcc_head(
    x: keras.KerasTensor, config: SimccHead, joints: int, bins: tuple[int, int]
) -> keras.KerasTensor:
    """Logits over the columns and the rows for each joint.

    Args:
        x: feature map `[N, h, w, C]`.
        config: widths.
        joints: K.
        bins: Bx, By: classes along x and along y.

    Returns:
        `[N, K, Bx + By]`, x's classes first.

    Source: Jiang et al. 2023, RTMPose, section 3.3 and figure 3; Li et al. 2022, SimCC.
    """
    x = layers.Conv2D(joints, config.kernel, padding="same", name="joint_maps")(x)
    x = layers.Permute((3, 1, 2), name="joints_first")(x)
    x = layers.Reshape((joints, -1), name="tokens")(x)
    x = ScaleNorm(name="token_norm")(x)
    x = layers.Dense(config.hidden, use_bias=False, name="embed")(x)
    x = GatedAttention(config.expansion, config.key_size, name="attention")(x)
    classes = [
        layers.Dense(count, use_bias=False, dtype="float32", name=f"classes_{axis}")(x)
        for axis, count in zip("xy", bins, strict=True)
    ]
    return layers.Concatenate(dtype="float32", name="logits")(classes)


class ScaleNorm(layers.Layer):
    """Divides vectors by their root mean square, times one learned number.

    Source: Nguyen and Salazar 2019, Transformers without Tears, section 3.2.
    """

    def build(self, _: Any) -> None:
        self.scale = self.add_weight(shape=(), initializer="ones", name="scale")

    def call(self, x: Any) -> Any:
        # Squares overflow half precision.
        square = ops.mean(ops.square(ops.cast(x, "float32")), axis=-1, keepdims=True)
        return x * ops.cast(ops.rsqrt(square + _EPSILON), x.dtype) * self.scale


class GatedAttention(layers.Layer):
    """A gated attention unit with a residual connection of learned scale: `[N, K, C]` → the same.

    Args:
        expansion: width of gates and values, in units of C.
        key_size: width of queries and keys.

    Source: Hua et al. 2022, Transformer Quality in Linear Time, section 2.2, as in RTMPose: without
    relative positions, since the order of joints means nothing.
    """

    def __init__(self, expansion: int, key_size: int, *, name: str) -> None:
        super().__init__(name=name)
        self.expansion = expansion
        self.key_size = key_size

    def build(self, input_shape: Any) -> None:
        width = input_shape[-1]
        inner = self.expansion * width
        self.norm = ScaleNorm(name="norm")
        self.project = layers.Dense(
            2 * inner + self.key_size, activation="silu", use_bias=False, name="project"
        )
        self.output_projection = layers.Dense(width, use_bias=False, name="output")
        self.norm.build(input_shape)
        self.project.build(input_shape)
        self.output_projection.build((*input_shape[:-1], inner))
        pair = (2, self.key_size)
        between = keras.initializers.RandomUniform(0, 1)
        self.gamma = self.add_weight(shape=pair, initializer=between, name="gamma")
        self.beta = self.add_weight(shape=pair, initializer=between, name="beta")
        self.residual = self.add_weight(shape=(width,), initializer="ones", name="residual")

    def call(self, x: Any) -> Any:
        inner = self.expansion * x.shape[-1]
        gate, value, base = ops.split(self.project(self.norm(x)), (inner, 2 * inner), axis=-1)
        query, key = (base * self.gamma[i] + self.beta[i] for i in range(2))
        agreement = ops.matmul(query, ops.transpose(key, (0, 2, 1))) / self.key_size**0.5
        mixed = ops.matmul(ops.square(ops.relu(agreement)), value)
        return x * self.residual + self.output_projection(gate * mixed)
