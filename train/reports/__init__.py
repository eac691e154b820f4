"""What a run tells others: loggers by name, pictures of masks, sheets of what a method sees."""
