"""Teaching: what images add to a gallery, what to know before, and what unlabelled images add."""
