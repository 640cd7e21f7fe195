"""Requests of the Open Inference Protocol, and a check of its refusals."""

import base64

PIPELINE, NETWORK = "/v2/models/default/infer", "/v2/models/test-detector/infer"
LENGTH = "Inference-Header-Content-Length"


def of_picture(*pictures: bytes, **members) -> dict:
    texts = [base64.b64encode(picture).decode() for picture in pictures]
    tensor = {"name": "image", "shape": [len(texts)], "datatype": "BYTES", "data": texts}
    return {"inputs": [tensor], **members}


def of_pixels(rows: int = 1, **members) -> dict:
    data = [255] * (rows * 64 * 64 * 3)
    tensor = {"name": "image", "shape": [rows, 64, 64, 3], "datatype": "UINT8", "data": data}
    return {"inputs": [tensor], **members}


def assert_problem(answer, status: int, slug: str, *words: str) -> None:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/json"
    body = answer.json()
    assert body["type"] == f"urn:stance:problem:{slug}"
    assert body["status"] == status
    assert body["error"] == body["detail"]
    for word in words:
        assert word in body["error"]
