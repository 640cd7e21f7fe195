import onnx

from training.onnx_sections import sections

NETWORK = """
< ir_version: 8, opset_import: ["" : 18] >
network (uint8[N,8,8,3] image) => (float[N,2] answer)
< float[4,3,3,3] w0, float[4,4,1,1] w1, float[4,2] w2, float half >
{
  pixels = Cast <to = 1> (image)
  scaled = Mul (pixels, half)
  planes = Transpose <perm = [0, 3, 1, 2]> (scaled)
  first = Conv (planes, w0)
  active = Relu (first)
  second = Conv (active, w1)
  sum = Add (active, second)
  pooled = GlobalAveragePool (sum)
  flat = Flatten (pooled)
  last = MatMul (flat, w2)
  answer = Exp (last)
}
"""


def named(text: str) -> onnx.GraphProto:
    """Each node goes by the value that it makes."""
    graph = onnx.parser.parse_model(text).graph
    for node in graph.node:
        node.name = node.output[0]
    return graph


def test_only_what_lies_between_pixels_and_logits_is_the_body() -> None:
    parts = sections(named(NETWORK))

    assert parts.layers == ("first", "second", "last")
    assert parts.normalise == {"pixels", "scaled", "planes"}
    assert parts.logits == {"last"}
    assert parts.decode == {"answer"}
