"""What is settled before anything is rented, and that a second `up` finds the same."""

from __future__ import annotations

import threading
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest

from bench.errors import DeployError, InputError
from bench.records import Generators
from stacks import operator_address, parts, settle
from stacks.terms import Terms
from tests.cells import cell
from tests.unit import made_up_clouds
from tests.unit.made_up_clouds import apart

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.unit.made_up_clouds import MadeUp

TERMS = Terms(operator="203.0.113.7/32")


@pytest.fixture
def far(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MadeUp:
    monkeypatch.setenv("COWBENCH_STATE", str(tmp_path))
    return made_up_clouds.register(monkeypatch, "far", "near")[0]


def _parts(*images: str, cloud: str = "far") -> tuple[parts.Part, ...]:
    cells = apart(*(cell(cloud=cloud, machine_image=image) for image in images))
    return parts.split("s", [replace(each, host=f"{each.host}-{each.machine_image}") for each in cells])


def test_images_zone_owner_and_end_are_settled(far: MadeUp) -> None:
    settled = settle.settle(_parts("debian-12"), None, replace(TERMS, lifetime_s=3600))["s"]

    assert settled.image_ids == {"far/middle/debian-12": "far-middle-debian-12"}
    assert settled.zones == {"far/middle": "a"}
    assert settled.owner == settle.own_name()
    assert settled.operator == "203.0.113.7/32"
    assert settled.lifetime_s == 3600
    assert sorted(far.asked) == ["middle/debian-12", "types of middle", "zones of middle"]


def test_nothing_is_asked_or_settled_for_hosts_of_this_machine(far: MadeUp) -> None:
    assert settle.settle(_parts("this-host", cloud="local"), None, Terms()) == {}
    assert far.asked == []


def test_images_of_load_generators_are_looked_up_too(far: MadeUp) -> None:
    generators = Generators(count=1, instance_type="", machine_image="debian-13")
    settled = settle.settle(_parts("debian-12"), generators, TERMS)["s"]

    assert set(settled.image_ids) == {f"{far.name}/middle/debian-12", "far/middle/debian-13"}


def test_a_second_time_nothing_is_asked_and_another_image_is_added(far: MadeUp) -> None:
    first = settle.settle(_parts("debian-12"), None, TERMS)
    settle.keep(first)
    far.asked.clear()

    assert settle.settle(_parts("debian-12"), None, TERMS) == first
    assert far.asked == []

    more = settle.settle(_parts("debian-12", "debian-13"), None, TERMS)["s"]
    assert far.asked == ["middle/debian-13"]
    assert more.expires_at == first["s"].expires_at
    assert set(more.image_ids) == {"far/middle/debian-12", "far/middle/debian-13"}


def test_all_parts_have_the_same_owner_address_and_end(far: MadeUp) -> None:
    both = parts.split("s", apart(cell(cloud="far"), cell(cloud="near")))
    settled = settle.settle(both, None, TERMS)

    assert set(settled) == {f"s.{far.name}", "s.near"}
    assert len({(each.owner, each.operator, each.expires_at) for each in settled.values()}) == 1
    assert set(settled["s.near"].zones) == {"near/middle"}
    assert all("near" not in asked for asked in far.asked)


def test_zones_of_the_matrix_go_before_the_clouds_own(far: MadeUp) -> None:
    far.zones = ("a", "b", "c")
    for key in ("far/middle", "middle"):
        settled = settle.settle(_parts("debian-12"), None, replace(TERMS, zones={key: ("c", "b")}))["s"]
        assert settled.zones == {"far/middle": "c"}


@pytest.mark.parametrize(("there", "step"), [(("a", "b"), "write some of a, b"), ((), "it has none to choose from")])
def test_a_zone_that_is_not_there_is_refused_before_anything_is_made(far: MadeUp, there: tuple[str, ...], step: str) -> None:
    far.zones = there

    with pytest.raises(InputError, match="middle has no zone c") as raised:
        settle.settle(_parts("debian-12"), None, replace(TERMS, zones={"far/middle": ("c",)}))
    assert step in raised.value.next_step
    assert settle.read("s") is None


def test_a_type_that_a_region_does_not_sell_is_refused_with_those_that_are_like_it(far: MadeUp) -> None:
    far.types = ("m7.large", "m7.xlarge", "t3.micro")
    generators = Generators(count=1, instance_type="m7.huge", machine_image="")

    with pytest.raises(InputError, match="far has no instance type") as raised:
        settle.settle(_parts("debian-12"), None, TERMS)
    assert "m7.large" in raised.value.next_step
    far.types = ("large", "m7.large")
    with pytest.raises(InputError, match=r"far has no instance type m7\.huge in middle") as raised:
        settle.settle(_parts("debian-12"), generators, TERMS)
    assert raised.value.next_step == "write one that it has, such as m7.large, large"
    far.types = ()
    with pytest.raises(InputError) as raised:
        settle.settle(_parts("debian-12"), None, TERMS)
    assert raised.value.next_step == "write another region"


def test_a_type_to_try_instead_that_is_not_sold_is_refused_before_it_is_needed(far: MadeUp) -> None:
    far.types = ("large", "small")

    with pytest.raises(InputError, match=r"far has no instance type smal in middle"):
        settle.settle(_parts("debian-12"), None, replace(TERMS, instead_of={"large": ("smal",)}))
    # What stands in for a type that no host has is nobody's.
    settle.settle(_parts("debian-12"), None, replace(TERMS, instead_of={"large": ("small",), "other": ("smal",)}))


def test_a_stack_that_stands_keeps_a_type_that_is_sold_no_more(far: MadeUp) -> None:
    settle.keep(settle.settle(_parts("debian-12"), None, TERMS))
    far.types = ()

    assert settle.settle(_parts("debian-12"), None, TERMS)


def test_a_cloud_that_does_not_answer_stops_it_before_anything_is_made(far: MadeUp) -> None:
    far.broken = "no credentials"

    with pytest.raises(DeployError, match="no credentials"):
        settle.settle(_parts("debian-12"), None, TERMS)
    assert settle.read("s") is None


@pytest.mark.parametrize("other", [{"spot": True}, {"operator": "203.0.113.8/32"}, {"owner": "them"}, {"lifetime_s": 60}])
def test_a_stack_is_not_changed_to_other_terms(far: MadeUp, other: dict[str, object]) -> None:
    settle.keep(settle.settle(_parts("debian-12"), None, TERMS))

    with pytest.raises(InputError, match="it was made with") as raised:
        settle.settle(_parts("debian-12"), None, replace(TERMS, **other))  # type: ignore[arg-type] # fields of Terms
    assert "cowbench down --stack s" in raised.value.next_step
    assert far.name == "far"


def test_a_stack_whose_time_is_over_is_not_gone_on_with(far: MadeUp) -> None:
    settle.keep(settle.settle(_parts("debian-12"), None, replace(TERMS, lifetime_s=-1)))

    with pytest.raises(DeployError, match="its time is over"):
        settle.settle(_parts("debian-12"), None, TERMS)
    assert far.name == "far"


def test_where_a_part_may_have_rented_anything_is_known_from_what_was_settled(far: MadeUp) -> None:
    settle.keep(settle.settle(_parts("debian-12"), None, TERMS))

    assert settle.rented("s") == {far.name: ("middle",)}
    assert settle.rented("unknown") == {}


class _Answers(BaseHTTPRequestHandler):
    text = "8.8.8.8\n"

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(self.text.encode())

    def log_message(self, *_: object) -> None:
        """Keeps the test's output clean."""


@pytest.fixture
def service() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Answers) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


NOBODY = "http://127.0.0.1:9"


def test_the_operators_address_is_found_by_the_first_service_that_answers(service: str) -> None:
    assert operator_address.find((NOBODY, service)) == "8.8.8.8/32"


@pytest.mark.parametrize("said", ["10.0.0.1", "<html>sign in</html>", ""])
def test_what_is_no_address_of_the_internet_is_not_believed(service: str, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_Answers, "text", said)

    with pytest.raises(DeployError, match="could not be found") as raised:
        operator_address.find((service,))
    assert "deploy.operator" in raised.value.next_step
