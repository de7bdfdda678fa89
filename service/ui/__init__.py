"""Styles and headers that every page of the project shares."""

from __future__ import annotations

from importlib import resources

_SHARED = ("controls.css", "element.js", "icon.svg", "names.js")


def page_headers(frame_ancestors: str = "'none'", *, camera: bool = False) -> dict[str, str]:
    """Return the security headers of a page whose scripts, styles and requests are all of its own origin.

    Args:
        frame_ancestors: The pages that may show it in a frame, as the directive of a Content-Security-Policy has them.
        camera: Whether it may ask for the camera.
    """
    policy = [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' blob:",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'self'",
        f"frame-ancestors {frame_ancestors}",
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    ]
    return {
        "Content-Security-Policy": "; ".join(policy),
        "Permissions-Policy": f"camera=({'self' if camera else ''}), geolocation=(), microphone=()",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
    }


def base_css() -> str:
    """Read the style sheet that comes before a page's own rules: colours, fonts, dark mode, focus."""
    return (resources.files("service.ui") / "base.css").read_text("utf-8")


def shared_files() -> dict[str, bytes]:
    """Read the files that the pages with which a person works have in common: name -> content.

    `base.css` has the rules of the controls, too. A page loads it before its own style sheet.
    """
    files = {name: (resources.files("service.ui") / name).read_bytes() for name in _SHARED}
    files["base.css"] = base_css().encode() + b"\n" + files.pop("controls.css")
    return files


def notebook_html(html: str, *, css: str = "") -> str:
    """Wrap a fragment for the output of a notebook, with the project's styles, which reach nothing else there.

    The styles are nested in one class (CSS nesting). It is repeated, so that they win over those of the notebook.

    Args:
        html: The fragment.
        css: Its own rules, after those of `base_css`.
    """
    rules = (base_css() + (resources.files("service.ui") / "notebook.css").read_text("utf-8") + css).replace(
        ":root", "&"
    )
    return f'<div class="fieldguide"><style>.fieldguide.fieldguide.fieldguide {{\n{rules}\n}}</style>{html}</div>'
