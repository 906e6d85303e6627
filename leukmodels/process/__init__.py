"""What every process needs of its machine: whole files, cores and memory, progress, TensorFlow."""
