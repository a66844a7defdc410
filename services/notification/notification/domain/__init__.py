"""The rules, pure: time, rules and facts come in as arguments."""
