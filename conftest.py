"""For pytest runs in this repository: the plugin itself comes through its entry point."""
