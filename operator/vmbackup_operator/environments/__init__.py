"""RegionEnvironments: what a region needs before a worker runs there."""
