"""Looking on: function trace, story of a packet, timeline, report.  Listens to tracepoints and reads
counters; changes nothing.
"""
