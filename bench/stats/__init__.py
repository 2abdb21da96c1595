"""Statistics: samples of a run in, a `Summary` out. Nothing here prints, asks the clock or knows of a server.

The path of the data, one module a step:

    samples     Parquet parts → the ops of one trial                       (the one place that knows DuckDB)
    trial       ops and a window → the values of one trial                 (rates, failures, latencies)
    quantiles   latencies of many trials → quantiles, intervals, a curve
    estimate    values of many trials → a centre with its interval
    pairs       targets → which cell is compared with which
    unlike      two targets → the facts that forbid to compare them
    contest     two cells with what was measured → why they must not be compared
    paired      ratios, one per block → mean ratio, interval, sign-flip p
    power       what was seen → how many further blocks would tell
    comparison  two cells → a verdict, where none of these reasons stands against it
    summary     all of it, in order
    document    summary.json and its schema
"""

from bench.stats.document import read, write
from bench.stats.summary import summarise

__all__ = ["read", "summarise", "write"]
