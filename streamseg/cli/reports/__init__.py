"""What commands find out: as facts for JSON, and printed for people."""
