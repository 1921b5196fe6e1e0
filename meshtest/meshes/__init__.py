"""Where resources take effect: real proxies behind one protocol."""
