"""A study for people: live display and log lines, tables of a terminal, pictures. Knows the journal's records only."""
