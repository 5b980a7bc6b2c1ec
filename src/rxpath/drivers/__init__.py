"""Drivers, one package each; none imports another.  Under them: pci.py (the driver model) and lib.py (what
headers give every driver).
"""
