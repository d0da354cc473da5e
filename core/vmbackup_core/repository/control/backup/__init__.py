"""What a session does for one disk: prepared, admitted and committed, or a skip in its place."""
