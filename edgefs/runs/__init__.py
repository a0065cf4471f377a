"""RUN folders: what `adapt` leaves behind, and which model it is."""
