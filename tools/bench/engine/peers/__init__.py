"""Other tools on the same disk in the same run: each is installed by name, built, or left out."""
