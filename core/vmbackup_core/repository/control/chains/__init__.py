"""The chains of disks: their headers, what they name, and what holds their manifests."""
