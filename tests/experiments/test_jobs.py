import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mmws.experiments.jobs import Job, JobFailed, hand_out, run_jobs


def write_job(folder, name, code='', needs=()):
    target = folder / name
    command = [sys.executable, '-c', code or f'open({str(target)!r}, "w").write({name!r})']
    return Job(name, lambda: [command], folder / f'{name}.log', target.is_file, needs)


def test_jobs_wait_for_what_they_need(tmp_path):
    said = []
    copy = f'open(r"{tmp_path}/b", "w").write(open(r"{tmp_path}/a").read() + "b")'
    slow = f'import time; time.sleep(0.5); open(r"{tmp_path}/a", "w").write("a")'
    jobs = [write_job(tmp_path, 'b', copy, needs=('a',)), write_job(tmp_path, 'a', slow)]
    assert run_jobs(jobs, 2, say=said.append) == 2
    assert (tmp_path / 'b').read_text() == 'ab'
    assert [line.split(' done')[0] for line in said if ' done' in line] == ['a', 'b']


def test_what_is_done_is_not_run_again(tmp_path):
    (tmp_path / 'a').write_text('before')
    jobs = [write_job(tmp_path, 'a'), write_job(tmp_path, 'b', needs=('a',))]
    assert run_jobs(jobs, 1, say=lambda _: None) == 1
    assert (tmp_path / 'a').read_text() == 'before'
    assert run_jobs(jobs, 1, say=lambda _: None) == 0


def test_what_another_process_has_done_meanwhile_is_not_run_again(tmp_path):
    both = f'open(r"{tmp_path}/a", "w").write("a"); open(r"{tmp_path}/b", "w").write("other")'
    said = []
    run_jobs([write_job(tmp_path, 'a', both), write_job(tmp_path, 'b')], 1, say=said.append)
    assert (tmp_path / 'b').read_text() == 'other'
    assert [line.split(' done')[0] for line in said] == ['a']


def test_what_a_job_does_between_its_commands_runs_in_their_order(tmp_path):
    log, seen = tmp_path / 'log.txt', []

    def steps():
        seen.append(log.exists())
        for number in (1, 2):
            yield [sys.executable, '-c', f'print({number})']
            seen.append(log.read_text().split())

    run_jobs([Job('both', steps, log, done=lambda: False)], 1, say=lambda _: None)
    assert seen == [False, ['1'], ['1', '2']]


def test_a_failing_job_stops_the_others_and_shows_the_end_of_its_log(tmp_path):
    failing = write_job(tmp_path, 'a', 'import time; time.sleep(0.3); raise SystemExit("no disk")')
    endless = write_job(tmp_path, 'b', 'import time; time.sleep(60)')
    with pytest.raises(JobFailed, match=r'(?s)a failed \(exit status 1\).*no disk.*go on from'):
        run_jobs([failing, endless], 2, say=lambda _: None)


def test_each_job_at_a_time_has_a_gpu_of_its_own(tmp_path):
    code = 'import os, time; time.sleep(0.3); print(os.environ["CUDA_VISIBLE_DEVICES"])'
    logs = [tmp_path / f'{n}.txt' for n in range(3)]
    command = [sys.executable, '-c', code]
    jobs = [Job(log.stem, lambda: [command], log, done=lambda: False) for log in logs]
    run_jobs(jobs, 2, devices=['4', '7'], say=lambda _: None)
    seen = [log.read_text().strip() for log in logs]
    assert sorted(seen[:2]) == ['4', '7']
    assert seen[2] in ('4', '7')


@pytest.mark.parametrize(
    ('gpus', 'at_once', 'visible', 'devices'),
    [
        (2, 2, None, ['0', '1']),
        (2, 2, '2,3', ['2', '3']),
        (2, 3, '2, 3,-1,5', ['2', '3', '2']),
        (4, 2, None, ['0', '1']),
        (1, 3, None, []),
        (0, 3, None, []),
    ],
)
def test_the_gpus_handed_out_are_the_ones_that_the_user_chose(
    monkeypatch, gpus, at_once, visible, devices
):
    monkeypatch.delenv('CUDA_VISIBLE_DEVICES', raising=False)
    if visible is not None:
        monkeypatch.setenv('CUDA_VISIBLE_DEVICES', visible)
    assert hand_out(gpus, at_once) == devices


def test_a_script_of_this_python_runs_in_a_fork_with_its_arguments(tmp_path):
    script = tmp_path / 'tools' / 'say.py'
    script.parent.mkdir()
    (script.parent / 'beside.py').write_text('import os; pid = os.getppid()')
    script.write_text(
        'import sys, beside, torch\n'
        'if __name__ == "__main__":\n'
        '    print(sys.argv[1:], torch.get_num_threads(), beside.pid)\n'
        '    print("error", file=sys.stderr)\n'
        '    sys.exit(sys.argv[1])\n'
    )
    log = tmp_path / 'log.txt'
    job = Job('a', lambda: [[sys.executable, script, 'two words']], log, lambda: False)
    with pytest.raises(JobFailed, match='two words'):  # as the interpreter, which prints it
        run_jobs([job], 1, say=lambda _: None)
    assert f"['two words'] 1 {os.getpid()}\nerror\ntwo words\n" == log.read_text()


@pytest.mark.skipif(sys.platform != 'linux', reason='only Linux tells a child of its parent')
def test_commands_end_with_a_killed_parent(tmp_path):
    started = tmp_path / 'pid'
    child = f'import os, time; open({str(started)!r}, "w").write(str(os.getpid())); time.sleep(600)'
    code = (
        'import sys, pathlib\n'
        'from mmws.experiments.jobs import Job, run_jobs\n'
        f'log = pathlib.Path({str(tmp_path / "log")!r})\n'
        f'command = [sys.executable, "-c", {child!r}]\n'
        'job = Job("a", lambda: [command], log, done=lambda: False)\n'
        'run_jobs([job], 1)\n'
    )
    parent = subprocess.Popen([sys.executable, '-c', code], stdout=subprocess.DEVNULL)
    assert _until(lambda: started.is_file() and started.read_text())
    parent.kill()
    parent.wait()
    assert _until(lambda: _is_gone(int(started.read_text())))


def _until(condition, seconds=200):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.1)
    return False


def _is_gone(pid):
    try:
        state = Path(f'/proc/{pid}/stat').read_text().rsplit(')', 1)[1].split()[0]
    except FileNotFoundError:
        return True
    return state == 'Z'  # nobody may be left to reap it in a container
