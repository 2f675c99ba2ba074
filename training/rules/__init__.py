"""Rules of small problems, played as worlds and solved exactly: pure functions over batches."""
