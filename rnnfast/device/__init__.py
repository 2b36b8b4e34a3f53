"""Arrays on a CUDA device: seen unread, made by the library that they come from; and a net's parameters there."""
