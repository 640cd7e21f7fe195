"""The Open Inference Protocol, version 2: what is said over the wire and what it means here.

No web framework is known here; `service.http.oip` speaks it over HTTP.

Source: github.com/kserve/open-inference-protocol, `inference_rest.md`; for binary data and raw
requests Triton's `extension_binary_data.md`.
"""
