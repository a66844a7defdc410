"""The rules of contracts, on contracts made up for the purpose."""
