"""The command ``mmws`` has every program of tools/."""

import subprocess
import sys
from pathlib import Path

import pytest

import mmws_cli

TOOLS = Path(__file__).resolve().parents[1] / 'tools'


def test_every_program_is_a_subcommand():
    programs = [program for program, _ in mmws_cli.COMMANDS.values()]
    assert sorted(programs) == sorted(path.stem for path in TOOLS.glob('*.py'))


def test_help_needs_no_torch():
    code = "import sys, mmws_cli; mmws_cli.main([]); sys.exit('numpy' in sys.modules)"
    done = subprocess.run([sys.executable, '-c', code], cwd=TOOLS.parent, capture_output=True)
    assert done.returncode == 0
    assert all(f'\n  {name} ' in done.stdout.decode() for name in mmws_cli.COMMANDS)


def test_a_subcommand_gets_its_arguments(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, '__main__', None)  # is put back at the end
    monkeypatch.setattr(sys, 'argv', ['mmws', 'check', '--help'])
    with pytest.raises(SystemExit) as stop:
        mmws_cli.main()
    assert not stop.value.code and 'usage: mmws check [-h]' in capsys.readouterr().out
    with pytest.raises(SystemExit, match='seed folder nowhere does not exist'):
        mmws_cli.main(['check', 'nowhere'])


def test_a_wrong_command_is_named(capsys):
    assert mmws_cli.main(['trian']) == 2
    assert "no command 'trian'. Is it train?" in capsys.readouterr().err
