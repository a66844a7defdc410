"""Assessment 考核: the roster of units and cadres, and what findings deduct from a year's assessment."""
