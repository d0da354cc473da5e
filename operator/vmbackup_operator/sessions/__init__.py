"""BackupSessions: the steps of one backup of one VM."""
