"""The command line, vmbackup and kubectl vmbackup."""
