"""From a recorded path to a Program. Start reading in `pipeline.py`."""
