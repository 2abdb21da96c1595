"""What is known about storage drivers, kernels and engines, as data files, and the readers that both halves use.

`judge` says before anything is created what will fail; `explain` says afterwards what a log's line means.
"""

from bench.knowledge.drivers import DriverNote, drivers
from bench.knowledge.facts import of_kernel, of_os_release, vocabulary
from bench.knowledge.rules import Judgement, Rule, judge, rules
from bench.knowledge.signatures import Explanation, Signature, explain, signatures

__all__ = [
    "DriverNote",
    "Explanation",
    "Judgement",
    "Rule",
    "Signature",
    "drivers",
    "explain",
    "judge",
    "of_kernel",
    "of_os_release",
    "rules",
    "signatures",
    "vocabulary",
]
