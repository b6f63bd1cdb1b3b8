"""Side-by-side benchmarks of Dovetail and its peers: `python -m benchmarks`, or `make bench`.

Each framework runs in a process of its own. All processes of a workload are loaded and warmed up first;
then each is asked in turn for one timed repeat, round after round, so that a machine whose speed drifts
slows all of them alike. Medians go into the table. `python -m benchmarks --list` shows what is measured.
"""
