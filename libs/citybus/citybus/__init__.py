"""The mechanism every service of a city shares: events, cases, rules with dates, audit. It holds no domain word."""
