"""Finds what is wrong with stored rows although every guard let them in, and says how to repair it.

The guards of the warehouse (keys, constraints, the one way in) keep wrong rows out. The audit
assumes that they failed: a disk that flips a bit, somebody who works as a superuser, an error of
ours. Each check is a statement of its own under ``sql/audit``, listed in ``checks``.
"""
