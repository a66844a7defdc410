"""The contracts of the project, read and checked once for all tests that hold somebody to them."""

from functools import cache

from citybus import contracts

load = cache(contracts.load)
