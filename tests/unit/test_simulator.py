"""The cloud simulator's own parts: what it keeps, what it lets go wrong, what it tells Pulumi and who asks the clouds' API."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from pulumi.provider.experimental import provider as protocol
from pulumi.provider.experimental.property_value import PropertyValue

from tests.simulator import faults, place, settings, table, values
from tests.simulator.api import Server
from tests.simulator.cloud_side import CloudSide, Failed, check_fault, open_cloud
from tests.simulator.faults import Fault
from tests.simulator.member import Refused
from tests.simulator.plugin import Simulated
from tests.simulator.pocket import NETWORK, SERVER
from tests.simulator.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

CHECKOUT = Path(__file__).resolve().parents[2]
PLAIN = {"serverType": "cx23", "image": "debian-12"}


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    table.create(tmp_path)
    settings.write(tmp_path, Settings(clouds=("pocket",), modules={"pocket": "tests.simulator.pocket"}))
    return tmp_path


@pytest.fixture
def cloud(directory: Path) -> CloudSide:
    return open_cloud(directory, "pocket")


# The table


def test_processes_that_share_a_table_never_get_the_same_number(directory: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from tests.simulator.cloud_side import open_cloud\n"
        "side = open_cloud(Path(sys.argv[1]), 'pocket')\n"
        f"print(*(side.create('{SERVER}', 'h', '', {PLAIN!r}).id for _ in range(20)))"
    )
    started = [
        subprocess.Popen([sys.executable, "-c", code, str(directory)], cwd=CHECKOUT, stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    numbers = [number for process in started for number in process.communicate(timeout=60)[0].split()]

    assert sorted(map(int, numbers)) == list(range(1, 61))
    assert len(open_cloud(directory, "pocket").table.rows(SERVER)) == 60


def test_what_another_resource_attaches_is_added_to_the_outputs(cloud: CloudSide) -> None:
    row = cloud.create(SERVER, "h", "", PLAIN)

    cloud.table.change(row.id, {"volumes": [9]})

    changed = cloud.table.row(row.id)
    assert changed is not None
    assert changed.outputs["volumes"] == [9]
    assert changed.outputs["status"] == "h runs"


def test_a_removal_that_the_cloud_refuses_removes_nothing(cloud: CloudSide) -> None:
    network = cloud.create(NETWORK, "n", "", {"ipRange": "10.0.0.0/16"})
    cloud.create(SERVER, "h", "", PLAIN)

    with pytest.raises(Refused, match="delete them first"):
        cloud.table.remove(network.id)

    assert cloud.table.row(network.id) == network


def test_a_reclaimed_row_goes_whatever_still_needs_it(cloud: CloudSide) -> None:
    network = cloud.create(NETWORK, "n", "", {"ipRange": "10.0.0.0/16"})
    cloud.create(SERVER, "h", "", PLAIN)

    cloud.table.end(network.id, "reclaimed", insist=True)

    assert cloud.table.row(network.id) is None
    assert [event.ended for event in table.history(cloud.directory)] == ["reclaimed", ""]


def test_a_spot_vm_is_taken_away_by_its_id_from_outside(cloud: CloudSide) -> None:
    row = cloud.create(SERVER, "h", "", PLAIN)

    place.reclaim(cloud.directory, "pocket", row.id)

    assert cloud.read(SERVER, row.id) is None
    assert table.history(cloud.directory)[0].ended == "reclaimed"


def test_only_what_the_simulator_wrote_is_removed_with_it(directory: Path) -> None:
    (directory / "mine").touch()

    place.stop(directory)

    assert [each.name for each in directory.iterdir()] == ["mine"]


def test_removing_what_is_gone_is_fine(cloud: CloudSide) -> None:
    cloud.table.remove("42")


def test_a_cloud_that_makes_the_same_id_twice_is_told(cloud: CloudSide) -> None:
    row = cloud.create(SERVER, "h", "", PLAIN)

    with pytest.raises(Refused, match="exists already"):
        cloud.table.insert(row, "")


def test_what_is_young_is_not_found_by_reads_and_look_ups_and_yet_used(cloud: CloudSide) -> None:
    settings.change(cloud.directory, eventual_s=60)
    row = cloud.create(SERVER, "h", "", PLAIN)

    assert cloud.read(SERVER, row.id) is None
    assert cloud.invoke("hcloud:index/getServers:getServers", {}) == {"servers": []}
    assert cloud.table.row(row.id) == row
    settings.change(cloud.directory, eventual_s=0)
    assert cloud.read(SERVER, row.id) == row


# What a cloud does


def test_a_name_that_is_taken_is_refused_but_not_to_its_owner(cloud: CloudSide) -> None:
    cloud.create(SERVER, "h", "urn:h", {**PLAIN, "name": "web"})

    cloud.check(SERVER, "h", "urn:h", {**PLAIN, "name": "web", "labels": {}})
    with pytest.raises(Refused, match="already used"):
        cloud.check(SERVER, "other", "urn:other", {**PLAIN, "name": "web"})


def test_a_change_in_place_keeps_what_the_cloud_told_and_drops_what_was_taken_away(cloud: CloudSide) -> None:
    row = cloud.create(SERVER, "h", "u", {**PLAIN, "labels": {"a": "b"}})

    outputs = cloud.update(SERVER, row.id, "u", {**PLAIN, "serverType": "cx33"})

    assert outputs["serverType"] == "cx33"
    assert outputs["status"] == "h runs"
    assert "labels" not in outputs


def test_a_resource_that_is_not_simulated_says_what_to_do(cloud: CloudSide) -> None:
    with pytest.raises(Refused, match="add it to the member's `kinds`"):
        cloud.create("hcloud:index/zone:Zone", "z", "", {})


def test_a_half_done_creation_exists_and_yet_failed(cloud: CloudSide) -> None:
    faults.add(cloud.directory, Fault(op="create", failure=faults.HALF))

    with pytest.raises(Failed, match="oops"):
        cloud.create(SERVER, "h", "", PLAIN)

    assert len(cloud.table.rows(SERVER)) == 1


def test_a_fault_meets_only_what_it_names_and_only_so_often(cloud: CloudSide) -> None:
    fault = Fault(op="create", failure="capacity", cloud="pocket", kind="Server", having="location=nbg1", times=2)
    faults.add(cloud.directory, fault)

    cloud.create(NETWORK, "n", "", {"ipRange": "10.0.0.0/16", "location": "nbg1"})
    cloud.create(SERVER, "elsewhere", "", {**PLAIN, "location": "fsn1"})
    for _ in range(2):
        with pytest.raises(Failed, match="nothing left"):
            cloud.create(SERVER, "h", "", {**PLAIN, "location": "nbg1"})
    cloud.create(SERVER, "h", "", {**PLAIN, "location": "nbg1"})
    assert faults.pending(cloud.directory) == ()


@pytest.mark.parametrize(("having", "meets"), [("cx23", True), ("serverType=cx23", True), ("image=cx23", False), ("cx2", False)])
def test_a_fault_is_narrowed_by_a_value_of_the_inputs(cloud: CloudSide, having: str, meets: bool) -> None:  # noqa: FBT001 - a table's column
    faults.add(cloud.directory, Fault(op="create", failure="capacity", having=having))

    found = faults.take(cloud.directory, cloud="pocket", kind=SERVER, op="create", inputs=PLAIN)

    assert (found is not None) == meets


def test_a_fault_that_a_cloud_has_no_words_for_is_refused_at_once(directory: Path) -> None:
    with pytest.raises(ValueError, match="choose of capacity, internal, throttled"):
        check_fault(directory, Fault(op="create", failure="bad_weather"))
    with pytest.raises(ValueError, match="choose of create"):
        Fault(op="creates", failure="capacity")


def test_what_takes_time_ends_when_it_is_cancelled(cloud: CloudSide) -> None:
    settings.change(cloud.directory, pace=100.0)
    making = threading.Thread(target=cloud.create, args=(SERVER, "h", "", PLAIN))

    making.start()
    while not cloud.table.rows(SERVER):
        time.sleep(0.01)
    assert making.is_alive()
    cloud.cancelled.set()
    making.join(10)

    assert not making.is_alive()


# Pulumi's protocol


def props(**inputs: Any) -> dict[str, PropertyValue]:
    return {name: values.wrap(value) for name, value in inputs.items()}


def check(cloud: CloudSide, old: dict[str, PropertyValue] | None = None, **inputs: Any) -> protocol.CheckResponse:
    request = protocol.CheckRequest(f"urn:pulumi:s::p::{SERVER}::h", old or {}, props(**inputs), b"")
    return asyncio.run(Simulated(cloud).check(request))


def diff(cloud: CloudSide, old: Mapping[str, Any], new: Mapping[str, Any]) -> protocol.DiffResponse:
    request = protocol.DiffRequest(f"urn:pulumi:s::p::{SERVER}::h", "1", props(**old), props(**new), [])
    return asyncio.run(Simulated(cloud).diff(request))


def test_a_bad_argument_is_told_as_the_real_plugins_tell_it(cloud: CloudSide) -> None:
    failures = check(cloud, image="debian-12", nonsense=1).failures or []

    assert [each.reason.partition(". ")[2] for each in failures] == [
        "The argument \"server_type\" is required, but no definition was found. Examine values at 'h.serverType'.",
        "An argument named \"nonsense\" is not expected here. Examine values at 'h.nonsense'.",
    ]


def test_the_cloud_is_asked_as_soon_as_all_is_known(cloud: CloudSide) -> None:
    with pytest.raises(Refused, match="imaginary"):
        check(cloud, serverType="imaginary")
    assert not check(cloud, serverType="imaginary", image=values.UNKNOWN).failures


def test_a_preview_does_not_refuse_what_is_made_before_it_by_name(cloud: CloudSide) -> None:
    plugin = Simulated(cloud)
    first = protocol.CreateRequest(f"urn:pulumi:s::p::{NETWORK}::n", props(ipRange="10.0.0.0/16", name="inner"), 0, preview=True)
    later = protocol.CheckRequest(f"urn:pulumi:s::p::{SERVER}::h", {}, props(serverType="imaginary", iso="inner"), b"")

    with pytest.raises(Refused, match="imaginary"):
        asyncio.run(plugin.check(later))
    asyncio.run(plugin.create(first))

    assert not asyncio.run(plugin.check(later)).failures


def test_what_has_not_changed_is_not_asked_again(cloud: CloudSide) -> None:
    cloud.create(SERVER, "h", "another", {"serverType": "cx23", "name": "web"})

    assert not check(cloud, props(serverType="cx23", name="web"), serverType="cx23", name="web").failures


def test_a_provider_takes_only_what_the_real_one_does(cloud: CloudSide) -> None:
    request = protocol.CheckRequest("urn:pulumi:s::p::pulumi:providers:hcloud::p", {}, props(token="t", tokens="t"), b"")

    failures = asyncio.run(Simulated(cloud).check_config(request)).failures or []

    assert [each.property for each in failures] == ["tokens"]


def test_a_preview_creates_nothing_and_knows_what_it_was_given(cloud: CloudSide) -> None:
    request = protocol.CreateRequest(f"urn:pulumi:s::p::{SERVER}::h", props(**PLAIN), 0, preview=True)

    response = asyncio.run(Simulated(cloud).create(request))

    assert response.resource_id is None
    assert values.plain(response.properties["ipv4Address"]) == values.UNKNOWN
    assert values.plain(response.properties["serverType"]) == "cx23"
    assert cloud.table.rows() == ()


def test_a_secret_input_is_a_secret_output_and_its_cloud_sees_the_text(cloud: CloudSide) -> None:
    secret = PropertyValue("#cloud-config", is_secret=True)
    request = protocol.CreateRequest(f"urn:pulumi:s::p::{SERVER}::h", {**props(**PLAIN), "userData": secret}, 0, preview=False)

    response = asyncio.run(Simulated(cloud).create(request))

    assert response.properties["userData"].is_secret
    assert not response.properties["image"].is_secret
    assert cloud.table.rows()[0].inputs["userData"] == "#cloud-config"


def test_a_change_is_made_in_place_where_the_real_plugin_does_so(cloud: CloudSide) -> None:
    found = diff(cloud, PLAIN, {**PLAIN, "serverType": "cx33"})

    assert (found.changes, found.replaces, found.diffs) == (True, [], ["serverType"])


def test_any_other_change_replaces_and_a_fixed_name_cannot_be_there_twice(cloud: CloudSide) -> None:
    found = diff(cloud, {**PLAIN, "name": "web"}, {**PLAIN, "name": "web", "image": "debian-13"})

    assert found.replaces == ["image"]
    assert found.delete_before_replace
    assert found.detailed_diff["image"].kind == protocol.PropertyDiffKind.UPDATE_REPLACE


def test_an_input_that_was_taken_away_is_a_change(cloud: CloudSide) -> None:
    found = diff(cloud, {**PLAIN, "labels": {"a": "b"}}, PLAIN)

    assert found.detailed_diff["labels"].kind == protocol.PropertyDiffKind.DELETE


def test_whole_numbers_are_whole_and_what_is_null_is_absent() -> None:
    inputs = {
        "size": PropertyValue(50.0),
        "half": PropertyValue(0.5),
        "off": PropertyValue(value=False),
        "gone": PropertyValue(None),
    }

    plain = values.plain_map(inputs)

    assert plain == {"size": 50, "half": 0.5, "off": False}
    assert isinstance(plain["size"], int)


# The clouds' own API


@contextmanager
def served(directory: Path) -> Iterator[str]:
    server = Server(directory)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield server.url
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def ask(url: str, method: str = "GET", **headers: str) -> tuple[int, str]:
    try:
        request = urllib.request.Request(url, method=method, headers=headers)
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


@pytest.mark.parametrize(
    ("asked", "path"), [("/pocket", "/"), ("/pocket/", "/"), ("/pocket/v1/x", "/v1/x"), ("/pocket/v1/x/?a=1&b=", "/v1/x/")]
)
def test_a_request_reaches_its_cloud_without_the_clouds_name(directory: Path, asked: str, path: str) -> None:
    with served(directory) as url:
        status, text = ask(url + asked)

    assert status == 200
    assert json.loads(text)["path"] == path
    assert json.loads(text)["query"] == ({"a": "1", "b": ""} if "?" in asked else {})


def test_what_the_api_removes_is_gone_for_pulumi_too(cloud: CloudSide) -> None:
    row = cloud.create(SERVER, "h", "", PLAIN)

    with served(cloud.directory) as url:
        status, _ = ask(f"{url}/pocket/servers/{row.id}", "DELETE")

    assert status == 200
    assert cloud.read(SERVER, row.id) is None


def test_an_api_that_is_to_fail_says_so_as_its_clients_read_it(directory: Path) -> None:
    faults.add(directory, Fault(op="api", failure="throttled", times=2))

    with served(directory) as url:
        plain = ask(f"{url}/pocket/x")
        query = ask(f"{url}/pocket/x", **{"Content-Type": "application/x-www-form-urlencoded"})
        after = ask(f"{url}/pocket/x")

    assert plain[0] == query[0] == 429
    assert json.loads(plain[1])["error"] == {"code": "rate", "status": "rate", "message": "rate: slower"}
    assert "<Code>rate</Code>" in query[1]
    assert after[0] == 200


def test_a_cloud_that_is_not_simulated_is_named(directory: Path) -> None:
    with served(directory) as url:
        status, text = ask(f"{url}/moon/x")

    assert status == 404
    assert "'moon'" in text
