"""How Sphinx makes the site of the documentation: `make docs`. The sources are the Markdown files of the repository.

The root of the sources is the repository's own: links between pages, and to code, are those that Git hosts follow.
"""

project = "Belka"
copyright = "the Belka pipeline authors"  # noqa: A001 - Sphinx's name
root_doc = "docs/index"
extensions = ["myst_parser"]
include_patterns = ["*.md", "docs/*.md", "docs/adr/*.md", "benchmarks/README.md", "components/*/README.md"]
exclude_patterns = [".*", "build", "demo", "output"]
myst_heading_anchors = 4  # as deep as headings are linked to
suppress_warnings = ["toc.not_included"]  # a page is part of the site before docs/index.md names it
html_theme = "furo"
html_title = "Belka"
html_copy_source = False
html_show_sphinx = False
linkcheck_ignore = [r"http://localhost.*"]
linkcheck_timeout = 20
html_static_path = ["site.css"]
html_css_files = ["site.css"]
smartquotes = False  # they would make one dash of the two before an option
