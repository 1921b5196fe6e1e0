"""For pytest runs in this repository; meshtest's plugin itself comes through its entry point."""

pytest_plugins = ["pytester"]
