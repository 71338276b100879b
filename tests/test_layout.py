"""The layout that the README promises: rooms in order, small files, one face."""

import ast
from pathlib import Path

import pytest

import mmws

ROOT = Path(__file__).resolve().parents[1]
# A folder imports only what stands above it.
ROOMS = [
    'files',
    'seeds',
    'backbones',
    'classification',
    'saliency',
    'datasets',
    'models',
    'evaluation',
    'visualization',
    'engine',
    'experiments',
]
MODULES = {
    '.'.join(path.relative_to(ROOT).with_suffix('').parts).removesuffix('.__init__'): path
    for path in sorted((ROOT / 'mmws').rglob('*.py'))
    if '.mim' not in path.parts
}


def imports_of(name, *, at_import=False):
    """The modules of mmws that a module imports, at any place or when it is imported itself."""
    path = MODULES[name]
    package = name if path.stem == '__init__' else name.rpartition('.')[0]
    nodes = [ast.parse(path.read_text())]
    while nodes:
        node = nodes.pop()
        if at_import and isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            continue
        nodes += ast.iter_child_nodes(node)
        found = []
        if isinstance(node, ast.Import):
            found = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ''
            if node.level:
                parents = package.split('.')[: len(package.split('.')) - node.level + 1]
                base = '.'.join(parents + ([node.module] if node.module else []))
            found = [base, *(f'{base}.{alias.name}' for alias in node.names)]
        yield from (module for module in found if module.split('.')[0] == 'mmws')


def room_of(module):
    parts = module.split('.')
    return parts[1] if len(parts) > 1 and parts[1] in ROOMS else None


def test_every_folder_is_a_room():
    folders = {path.name for path in (ROOT / 'mmws').iterdir() if (path / '__init__.py').exists()}
    assert folders == set(ROOMS)


@pytest.mark.parametrize('room', ROOMS)
def test_a_room_imports_only_what_stands_above_it(room):
    for name in MODULES:
        if room_of(name) == room:
            for imported in imports_of(name):
                other = room_of(imported)
                assert other is None or ROOMS.index(other) <= ROOMS.index(room), (name, imported)


def test_no_module_needs_itself():
    needs = {
        name: {module for module in imports_of(name, at_import=True) if module in MODULES} - {name}
        for name in MODULES
        if MODULES[name].stem != '__init__'  # a package is there before its modules are
    }
    while needs:
        free = [name for name, needed in needs.items() if not needed & needs.keys()]
        assert free, f'these import each other: {sorted(needs)}'
        for name in free:
            del needs[name]


def test_only_stage_one_imports_mmpretrain():
    for name, path in MODULES.items():
        if room_of(name) != 'classification' and name != 'mmws.compat':
            tree = ast.walk(ast.parse(path.read_text()))
            modules = [node.module or '' for node in tree if isinstance(node, ast.ImportFrom)]
            assert not any(module.startswith('mmpretrain') for module in modules), name


def test_files_room_has_neither_torch_nor_registries():
    for name, path in MODULES.items():
        if room_of(name) == 'files':
            text = path.read_text()
            assert 'import torch' not in text and 'from torch' not in text, name
            assert 'registry' not in text.split('"""')[-1], name


def test_no_file_is_long():
    for name, path in MODULES.items():
        assert len(path.read_text().splitlines()) <= 400, name


def test_every_public_name_is_there():
    names = {*mmws.__all__, *mmws._STAGE_ONE}
    assert {name for name in names if not hasattr(mmws, name)} == set()
    assert names <= set(dir(mmws))
    with pytest.raises(AttributeError, match='no attribute'):
        _ = mmws.NoSuchName


def test_the_map_of_the_readme_names_the_rooms_in_order():
    text = (ROOT / 'README.md').read_text().partition('## Map')[2]
    places = [text.find(f'`mmws/{room}/`') for room in ROOMS]
    assert -1 not in places and places == sorted(places)
