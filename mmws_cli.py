"""The command ``mmws``: the programs in ``tools/``, from a checkout or from an installed wheel.

It stands beside the package because importing that takes seconds, and ``mmws --help`` should not.
"""

from __future__ import annotations

import difflib
import importlib.util
import sys
import types
from pathlib import Path

# Subcommand -> program in tools/, and what it does.
COMMANDS = {
    'train': ('train', 'train a segmentor, a CAM classifier, or any model of OpenMMLab'),
    'test': ('test', 'test a model: mIoU, predictions, files for the VOC server'),
    'seeds': ('generate_seeds', 'make seeds with a CAM classifier'),
    'saliency': ('generate_saliency', 'make saliency maps'),
    'convert': ('convert_seeds', 'turn published masks, class maps, annotations into seeds'),
    'pack': ('pack_seeds', 'pack folders of seeds, each into one file'),
    'check': ('check_seeds', 'look for what is wrong with folders of seeds'),
    'eval': ('eval_seeds', 'score seeds against ground truth'),
    'browse': ('browse_seeds', 'draw seeds side by side'),
    'compare': ('compare_predictions', 'draw predictions side by side'),
    'weights': ('visualize_wst', 'draw what the WST loss sees'),
    'table': ('run_table', "train the cells of one of the paper's tables"),
    'demo': ('demo', 'run both stages on small synthetic data'),
    'voc': ('prepare_voc', 'tell what is missing of VOC 2012, and where it comes from'),
    'subset': ('make_voc_subset', "take a subset of VOC's classes"),
    'noise': ('make_noisy_labels', 'draw noisy label maps from masks'),
    'shapes': ('make_shapes', 'make synthetic images with masks'),
    'onnx': ('export_onnx', 'export a segmentor to ONNX'),
}


def main(argv: list[str] | None = None) -> int:
    """Run a subcommand with the arguments after it."""
    name, *arguments = (sys.argv[1:] if argv is None else argv) or ['--help']
    if name in ('-h', '--help', 'help'):
        print('usage: mmws COMMAND [options]\n\nmmws COMMAND --help tells the options.\n')
        for command, (_, about) in COMMANDS.items():
            print(f'  {command:<10}{about}')
        return 0
    if name not in COMMANDS:
        near = difflib.get_close_matches(name, COMMANDS, 1)
        hint = f'Is it {near[0]}?' if near else 'mmws --help lists the commands.'
        print(f'mmws has no command {name!r}. {hint}', file=sys.stderr)
        return 2
    script = _tools() / f'{COMMANDS[name][0]}.py'
    # As runpy.run_path, but for the name in usage messages. Worker processes find the program by
    # the file of __main__.
    sys.argv = [f'mmws {name}', *arguments]
    program = sys.modules['__main__'] = types.ModuleType('__main__')
    program.__file__ = str(script)
    exec(compile(script.read_text(encoding='utf-8'), script, 'exec'), vars(program))
    return 0


def _tools() -> Path:
    """The folder of the programs: in the checkout, or in the installed package."""
    package = Path(importlib.util.find_spec('mmws').submodule_search_locations[0])
    beside = package.parent / 'tools'
    return beside if (beside / 'train.py').is_file() else package / '.mim' / 'tools'


if __name__ == '__main__':
    sys.exit(main())
