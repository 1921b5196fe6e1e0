"""The commands of `meshtest`, a module each: `add` says what it takes, `run` does it."""
