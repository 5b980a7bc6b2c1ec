"""Network interface device models, one module a chip. None imports another; shared parts have modules of
their own.
"""
