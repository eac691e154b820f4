"""Objects one by one: how well each true one is found, whether ids last, and what scores are worth."""
