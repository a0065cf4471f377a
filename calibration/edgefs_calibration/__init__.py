"""What is measured from held-out data: rates with exact intervals today, int8 ranges and temperatures as they come."""
