"""The OpenAPI 3.1 document of every route, made of what the handlers say of themselves."""

from service.web.routes.openapi.document import Info, document
from service.web.routes.openapi.route import OpenApi

__all__ = ["Info", "OpenApi", "document"]
