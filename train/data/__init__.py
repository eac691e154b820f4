"""Data: recordings, their frames as samples, and views of them."""
