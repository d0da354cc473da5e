"""The agent: what runs in the worker VM and moves the data."""
