"""What is read back: planned and cut into jobs, and how much of their answers is believed."""
