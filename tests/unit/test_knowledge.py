"""What is known, and how it is judged: versions in order, conditions, every rule both ways, every signature on its line."""

import re
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench import knowledge
from bench.knowledge import facts
from bench.knowledge.conditions import condition
from bench.knowledge.rules import Judgement, Rule
from bench.knowledge.versions import version
from stacks import drivers as members
from stacks.filesystem import FILESYSTEMS

RULES = {rule.id: rule for rule in knowledge.rules()}

# --- versions

ASCENDING = (
    "0.7.0",
    "1.0.0-rc5",
    "1.0.0-rc93",
    "1.0.0~rc94",
    "1.0.0",
    "1.9.1",
    "1.12.6",
    "1.13.0-rc2",
    "1.13.1",
    "17.03.2-ce",
    "17.06.0-ce-rc1",
    "17.06.0-ce",
    "17.12.1",
    "18.06.3-ce",
    "5:18.09.0~3-0~debian-stretch",
    "18.09.1",
    "19.03.0-beta3",
    "19.03.0-rc1",
    "19.03.15",
    "20.10.24+dfsg1",
    "v23.0.0-beta.1",
    "23.0.0-rc.1",
    "23.0",
    "24.0.7",
    "docker-v29.0.0-rc.1",
    "docker-v29.0.0",
    "29.0.1-1.el9",
    "29.7.2",
)


def test_versions_sort_as_they_were_released() -> None:
    read = [version(text) for text in ASCENDING]

    assert None not in read
    assert all(earlier < later for earlier, later in pairwise(read) if earlier and later)


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("24.0", "24.0.0"),
        ("6.18.44-fc-v657", "6.18.44"),
        ("5:20.10.24~3-0~debian-bookworm", "20.10.24"),
        ("v1.7", "1.7.0"),
        (" 252 ", "252"),
    ],
)
def test_packaging_and_trailing_zeros_make_no_difference(text: str, same: str) -> None:
    assert version(text) == version(same)


@pytest.mark.parametrize("text", ["", "master", "-1", "devel-4.0", "."])
def test_what_begins_with_no_number_is_no_version(text: str) -> None:
    assert version(text) is None


@given(st.lists(st.integers(0, 99), min_size=1, max_size=4), st.integers(0, 200))
def test_a_pre_release_sorts_before_its_release_and_after_the_one_before(numbers: list[int], candidate: int) -> None:
    text = ".".join(map(str, numbers))
    before, pre, release = (version(each) for each in (f"{text}-rc{candidate}", f"{text}-rc{candidate + 1}", text))

    assert before is not None
    assert pre is not None
    assert release is not None
    assert before < pre < release


# --- conditions


@pytest.mark.parametrize(
    ("name", "wanted", "value", "holds"),
    [
        ("docker", ">=17.12,<23.0", "17.12.0", True),
        ("docker", ">=17.12,<23.0", "23.0.0", False),
        ("docker", ">=17.12,<23.0", "23.0.0-rc.1", True),
        ("docker", "==29.0.0", "29.0", True),
        ("docker", "==29.0.0", "29.0.1", False),
        ("el7_build", "<1075", "1062.4.1", True),
        ("el7_build", ">0", None, False),
        ("el7_build", "absent", None, True),
        ("el7_build", "absent", "693", False),
        ("zfs_arc_max", "unset", None, True),
        ("zfs_arc_max", "unset", 1 << 30, False),
        ("env_DOCKER_DRIVER", "set", "vfs", True),
        ("env_DOCKER_DRIVER", "set", None, False),
        ("may_detach", 0, 0, True),
        ("may_detach", 0, 1, False),
        ("free_inodes_pct", "<10", 9.5, True),
        ("free_inodes_pct", "<10", None, False),
        ("driver", ["overlay2", "overlay"], "overlay", True),
        ("driver", ["overlay2", "overlay"], "overlayfs", False),
        ("driver", "vfs", "vfs", True),
        ("fs_not", ["xfs"], "ext4", True),
        ("fs_not", ["xfs"], "xfs", False),
        ("distro", ["debian:12"], "debian:12.5", True),
        ("distro", ["fedora:*"], "fedora:43", True),
        ("distro_not", ["ubuntu:*", "debian:*"], "ubuntu:24.04", False),
        ("distro_not", ["ubuntu:*", "debian:*"], "rhel:9.4", True),
        ("explicit", False, False, True),
        ("explicit", False, True, False),
        ("opts", ["overlay2.size"], ["overlay2.size=1G"], True),
        ("opts", ["overlay2.size"], [], False),
        ("opts_missing", ["dm.fs"], [], True),
        ("opts_missing", ["dm.fs"], ("dm.fs=xfs", "dm.basesize=1G"), False),
        ("opts_prefix_not", ["overlay2"], ["overlay2.size=1G"], False),
        ("opts_prefix_not", ["overlay2"], ["overlay2.size=1G", "dm.basesize=1G"], True),
        ("opts_prefix_not", ["overlay2"], [], False),
        ("module_zfs", False, False, True),
        ("tool_mkfs_xfs", True, False, False),
    ],
)
def test_a_condition_holds_or_not(name: str, wanted: object, value: object, holds: bool) -> None:  # noqa: FBT001 - a column of the table
    test = condition(name, wanted)

    assert test.holds(facts.normal({test.fact: value})) is holds


def test_a_condition_on_a_fact_that_is_missing_is_neither_true_nor_false() -> None:
    assert condition("docker", ">=1.0").holds({}) is None
    assert condition("fs_not", ["xfs"]).holds({}) is None
    assert condition("el7_build", "absent").holds({}) is None


@pytest.mark.parametrize(
    ("name", "wanted"),
    [("dokcer", ">=1"), ("docker", ">="), ("docker", "~=1.0"), ("docker", ">=master"), ("explicit", "no"), ("cores_not", ["1"])],
)
def test_a_condition_that_cannot_be_understood_is_refused(name: str, wanted: object) -> None:
    with pytest.raises(ValueError, match=name):
        condition(name, wanted)


# --- facts


def test_a_version_that_cannot_be_read_is_not_known() -> None:
    assert facts.normal({"docker": "unknown", "kernel": "6.1"}) == {"kernel": version("6.1")}


@pytest.mark.parametrize(
    ("known", "message"),
    [
        ({"kernal": "6.1"}, "did you mean 'kernel'"),
        ({"explicit": "yes"}, "'explicit' is a flag"),
        ({"free_inodes_pct": True}, "'free_inodes_pct' is a number"),
        ({"opts": "overlay2.size"}, "'opts' is a names"),
        ({"driver": 2}, "'driver' is a text"),
        ({"docker": True}, "'docker' is a version"),
    ],
)
def test_a_slip_in_a_fact_is_an_error_and_not_an_unknown(known: Mapping[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        knowledge.judge(known)


@pytest.mark.parametrize(
    ("release", "kernel", "build"),
    [
        ("6.18.44-fc-v657", "6.18.44", None),
        ("3.10.0-1160.71.1.el7.x86_64", "3.10.0", "1160.71.1"),
        ("3.10.0-693.el7.x86_64", "3.10.0", "693"),
        ("4.18.0-553.el8_10.x86_64", "4.18.0", None),
        ("6.19.0-rc3", "6.19.0-rc3", None),
        ("6.1.0-18-amd64", "6.1.0", None),
    ],
)
def test_a_kernel_release_gives_its_facts(release: str, kernel: str, build: str | None) -> None:
    assert knowledge.of_kernel(release) == {"kernel": kernel, "el7_build": build}


def test_an_os_release_gives_the_distribution_where_it_has_a_version() -> None:
    assert knowledge.of_os_release('NAME="Debian"\nID=debian\nVERSION_ID="12"\n') == {"distro": "debian:12"}
    assert knowledge.of_os_release("ID=arch\n\n# rolling\n") == {}


# --- every rule, both ways


def passing(name: str, wanted: Any) -> tuple[str, object]:
    """A fact that fulfils a condition as the file writes it, found without the code under test."""
    first = wanted[0] if isinstance(wanted, list) else wanted
    kind = next((fact.kind for key, fact in knowledge.vocabulary().items() if key == name), "flag")
    for suffix in ("_prefix_not", "_missing", "_not"):
        if name.endswith(suffix):
            fact = name.removesuffix(suffix)
            return fact, {"_prefix_not": ["foreign.option"], "_missing": []}.get(suffix, "another:1")
    if wanted in ("absent", "unset"):
        return name, None
    if kind in ("version", "number"):
        value = bound_inside(str(first))
        return name, float(value) if kind == "number" else value
    return name, [first] if kind == "names" else str(first).replace("*", "43") if isinstance(first, str) else first


def failing(name: str, wanted: Any) -> tuple[str, object]:
    """A fact that breaks a condition."""
    fact, value = passing(name, wanted)
    first = wanted[0] if isinstance(wanted, list) else wanted
    kind = next((each.kind for key, each in knowledge.vocabulary().items() if key == fact), "flag")
    if name.endswith(("_prefix_not", "_missing", "_not")):
        taken = f"{first}.size" if name.endswith("_prefix_not") else str(first).replace("*", "1")
        return fact, [taken] if kind == "names" else taken
    if wanted in ("absent", "unset"):
        return fact, 7 if kind == "number" else "7"
    if kind == "flag":
        return fact, not value
    if kind in ("version", "number"):
        broken = bound_outside(str(first))
        return fact, float(broken) if kind == "number" else broken
    return fact, [] if kind == "names" else None if wanted == "set" else "another:1"


def bound_inside(wanted: str) -> str:
    """The bound itself where it belongs to the range, else something just below or above it."""
    for part in reversed(wanted.split(",")):
        operator, bound = re.fullmatch(r"([<>=]*)(.+)", part).groups()  # type: ignore[union-attr] # every part matches
        if operator in ("", "==", ">=", "<="):
            return bound
        if operator == ">":
            return str(int(bound) + 1)
    return f"{bound}-rc1" if "-rc" not in bound and "." in bound else str(int(bound) - 1) if bound.isdigit() else f"{bound[:-1]}2"


def bound_outside(wanted: str) -> str:
    operator, bound = re.fullmatch(r"([<>=]*)(.+)", wanted.rpartition(",")[2]).groups()  # type: ignore[union-attr] # every part matches
    return {"<": bound, ">": bound, "<=": f"{bound}.1", ">=": "0"}.get(operator, "12345")


def facts_for(rule: Rule) -> dict[str, object]:
    return dict(passing(name, wanted) for name, wanted in rule.when.items())


def judged(rule: str, known: Mapping[str, object]) -> Judgement:
    return next(judgement for judgement in knowledge.judge(known) if judgement.rule == rule)


@pytest.mark.parametrize("rule", RULES.values(), ids=lambda rule: rule.id)
def test_a_rule_matches_facts_that_fulfil_it(rule: Rule) -> None:
    judgement = judged(rule.id, facts_for(rule))

    assert judgement.outcome == "matched"
    assert (judgement.level, judgement.text, judgement.fix, judgement.source) == (rule.level, rule.says, rule.fix, rule.source)


@pytest.mark.parametrize(("rule", "name"), [(rule, name) for rule in RULES.values() for name in rule.when], ids=str)
def test_a_rule_does_not_match_when_one_of_its_conditions_is_broken(rule: Rule, name: str) -> None:
    fact, value = failing(name, rule.when[name])

    assert judged(rule.id, {**facts_for(rule), fact: value}).outcome == "not matched"
    assert judged(rule.id, {fact: value}).outcome == "not matched"


@pytest.mark.parametrize("rule", RULES.values(), ids=lambda rule: rule.id)
def test_a_rule_is_unknown_while_one_of_its_facts_is_missing(rule: Rule) -> None:
    known = facts_for(rule)
    for missing in known:
        judgement = judged(rule.id, {fact: value for fact, value in known.items() if fact != missing})

        assert judgement.outcome == "unknown"
        assert set(judgement.unknown) == {missing}


def test_nothing_is_matched_or_passed_when_nothing_is_known() -> None:
    assert {judgement.outcome for judgement in knowledge.judge({})} == {"unknown"}


def matched(known: Mapping[str, object]) -> set[str]:
    return {
        judgement.rule for judgement in knowledge.judge(known) if judgement.outcome == "matched" and judgement.level != "info"
    }


EL7 = {"explicit": True, "cgroup": "v1", "fs": "xfs", "distro": "centos:7", "rootless": False, "module_overlay": True}


@pytest.mark.parametrize(
    ("known", "expected"),
    [
        pytest.param(
            {
                "docker": "17.06.2-ce",
                "driver": "overlay2",
                "opts": [],
                **EL7,
                **knowledge.of_kernel("3.10.0-693.el7.x86_64"),
                "d_type": False,
            },
            {"KRN01", "KRN08", "FS04", "KMEM02", "BSY04", "BSY05"},
            id="overlay2 on EL 7.4 with the engine of 2017: hard kernel check, no d_type, kmem",
        ),
        pytest.param(
            {
                "docker": "24.0.7",
                "driver": "overlay2",
                "opts": ["overlay2.override_kernel_check=true"],
                **EL7,
                **knowledge.of_kernel("5.10.0"),
            },
            {"KRN02"},
            id="the option that was needed once stops a newer engine",
        ),
        pytest.param(
            {
                "docker": "20.10.24",
                "driver": "aufs",
                "distro": "debian:12",
                "module_aufs": False,
                "cgroup": "v2",
                **knowledge.of_kernel("6.1.0"),
            },
            {"SEL04", "KRN14"},
            id="aufs on Debian 12",
        ),
        pytest.param(
            {
                "docker": "29.7.2",
                "containerd": "2.3.3",
                "driver": "overlayfs",
                "store": "containerd",
                "explicit": False,
                "container_opts": ["size=1G"],
            }
            | {"default_ulimits": None, "cgroup": "v2", **knowledge.of_kernel("6.12.0")},
            {"QUO04", "ENV01"},
            id="a current engine with its containerd store: limit ignored, few open files",
        ),
        pytest.param(
            {
                "docker": "20.10.24",
                "driver": "overlay2",
                "explicit": True,
                "fs": "ext4",
                "d_type": True,
                "cgroup": "v2",
                "distro": "debian:12",
            }
            | knowledge.of_kernel("6.18.44-fc"),
            set(),
            id="overlay2 on ext4 on Debian 12 has nothing against it",
        ),
    ],
)
def test_known_hosts_are_judged_as_history_did(known: Mapping[str, object], expected: set[str]) -> None:
    assert matched(known) == expected


def test_rules_and_driver_notes_agree_on_when_a_driver_went() -> None:
    for driver, rule in (("aufs", "SEL01"), ("overlay", "SEL01"), ("devicemapper", "SEL02")):
        last = knowledge.drivers()[driver].versions.partition("<")[2]
        assert judged(rule, {"driver": driver, "docker": last}).outcome == "matched"
        assert judged(rule, {"driver": driver, "docker": f"{last}-rc1"}).outcome == "not matched"


def test_every_rule_says_what_is_wrong_and_what_to_do_and_where_that_is_written() -> None:
    assert len(RULES) == len(knowledge.rules()) >= 113
    for rule in RULES.values():
        assert len(rule.says) > 10
        assert len(rule.fix) > 5
        assert rule.source
        assert not {rule.says[-1], rule.fix[-1]} & set(".;,"), rule.id


# --- drivers


def test_every_storage_driver_that_can_be_chosen_has_a_note_that_agrees_with_it() -> None:
    for name in members.DRIVERS:
        member = members.load(name)
        note = knowledge.drivers()[member.storage_driver]

        assert note.kind == {"graphdriver": "graphdriver", "containerd": "snapshotter"}[member.image_store]
        assert note.module is None or note.module in member.kernel_modules
        made = {FILESYSTEMS[filesystem].mount_type for filesystem in member.backing_filesystems}
        assert {"any"} & set(note.backing) or made <= set(note.backing), name
        assert {option.partition("=")[0] for option in member.storage_options} <= set(note.options)


def test_every_note_has_something_for_and_something_against_it() -> None:
    assert len(knowledge.drivers()) == 16
    assert all(note.strengths and note.weaknesses and note.backing for note in knowledge.drivers().values())


# --- signatures


@pytest.mark.parametrize("signature", knowledge.signatures(), ids=lambda signature: f"{signature.kind}-{signature.sample[:30]}")
def test_a_signature_explains_its_own_line_among_others(signature: knowledge.Signature) -> None:
    log = f"level=info msg=starting\n  {signature.sample}\nlevel=info msg=done\n"

    (explanation,) = knowledge.explain(log)

    assert (explanation.kind, explanation.line) == (signature.kind, signature.sample)
    assert (explanation.cause, explanation.cure, explanation.source) == (signature.cause, signature.cure, signature.source)
    assert set(signature.rules) <= set(RULES)


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        (
            'time=x level=error msg="failed to mount overlay: no such device" storage-driver=overlay2',
            "overlay_mount_probe_failed",
        ),
        ("write /data/1.dat: no space left on device", "enospc"),
        ("sh: 4: mkfs.btrfs: not found", "program_missing"),
        ("listen tcp4 127.9.0.1:8333: bind: address already in use", "address_in_use"),
        ("mount: /x: unknown filesystem type 'xfs'.", "filesystem_unknown"),
        ("mkdir /sys/fs/cgroup/memory/docker/1: no space left on device", "memcg_ids_exhausted"),
    ],
)
def test_lines_from_the_field_are_recognised(line: str, kind: str) -> None:
    assert [explanation.kind for explanation in knowledge.explain(line)] == [kind]


def test_lines_that_say_nothing_wrong_are_left_alone() -> None:
    ordinary = (
        'level=info msg="API listen on /run/docker.sock"\nsnapshot 3f2 does not exist: not found\nHTTP 404 object not found\n'
    )

    assert knowledge.explain(ordinary) == ()
    assert knowledge.explain("") == ()


def test_a_line_that_comes_often_is_explained_once() -> None:
    assert len(knowledge.explain("x: no space left on device\n" * 3)) == 1


def test_what_is_harmless_comes_after_what_tells() -> None:
    harmless = "[graphdriver] WARNING: the overlay storage-driver is deprecated, and will be removed"
    telling = "error initializing graphdriver: driver not supported"

    assert [each.line for each in knowledge.explain(f"{harmless}\n{telling}\n")] == [telling, harmless]


def test_facts_confirm_which_rule_is_behind_a_line() -> None:
    log = "error initializing graphdriver: driver not supported"

    (explanation,) = knowledge.explain(log, {"driver": "aufs", "module_aufs": False})
    (unsure,) = knowledge.explain(log)

    assert [judgement.rule for judgement in explanation.confirmed] == ["KRN14"]
    assert unsure.confirmed == ()
