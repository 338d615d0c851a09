"""Measures the kit for `kit bench`: a module for each benchmark, with a function of its name.

The function takes `runs`, how often to measure (at least 1), and returns a `Report`. A figure is
the median of its runs, with their spread; what is compared alternates within each run. Nothing
passes or fails here.
"""
