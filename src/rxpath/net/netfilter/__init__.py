"""Netfilter: hooks of the inet family and who registered at them, by priority."""
