"""Programs as data: metas, op declarations, graphs. Knows no particular op and no device."""
