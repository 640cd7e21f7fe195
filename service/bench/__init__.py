"""`python -m service bench`: a load generator that asks whether or not answers come."""
