"""Programs for mypy are not run."""

collect_ignore = ["mistakes.py", "uses.py"]
