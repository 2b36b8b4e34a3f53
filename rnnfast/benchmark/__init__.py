"""Times every backend and every installed peer on the same cases; nothing here is imported by `import rnnfast`."""
