"""Small changes to resources that a test ought to notice, and which of them change nothing. Pure; a module for each kind of change."""
