"""The page on which a person tries the model: index.html and its files, and the routes that serve them."""

from service.web.routes.page.routes import page_routes

__all__ = ["page_routes"]
