"""The repository: recovery points of disks, as docs/repository-format.md lays them down."""
