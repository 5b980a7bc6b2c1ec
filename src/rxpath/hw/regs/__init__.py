"""Register names, offsets and bits of the chips, as data. Device models and drivers import these; nothing
else belongs here.
"""
