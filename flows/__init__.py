"""Say what runs, in which order: one file a flow."""
