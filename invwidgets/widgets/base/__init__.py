"""The parts that all widgets share: event loop, loading, pictures, small controls."""
