"""The running daemon: its transport thread, its outbox thread, and what starts and stops them."""
