"""The Open Inference Protocol, version 2, as KServe and Triton implement it.

https://github.com/kserve/open-inference-protocol, with Triton's extensions `binary_tensor_data` and `classification`.
"""

from service.web.routes.open_inference.routes import open_inference_routes

__all__ = ["open_inference_routes"]
