"""What sinks share: how a mask becomes run lengths, a polygon or an indexed PNG, and where a frame's picture lies."""
