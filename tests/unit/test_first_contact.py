"""Meeting a rented host: only who knows the word may show a key. A made-up `ssh` stands in for the way there."""

from __future__ import annotations

import hashlib
import os
import subprocess
import time
from typing import TYPE_CHECKING

import pytest
import yaml

from bench.errors import DeployError
from stacks import first_contact, ssh, user_data

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

KEY = "ssh-ed25519 " + "A" * 68
PRIVATE = "-----BEGIN OPENSSH PRIVATE KEY-----\nnot one\n"


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], str]:
    """Stands in for a host that shows `shown` as its key and has written `proof`; gives the key that was believed."""
    monkeypatch.setenv("COWBENCH_STATE", str(tmp_path / "state"))
    monkeypatch.setattr(ssh, "answers", lambda *_: True)

    def meet(shown: str, proof: str) -> str:
        script = tmp_path / "ssh"
        script.write_text(
            "#!/bin/sh\n"
            "for word; do case $word in UserKnownHostsFile=*) known=${word#*=};; IdentityFile=*) key=${word#*=};; esac; done\n"
            f'[ "$(stat -c %a "$key")" = 600 ] || exit 9\necho \'192.0.2.7 {shown}\' >"$known"\necho \'{proof}\'\n'
        )
        script.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
        return first_contact.host_key(stack="demo", host="h1", address="192.0.2.7", private_key=PRIVATE)

    return meet


def proof(word: str, key: str) -> str:
    return hashlib.sha256(f"{word} {key}".encode()).hexdigest()


def test_a_host_that_knows_the_word_is_believed(host: Callable[[str, str], str]) -> None:
    assert host(KEY, proof(first_contact.word(PRIVATE, "h1"), KEY)) == KEY


def test_somebody_in_between_shows_a_key_of_their_own_and_cannot_prove_it(host: Callable[[str, str], str]) -> None:
    theirs = "ssh-ed25519 " + "B" * 68

    # All that they can see: the proof of the real key, and guesses.
    for shown in (proof(first_contact.word(PRIVATE, "h1"), KEY), proof("", theirs), proof("0" * 32, theirs)):
        with pytest.raises(DeployError, match="cannot prove") as caught:
            host(theirs, shown)
        assert caught.value.next_step


def test_the_proof_of_one_host_is_not_that_of_another(host: Callable[[str, str], str]) -> None:
    with pytest.raises(DeployError, match="cannot prove"):
        host(KEY, proof(first_contact.word(PRIVATE, "h2"), KEY))


def test_nothing_of_the_private_key_stays_behind(host: Callable[[str, str], str], tmp_path: Path) -> None:
    host(KEY, proof(first_contact.word(PRIVATE, "h1"), KEY))

    assert [path for path in (tmp_path / "state").rglob("*") if path.is_file()] == []


def test_a_host_that_never_answers_is_given_up_with_what_it_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ssh, "answers", lambda *_: True)
    monkeypatch.setattr("time.sleep", lambda _: None)
    refused = subprocess.CompletedProcess([], 255, stdout="", stderr="Permission denied (publickey).\n")
    monkeypatch.setattr(first_contact, "_once", lambda *_: refused)
    clock = iter(range(0, 10_000, 250))

    with pytest.raises(DeployError, match=r"no SSH at 192\.0\.2\.7 .* Permission denied") as caught:
        first_contact._ask(tmp_path, tmp_path / "key", "192.0.2.7", "h1", now=lambda: next(clock))
    assert "console" in caught.value.next_step


def test_the_vm_writes_the_very_proof_that_is_expected(tmp_path: Path) -> None:
    """The shell of the user-data is run, on a key of its own making."""
    document = yaml.safe_load(user_data.render(host="h1", public_key="k", up_script="true\n", word="the-word"))
    shell, flag, text, *words = next(command for command in document["bootcmd"] if "the-word" in command)
    key_file = tmp_path / "key.pub"
    key_file.write_text(f"{KEY} root@h1\n")
    text = text.replace("/etc/ssh/ssh_host_ed25519_key.pub", str(key_file)).replace(user_data.ROOT, str(tmp_path))
    subprocess.run([shell, flag, text, *words], check=True, timeout=30)

    assert (tmp_path / "proof").read_text().strip() == proof("the-word", KEY)


def test_a_vm_that_came_late_to_its_stack_ends_soon_after_the_others(tmp_path: Path) -> None:
    expires_at = time.time() + 1800
    text = user_data.render(host="h1", public_key="k", up_script="true\n", lifetime_s=36000, expires_at=expires_at)
    shell, flag, script, *words = next(command for command in yaml.safe_load(text)["bootcmd"] if "36000" in command)
    script = script.partition("# Not `shutdown")[0].replace(user_data.ROOT, str(tmp_path))

    subprocess.run([shell, flag, script, *words], check=True, timeout=30)

    assert int((tmp_path / "end-of-life").read_text()) == int(expires_at) + user_data._GRACE_S


def test_a_vm_ends_itself_and_a_reboot_does_not_prolong_its_life(tmp_path: Path) -> None:
    """The shell of the user-data is run, with what it leaves in the background, and the end of the machine, made up."""
    document = yaml.safe_load(user_data.render(host="h1", public_key="k", up_script="true\n", lifetime_s=3600))
    shell, flag, text, *words = next(command for command in document["bootcmd"] if "3600" in command)
    for name, body in (("setsid", f'echo "$@" >{tmp_path}/waits\n"$@"\n'), ("poweroff", f"echo off >>{tmp_path}/ended\n")):
        (tmp_path / name).write_text(f"#!/bin/sh\n{body}")
        (tmp_path / name).chmod(0o755)
    # The wait itself, twenty seconds at a time, goes by at once.
    (tmp_path / "sleep").write_text(f"#!/bin/sh\necho 1 >{tmp_path}/end-of-life\n")
    (tmp_path / "sleep").chmod(0o755)
    text = text.replace(user_data.ROOT, str(tmp_path)).removesuffix("&\n")
    boot = [shell, flag, text.replace("sync;", ""), *words]
    environment = {"PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"}
    end, before = tmp_path / "end-of-life", time.time()
    noted = tmp_path / "noted"
    (tmp_path / "cat").write_text(f'#!/bin/sh\n[ -e {noted} ] || cp "$1" {noted}\nexec /bin/cat "$1"\n')
    (tmp_path / "cat").chmod(0o755)

    subprocess.run(boot, check=True, timeout=30, env=environment)
    assert before + 3590 < int(noted.read_text()) < time.time() + 3610
    assert (tmp_path / "ended").read_text() == "off\n", "its time was over, and it was not before"

    # Another boot, after its time: the file stands, so it ends at once.
    subprocess.run(boot, check=True, timeout=30, env=environment)
    assert end.read_text() == "1\n"
    assert (tmp_path / "ended").read_text() == "off\noff\n"


def test_a_vm_of_this_machine_is_told_neither() -> None:
    text = user_data.render(host="h1", public_key="k", up_script="true\n")

    assert "proof" not in text
    assert "end-of-life" not in text
