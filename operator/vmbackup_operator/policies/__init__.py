"""BackupPolicies: which sessions are due."""
