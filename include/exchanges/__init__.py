"""The door in: REST clients of the venues. Edge."""
