"""Measures the kit; `kit bench` prints the tables. A module for each thing that is measured.

Every figure is a median of several runs with its spread. What is compared alternates within one
run. Nothing passes or fails here.
"""
