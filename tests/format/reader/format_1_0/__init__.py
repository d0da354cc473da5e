"""A reader of repository format 1.0, written from its page alone; `[n]` names a section there."""
