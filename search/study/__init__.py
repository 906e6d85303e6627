"""A study on disk: its options, its journal, and the records that are folded from it."""
