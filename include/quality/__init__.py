"""Judge rows: order, ranges, grid, finality; reasons for every refusal. Pure."""
