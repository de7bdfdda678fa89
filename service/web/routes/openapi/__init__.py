"""The OpenAPI 3.1 document of every route, made from the descriptions of the handlers."""

from service.web.routes.openapi.document import DocumentInfo, OpenAPIHandler, document

__all__ = ["DocumentInfo", "OpenAPIHandler", "document"]
