"""Plots, claims table and offline report from the CSV files of seqbench runs."""
