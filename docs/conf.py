"""How Sphinx makes the pages: `make docs`."""

import mmws

project = 'mmws'
author = 'The mmws authors'
release = mmws.__version__

extensions = [
    'myst_parser',
    'sphinx.ext.apidoc',
    'sphinx.ext.autodoc',
    'sphinx.ext.napoleon',
    'sphinx.ext.viewcode',
]
exclude_patterns = ['_build']
html_theme = 'alabaster'
html_title = f'mmws {release}'

# The guides link to each other's headings.
myst_heading_anchors = 3

# One page a module, made from the docstrings at each build.
apidoc_modules = [
    dict(
        path='../mmws',
        destination='api',
        separate_modules=True,
        module_first=True,
        no_headings=False,
        automodule_options={'members', 'show-inheritance'},
    )
]
autodoc_default_options = {
    # What a package re-exports is described where it is defined.
    'ignore-module-all': True,
}
# As they are written: evaluated, os.environ would print the environment of whoever builds this.
autodoc_preserve_defaults = True
autodoc_typehints = 'signature'
autodoc_typehints_format = 'short'
autodoc_member_order = 'bysource'
napoleon_numpy_docstring = False
# Fields of named tuples are described by their Attributes section alone.
napoleon_use_ivar = True
