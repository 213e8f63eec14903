"""Configuration of the documentation site: ``sphinx-build -W -n docs docs/_build/html``.

Nothing is fetched while it is built or read: no fonts, no scripts, no inventories of other sites.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))  # the bpx beside these pages, whichever is installed
sys.path.insert(0, str(Path(__file__).parent / "_extensions"))

import repository_pages
from jupyter_client import KernelManager
from numpydoc.xref import DEFAULT_LINKS

import bpx

project = "bpx"
author = "bpx developers"
copyright = "bpx developers, BSD 3-Clause license"
version = release = bpx.__version__

extensions = [
    "mathml",
    "myst_nb",
    "numpydoc",
    "reference_pages",
    "repository_pages",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.linkcode",
    "sphinx_copybutton",
    "sphinx_design",
    "sphinx_gallery.gen_gallery",
]
exclude_patterns = ["_build", "_extensions", "gallery", "examples/*.ipynb"]
source_suffix = {".rst": "restructuredtext", ".md": "myst-nb"}
default_role = "autolink"
nitpicky = True

# The reference: docstrings are numpydoc, and say types in words.
autodoc_typehints = "none"
autodoc_member_order = "bysource"
autosummary_generate = False
numpydoc_show_class_members = False
numpydoc_xref_param_type = True
numpydoc_xref_aliases = {word: word for word in DEFAULT_LINKS}  # numpydoc's lead to other sites
numpydoc_xref_ignore = {"of", "or", "optional", "shape", "default", "list", "tuple", "dict", "callable", "any"}
nitpick_ignore_regex = [("py:.*", r"(?!bpx\.).*")]  # types of Python and of other libraries, whose sites are not asked
linkcode_resolve = repository_pages.resolve_source

# Pages in Markdown, and notebooks: Markdown too, which jupytext knows; they run in each build.
myst_enable_extensions = ["colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 4
nb_execution_mode = "force"
nb_execution_raise_on_error = True
nb_execution_timeout = 120
nb_merge_streams = True
if hasattr(KernelManager, "transport_encryption"):  # from version 8.10 on; kernels warn of talk that is not encrypted
    KernelManager.transport_encryption.default_value = "auto"

# The gallery: scripts that run in each build.
sphinx_gallery_conf = {
    "examples_dirs": "gallery",
    "gallery_dirs": "examples",
    "filename_pattern": r"\.py$",
    "download_all_examples": False,
    "show_memory": False,
    "show_signature": False,
    "abort_on_example_error": True,
    "within_subsection_order": "FileNameSortKey",
    "doc_module": ("bpx",),
    "backreferences_dir": None,
    "write_computation_times": False,  # its page asks other servers for scripts
}

html_theme = "pydata_sphinx_theme"
html_title = f"bpx {release}"
html_math_renderer = "mathml"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sourcelink = False
html_theme_options = {
    "footer_start": ["copyright"],
    "footer_end": [],
    "icon_links": [],
    "logo": {"text": "bpx"},
    "navbar_end": ["theme-switcher"],
    "secondary_sidebar_items": ["page-toc"],
    "show_toc_level": 2,
}
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True
