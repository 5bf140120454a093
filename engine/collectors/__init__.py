"""One module for each place that is collected from: its questions, its pages, and what it says of its limits."""
