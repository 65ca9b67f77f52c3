# SPDX-License-Identifier: BSD-3-Clause
"""Ways to send and play recordings with losses, each scored: `dredkit call --table`.

speech.py      the recordings: files that are given, or the held-out set
conditions.py  the ways, and what they share
code.py        a hash of the code that decides a result
row.py         one result: a recording at a loss rate, sent and played in one way
kept.py        results of earlier runs, so that an interrupted run goes on
cluster.py     rows on many processes or machines, by dask.distributed
summary.py     means, paired differences, intervals
schema.py      the shape of the JSON
"""
