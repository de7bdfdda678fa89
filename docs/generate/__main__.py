"""`python -m docs.generate` writes docs/reference. A test checks that the pages are up to date."""

from docs.generate.pages import write_pages

if __name__ == "__main__":
    write_pages()
