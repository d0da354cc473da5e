"""Blob and queue services: Azure's rules in front, one Azurite process for each account behind."""
