"""Tests run once for each mutant of the manifest beside them: what pytest collects, puts in force and notes for `--mesh-mutants`."""
