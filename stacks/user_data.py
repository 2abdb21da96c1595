"""The cloud-init text of a VM, the same on every cloud: let the operator in, say the host key aloud, ready the host. Pure."""

from __future__ import annotations

import re
import shlex

import yaml

ROOT = "/var/lib/cowbench/host"
"""The host directory on every VM: what `stacks.host_setup` calls `root`."""

HOST_KEY_MARK = "cowbench-host-key"
"""Begins the line of the console that tells the host's public key: only the VM and its cloud write there."""

PROOF = f"{ROOT}/proof"
"""The file that proves who made the host's key: a hash over it and a word that only the VM and its operator know."""

_SAY_HOST_KEY = f"""\
mkdir -p {ROOT}
key=/etc/ssh/ssh_host_ed25519_key
if [ ! -e {ROOT}/host-key ]; then
    # An image may bring a key that others know too.
    rm -f /etc/ssh/ssh_host_*
    ssh-keygen -q -t ed25519 -N '' -f $key && touch {ROOT}/host-key
fi
console=/dev/console
[ -c /dev/ttyS0 ] && console=/dev/ttyS0
printf '\\n{HOST_KEY_MARK} %s\\n' "$(cut -d' ' -f1,2 $key.pub)" >$console
"""

_GRACE_S = 3600
"""From a stack's terms being settled until its hosts start: longer than a deployment takes (`stacks.terms.DEADLINE_S`)."""

_EVERY_BOOT = f"""\
#!/bin/sh
# At every boot, also after a power loss: the set-up is written to be run again.
rm -f {ROOT}/up.status
sh {ROOT}/up.sh >{ROOT}/up.log 2>&1
status=$?
echo "$status" >{ROOT}/up.status.new && mv {ROOT}/up.status.new {ROOT}/up.status
[ "$status" -eq 0 ] || tail -n 20 {ROOT}/up.log >/dev/console
"""


_PROVE = f"""\
word=$1
key=$(cut -d' ' -f1,2 /etc/ssh/ssh_host_ed25519_key.pub)
printf '%s %s' "$word" "$key" | sha256sum | cut -d' ' -f1 >{PROOF}
"""

_END_OF_LIFE = f"""\
# At every boot: a VM that somebody forgot, or whose operator's machine died, ends itself. The first boot decides when, and one
# that came late to its stack goes with the others.
end={ROOT}/end-of-life
own=$(($(date +%s) + $1))
[ "$2" -eq 0 ] || [ "$own" -lt "$2" ] || own=$2
[ -s $end ] || {{ mkdir -p {ROOT} && echo "$own" >$end; }}
# Not `shutdown -P +N`: that asks systemd over D-Bus, which is not up this early. The clock is asked again and again: it may jump.
setsid sh -c 'while [ "$(date +%s)" -lt "$(cat "$1")" ]; do sleep 20; done; sync; poweroff || poweroff -f' sh $end \\
    </dev/null >/dev/null 2>&1 &
"""


class _Literal(str):
    __slots__ = ()


def render(*, host: str, public_key: str, up_script: str, word: str = "", lifetime_s: int = 0, expires_at: float = 0) -> str:
    """The user-data. It holds no secret: what runs on the VM, or asks a cloud's metadata service, can read it.

    `word` is for clouds whose console cannot be read (`stacks.first_contact`): of use to nobody once the host is known. After
    `lifetime_s` seconds, unless it is 0, the VM powers itself off, and at the latest a while after `expires_at` (Unix time, 0 for
    none): the cloud's own end of it, which counts from its start, is to come first where there is one.

    The host key is made on the VM at its first boot. The set-up's status stands in `up.status` of the host directory, its
    words in `up.log`.
    """
    document = {
        "hostname": host,
        "disable_root": False,
        "ssh_deletekeys": False,
        "users": [{"name": "root", "ssh_authorized_keys": [public_key]}],
        "package_update": False,
        "package_upgrade": False,
        "bootcmd": [
            ["sh", "-c", _Literal(_SAY_HOST_KEY)],
            *([["sh", "-c", _Literal(_PROVE), "sh", word]] if word else []),
            # Before all that may hang, and again at every boot.
            *([["sh", "-c", _Literal(_END_OF_LIFE), "sh", str(lifetime_s), _latest(expires_at)]] if lifetime_s else []),
        ],
        "write_files": [
            {"path": f"{ROOT}/up.sh", "permissions": "0700", "content": _Literal(up_script)},
            {"path": "/var/lib/cloud/scripts/per-boot/cowbench", "permissions": "0755", "content": _Literal(_EVERY_BOOT)},
        ],
    }
    return "#cloud-config\n" + yaml.dump(document, Dumper=_Dumper, sort_keys=False, width=1000, allow_unicode=True)


def _latest(expires_at: float) -> str:
    return str(int(expires_at) + _GRACE_S if expires_at else 0)


def host_key(console: str) -> str:
    """The host's public key (`ssh-ed25519 AAAA…`) in the text of its console, or empty: the last one that it told."""
    # 68 characters are an Ed25519 public key in base64: a line that is still being written is shorter.
    told = re.findall(rf"{HOST_KEY_MARK} (ssh-ed25519 [A-Za-z0-9+/=]{{68}})\s", console)
    return str(told[-1]) if told else ""


def wait_until_set_up(*, limit_s: int) -> str:
    """A shell command that ends when cloud-init has, and prints the set-up's status; prints nothing after `limit_s` seconds."""
    done = f"[ -e {shlex.quote(ROOT)}/up.status ] && [ -e /run/cloud-init/result.json ]"
    return f"n=0; until {done}; do n=$((n+1)); [ $n -lt {limit_s * 4} ] || exit 0; sleep 0.25; done; cat {ROOT}/up.status"


class _Dumper(yaml.SafeDumper):
    """Scripts as literal blocks: whoever debugs a VM reads them."""


def _literal(dumper: yaml.SafeDumper, text: _Literal) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", str(text), style="|")


_Dumper.add_representer(_Literal, _literal)
