"""Training, knowledge transfer and prediction."""
