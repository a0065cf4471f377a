"""Statistics of held-out answers: rates with exact intervals, changed answers, and what cross-fitting corrects."""
