"""Conformance with a real kernel: scenarios run on a machine of ours, answers compared field by field with the
record.
"""
