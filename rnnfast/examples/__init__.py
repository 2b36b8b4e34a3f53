"""Runnable systems built on the public interface alone; nothing here is imported by `import rnnfast`."""
