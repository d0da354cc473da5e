"""BackupRepositories: found, claimed and kept in view."""
