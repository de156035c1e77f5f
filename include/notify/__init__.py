"""The door out: Discord and the file outbox. Edge."""
