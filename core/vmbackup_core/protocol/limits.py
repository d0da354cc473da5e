"""The conversation's numbers, each with where it comes from; docs/worker-protocol.md names them."""

from __future__ import annotations

#: The envelope's version; readers refuse every other one by name.
PROTOCOL_VERSION = 3

#: Azure Queue Storage's largest message, as text ("Scalability and performance targets for Queue
#: Storage").
MESSAGE_BYTES = 64 * 1024

#: An Azure VM has one OS disk and at most 64 data disks (the largest VM sizes).
DISKS = 65

#: The LUNs of a VM's data disks begin at 0.
LAST_LUN = 63

#: Longer messages of `Failed` are cut: it goes into a status field.
FAILURE_CHARS = 1_000

#: How often the agent says that it lives.
HEARTBEAT_S = 15.0

#: The agent's own limit: the operator writes a status at most every 10 s, and reading each message
#: costs it 0.2 ms.
PROGRESS_S = 5.0

#: How long a heartbeat or a progress is of use: as long as the operator's lease, so that what was
#: taken expires before it comes again, and nobody has to delete it. Two heartbeats: the newest is
#: there whenever the queue is asked.
PASSING_EVENT_S = 30

#: A job's visibility timeout, and when it is extended: two extensions may fail before it ends.
LEASE_S = 60
LEASE_EXTENSION_S = 20.0

#: A job that was received more often than this is failed: it kills its agent.
DEQUEUES = 5

#: While the agent has nothing to do; a poll costs one request, and a queue takes 2,000 a second.
POLL_S = 2.0

#: How long a stopped job gets for its last block before the agent ends without it; below systemd's
#: own 90 s.
STOP_S = 30.0

#: How long a transfer that is refused (403) waits for fresh credentials before it fails.
RENEWAL_S = 60.0

#: Ranges of packs in one verify job: some 100 bytes each.
PACK_RANGES = 2_000

#: Blocks of each kind of a verify job's sample, and of a backup's: it is no second read.
MOST_SAMPLE_BLOCKS = 1_000

#: Of an incremental, so many blocks outside the changed extents are compared with the base. It is
#: 8 MiB to read, a tenth of a second of an export. Differences that leave out one block in twenty
#: are found out in four runs of five; those that leave out one in a hundred within nine runs.
SAMPLE_BLOCKS = 32

#: Why a disk was read whole: ASCII, since 65 disks' ends fit an event.
FALLBACK_CHARS = 100

#: Offsets of records in one result, so that 200 findings with them fit an event.
TOLD_OFFSETS = 1_000

#: Healing packs that a disk of a restore job names: 125 GiB of blocks that were lost and are found.
#: With as many for each of 65 disks a job fits its blob.
HEALED_PACKS = 4_000

#: What is written of a page blob is whole pages, and so is its length.
PAGE_BYTES = 512
