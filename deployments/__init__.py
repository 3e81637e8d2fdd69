"""Say when and where flows run, and show them to people."""
