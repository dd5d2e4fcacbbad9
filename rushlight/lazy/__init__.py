"""Recording: ops append entries to a trace; values are computed when somebody looks."""
