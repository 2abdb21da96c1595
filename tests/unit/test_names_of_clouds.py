"""Types and regions that cannot be a cloud's, by the form of their names alone, are left out of a plan with an example."""

from __future__ import annotations

import pytest

from stacks import axes, clouds

WRITTEN = {
    "aws": {
        "instance_type": (
            "m7i.large u-6tb1.112xlarge c7i-flex.large m7i.metal-24xl u7in-16tb.224xlarge t3.nano mac2-m2.metal",
            "m7i.huge n2-standard-2 Standard_D2s_v5 cpx22 s-2vcpu-4gb large",
        ),
        "region": ("eu-central-1 us-gov-east-1 ap-southeast-7", "eu-centrl-1 europe-west3 nbg1 eu-central-1a"),
    },
    "gcp": {
        "instance_type": (
            "n2-standard-2 e2-micro c3-standard-192-metal a3-highgpu-1g",
            "n2-standard-3 n2-standard m7i.large Standard_D2s_v5 cpx22",
        ),
        "region": ("europe-west3 northamerica-northeast1 us-central1", "eu-central-1 europe-wset3 europe-west3-a"),
    },
    "azure": {
        "instance_type": (
            "Standard_D2s_v5 Standard_NC24ads_A100_v4 Standard_HB120-16rs_v3 Standard_M416s_10_v2 Basic_A0",
            "D2s_v5 m7i.large n2-standard-2 cpx22",
        ),
        "region": ("germanywestcentral eastus2", "eu-central-1 europe-west3"),
    },
    "hetzner": {
        "instance_type": ("cpx22 ccx13 cx23", "m7i.large n2-standard-2 s-2vcpu-4gb Standard_D2s_v5"),
        "region": ("nbg1", "eu-central-1"),
    },
    "digitalocean": {
        "instance_type": (
            "s-2vcpu-4gb s-2vcpu-4gb-120gb-intel c-2 c2-2vcpu-4gb so1_5-2vcpu-16gb gpu-h100x1-80gb s-1vcpu-512mb-10gb",
            "m7i.large n2-standard-2 cpx22 b3-8 Standard_D2s_v5",
        ),
        "region": ("fra1", "eu-central-1 nbg"),
    },
}
"""By cloud and axis: names that are or were sold, and names of other clouds or with a slip in them."""


def _cases(which: int) -> list[tuple[str, str, str]]:
    return [
        (cloud, axis, name) for cloud, found in WRITTEN.items() for axis, both in found.items() for name in both[which].split()
    ]


@pytest.mark.parametrize(("cloud", "axis", "name"), _cases(0))
def test_what_a_cloud_sells_has_its_form(cloud: str, axis: str, name: str) -> None:
    why, _ = axes.impossible(axes.filled({"cloud": cloud, axis: name}, ""))

    assert "write one such as" not in why
    assert f"is no {axis.replace('_', ' ')} of {cloud}" not in why


@pytest.mark.parametrize(("cloud", "axis", "name"), _cases(1))
def test_what_has_another_form_is_refused_with_an_example(cloud: str, axis: str, name: str) -> None:
    why, cure = axes.impossible(axes.filled({"cloud": cloud, axis: name}, ""))

    assert name in why
    assert cloud in why.lower()
    example = clouds.load(cloud).defaults[axis]
    assert example in cure
