"""Recovery points: what they say, how they come to count, and the catalog of those that do."""
