"""Writes Machete's CUDA sources from a catalogue of types, schedules and heuristics.

catalogue.py    what is built: the table to edit
config.py       the dataclasses of the table, and the names made from them
datatypes.py    numeric types
constraints.py  what the kernels can run
resources.py    shared memory and registers of a schedule
heuristics.py   conditions on M, N, K, in Python and C++
render.py       from the table and the templates to files
cli.py          the command line
"""
